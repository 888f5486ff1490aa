//! A reader of the few pickles that CIFAR-10 ships, which executes nothing.
//!
//! A pickle is a program for a stack machine, and one of its opcodes calls any function by name.
//! Here only the opcodes that these files use are known, and only the four names that build a
//! numpy byte array, none of which is called: what they would make is made by [`numpy`].

mod cursor;
mod machine;
mod numpy;
#[cfg(test)]
pub mod writer;

use std::rc::Rc;

pub use machine::read;
pub use numpy::Array;

/// What a pickle holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None, True or False: of no interest, but for their place.
    Constant(Option<bool>),
    /// A whole number.
    Int(i64),
    /// Bytes, or text of Python 2.
    Bytes(Rc<[u8]>),
    /// Text.
    Text(Rc<str>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dict in the order written.
    Dict(Vec<(Value, Value)>),
    /// A name that may be spoken.
    Name(numpy::Name),
    /// The element type `uint8`.
    Byte,
    /// A numpy array of bytes.
    Array(Array),
}

impl Value {
    /// The number, if it is one.
    pub fn int(&self) -> Option<i64> {
        if let Self::Int(i) = self { Some(*i) } else { None }
    }

    /// The text, if it is text (of Python 2 or 3).
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(t) => Some(t),
            Self::Bytes(b) => std::str::from_utf8(b).ok(),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The entries, if it is a dict.
    pub fn dict(&self) -> Option<&[(Value, Value)]> {
        if let Self::Dict(entries) = self { Some(entries) } else { None }
    }

    /// The array, if it is one.
    pub fn array(&self) -> Option<&Array> {
        if let Self::Array(array) = self { Some(array) } else { None }
    }

    /// Whether a reference to it may be kept: it cannot change later, and copies are cheap.
    fn is_plain(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Tuple(_) | Self::Dict(_) | Self::Array(_))
    }
}
