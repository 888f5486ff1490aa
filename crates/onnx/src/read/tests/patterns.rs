//! Several operators that are one operation of a graph.

use artifact::tensors::Tensor;

use super::Net;
use crate::proto::Attribute;

fn values<'a>(found: &'a super::Imported, name: &str) -> &'a [f32] {
    found.tensors.get(name).and_then(Tensor::as_f32).expect(name)
}

#[test]
fn a_view_of_the_batch_size_flattens() {
    Net::new()
        .whole("zero", &[0])
        .whole("one", &[-1])
        .weight("fc.weight", &[2, 72])
        .nodes("Shape(x) -> shape\nGather(shape, zero) -> n\nConcat(n, one) -> to")
        .node("Reshape(x, to) -> flat", vec![])
        .node("Gemm(flat, fc.weight) -> y", vec![Attribute::int("transB", 1)])
        .check(&["of_flat = flatten(input)"]);
}

#[test]
fn a_reshape_across_dimensions_is_refused() {
    let net = Net::new()
        .whole("zero", &[0])
        .node("Shape(x) -> shape", vec![])
        .node("Gather(shape, zero) -> n", vec![Attribute::int("axis", 0)])
        .node("Concat(n, zero) -> to", vec![Attribute::int("axis", 0)])
        .node("Reshape(x, to) -> y", vec![]);
    net.refused(3, &["of_y", "Reshape", "batch x [3, 6, 4]"]);
}

#[test]
fn channels_are_shuffled() {
    Net::new()
        .weight("a.weight", &[6, 3, 1, 1])
        .whole("split", &[-1, 2, 3, 6, 4])
        .whole("join", &[0, 6, 6, 4])
        .nodes("Conv(x, a.weight) -> a\nReshape(a, split) -> b")
        .node("Transpose(b) -> c", vec![Attribute::ints("perm", &[0, 2, 1, 3, 4])])
        .node("Reshape(c, join) -> d", vec![])
        .classified("d", 6)
        .check(&["a = conv(input) outputs=6 kernel=1 bias=false", "of_d = shuffle(a) groups=2"]);
}

#[test]
fn gates_by_hand() {
    let gate = |lines: &str, expected: &str| {
        Net::new()
            .number("three", 3.0)
            .number("zero", 0.0)
            .number("six", 6.0)
            .number("half", 0.5)
            .number("one", 1.0)
            .number("root", std::f32::consts::SQRT_2)
            .nodes(lines)
            .classified("z", 3)
            .check(&[&format!("of_z = {expected}(input)")]);
    };
    gate("Sigmoid(x) -> a\nMul(a, x) -> z", "silu");
    let clip = "Add(x, three) -> a\nClip(a, zero, six) -> b\n";
    gate(&format!("{clip}Div(b, six) -> z"), "hard-sigmoid");
    gate(&format!("{clip}Div(b, six) -> c\nMul(x, c) -> z"), "hard-swish");
    gate(&format!("{clip}Mul(x, b) -> c\nDiv(c, six) -> z"), "hard-swish");
    let erf = "Div(x, root) -> a\nErf(a) -> b\nAdd(b, one) -> c\n";
    gate(&format!("{erf}Mul(x, c) -> d\nMul(d, half) -> z"), "gelu");
    gate(&format!("{erf}Mul(x, half) -> d\nMul(d, c) -> z"), "gelu");
    gate("Clip(x, zero, six) -> z", "relu6");
    gate("Min(x, six) -> a\nMax(a, zero) -> z", "relu6");
    gate("Clip(x, zero) -> z", "relu");
}

