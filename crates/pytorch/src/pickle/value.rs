//! What a pickle builds: small values, and nodes that they refer to by number.
//!
//! Objects of a pickle are shared and filled after they were first referred to, so they stand in
//! one list and are named by their place in it; nothing is copied, and cycles do no harm.

use crate::fault::shown;
use crate::strided::View;

/// One value; text and bytes lie in the pickle itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A boolean.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A longer integer: its bytes, little end first.
    Long(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// A value that only its kind is told of: None, a float, bytes.
    Plain(&'static str),
    /// A node of the heap.
    Node(usize),
}

/// What has parts.
#[derive(Debug)]
pub enum Node<'a> {
    /// A list, tuple or set.
    List(Vec<Value<'a>>),
    /// A dict, in the order of its entries.
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// The name of a class or function.
    Global(Global<'a>),
    /// The numbers behind tensors.
    Storage(Storage<'a>),
    /// A tensor; boxed, being large and rare.
    Tensor(Box<Tensor<'a>>),
    /// An object or a call's result that was not made.
    Foreign(Foreign<'a>),
}

/// A class or function, by name; never looked up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Global<'a> {
    /// Its module.
    pub module: &'a str,
    /// Its name there.
    pub name: &'a str,
}

/// What was not made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Foreign<'a> {
    /// An object of this class.
    Object(Global<'a>),
    /// What a call of this function would have given.
    Call(Global<'a>),
}

/// A storage, as a persistent id tells of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage<'a> {
    /// Its class in `torch`, say `FloatStorage`.
    pub class: &'a str,
    /// Its name in the container.
    pub key: &'a str,
    /// Its number of elements.
    pub count: usize,
    /// Where it is a part of the one in the container: the first element and the number of them.
    pub part: Option<(usize, usize)>,
}

/// A tensor on a storage.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    /// Where its elements are.
    pub storage: Storage<'a>,
    /// Its element type, where the storage's class does not tell it.
    pub dtype: Option<&'a str>,
    /// Which elements of the storage.
    pub view: View,
}

/// The nodes of one pickle.
#[derive(Debug, Default)]
pub struct Heap<'a>(Vec<Node<'a>>);

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle<'a> {
    /// Its nodes.
    pub heap: Heap<'a>,
    /// The value it makes.
    pub top: Value<'a>,
    /// Its length in bytes.
    pub length: usize,
}

impl<'a> Heap<'a> {
    /// Keeps `node` and gives the value that refers to it.
    pub fn add(&mut self, node: Node<'a>) -> Value<'a> {
        self.0.push(node);
        Value::Node(self.0.len() - 1)
    }

    /// The node that `value` refers to, if it does.
    pub fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        if let Value::Node(at) = value { self.0.get(at) } else { None }
    }

    /// As [`Heap::node`], to fill it.
    pub fn node_mut(&mut self, value: Value<'a>) -> Option<&mut Node<'a>> {
        if let Value::Node(at) = value { self.0.get_mut(at) } else { None }
    }

    /// The parts of a list, tuple or set.
    pub fn list(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        if let Some(Node::List(all)) = self.node(value) { Some(all) } else { None }
    }

    /// The foreign value that `value` is.
    pub fn foreign(&self, value: Value<'a>) -> Option<Foreign<'a>> {
        if let Some(Node::Foreign(f)) = self.node(value) { Some(*f) } else { None }
    }

    /// The storage that `value` is.
    pub fn storage(&self, value: Value<'a>) -> Option<Storage<'a>> {
        if let Some(Node::Storage(s)) = self.node(value) { Some(*s) } else { None }
    }

    /// The class or function that `value` names.
    pub fn global(&self, value: Value<'a>) -> Option<Global<'a>> {
        if let Some(Node::Global(g)) = self.node(value) { Some(*g) } else { None }
    }

    /// Every node.
    pub fn nodes(&self) -> &[Node<'a>] {
        &self.0
    }

    /// What `value` is, in words.
    pub fn describe(&self, value: Value<'a>) -> String {
        match (value, self.node(value)) {
            (Value::Bool(_), _) => "a bool".to_owned(),
            (Value::Int(_) | Value::Long(_), _) => "an int".to_owned(),
            (Value::Text(_), _) => "text".to_owned(),
            (Value::Plain(kind), _) => kind.to_owned(),
            (_, Some(Node::Dict(all))) if all.is_empty() => "an empty dict".to_owned(),
            (_, Some(Node::List(all))) if all.is_empty() => "an empty list".to_owned(),
            (_, Some(Node::List(all))) => format!("a list of {}", all.len()),
            (_, Some(Node::Dict(all))) => format!("a dict of {}", all.len()),
            (_, Some(Node::Global(g))) => format!("the name {}", g.full()),
            (_, Some(Node::Storage(s))) => format!("a storage of {}", s.count),
            (_, Some(Node::Tensor(t))) => format!("a tensor {:?}", t.view.shape),
            (_, Some(Node::Foreign(f))) => f.describe(),
            (Value::Node(_), None) => unreachable!("nodes are never taken from the heap"),
        }
    }
}

impl Global<'_> {
    /// `module.name`, fit for a message.
    pub fn full(&self) -> String {
        shown(&format!("{}.{}", self.module, self.name))
    }
}

impl Foreign<'_> {
    /// What it is, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Object(class) => format!("an object of class {}", class.full()),
            Self::Call(function) => format!("a call of {}", function.full()),
        }
    }

    /// The class or function that was not used.
    pub fn name(&self) -> String {
        let (Self::Object(global) | Self::Call(global)) = self;
        global.full()
    }
}
