//! A writer of `torch.save`'s files: values to pickles, pickles and storages to containers.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub use pickle::writer::{Item, call, dict, numbers, opcodes, text};

use Item::{Global, Int, Persistent, Tuple};

/// The pickle of `item`, of the protocol that `torch.save` writes.
pub fn pickle(item: &Item) -> Vec<u8> {
    pickle::writer::pickle(item, 2)
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