#[test]
fn a_layer_norm_written_out_on_channels_last() {
    let found = Net::new()
        .number("two", 2.0)
        .number("eps", 1e-3)
        .weight("n.weight", &[3])
        .weight("n.bias", &[3])
        .node("Transpose(x) -> t", vec![Attribute::ints("perm", &[0, 2, 3, 1])])
        .node("ReduceMean(t) -> m", vec![axes(&[-1])])
        .nodes("Sub(t, m) -> d\nPow(d, two) -> s")
        .node("ReduceMean(s) -> v", vec![axes(&[3])])
        .nodes("Add(v, eps) -> w\nSqrt(w) -> r\nDiv(d, r) -> q")
        .nodes("Mul(q, n.weight) -> p\nAdd(p, n.bias) -> b")
        .node("Transpose(b) -> z", vec![Attribute::ints("perm", &[0, 3, 1, 2])])
        .classified("z", 3)
        .check(&["n = layer-norm(input) eps=0.001"]);
    assert_eq!(values(&found, "n.weight"), [0.5, 0.515_625, 0.531_25]);
}

fn axes(of: &[i64]) -> Attribute {
    Attribute { ints: of.to_vec(), ..Attribute::ints("axes", &[]) }
}

#[test]
fn a_product_and_a_sum_are_a_linear_layer() {
    let found = Net::new()
        .weight("onnx::MatMul_7", &[3, 2])
        .weight("head.bias", &[2])
        .node("ReduceMean(x) -> m", vec![axes(&[2, 3]), Attribute::int("keepdims", 0)])
        .nodes("MatMul(m, onnx::MatMul_7) -> a\nAdd(head.bias, a) -> y")
        .check(&["of_m = adaptive-average(input)", "head = linear(of_m) outputs=2"]);
    let weight = [0.5, 0.531_25, 0.562_5, 0.515_625, 0.546_875, 0.578_125];
    assert_eq!(values(&found, "head.weight"), weight);
}

#[test]
fn pixels_before_channels_put_the_weights_in_order() {
    let found = Net::new()
        .weight("fc.weight", &[2, 72])
        .node("Transpose(x) -> t", vec![Attribute::ints("perm", &[0, 2, 3, 1])])
        .nodes("Flatten(t) -> f")
        .node("Gemm(f, fc.weight) -> y", vec![Attribute::int("transB", 1)])
        .check(&["of_f = flatten(input)"]);
    // The second value read is the second channel of the first pixel.
    assert_eq!(values(&found, "fc.weight")[24], 0.5 + 1.0 / 64.0);
}

#[test]
fn parameters_and_constants() {
    let found = Net::new()
        .weight("block.gamma", &[3, 1, 1])
        .number("val_3", 2.0)
        .nodes("Mul(block.gamma, x) -> a\nSub(a, val_3) -> z")
        .classified("z", 3)
        .check(&["block.gamma = scale(input)", "of_z = shift(block.gamma) frozen=true"]);
    assert_eq!(values(&found, "of_z"), [-2.0; 3]);
}

#[test]
fn every_second_pixel_and_some_channels() {
    Net::new()
        .whole("start", &[0])
        .whole("end", &[i64::MAX])
        .whole("two", &[2])
        .whole("three", &[3])
        .whole("last", &[2, 1])
        .nodes("Slice(x, start, end, two, two) -> a\nSlice(a, start, end, three, two) -> b")
        .node("Gather(b, last) -> z", vec![Attribute::int("axis", 1)])
        .classified("z", 2)
        .check(&[
            "of_b = max-pool(input) kernel=1 stride=2",
            "of_z = slice(of_b) start=2 end=3",
            "of_z_1 = slice(of_b) start=1 end=2",
            "of_z_2 = concat(of_z, of_z_1)",
        ]);
}

#[test]
fn the_softmax_at_the_end_is_left_out() {
    let mut net = Net::new().classified("x", 3).nodes("Softmax(y) -> p\nRelu(x) -> unread");
    net.graph.output[0].name = "p".into();
    let found = net.check(&[]);
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert!(found.notes[0].contains("1 operators that do not lead to the output"));
    assert!(found.notes[1].contains("softmax"));
}

