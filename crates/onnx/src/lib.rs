//! A network with its weights as an ONNX file, which other runtimes run.
//!
//! [`encode`] walks the graph with one `match` over its operations (`nodes`) and writes what it
//! finds as ONNX's protocol buffers (`proto`). Weights keep `PyTorch`'s names, zeros are written as
//! zeros, and norms stay nodes: runtimes fold them. Reading ONNX files is not its business.

mod average;
mod model;
mod nodes;
mod proto;

pub use model::{IR_VERSION, Images, Model, OPSET, encode};
