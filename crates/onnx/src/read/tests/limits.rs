//! Sizes beyond any network's are refused before anything of that size is made.

use super::Net;
use crate::proto::{Attribute, Tensor, ValueInfo};

/// Images of 4 x 1 x 1 with so many channels of zeros behind them, as `p`.
fn wide(channels: i64) -> Net {
    let mut net = Net::new().whole("pads", &[0, 0, 0, 0, 0, channels - 4, 0, 0]);
    net.graph.input[0] = ValueInfo::batch("x", &[4, 1, 1]);
    net.nodes("Pad(x, pads) -> p")
}

fn refused(net: Net, expected: &[&str]) {
    net.classified("z", 4).refused(3, expected);
}

fn empty(name: &str, dims: &[i64]) -> Tensor {
    Tensor { dims: dims.to_vec(), ..Tensor::new(name, &[], &[]) }
}

#[test]
fn numbers_that_become_one_a_channel() {
    let net = || wide(1 << 31).number("low", -0.5).number("high", 2.5);
    let lines = [
        "Tanh(p) -> z",
        "Clip(p, low, high) -> z",
        "Min(p, high) -> z",
        "Neg(p) -> z",
        "Abs(p) -> z",
        "HardSigmoid(p) -> z",
        "Mul(p, low) -> z",
        "PRelu(p, low) -> z",
        "Relu(p) -> a\nMax(a, p) -> z",
        "Sub(p, p) -> z",
    ];
    for line in lines {
        refused(net().nodes(line), &["of_z", "more values are made"]);
    }
    let mut tall = net();
    tall.graph.input[0] = ValueInfo::batch("x", &[4, 2, 1]);
    tall.graph.initializer[0] = Tensor::integers("pads", &[0, 0, 0, 0, 0, 1 << 29, 0, 0]);
    let axes = || vec![Attribute::ints("axes", &[2, 3])];
    refused(tall.node("ReduceSum(p) -> z", axes()), &["of_z", "more values are made"]);
}

#[test]
fn convolutions_that_pick_pixels() {
    let mut net = wide(1 << 29).whole("one", &[1]).whole("end", &[2]).whole("rows", &[2]);
    net.graph.input[0] = ValueInfo::batch("x", &[4, 2, 1]);
    let net = net.nodes("Slice(p, one, end, rows) -> z");
    refused(net, &["of_z", "Slice", "more values are made"]);
}

#[test]
fn branches_and_parts_without_number() {
    let net = || {
        let net = wide(1 << 30).whole("split", &[0, 1 << 29, 2, 1, 1]).whole("first", &[1]);
        net.nodes("Reshape(p, split) -> s")
    };
    let softmax = net().node("Softmax(s) -> z", vec![Attribute::int("axis", 1)]);
    refused(softmax, &["of_z", "over 536870912 branches of channels; supported are two"]);
    let sum = net().nodes("ReduceSum(s, first) -> z");
    refused(sum, &["of_z", "over 536870912 branches of channels; expected 256 at most"]);
    let mut parts = wide(1 << 30).whole("at", &[0]);
    parts.graph.initializer.push(Tensor { dims: vec![], ..Tensor::integers("each", &[1]) });
    let axis = || vec![Attribute::int("axis", 1)];
    let parts = parts.node("SplitToSequence(p, each) -> s", axis()).nodes("SequenceAt(s, at) -> z");
    refused(parts, &["of_s", "1073741824 parts of 1", "expected 256 at most"]);
    let parts = wide(1 << 12)
        .whole("at", &[0])
        .whole("each", &vec![1; 1 << 12])
        .node("SplitToSequence(p, each) -> s", axis())
        .nodes("SequenceAt(s, at) -> z");
    refused(parts, &["of_s", "4096 parts of channels; expected 256 at most"]);
}

