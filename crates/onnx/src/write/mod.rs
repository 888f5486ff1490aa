//! A graph as an ONNX file. Weights keep `PyTorch`'s names, zeros are written as zeros, and norms stay
//! nodes: runtimes fold them.

mod activation;
mod average;
mod channels;
mod model;
mod nodes;

pub(crate) use average::means;
pub use model::{IR_VERSION, Images, Model, OPSET, encode};
