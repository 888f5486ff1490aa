//! Files that were cut, changed or made to deceive: each is refused, or reads as it was.

use std::path::Path;

use artifact::Result;
use artifact::manifest::Network;
use artifact::tensors::{self, Tensor, Tensors, Values as Numbers};
use graph::Graph;
use sparsity::{Mask, Masks, Units, random};

use crate::file::{self, GRAPH};
use crate::record::Record;
use crate::{
    Calibration, Contents, Encode, Info, Integers, Options, Packed, Positions, Range, Values,
    inspect, pack, unpack,
};

const WEIGHT: &str = "backbone.conv1.weight";

/// A small network with four weights of five pruned, and some biases.
fn small() -> Contents {
    let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
    let mut masks = Masks::default();
    for p in graph.prunable() {
        let kept = random(&p.name, p.count(), 1).iter().map(|s| *s > 0.8).collect();
        masks.insert(&p.name, Mask::new(kept));
    }
    masks.insert("classifier.bias", Mask::new((0..10).map(|i| i != 3).collect()));
    let values = graph::initial(&graph, 1).into_iter().zip(graph.params());
    let mut tensors: Tensors =
        values.map(|(v, p)| (p.name.clone(), Tensor::f32(&p.shape, v))).collect();
    masks.apply(&mut tensors);
    let info = Info {
        classes: (0..10).map(|i| format!("class {i}")).collect(),
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
        checkpoint: "0".repeat(64),
    };
    Contents { graph, tensors, masks, info, integers: None }
}

fn packed(values: Values, fold: bool) -> Vec<u8> {
    pack(&small(), &Options { values, encode: Encode::Auto, fold }).expect("packs")
}

/// The same network in integers, pruned in blocks of four.
fn in_integers() -> Vec<u8> {
    let mut contents = small();
    for p in contents.graph.prunable() {
        let blocks = Units::blocks_of(&p.shape);
        let kept = random(&p.name, blocks.count(), 2).iter().map(|s| *s > 0.8).collect();
        contents.masks.insert(&p.name, blocks.weight_mask(&Mask::new(kept), None));
    }
    let values = graph::initial(&contents.graph, 1).into_iter().zip(contents.graph.params());
    contents.tensors = values.map(|(v, p)| (p.name.clone(), Tensor::f32(&p.shape, v))).collect();
    contents.masks.apply(&mut contents.tensors);
    let range =
        |i: usize| Range { scale: 0.01 * (i + 1) as f32, zero: 3, saturated: 0.001, error: 0.01 };
    let names = contents.graph.nodes().iter().enumerate();
    contents.integers = Some(Integers {
        calibration: Calibration { images: 64, rule: "squared-error".into() },
        ranges: names.map(|(i, node)| (node.name.clone(), range(i))).collect(),
        equalised: std::collections::BTreeMap::new(),
        biases: [("classifier".to_owned(), vec![0.5; 10])].into(),
    });
    let options = Options { values: Values::Int8, encode: Encode::Entropy, fold: true };
    let bytes = pack(&contents, &options).expect("packs");
    let rows = inspect(&bytes, Path::new("p")).expect("its own").rows;
    assert!(rows.iter().any(|row| row.positions == Positions::Blocks), "of blocks");
    bytes
}

fn read(bytes: &[u8]) -> Result<Packed> {
    unpack(bytes, Path::new("p"))
}

#[test]
fn every_changed_byte_is_refused_or_harmless() {
    for bytes in [packed(Values::F32, false), packed(Values::Codebook4, true), in_integers()] {
        let whole = read(&bytes).expect("its own");
        for at in 0..bytes.len() {
            for flip in [1 << (at % 8), 0xFF] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                match read(&changed) {
                    Ok(found) => assert_eq!(found, whole, "byte {at} ^ {flip}"),
                    Err(e) => assert!([3, 5].contains(&e.exit_code()), "byte {at}: {e}"),
                }
            }
        }
    }
}

#[test]
fn every_shorter_or_longer_file_is_refused() {
    let mut bytes = packed(Values::Int8, false);
    for end in (0..bytes.len()).step_by(3) {
        assert_eq!(read(&bytes[..end]).expect_err("cut").exit_code(), 5, "{end} bytes");
    }
    bytes.push(0);
    assert_eq!(read(&bytes).expect_err("longer").exit_code(), 5);
}