#[test]
fn tensors_without_values_have_no_long_dimensions() {
    let net = |dims: &[i64]| {
        let mut net = Net::new().whole("first", &[1 << 40, 0]).whole("axis", &[0]);
        net.graph.initializer.push(empty("e", dims));
        net.number("one", 1.0)
    };
    let made = net(&[0]).nodes("ConstantOfShape(first) -> a\nReduceMean(a) -> b\nMul(x, b) -> z");
    refused(made, &["of_b", "ReduceMean"]);
    refused(net(&[1 << 40, 0]).nodes("Mul(x, e) -> z"), &["e", "more than 2147483648 values"]);
    refused(net(&[0, 1 << 40]).nodes("Mul(x, e) -> z"), &["e", "more than 2147483648 values"]);
    let long = || net(&[1 << 31, 0]);
    let lines = [
        ("ReduceMean(e) -> a\nMul(x, a) -> z", "of_a"),
        ("Add(e, one) -> a\nMul(x, a) -> z", "of_a"),
        ("BatchNormalization(e, one, one, one, one) -> a\nMul(x, a) -> z", "of_a"),
        ("Slice(e, axis, first) -> a\nMul(x, a) -> z", "of_a"),
        ("Conv(x, e) -> z", "of_z"),
        ("PRelu(x, e) -> z", "of_z"),
        ("MatMul(x, e) -> z", "of_z"),
        ("Flatten(x) -> f\nGemm(f, e, one) -> z", "of_z"),
    ];
    for (line, node) in lines {
        refused(long().nodes(line), &[node]);
    }
    let conv = net(&[1 << 31, 0, 1, 1]).nodes("Conv(x, e, one) -> z");
    refused(conv, &["of_z", "input 1 (e) of shape [2147483648, 0, 1, 1] holds no values"]);
    let grown = net(&[0]).whole("to", &[1 << 40, 0]);
    let with = || vec![Attribute::int("allowzero", 1)];
    refused(grown.node("Reshape(e, to) -> a", with()).nodes("Mul(x, a) -> z"), &["of_a"]);
    let squeezed = net(&[0, 5]).nodes("Squeeze(e, axis) -> a\nMul(x, a) -> z");
    refused(squeezed, &["of_a", "expected one of size 1"]);
    let below = Net::new().whole("sizes", &[1, -5, 6, 4]).nodes("ConstantOfShape(sizes) -> a");
    let below = below.node("Concat(a, x) -> z", vec![Attribute::int("axis", 1)]);
    refused(below, &["of_a", "[1, -5, 6, 4]", "expected sizes of 0 and more"]);
}

#[test]
fn dimensions_without_number() {
    let axes: Vec<i64> = (0..100).collect();
    let net = || Net::new().whole("axes", &axes).whole("ones", &[1; 100]).number("k", 1.0);
    for line in ["Unsqueeze(x, axes) -> z", "Unsqueeze(k, axes) -> a\nMul(x, a) -> z"] {
        refused(net().nodes(line), &["Unsqueeze", "expected 64 at most"]);
    }
    refused(net().nodes("Reshape(k, ones) -> a\nMul(x, a) -> z"), &["of_a"]);
    refused(net().nodes("Reshape(x, ones) -> z"), &["of_z", "expected 64 at most"]);
    refused(net().nodes("ConstantOfShape(ones) -> a\nMul(x, a) -> z"), &["of_a"]);
    let ends = net().whole("ends", &[9; 100]).nodes("Slice(x, ones, ends, ones) -> z");
    refused(ends, &["of_z", "100 cuts of 4 dimensions"]);
    let mut deep = net();
    deep.graph.initializer.push(Tensor::new("w", &[1; 100], &[1.0]));
    refused(deep.nodes("Mul(x, w) -> z"), &["initializer w", "expected 64 at most"]);
}

