//! What a pickle holds: small values, and nodes that they refer to by number.
//!
//! Objects of a pickle are shared, and filled after they were first referred to, so they stand in
//! one list and are named by their place in it; nothing is copied, and cycles do no harm.

/// One value; text and bytes lie in the pickle itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Python's None.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A longer integer: its two's complement, little-endian.
    Long(&'a [u8]),
    /// A float.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes, or a string of Python 2.
    Bytes(&'a [u8]),
    /// A node.
    Node(usize),
}

/// What has parts, or had to be decoded.
#[derive(Debug, PartialEq)]
pub enum Node<'a> {
    /// Text that protocol 0 wrote with escapes.
    Text(String),
    /// Bytes that protocol 0 wrote with escapes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value<'a>>),
    /// A tuple.
    Tuple(Vec<Value<'a>>),
    /// A set or frozenset.
    Set(Vec<Value<'a>>),
    /// A dict, in the order of its entries; a key that was set twice stands twice.
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// The name of a class or function.
    Global(Global<'a>),
    /// What lies outside the pickle under this id.
    Persistent(Value<'a>),
    /// A call's result or an object, neither of which was made.
    Made(Box<Made<'a>>),
}

/// A class or function, by name; never looked up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Global<'a> {
    /// Its module.
    pub module: &'a str,
    /// Its name there.
    pub name: &'a str,
}

/// How Python would make a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By calling a function or class.
    Call,
    /// As an object of a class, by its `__new__`.
    Object,
}

/// What Python would make, and did not: by whom, of what, and what would be put into it.
#[derive(Debug, PartialEq)]
pub struct Made<'a> {
    /// By a call or by a class's `__new__`.
    pub how: How,
    /// The function or class: a name, a persistent id, or itself the result of a call.
    pub by: Value<'a>,
    /// The tuple of arguments.
    pub arguments: Value<'a>,
    /// The state that was set, if any.
    pub state: Option<Value<'a>>,
    /// Entries that were set, as of a dict.
    pub entries: Vec<(Value<'a>, Value<'a>)>,
    /// Items that were appended, as to a list.
    pub items: Vec<Value<'a>>,
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle<'a> {
    /// Everything that has parts, in the order of its making.
    pub nodes: Vec<Node<'a>>,
    /// The value of the whole.
    pub top: Value<'a>,
    /// Length of the pickle in bytes; others may follow it in the same file.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    /// The node that `value` refers to, if it does.
    pub fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        if let Value::Node(at) = value { self.nodes.get(at) } else { None }
    }

    /// The text that `value` is; a byte string counts where it is UTF-8, as Python 2 wrote text.
    pub fn text(&self, value: Value<'a>) -> Option<&str> {
        match (value, self.node(value)) {
            (Value::Text(text), _) => Some(text),
            (_, Some(Node::Text(text))) => Some(text),
            _ => self.bytes(value).and_then(|b| std::str::from_utf8(b).ok()),
        }
    }

    /// The bytes that `value` is.
    pub fn bytes(&self, value: Value<'a>) -> Option<&[u8]> {
        match (value, self.node(value)) {
            (Value::Bytes(bytes), _) => Some(bytes),
            (_, Some(Node::Bytes(bytes))) => Some(bytes),
            _ => None,
        }
    }

    /// The items of a list, tuple or set.
    pub fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match self.node(value) {
            Some(Node::List(all) | Node::Tuple(all) | Node::Set(all)) => Some(all),
            _ => None,
        }
    }

    /// The entries of a plain dict.
    pub fn dict(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        if let Some(Node::Dict(all)) = self.node(value) { Some(all) } else { None }
    }

    /// The class or function that `value` names.
    pub fn global(&self, value: Value<'a>) -> Option<Global<'a>> {
        if let Some(Node::Global(g)) = self.node(value) { Some(*g) } else { None }
    }

    /// The call or object that `value` is.
    pub fn made(&self, value: Value<'a>) -> Option<&Made<'a>> {
        if let Some(Node::Made(made)) = self.node(value) { Some(made) } else { None }
    }

    /// The arguments of `made`.
    pub fn arguments(&self, made: &Made<'a>) -> &[Value<'a>] {
        self.items(made.arguments).unwrap_or_default()
    }

    /// The function or class that `made` comes from in the end, where that is a result itself.
    pub fn maker<'p>(&'p self, mut made: &'p Made<'a>) -> Option<Global<'a>> {
        // A maker stands before what it makes, so this ends.
        loop {
            match self.node(made.by)? {
                Node::Global(global) => return Some(*global),
                Node::Made(earlier) => made = earlier,
                _ => return None,
            }
        }
    }

    /// What `value` is, in words.
    pub fn describe(&self, value: Value<'a>) -> String {
        let many = |kind: &str, n: usize| match n {
            0 => format!("an empty {kind}"),
            n => format!("a {kind} of {n}"),
        };
        match (value, self.node(value)) {
            (Value::None, _) => "None".to_owned(),
            (Value::Bool(_), _) => "a bool".to_owned(),
            (Value::Int(_) | Value::Long(_), _) => "an int".to_owned(),
            (Value::Float(_), _) => "a float".to_owned(),
            (Value::Text(_), _) | (_, Some(Node::Text(_))) => "text".to_owned(),
            (Value::Bytes(_), _) | (_, Some(Node::Bytes(_))) => "bytes".to_owned(),
            (_, Some(Node::List(all))) => many("list", all.len()),
            (_, Some(Node::Tuple(all))) => many("tuple", all.len()),
            (_, Some(Node::Set(all))) => many("set", all.len()),
            (_, Some(Node::Dict(all))) => many("dict", all.len()),
            (_, Some(Node::Global(g))) => format!("the name {}", g.full()),
            (_, Some(Node::Persistent(_))) => "a persistent id".to_owned(),
            (_, Some(Node::Made(made))) => {
                let by =
                    self.maker(made).map_or_else(|| "what has no name".to_owned(), Global::full);
                match made.how {
                    How::Call => format!("a call of {by}"),
                    How::Object => format!("an object of class {by}"),
                }
            }
            (Value::Node(_), None) => unreachable!("nodes are never taken away"),
        }
    }
}

impl Global<'_> {
    /// `module.name`, fit for a message: escaped and not too long.
    pub fn full(self) -> String {
        const MOST: usize = 120;
        let whole = || self.module.chars().chain(['.']).chain(self.name.chars());
        let mut text: String = whole().take(MOST).flat_map(char::escape_debug).collect();
        if whole().nth(MOST).is_some() {
            text.push_str("..");
        }
        text
    }
}