/// As someone who computes the digest anew would change it.
#[test]
fn every_changed_byte_under_a_true_digest_is_read_without_harm() {
    for bytes in [packed(Values::Int8, false), packed(Values::F16, true), in_integers()] {
        let (all, text) = tensors::decode(&bytes, Path::new("p")).expect("whole");
        let text = text.expect("there");
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1 << (at % 5);
            if let Ok(changed) = String::from_utf8(changed) {
                sound(&file::sealed(&changed, all.clone()).expect("encodes"));
            }
        }
        for (name, tensor) in &all {
            for at in 0..count(tensor) {
                let mut changed = all.clone();
                flip(changed.get_mut(name).expect("there"), at);
                sound(&file::sealed(&text, changed).expect("encodes"));
            }
        }
    }
}

/// What is read fits its network and obeys its masks, or is refused.
fn sound(bytes: &[u8]) {
    match read(bytes) {
        Err(e) => assert!([3, 5, 6].contains(&e.exit_code()), "{e}"),
        Ok(found) => {
            let tensors = found.tensors();
            assert_eq!(found.masks().revived(&tensors), 0);
            let values = tensors.values().filter_map(Tensor::as_f32).flatten();
            assert!(values.into_iter().all(|v| v.is_finite()));
        }
    }
}

fn count(tensor: &Tensor) -> usize {
    tensor.shape.iter().product()
}

fn flip(tensor: &mut Tensor, at: usize) {
    match &mut tensor.values {
        Numbers::U8(v) => v[at] ^= 1 << (at % 8),
        Numbers::U16(v) => v[at] ^= 1 << (at % 16),
        Numbers::F32(v) => v[at] = f32::from_bits(v[at].to_bits() ^ 1 << (at % 32)),
    }
}

/// Changes record and tensors of a sound file, seals it anew and reads it.
#[track_caller]
fn check(change: impl Fn(&mut Record, &mut Tensors), code: u8, expected: &str) {
    let (mut all, text) =
        tensors::decode(&packed(Values::Int8, false), Path::new("p")).expect("whole");
    let mut record = Record::parse(&text.expect("there"), Path::new("p")).expect("its own");
    change(&mut record, &mut all);
    let bytes = file::sealed(&record.text(), all).expect("encodes");
    let error = read(&bytes).expect_err("does not fit");
    assert!(error.to_string().contains(expected), "{error} lacks {expected}");
    assert_eq!(error.exit_code(), code, "{error}");
}

#[test]
fn what_does_not_fit_the_network_is_refused() {
    let newer = "made by a newer version: format 3; this one reads up to 2";
    check(|r, _| r.format = 3, 3, newer);
    check(|r, _| r.network.digest = "0".into(), 5, "its graph has digest");
    check(|r, _| r.network.classes = 9, 5, "its graph has 10 classes, the manifest says 9");
    check(|r, _| r.graph_bytes = None, 5, "neither a graph's text nor a side");
    check(|r, _| r.graph_bytes = Some(usize::MAX), 5, "expected 16777216 at most");
    check(|_, all| drop(all.remove(GRAPH)), 5, "tensor :graph is missing");
    check(|_, all| drop(all.insert(GRAPH.into(), Tensor::u8(&[1], vec![0]))), 5, "no zstd frame");
    check(|r, _| r.info.classes.truncate(9), 5, "9 class names; the network has 10 classes");
    check(|r, _| r.info.std[1] = 0.0, 5, "expected one number for each of 3 channels");
    check(|r, _| r.info.mean.truncate(1), 5, "expected one number for each of 3 channels");
    check(|r, _| r.options.fold = true, 5, "tensor backbone.conv0.bias is missing");
    let twin = |r: &mut Record, _: &mut Tensors| {
        r.tensors.insert("twin".into(), r.tensors[WEIGHT].clone());
    };
    check(twin, 5, "twin is described: the network has none of that name");
    check(|r, _| drop(r.tensors.remove(WEIGHT)), 5, "tensor backbone.conv1.weight is missing");
}

#[test]
fn a_network_beyond_memory_is_refused() {
    let large = Graph::build("vgg16@4", 10, 32).expect("in the zoo");
    check(network(&large.to_string()), 6, "values; a packed file holds up to");
}

/// Puts the network of `text` in place of the file's.
fn network(text: &str) -> impl Fn(&mut Record, &mut Tensors) {
    let other = Graph::parse(text, "wide", "test").expect("a graph");
    move |r: &mut Record, all: &mut Tensors| {
        r.network = Network { graph: None, ..other.network() };
        r.graph_bytes = Some(text.len());
        all.insert(GRAPH.into(), Tensor::u8(&[text.len()], text.as_bytes().to_vec()));
    }
}

