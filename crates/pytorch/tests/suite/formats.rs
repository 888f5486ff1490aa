//! Every container, every element type.

use artifact::tensors::{self, Tensor, Tensors};
use half::{bf16, f16};
use pytorch::Selection;
use zip::CompressionMethod;

use crate::writer::{
    Item, archive, bytes, call, dict, legacy, numbers, opcodes, pickle, storage, tensor, text,
    vector, zipped,
};
use crate::{read, refuse};

/// `a` is [1.5, -0.0], `b` a scalar.
fn top() -> Item {
    let scalar = tensor(storage("FloatStorage", "1", 1), 0, &[], &[]);
    let metadata = dict(&[("_metadata", call("collections", "OrderedDict", &[]))]);
    let state = call("collections", "OrderedDict", &[]);
    let filled = [opcodes(&state), b"(".to_vec(), opcodes(&text("a"))].concat();
    let filled = [filled, opcodes(&vector("0", 2)), opcodes(&text("b"))].concat();
    let filled = Item::Raw([filled, opcodes(&scalar), b"u".to_vec()].concat());
    Item::Build(Box::new(filled), Box::new(metadata))
}

fn expected() -> Tensors {
    let a = Tensor::f32(&[2], vec![1.5, -0.0]);
    [("a".to_owned(), a), ("b".to_owned(), Tensor::f32(&[], vec![7.0]))].into()
}

