//! A writer of pickles for tests, opcode by opcode as Python writes them.

/// A value to pickle.
#[derive(Debug, Clone)]
pub enum Item {
    /// None.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i32),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes, or a string of Python 2.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Item>),
    /// A tuple.
    Tuple(Vec<Item>),
    /// A dict.
    Dict(Vec<(Item, Item)>),
    /// A class or function: module and name.
    Global(&'static str, &'static str),
    /// A function and its arguments.
    Call(Box<Item>, Vec<Item>),
    /// An object of a class, without arguments.
    Object(&'static str, &'static str),
    /// A value and the state put into it.
    Build(Box<Item>, Box<Item>),
    /// What lies outside under an id.
    Persistent(Box<Item>),
    /// Opcodes as they are.
    Raw(Vec<u8>),
}

use Item::{Call, Dict, Global, Int, Persistent, Text, Tuple};

/// The pickle of `item`, of protocol 2 or, as Python 3 writes it, of a later one; protocol 4 and 5
/// in frames, memoizing text.
pub fn pickle(item: &Item, protocol: u8) -> Vec<u8> {
    let mut body = vec![];
    put(item, protocol, &mut body);
    body.push(b'.');
    let frame = (body.len() as u64).to_le_bytes();
    let frame = if protocol < 4 { vec![] } else { [&[0x95][..], &frame].concat() };
    [&[0x80, protocol][..], &frame, &body].concat()
}

/// The opcodes of `item` alone, of protocol 2.
pub fn opcodes(item: &Item) -> Vec<u8> {
    let mut out = vec![];
    put(item, 2, &mut out);
    out
}

fn put(item: &Item, protocol: u8, out: &mut Vec<u8>) {
    let all = |open: &[u8], parts: &[Item], close: &[u8], out: &mut Vec<u8>| {
        out.extend(open);
        for part in parts {
            put(part, protocol, out);
        }
        out.extend(close);
    };
    match item {
        Item::None => out.push(b'N'),
        Item::Bool(yes) => out.push(if *yes { 0x88 } else { 0x89 }),
        Int(n) => out.extend([&b"J"[..], &n.to_le_bytes()].concat()),
        Item::Float(x) => out.extend([&b"G"[..], &x.to_be_bytes()].concat()),
        Text(text) => put_text(text, protocol, out),
        Item::Bytes(bytes) => put_bytes(bytes, protocol, out),
        Item::List(parts) => all(b"](", parts, b"e", out),
        Tuple(parts) => all(b"(", parts, b"t", out),
        Dict(pairs) => {
            let parts: Vec<Item> = pairs.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect();
            all(b"}(", &parts, b"u", out);
        }
        Global(module, name) if protocol >= 4 => {
            all(b"", &[text(module), text(name)], b"\x93\x94", out);
        }
        Global(module, name) => out.extend(format!("c{module}\n{name}\n").bytes()),
        Call(function, arguments) => {
            put(function, protocol, out);
            all(b"(", arguments, b"tR", out);
        }
        Item::Object(module, name) => all(b"", &[Global(module, name)], b")\x81", out),
        Item::Build(value, state) => all(b"", &[*value.clone(), *state.clone()], b"b", out),
        Persistent(id) => all(b"", &[*id.clone()], b"Q", out),
        Item::Raw(bytes) => out.extend(bytes),
    }
}

fn put_text(text: &str, protocol: u8, out: &mut Vec<u8>) {
    match u8::try_from(text.len()) {
        Ok(length) if protocol >= 4 => {
            out.extend([&[0x8c, length], text.as_bytes(), &[0x94]].concat());
        }
        _ => out.extend([&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()),
    }
}

/// A string of Python 2 in protocol 2, bytes of Python 3 in later ones.
fn put_bytes(bytes: &[u8], protocol: u8, out: &mut Vec<u8>) {
    let [short, long] = if protocol < 3 { [b'U', b'T'] } else { [b'C', b'B'] };
    match u8::try_from(bytes.len()) {
        Ok(length) => out.extend([&[short, length], bytes].concat()),
        Err(_) => out.extend([&[long][..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()),
    }
}

/// Text.
pub fn text(text: &str) -> Item {
    Text(text.to_owned())
}

/// A tuple of numbers.
pub fn numbers(all: &[usize]) -> Item {
    Tuple(all.iter().map(|n| Int(*n as i32)).collect())
}

/// A dict with text for keys.
pub fn dict(pairs: &[(&str, Item)]) -> Item {
    Dict(pairs.iter().map(|(k, v)| (text(k), v.clone())).collect())
}

/// A call.
pub fn call(module: &'static str, name: &'static str, arguments: &[Item]) -> Item {
    Call(Box::new(Global(module, name)), arguments.to_vec())
}
