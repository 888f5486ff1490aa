//! Truncated, garbled and hostile files: an error with a sensible exit code, never a panic, never
//! memory beyond what the file itself accounts for.

use proptest::prelude::*;
use pytorch::Selection;

use crate::strides::cases;
use crate::writer::{
    Item, archive, bytes, call, dict, legacy, numbers, pickle, storage, tensor, text, vector,
    zipped,
};
use crate::{read, refuse, try_read};

fn top() -> Item {
    let weights = call("torch._utils", "_rebuild_parameter", &[vector("0", 3), Item::Bool(true)]);
    let args = Item::Build(Box::new(Item::Object("argparse", "Namespace")), Box::new(dict(&[])));
    let state = dict(&[
        ("module.a", weights),
        ("module.b_orig", tensor(storage("HalfStorage", "1", 4), 0, &[2, 2], &[1, 2])),
        ("module.b_mask", tensor(storage("BoolStorage", "2", 4), 0, &[2, 2], &[2, 1])),
    ]);
    dict(&[("state_dict", state), ("args", args), ("epoch", Item::Int(3)), ("x", text("y"))])
}

/// One file of each format, all of them fine.
fn files() -> [Vec<u8>; 3] {
    let data = [bytes(&[1.0, 2.0, 3.0]), vec![0; 8], vec![1, 0, 0, 1]];
    let [a, b, c] = data.clone();
    let flat = br#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}  "#;
    let flat = [&(flat.len() as u64).to_le_bytes()[..], flat, &data[0]].concat();
    [
        zipped(&top(), &[("0", a.clone()), ("1", b.clone()), ("2", c.clone())]),
        legacy(&top(), &[("0", 3, a), ("1", 4, b), ("2", 4, c)]),
        flat,
    ]
}

/// Decodes what may be broken: an answer or an error of a file's fault.
fn survive(bytes: &[u8]) -> bool {
    match try_read(bytes, &Selection::default()) {
        Ok(_) => true,
        Err(e) => {
            assert!([3, 5].contains(&e.exit_code()), "{e}");
            false
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for file in files() {
        assert!(survive(&file));
        for length in 0..file.len() {
            refuse(&file[..length], None, 5, "");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..cases() })]

    #[test]
    fn garbled_bytes_never_panic(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut file = files()[which].clone();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        survive(&file);
    }

    #[test]
    fn garbled_programs_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        // In an archive check sums would find most changes; these come before them.
        let mut program = pickle(&top());
        for (at, byte) in changes {
            let at = at.index(program.len());
            program[at] = byte;
        }
        let tail = [&[0x80, 2][..], &tail].concat();
        for program in [program, tail] {
            survive(&archive(&[("data.pkl", &program)], zip::CompressionMethod::Stored));
        }
    }
}

/// A tensor whose sizes are raw 8-byte numbers.
fn huge(count: u64, shape: &[u64], stride: &[u64]) -> Item {
    let number = |n: u64| Item::Raw([&b"\x8a\x08"[..], &n.to_le_bytes()].concat());
    let numbers = |all: &[u64]| Item::Tuple(all.iter().map(|n| number(*n)).collect());
    let id = [
        text("storage"),
        Item::Global("torch", "FloatStorage"),
        text("0"),
        text("cpu"),
        number(count),
        Item::None,
    ];
    let storage = Item::Persistent(Box::new(Item::Tuple(id.to_vec())));
    call(
        "torch._utils",
        "_rebuild_tensor",
        &[storage, Item::Int(0), numbers(shape), numbers(stride)],
    )
}

#[test]
fn sizes_are_held_against_the_file_before_memory_is_asked_for() {
    let check = |t: Item, count: u64, expected: &str| {
        let top = dict(&[("w", t)]);
        let data = bytes(&[0.0]);
        refuse(&zipped(&top, &[("0", data.clone())]), None, 5, expected);
        refuse(&legacy(&top, &[("0", count, data)]), None, 5, "");
    };
    let large = 1 << 40;
    check(huge(1, &[large], &[0]), 1, "asks for 4398046511108 bytes of tensors");
    check(huge(1, &[large, large], &[0, 0]), 1, "reaches beyond");
    check(huge(large, &[large], &[1]), large, "asks for");
    check(
        huge(1 << 62, &[1], &[1]),
        1 << 62,
        "a storage of 4611686018427387904 elements of 4 bytes",
    );
    check(huge(1, &[2], &[u64::MAX >> 1]), 1, "reaches beyond");
    check(huge(1, &[large, large, 0], &[1, 1, 1]), 1, "reaches beyond");
    check(huge(1, &[u64::MAX], &[0]), 1, "a size or offset of -1");
}

#[test]
fn programs_are_bounded() {
    let check = |program: &[u8], expected: &str| {
        let file = archive(&[("data.pkl", program)], zip::CompressionMethod::Deflated);
        refuse(&file, None, 5, expected);
    };
    check(&[&b"\x80\x02"[..], &vec![b']'; 9 << 20], b"."].concat(), "which is too large");
    check(
        b"\x80\x02X\xff\xff\xff\xff.",
        "byte 2 of the pickle: expected 4294967295 more bytes, found 1: truncated",
    );
    check(b"\x80\x02I1\n", "byte 5 of the pickle: expected 1 more bytes");
}

#[test]
fn cycles_and_deep_nesting_do_no_harm() {
    // A list that holds itself, then lists in lists; beside them a tensor, so nothing is wrong.
    let cycle = Item::Raw(b"]q\x00h\x00a".to_vec());
    let deep = Item::Raw([vec![b']'; 100_000], vec![b'a'; 99_999]].concat());
    let top = dict(&[("c", cycle), ("d", deep), ("net", dict(&[("w", vector("0", 1))]))]);
    let file = zipped(&top, &[("0", bytes(&[1.0]))]);
    assert_eq!(read(&file, None).notes, ["entered net"]);
    // A call whose arguments hold the call's own.
    let function = "ctorch._tensor\n_rebuild_from_type_v2\n";
    let own = format!("{function}(]q\u{1}{function}aNah\u{1}ah\u{1}NtR");
    let top = dict(&[("w", Item::Raw(own.into_bytes()))]);
    refuse(&zipped(&top, &[]), None, 5, "_rebuild_from_type_v2: ");
    let loops = [Item::Global("torch._tensor", "_rebuild_from_type_v2"), Item::None, numbers(&[])];
    let top = dict(&[("w", call("torch._tensor", "_rebuild_from_type_v2", &loops))]);
    refuse(&zipped(&top, &[]), None, 5, "_rebuild_from_type_v2: by the name torch._tensor.");
}