fn zip_storages() -> [(&'static str, Vec<u8>); 2] {
    [("0", bytes(&[1.5, -0.0])), ("1", bytes(&[7.0]))]
}

#[test]
fn zip_legacy_and_safetensors_hold_the_same() {
    let check = |file: &[u8]| {
        let found = read(file, None);
        assert_eq!(found.tensors, expected());
        assert!(found.masks.is_empty() && found.notes.is_empty(), "{:?}", found.notes);
    };
    check(&zipped(&top(), &zip_storages()));
    check(&legacy(&top(), &[("0", 2, bytes(&[1.5, -0.0])), ("1", 1, bytes(&[7.0]))]));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("a.bin");
    tensors::write(&path, &expected(), None).expect("writes");
    check(&artifact::file::read(&path).expect("reads"));
    let names: Vec<String> = pytorch::read(&path, &Selection::default())
        .map(|found| found.tensors.into_iter().map(|t| t.name).collect())
        .expect("reads");
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn deflated_archives_and_numbers_of_the_other_order() {
    let program = pickle(&top());
    let storages = [&bytes(&[1.5, -0.0])[..], &bytes(&[7.0])];
    let entries = [("data.pkl", &program[..]), ("data/0", storages[0]), ("data/1", storages[1])];
    let file = archive(&entries, CompressionMethod::Deflated);
    assert_eq!(read(&file, None).tensors, expected());
    let [mut a, mut b] = storages.map(<[u8]>::to_vec);
    a.chunks_mut(4).chain(b.chunks_mut(4)).for_each(<[u8]>::reverse);
    let entries =
        [("data.pkl", &program[..]), ("byteorder", b"big"), ("data/0", &a), ("data/1", &b)];
    let file = archive(&entries, CompressionMethod::Stored);
    assert_eq!(read(&file, None).tensors, expected());
}

#[test]
fn floats_of_all_widths_become_f32() {
    let values = [0.1, -2.5, 65504.0, 6e-8];
    let check = |class: &'static str, size: usize, encode: &dyn Fn(f64) -> Vec<u8>, expected| {
        let stored: Vec<u8> = values.iter().flat_map(|x| encode(*x)).collect();
        assert_eq!(stored.len(), 4 * size);
        let t = tensor(storage(class, "0", 4), 0, &[4], &[1]);
        let zip = zipped(&dict(&[("a", t.clone())]), &[("0", stored.clone())]);
        let expected: [f32; 4] = expected;
        assert_eq!(read(&zip, None).tensors["a"], Tensor::f32(&[4], expected.to_vec()), "{class}");
        let old = legacy(&dict(&[("a", t)]), &[("0", 4, stored)]);
        assert_eq!(read(&old, None), read(&zip, None));
    };
    check("DoubleStorage", 8, &|x| x.to_le_bytes().into(), values.map(|x| x as f32));
    check("FloatStorage", 4, &|x| (x as f32).to_le_bytes().into(), values.map(|x| x as f32));
    let half = |x| f16::from_f64(x);
    check("HalfStorage", 2, &|x| half(x).to_le_bytes().into(), values.map(|x| half(x).to_f32()));
    let brain = |x| bf16::from_f64(x);
    check(
        "BFloat16Storage",
        2,
        &|x| brain(x).to_le_bytes().into(),
        values.map(|x| brain(x).to_f32()),
    );
}

#[test]
fn every_way_to_write_a_tensor() {
    let plain = vector("0", 3);
    let hooks = call("collections", "OrderedDict", &[]);
    let untyped = storage("UntypedStorage", "0", 12);
    let third = [untyped, Item::Int(0), numbers(&[3]), numbers(&[1]), Item::Bool(false)];
    let third = [&third[..], &[hooks.clone(), Item::Global("torch", "float32")]].concat();
    let first = [storage("FloatStorage", "0", 3), Item::Int(0), numbers(&[3]), numbers(&[1])];
    let of = [&first[..], &[Item::Bool(false), hooks.clone()]].concat();
    let typed = [
        Item::Global("torch._utils", "_rebuild_tensor_v2"),
        Item::Global("torch", "Tensor"),
        Item::Tuple(of),
        dict(&[("_is_buffer", Item::Bool(true))]),
    ];
    let size = [
        storage("FloatStorage", "0", 3),
        Item::Int(0),
        call("torch", "Size", &[numbers(&[3])]),
        numbers(&[1]),
    ];
    let all = [
        plain.clone(),
        call("torch._utils", "_rebuild_tensor", &first),
        call("torch._utils", "_rebuild_tensor", &size),
        call("torch._utils", "_rebuild_tensor_v3", &third),
        call(
            "torch._utils",
            "_rebuild_parameter",
            &[plain.clone(), Item::Bool(true), hooks.clone()],
        ),
        call(
            "torch._utils",
            "_rebuild_parameter_with_state",
            &[plain, Item::Bool(true), hooks, dict(&[])],
        ),
        call("torch._tensor", "_rebuild_from_type_v2", &typed),
    ];
    for (i, item) in all.into_iter().enumerate() {
        let file = zipped(&dict(&[("a", item)]), &[("0", bytes(&[1.0, 2.0, 3.0]))]);
        let expected = Tensor::f32(&[3], vec![1.0, 2.0, 3.0]);
        assert_eq!(read(&file, None).tensors["a"], expected, "way {i}");
    }
}

#[test]
fn files_of_python_2_and_parts_of_storages() {
    // OrderedDict([[name, tensor]]), names as byte strings, a tensor on elements 1..3 of four.
    let part = Item::Tuple(vec![text("view"), Item::Int(1), Item::Int(2)]);
    let id = [text("storage"), Item::Global("torch", "FloatStorage"), text("0"), text("cpu")];
    let id = Item::Tuple([&id[..], &[Item::Int(4), part]].concat());
    let t = tensor(Item::Persistent(Box::new(id)), 0, &[2], &[1]);
    let pair = Item::List(vec![Item::Raw(b"U\x01a".to_vec()), t]);
    let top = call("collections", "OrderedDict", &[Item::List(vec![pair])]);
    let file = legacy(&top, &[("0", 4, bytes(&[1.0, 2.0, 3.0, 4.0]))]);
    assert_eq!(read(&file, None).tensors["a"], Tensor::f32(&[2], vec![2.0, 3.0]));
}

#[test]
fn protocols_4_and_5_write_names_frames_and_memos_otherwise() {
    let storage = opcodes(&storage("FloatStorage", "0", 1));
    let program = [
        &b"\x80\x05"[..],
        b"}\x8c\x01a",
        // The function, by two texts; memos 0, 1, 2.
        b"\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94",
        b"(",
        &storage,
        // Offset, sizes () as memo 3, strides from there.
        b"K\0)\x94h\x03\x89",
        // Values that are dropped again: to a mark, a copied one, a mark alone.
        b"(K\x01K\x021K\x07200(0",
        b"}\x94tRs.",
    ];
    let file = program.concat();
    let entries = [("data.pkl", &file[..]), ("data/0", &bytes(&[3.0]))];
    let file = archive(&entries, CompressionMethod::Stored);
    assert_eq!(read(&file, None).tensors["a"], Tensor::f32(&[], vec![3.0]));
}

#[test]
fn what_is_no_checkpoint() {
    let check = |file: &[u8], code, expected: &str| refuse(file, None, code, expected);
    check(b"", 5, "no checkpoint: 0 bytes");
    check(b"version https://git-lfs", 5, "begin with \"version https://\"");
    check(&archive(&[("a.npy", b"x")], CompressionMethod::Stored), 5, "without data.pkl");
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    check(&tar, 3, "tar format");
    check(
        &pickle(&dict(&[("a", Item::Float(0.5))])),
        3,
        "a plain pickle (a dict of 1), not a file of torch.save",
    );
    let missing = pytorch::read(std::path::Path::new("nowhere.pth"), &Selection::default())
        .expect_err("missing");
    assert_eq!((missing.exit_code(), missing.to_string()), (4, "nowhere.pth: no such file".into()));
}
