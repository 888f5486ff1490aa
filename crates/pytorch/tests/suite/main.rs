//! Checkpoints of every form, written here byte by byte as `torch.save` writes them, and read.

mod damage;
mod fit;
mod formats;
mod keys;
mod names;
mod refused;
mod selection;
mod sparse;
mod strides;
mod writer;

use std::path::Path;

use artifact::tensors::Tensors;
use artifact::{Error, Result};
use pytorch::Selection;

/// What is read of a file without a network: its own names are the table.
#[derive(Debug, PartialEq)]
struct Read {
    tensors: Tensors,
    masks: Tensors,
    notes: Vec<String>,
}

fn try_read(bytes: &[u8], selection: &Selection) -> Result<Read> {
    let state = pytorch::decode(bytes, Path::new("a.pth"), selection)?;
    let fitted = pytorch::fit(&state, &pytorch::own_table(&state))
        .map_err(|what| Error::Integrity(format!("a.pth: {what}")))?;
    assert_eq!(fitted.surplus, [], "a file's own table has a place for all of it");
    let notes = [state.notes, fitted.notes()].concat();
    Ok(Read { tensors: fitted.tensors, masks: fitted.masks, notes })
}

/// Reads `bytes`, which are fine.
fn read(bytes: &[u8], key: Option<&str>) -> Read {
    let selection = Selection { key, ..Selection::default() };
    try_read(bytes, &selection).unwrap_or_else(|e| panic!("{e}"))
}

/// Checks that `bytes` are refused with exit code `code` and a message that holds `expected`.
#[track_caller]
fn refuse(bytes: &[u8], key: Option<&str>, code: u8, expected: &str) {
    let selection = Selection { key, ..Selection::default() };
    let error = try_read(bytes, &selection).expect_err("refused");
    let text = error.to_string();
    assert!(text.starts_with("a.pth: ") && text.contains(expected), "{text} lacks {expected}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert_eq!(error.exit_code(), code, "{text}");
}
