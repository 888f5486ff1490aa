//! Pickles, read as data: a stack machine that runs nothing.
//!
//! The opcodes are those of protocols 2 to 5 (Python's `pickletools`); the few calls that it
//! answers itself stand in `call`. Any other call or object becomes [`Node::Foreign`], a value that
//! carries the name of what it would have been.

mod call;
mod input;
mod literal;
mod machine;
mod opcode;
mod value;

pub use machine::run;
pub use value::{Foreign, Node, Pickle, Tensor, Value};
