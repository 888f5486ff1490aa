//! Checkpoints of every form, written here byte by byte as `torch.save` writes them, and read.

mod damage;
mod formats;
mod keys;
mod names;
mod refused;
mod strides;
mod writer;

use std::path::Path;

use pytorch::StateDict;

/// Reads `bytes`, which are fine.
fn read(bytes: &[u8], key: Option<&str>) -> StateDict {
    pytorch::decode(bytes, Path::new("a.pth"), key).unwrap_or_else(|e| panic!("{e}"))
}

/// Checks that `bytes` are refused with exit code `code` and a message that holds `expected`.
fn refuse(bytes: &[u8], key: Option<&str>, code: u8, expected: &str) {
    let error = pytorch::decode(bytes, Path::new("a.pth"), key).expect_err("refused");
    let text = error.to_string();
    assert!(text.starts_with("a.pth: ") && text.contains(expected), "{text} lacks {expected}");
    assert_eq!(error.exit_code(), code, "{text}");
}