#[test]
fn padding_is_as_many_windows_as_strides() {
    let text = |value: &str| Attribute {
        s: Some(value.as_bytes().to_vec().into()),
        ..Attribute::ints("auto_pad", &[])
    };
    for (auto, padding) in [("SAME_UPPER", "0,0,1,1"), ("SAME_LOWER", "1,1,0,0")] {
        let with = vec![text(auto), Attribute::ints("strides", &[2, 2])];
        Net::new()
            .weight("c.weight", &[4, 3, 3, 3])
            .node("Conv(x, c.weight) -> z", with)
            .classified("z", 4)
            .check(&[&format!(
                "c = conv(input) outputs=4 kernel=3 stride=2 padding={padding} bias=false"
            )]);
    }
}

#[test]
fn images_with_the_channels_last() {
    let mut net = Net::new()
        .weight("c.weight", &[2, 4, 1, 1])
        .node("Transpose(x) -> t", vec![Attribute::ints("perm", &[0, 3, 1, 2])])
        .nodes("Conv(t, c.weight) -> z")
        .classified("z", 2);
    net.graph.input[0] = crate::proto::ValueInfo::batch("x", &[3, 6, 4]);
    let found = net.check(&["c = conv(input) outputs=2 kernel=1 bias=false"]);
    assert_eq!(found.graph.images(), graph::Shape::new(4, 3, 6));
    assert_eq!(found.notes, ["the file has the channels of its images last; here they are first"]);
}

#[test]
fn equal_parameters_that_are_stored_once_are_apart_again() {
    let with = ["b1"; 4].map(str::to_owned);
    let [weight, bias, mean, var] = ["a.weight", "a.bias", "a.running_mean", "a.running_var"];
    let mut net =
        Net::new().nodes(&format!("BatchNormalization(x, {weight}, {bias}, {mean}, {var}) -> z1"));
    for (own, from) in with.iter().zip([weight, bias, mean, var]) {
        net = net.weight(from, &[3]);
        let suffix = from.strip_prefix("a.").expect("a suffix");
        net = net.nodes(&format!("Identity({from}) -> {own}.{suffix}"));
    }
    let reads = with.iter().zip(["weight", "bias", "running_mean", "running_var"]);
    let reads: Vec<String> = reads.map(|(own, suffix)| format!("{own}.{suffix}")).collect();
    let found = net
        .nodes(&format!("BatchNormalization(z1, {}) -> z", reads.join(", ")))
        .classified("z", 3)
        .check(&["a = batch-norm(input)", "b1 = batch-norm(a)"]);
    assert_eq!(values(&found, "a.weight"), values(&found, "b1.weight"));
}

#[test]
fn noise_of_training_is_stochastic_depth() {
    Net::new()
        .whole("zero", &[0])
        .whole("ones", &[1, 1, 1])
        .number("keep", 0.8)
        .nodes("Shape(x) -> s\nGather(s, zero) -> n\nConcat(n, ones) -> t\nConstantOfShape(t) -> u")
        .nodes("RandomUniformLike(u) -> r\nLess(r, keep) -> k")
        .node("Cast(k) -> f", vec![Attribute::int("to", 1)])
        .nodes("Div(f, keep) -> g\nMul(x, g) -> z")
        .classified("z", 3)
        .check(&["of_z = stochastic-depth(input) probability=0.2"]);
}

#[test]
fn a_factor_that_is_repeated_to_the_size_of_the_map() {
    Net::new()
        .nodes("GlobalAveragePool(x) -> m\nShape(x) -> s\nExpand(m, s) -> e\nMul(x, e) -> z")
        .classified("z", 3)
        .check(&["of_m = adaptive-average(input)", "of_z = multiply(input, of_m)"]);
}

#[test]
fn parts_of_a_sequence() {
    Net::new()
        .whole("sizes", &[1, 2])
        .whole("second", &[1])
        .node("SplitToSequence(x, sizes) -> s", vec![Attribute::int("axis", 1)])
        .nodes("SequenceAt(s, second) -> z")
        .classified("z", 2)
        .check(&["of_s = slice(input) start=1 end=3"]);
}