#[test]
fn borders_beyond_counting() {
    let net = |pads: &[i64], low: f32| {
        Net::new().whole("pads", pads).number("low", low).nodes("Pad(x, pads, low) -> p")
    };
    let far = 1 << 62;
    let text =
        Attribute { s: Some(b"SAME_UPPER".to_vec().into()), ..Attribute::ints("auto_pad", &[]) };
    let pool = || vec![text.clone(), Attribute::ints("kernel_shape", &[3, 3])];
    for low in [f32::NEG_INFINITY, 0.0] {
        let net = || net(&[0, 0, far, far, 0, 0, far, far], low);
        refused(net().node("MaxPool(p) -> z", pool()), &["of_p", "expected 1 to 2147483648"]);
        refused(net().nodes("Flatten(p) -> z"), &["of_p"]);
    }
    // 16 times 2^62 times 2^62 is 0 in 128 bits.
    let mut sixteen = net(&[0, 0, far - 1, far - 1, 0, 0, 0, 0], 0.0);
    sixteen.graph.input[0] = ValueInfo::batch("x", &[16, 1, 1]);
    refused(sixteen.nodes("Flatten(p) -> z"), &["of_p", "expected 1 to 2147483648"]);
    for least in [i64::MIN, i64::MIN + 1] {
        refused(
            net(&[0, 0, least, 0, 0, 0, 0, 0], 0.0).nodes("Relu(p) -> z"),
            &["of_p", "cut off"],
        );
    }
}

#[test]
fn whole_numbers_beyond_64_bits() {
    let net = || {
        let net = Net::new().whole("least", &[i64::MIN]).whole("minus", &[-1]).whole("zero", &[0]);
        net.nodes("Shape(x) -> s\nGather(s, zero) -> n\nMul(n, least) -> m")
    };
    refused(net().nodes("Div(m, minus) -> a\nReshape(x, a) -> z"), &["of_a", "Div"]);
    refused(net().nodes("Neg(m) -> a\nReshape(x, a) -> z"), &["of_a", "beyond 64 bits"]);
    for kind in ["Neg", "Abs"] {
        let line = format!("{kind}(least) -> a\nReshape(x, a) -> z");
        refused(net().nodes(&line), &["of_a", "beyond 64 bits"]);
    }
}

#[test]
fn positions_beyond_the_dimensions() {
    for axis in [i64::MIN, i64::MAX] {
        let axis = || vec![Attribute { i: Some(axis), ..Attribute::int("axis", 0) }];
        refused(Net::new().node("Flatten(x) -> z", axis()), &["of_z", "axis"]);
        refused(Net::new().node("Concat(x, x) -> z", axis()), &["of_z", "axis"]);
        refused(Net::new().node("Softmax(x) -> z", axis()), &["of_z", "axis"]);
    }
    let mut one = Net::new().whole("one", &[1]).weight("w", &[1, 4]);
    one.graph.input[0] = ValueInfo::batch("x", &[1, 6, 4]);
    let mean = || vec![Attribute::ints("axes", &[1, 2, 3]), Attribute::int("keepdims", 0)];
    let gone = one.nodes("GlobalAveragePool(x) -> g\nFlatten(g) -> f\nSqueeze(f, one) -> s");
    refused(gone.nodes("MatMul(s, w) -> z"), &["of_z", "without a dimension"]);
    refused(Net::new().node("ReduceSum(x) -> z", mean()), &["of_z", "over the channels"]);
}

#[test]
fn values_are_counted_once() {
    // More than half of what a file may make.
    const CHANNELS: usize = 6000;
    let mut net = Net::new()
        .weight("band.weight", &[1, 1, 3])
        .whole("list", &[0, 1, -1])
        .whole("map", &[0, -1, 1, 1])
        .nodes("Reshape(x, list) -> v")
        .node("Conv(v, band.weight) -> c", vec![Attribute::ints("pads", &[1, 1])])
        .nodes("Reshape(c, map) -> z")
        .classified("z", CHANNELS);
    net.graph.input[0] = ValueInfo::batch("x", &[CHANNELS, 1, 1]);
    let found = net.read().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(found.tensors["band.weight"].as_f32().expect("a band").len(), CHANNELS * CHANNELS);
}
