//! Prefixes, counters, and the pairs of `torch.nn.utils.prune`.

use artifact::tensors::Tensor;

use crate::writer::{Item, bytes, dict, storage, tensor, vector, zipped};
use crate::{read, refuse};

/// A file with a vector of one for each of `names`.
fn named(names: &[&str]) -> Vec<u8> {
    let all: Vec<_> = names.iter().map(|n| (*n, vector("0", 1))).collect();
    zipped(&dict(&all), &[("0", bytes(&[1.0]))])
}

/// A mask's values in the class that stores them.
type Stored = (&'static str, Vec<u8>);

/// A file with `w_orig` [2, -3, 4] and the mask.
fn pruned((class, mask): Stored, length: usize) -> Vec<u8> {
    let top = dict(&[
        ("w_orig", vector("0", 3)),
        ("w_mask", tensor(storage(class, "1", length), 0, &[length], &[1])),
        ("b", vector("2", 1)),
    ]);
    let data = [("0", bytes(&[2.0, -3.0, 4.0])), ("1", mask), ("2", bytes(&[5.0]))];
    zipped(&top, &data)
}

#[test]
fn wrappers_are_removed_unless_that_makes_two_names_the_same() {
    let check = |names: &[&str], expected: &[&str], notes: &[&str]| {
        let found = read(&named(names), None);
        assert_eq!(found.tensors.keys().collect::<Vec<_>>(), expected);
        assert_eq!(found.notes, notes);
    };
    let removed = ["removed module. from 2 names"];
    check(&["module.a", "module.b.c"], &["a", "b.c"], &removed);
    check(&["module.a", "b"], &["a", "b"], &["removed module. from 1 name"]);
    check(&["module.a", "module.module.a"], &["module.a", "module.module.a"], &[]);
    let both = ["removed _orig_mod. from 1 name", "removed module. from 1 name"];
    check(&["_orig_mod.module.a"], &["a"], &both);
    check(&["module._orig_mod.a"], &["a"], &both);
    check(&["modules.a", "modular"], &["modular", "modules.a"], &[]);
}

#[test]
fn counters_are_left_out_whatever_their_type() {
    let count = tensor(storage("LongStorage", "1", 1), 0, &[], &[]);
    let all = [
        ("n_averaged", count.clone()),
        ("module.bn.num_batches_tracked", count),
        ("module.bn.weight", vector("0", 1)),
    ];
    let found = read(&zipped(&dict(&all), &[("0", bytes(&[1.0])), ("1", vec![0; 8])]), None);
    assert_eq!(found.tensors.keys().collect::<Vec<_>>(), ["bn.weight"]);
    let left = "left out 2 counters (n_averaged, ..)";
    assert_eq!(found.notes, [left, "removed module. from 1 name"]);
}

#[test]
fn masks_of_any_type_are_folded() {
    let half = |x: f32| half::f16::from_f32(x).to_le_bytes();
    let stored: [Stored; 5] = [
        ("FloatStorage", bytes(&[1.0, 0.0, 1.0])),
        ("HalfStorage", [half(1.0), half(-0.0), half(1.0)].concat()),
        ("BoolStorage", vec![1, 0, 1]),
        ("ByteStorage", vec![1, 0, 1]),
        ("LongStorage", [1_i64, 0, 1].iter().flat_map(|n| n.to_le_bytes()).collect()),
    ];
    for mask in stored {
        let found = read(&pruned(mask, 3), None);
        assert_eq!(found.tensors.keys().collect::<Vec<_>>(), ["b", "w"]);
        let bits = found.tensors["w"].as_f32().map(|w| w.iter().map(|x| x.to_bits()).collect());
        assert_eq!(bits, Some([2.0_f32, 0.0, 4.0].map(f32::to_bits).to_vec()));
        assert_eq!(found.masks, [("w".to_owned(), Tensor::u8(&[3], vec![1, 0, 1]))].into());
        assert_eq!(found.notes, ["applied 1 mask: w"]);
    }
}

#[test]
fn masks_that_do_not_fit_are_refused() {
    let refused = |mask, length, expected: &str| refuse(&pruned(mask, length), None, 5, expected);
    let float = |all: &[f32]| ("FloatStorage", bytes(all));
    refused(float(&[1.0, 0.5, 1.0]), 3, "mask w_mask: value 1 is 0.5; expected 0 or 1");
    refused(("ByteStorage", vec![0, 1, 2]), 3, "mask w_mask: value 2 is 2; expected 0 or 1");
    refused(float(&[1.0, 0.0]), 2, "mask w_mask: shape [2]; w has [3]");
    refused(
        ("LongStorage", vec![2; 24]),
        3,
        "mask w_mask: value 0 is 144680345676153346; expected 0",
    );
    refused(("ComplexFloatStorage", vec![0; 24]), 3, "tensor w_mask: element type complex64");
    refuse(&named(&["a", "a_mask", "a_orig"]), None, 5, "tensors a and a_orig all fit a");
}

#[test]
fn names_are_unique_and_printable() {
    refuse(&named(&["a", "b", "a"]), None, 5, "tensor a stands twice");
    refuse(&named(&["a\u{1b}[2J"]), None, 5, "tensor name a\\u{1b}[2J holds control characters");
    let empty =
        dict(&[("num_batches_tracked", tensor(storage("LongStorage", "1", 1), 0, &[], &[]))]);
    refuse(&zipped(&empty, &[("1", vec![0; 8])]), None, 5, "holds no tensors");
}

#[test]
fn one_storage_serves_many() {
    let whole = storage("FloatStorage", "0", 4);
    let top = dict(&[
        ("a", vector("0", 4)),
        ("b", tensor(whole.clone(), 1, &[2], &[2])),
        ("c", tensor(whole, 3, &[], &[])),
        ("e", Item::Raw(b"h\x07".to_vec())),
    ]);
    // `e` is a memo that was never written; without it the file is fine.
    let data = [("0", bytes(&[1.0, 2.0, 3.0, 4.0]))];
    refuse(&zipped(&top, &data), None, 5, "memo 7 was never written");
    let Item::Dict(pairs) = top else { unreachable!("made above") };
    let found = read(&zipped(&Item::Dict(pairs[..3].to_vec()), &data), None);
    let values = |n: &str| found.tensors[n].as_f32().map(<[f32]>::to_vec);
    assert_eq!(values("b"), Some(vec![2.0, 4.0]));
    assert_eq!(values("c"), Some(vec![4.0]));
}
