//! An ONNX file as a graph with its weights.
//!
//! The file is run once, on shapes instead of values (`walk`): what follows from constants alone is computed
//! (`fold`), with the batch size as a symbol; what is computed from the images becomes a list of
//! drafts (`draft`). How the axes of a value lie in the map behind it is kept aside (`view`), so that most
//! reshapes and transposes cost nothing. Operators that a graph has no operation for are written with those that
//! it has: bounds and absolute values (`bounds`), branches of channels (`branches`), pixels taken apart (`pixels`).
//! Patterns of several operators are then one operation (`rewrite`), parts that are left of no pattern become
//! operations (`lower`), what nothing reads is dropped, and names are given (`names`, `build`).

mod attributes;
mod bounds;
mod branches;
mod build;
mod constant;
mod draft;
mod elementwise;
mod external;
mod float;
mod fold;
mod layers;
mod lower;
mod moves;
mod names;
mod operand;
mod pixels;
mod pools;
mod reduce;
mod rewrite;
mod rewrite_norm;
mod said;
mod shapes;
mod special;
mod tensor;
#[cfg(test)]
mod tests;
mod view;
mod walk;
mod windows;
mod wire;

use std::path::{Path, PathBuf};

use artifact::tensors::Tensors;
use artifact::{Error, Result, file};
use graph::Graph;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::proto;

pub use said::Said;

/// Protocol buffers count a message's bytes in 31 bits.
const MOST_BYTES: u64 = i32::MAX as u64;

/// What a file does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// What the network is called.
    pub name: String,
    /// Height and width of the images, where the file leaves them open.
    pub size: Option<geometry::Size>,
}

/// A network of an ONNX file.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The network.
    pub graph: Graph,
    /// Its parameters and statistics, as its table says.
    pub tensors: Tensors,
    /// What was left out or changed on the way, a sentence each.
    pub notes: Vec<String>,
    /// What the file does to the logits; the network gives the logits themselves.
    pub ending: Ending,
    /// What the file says of its images and classes.
    pub said: Said,
}

/// How the file's output follows from the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The logits as they are.
    Logits,
    /// Probabilities.
    Softmax,
    /// Their logarithms.
    LogSoftmax,
}

/// The network of the ONNX file `path`, with weights in other files beside it.
///
/// # Errors
/// [`Error::Config`] with the node, its operator and its attributes where something is not understood,
/// [`Error::Integrity`] where the file is damaged.
pub fn read(path: &Path, options: &Options) -> Result<Imported> {
    let bytes = file::read_at_most(path, MOST_BYTES)?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let place = Place { origin: path.display().to_string(), folder: Some(folder) };
    import(bytes, &place, options)
}

/// As [`read()`], from the bytes of a file; `origin` names it in errors. Weights in other files are refused.
///
/// # Errors
/// As [`read()`].
pub fn decode(bytes: Vec<u8>, origin: &str, options: &Options) -> Result<Imported> {
    import(bytes, &Place { origin: origin.to_owned(), folder: None }, options)
}

/// Where a model came from.
#[derive(Debug)]
struct Place {
    origin: String,
    folder: Option<PathBuf>,
}

fn import(bytes: Vec<u8>, place: &Place, options: &Options) -> Result<Imported> {
    let damaged = |what: String| Error::Integrity(format!("{}: {what}", place.origin));
    wire::check(&bytes).map_err(|e| e.named(&place.origin))?;
    let model = proto::Model::decode(Bytes::from(bytes))
        .map_err(|e| damaged(format!("not a whole ONNX file: {e}")))?;
    let bad = |what: String| Error::Config(format!("{}: {what}", place.origin));
    let graph = model.graph.as_ref();
    let graph = graph.ok_or_else(|| damaged("holds no network; expected an ONNX file".into()))?;
    let opset = shapes::opset(&model).map_err(bad)?;
    let input = shapes::input(graph, options).map_err(bad)?;
    let file = walk::File { graph, place, opset, functions: !model.functions.is_empty() };
    let imported = walk::walk(&file, &input)?.build(&options.name)?;
    Ok(Imported { said: said::said(&model).map_err(bad)?, ..imported })
}
