//! A writer of `torch.save`'s files: values to pickles, pickles and storages to containers.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A value to pickle.
#[derive(Clone)]
pub enum Item {
    None,
    Bool(bool),
    Int(i32),
    Float(f64),
    Text(String),
    List(Vec<Item>),
    Tuple(Vec<Item>),
    Dict(Vec<(Item, Item)>),
    Global(&'static str, &'static str),
    /// A function and its arguments.
    Call(Box<Item>, Vec<Item>),
    /// An object of a class, without arguments.
    Object(&'static str, &'static str),
    /// A value and the state put to it.
    Build(Box<Item>, Box<Item>),
    /// A value under the persistent id.
    Persistent(Box<Item>),
    /// Opcodes as they are.
    Raw(Vec<u8>),
}

use Item::{Call, Dict, Global, Int, Persistent, Text, Tuple};

/// The pickle of `item`, protocol 2.
pub fn pickle(item: &Item) -> Vec<u8> {
    let mut out = vec![0x80, 2];
    put(item, &mut out);
    out.push(b'.');
    out
}

fn put(item: &Item, out: &mut Vec<u8>) {
    let all = |open: &[u8], parts: &[Item], close: &[u8], out: &mut Vec<u8>| {
        out.extend(open);
        for part in parts {
            put(part, out);
        }
        out.extend(close);
    };
    match item {
        Item::None => out.push(b'N'),
        Item::Bool(yes) => out.push(if *yes { 0x88 } else { 0x89 }),
        Int(n) => out.extend([&b"J"[..], &n.to_le_bytes()].concat()),
        Item::Float(x) => out.extend([&b"G"[..], &x.to_be_bytes()].concat()),
        Text(text) => {
            let length = (text.len() as u32).to_le_bytes();
            out.extend([&b"X"[..], &length, text.as_bytes()].concat());
        }
        Item::List(parts) => all(b"](", parts, b"e", out),
        Tuple(parts) => all(b"(", parts, b"t", out),
        Dict(pairs) => {
            let parts: Vec<Item> = pairs.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect();
            all(b"}(", &parts, b"u", out);
        }
        Global(module, name) => out.extend(format!("c{module}\n{name}\n").bytes()),
        Call(function, arguments) => {
            put(function, out);
            all(b"(", arguments, b"tR", out);
        }
        Item::Object(module, name) => all(b"", &[Global(module, name)], b")\x81", out),
        Item::Build(value, state) => all(b"", &[*value.clone(), *state.clone()], b"b", out),
        Persistent(id) => all(b"", &[*id.clone()], b"Q", out),
        Item::Raw(bytes) => out.extend(bytes),
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

/// A storage of `count` elements; in the legacy format a tuple has one part more.
pub fn storage(class: &'static str, key: &str, count: usize) -> Item {
    let parts =
        [text("storage"), Global("torch", class), text(key), text("cpu"), Int(count as i32)];
    Persistent(Box::new(Tuple([&parts[..], &[Item::None]].concat())))
}

/// A tensor as `_rebuild_tensor_v2` makes it.
pub fn tensor(storage: Item, offset: usize, shape: &[usize], stride: &[usize]) -> Item {
    let hooks = call("collections", "OrderedDict", &[]);
    let of =
        [storage, Int(offset as i32), numbers(shape), numbers(stride), Item::Bool(false), hooks];
    call("torch._utils", "_rebuild_tensor_v2", &of)
}

/// A vector that is the whole f32 storage `key`.
pub fn vector(key: &str, count: usize) -> Item {
    tensor(storage("FloatStorage", key, count), 0, &[count], &[1])
}

/// Numbers as bytes.
pub fn bytes(all: &[f32]) -> Vec<u8> {
    all.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The archive of `entries`, names below NAME/.
pub fn archive(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(format!("archive/{name}"), options).expect("starts");
        zip.write_all(bytes).expect("writes");
    }
    zip.finish().expect("finishes").into_inner()
}

/// `torch.save(top)` since 1.6, storages by key.
pub fn zipped(top: &Item, storages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let program = pickle(top);
    let names: Vec<String> = storages.iter().map(|(key, _)| format!("data/{key}")).collect();
    let data = names.iter().zip(storages).map(|(n, (_, b))| (n.as_str(), &b[..]));
    let fixed = [("data.pkl", &program[..]), ("byteorder", b"little")];
    let entries: Vec<_> = fixed.into_iter().chain(data).collect();
    archive(&entries, CompressionMethod::Stored)
}

/// `torch.save(top)` of old: storages by key, each with its number of elements.
pub fn legacy(top: &Item, storages: &[(&str, u64, Vec<u8>)]) -> Vec<u8> {
    let magic = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19".to_vec();
    let keys = storages.iter().map(|(key, ..)| text(key)).collect();
    let system = dict(&[("little_endian", Item::Bool(true)), ("protocol_version", Int(1001))]);
    let all = [Item::Raw(magic), Int(1001), system, top.clone(), Item::List(keys)];
    let mut out: Vec<u8> = all.iter().flat_map(pickle).collect();
    for (_, count, bytes) in storages {
        out.extend(count.to_le_bytes());
        out.extend(bytes);
    }
    out
}
