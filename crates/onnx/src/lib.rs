//! Networks with their weights as ONNX files: written for other runtimes, and read from other programs.
//!
//! [`encode`] walks a graph with one `match` over its operations (`write`). [`read()`] runs an ONNX file on
//! shapes instead of values and keeps what is computed from the images as a graph (`read`). Both share
//! ONNX's protocol buffers (`proto`).

mod proto;
mod read;
mod write;

pub use read::{Ending, Imported, Options, Said, decode, read};
pub use write::{IR_VERSION, Images, Model, OPSET, encode};

/// The program that files of this crate name as their producer.
const PRODUCER: &str = "secateur";
