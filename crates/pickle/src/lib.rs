//! Python's pickles read as data.
//!
//! A pickle is a program for a stack machine, and some of its opcodes call any function by name.
//! This machine knows every opcode of protocols 0 to 5 (Python's `pickletools`), but looks nothing
//! up and calls nothing: a call, or an object of a class, becomes a [`Made`], a node that names what
//! would have been called and holds its arguments. What such a node means is decided by the reader
//! of the pickle, who knows the few functions that its files may name.
//!
//! Time and memory are bounded by the length of the pickle and by a number of steps; nesting costs
//! no stack, because nodes refer to each other by number.

mod input;
mod literal;
mod machine;
mod opcode;
mod text;
mod value;
#[cfg(any(test, feature = "writer"))]
pub mod writer;

pub use machine::{read, read_whole};
pub use value::{Global, How, Made, Node, Pickle, Value};