#[test]
fn ranges_that_stand_for_nothing_are_refused() {
    let (all, text) = tensors::decode(&in_integers(), Path::new("p")).expect("whole");
    let text = text.expect("there");
    let refused = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{text} lacks {from}");
        let changed = text.replacen(from, to, 1);
        let bytes = file::sealed(&changed, all.clone()).expect("encodes");
        let error = read(&bytes).expect_err("does not fit");
        assert_eq!(error.exit_code(), 5, "{error}");
        assert!(error.to_string().contains(expected), "{error} lacks {expected}");
    };
    let scale = "\"scale\":0.01,";
    for (bad, said) in
        [("0.0", "scale 0;"), ("-0.5", "scale -0.5;"), ("1e39", "number out of range")]
    {
        refused(scale, &format!("\"scale\":{bad},"), said);
    }
    refused(scale, "\"scale\":1e-40,", "expected a positive number");
    refused("\"zero\":3", "\"zero\":256", "bad metadata");
    refused("\"saturated\":0.001", "\"saturated\":1.5", "a saturated share of 1.5");
    refused("\"input\":{\"scale\"", "\"output\":{\"scale\"", "which the network has not");
    refused("\"fold\":true", "\"fold\":false", "expected");
}

#[test]
fn padding_beyond_memory_is_refused() {
    let text = "secateur-graph 1\nx = input channels=3 height=32 width=32\n\
                a = conv(x) outputs=3 kernel=3 padding=16384 dilation=16384\n\
                b = adaptive-average(a)\nc = linear(b) outputs=10\n";
    check(network(text), 6, "an activation of 3227520000 values");
}

#[test]
fn windows_beyond_memory_are_refused() {
    let text = "secateur-graph 1\nx = input channels=3 height=32 width=32\n\
                a = conv(x) outputs=3 kernel=3 padding=1500 dilation=1500\n\
                b = adaptive-average(a)\nc = linear(b) outputs=10\n";
    check(network(text), 6, "a window that spans 9006001 pixels");
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let entry = |change: fn(&mut crate::record::Entry)| {
        move |r: &mut Record, _: &mut Tensors| change(r.tensors.get_mut(WEIGHT).expect("coded"))
    };
    check(entry(|e| e.kept = usize::MAX), 5, "values kept of shape");
    check(entry(|e| e.shape = vec![usize::MAX, usize::MAX]), 5, "expected shape [4, 2, 3, 3]");
    check(entry(|e| e.kept += 1), 5, "positions; expected");
    check(entry(|e| e.planes[0] -= 1), 5, "no zstd frame");
    check(entry(|e| e.planes[0] = usize::MAX), 5, "end too early");
    check(entry(|e| e.planes.push(0)), 5, "2 planes; expected 1");
    check(entry(|e| e.values = Values::Codebook4), 5, ":codebook is missing");
    check(entry(|e| e.positions = crate::Positions::All), 5, ":positions is surplus");
    let put = |suffix: &'static str, tensor: Tensor| {
        move |_: &mut Record, all: &mut Tensors| {
            all.insert(format!("{WEIGHT}{suffix}"), tensor.clone());
        }
    };
    check(put(":scales", Tensor::f32(&[4], vec![f32::NAN; 4])), 5, "value 0 is NaN");
    check(put(":scales", Tensor::f32(&[4], vec![3e38; 4])), 5, "inf; expected a number");
    check(
        put(":scales", Tensor::f32(&[4], vec![-1.0; 4])),
        5,
        "output 0 is -1; expected a number that",
    );
    check(
        put(":scales", Tensor::f32(&[4], vec![0.0; 4])),
        5,
        "output 0 is 0; its integers are not",
    );
    check(put(":scales", Tensor::f32(&[3], vec![1.0; 3])), 5, "are no F32 of 4 values");
    check(put(":values", Tensor::f32(&[1], vec![1.0])), 5, "the values are not U8");
    check(put(":values", Tensor::u8(&[0], vec![])), 5, "end too early");
    check(put(":more", Tensor::u8(&[0], vec![])), 5, ":more is surplus");
    let short = |_: &mut Record, all: &mut Tensors| {
        all.insert("backbone.bn0.bias".into(), Tensor::f32(&[1], vec![0.0]));
    };
    check(short, 5, "shape [1]; expected F32 of [2]");
}
