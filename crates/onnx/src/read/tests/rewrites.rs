//! Operators that a graph does not have, as operations that compute the same.

use artifact::tensors::Tensor;

use super::super::Ending;
use super::Net;
use crate::proto::{self, Attribute, Entry};

fn values<'a>(found: &'a super::Imported, name: &str) -> &'a [f32] {
    found.tensors.get(name).and_then(Tensor::as_f32).expect(name)
}

fn check(net: Net, channels: usize, expected: &[&str]) -> super::Imported {
    net.classified("z", channels).check(expected)
}

#[test]
fn weights_that_are_standardised_at_each_run_are_stored_so() {
    let found = check(
        Net::new()
            .weight("c.weight", &[2, 3, 1, 1])
            .whole("rows", &[1, 2, -1])
            .whole("back", &[2, 3, 1, 1])
            .whole("zero", &[0])
            .weight("c.gain", &[2])
            .nodes("Reshape(c.weight, rows) -> r\nSub(c.gain, c.gain) -> none")
            .node("ReduceMean(r) -> m", vec![Attribute::ints("axes", &[0, 2])])
            .node(
                "BatchNormalization(r, c.gain, none, m, m) -> n, -, -",
                vec![Attribute::int("training_mode", 1), Attribute::float("epsilon", 0.0)],
            )
            .nodes("Reshape(n, back) -> w\nConv(x, w) -> z"),
        2,
        &["of_z = conv(input) outputs=2 kernel=1 bias=false"],
    );
    let root = 1.5_f32.sqrt();
    let expected = [-0.5 * root, 0.0, 0.5 * root];
    for (found, expected) in values(&found, "of_z.weight").iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}

#[test]
fn sizes_between_bounds() {
    let net =
        Net::new().whole("zero", &[0]).whole("most", &[5]).whole("front", &[0, 0, 0, 0, 0, 0]);
    check(
        net.nodes("Shape(x) -> s\nGather(s, zero) -> n\nSub(zero, most) -> less").nodes(
            "Clip(less, zero) -> none\nConcat(front, none, none) -> pads\nPad(x, pads) -> z",
        ),
        3,
        &[],
    );
}

#[test]
fn bounds_are_rectifiers_of_what_is_moved() {
    let gate = |line: &str, expected: &[&str]| {
        let net = Net::new().number("low", -0.5).number("high", 2.5);
        check(net.nodes(line), 3, expected);
    };
    gate("Clip(x) -> z", &[]);
    gate(
        "Max(low, x) -> z",
        &[
            "of_z = shift(input) frozen=true",
            "of_z_1 = relu(of_z)",
            "of_z_2 = shift(of_z_1) frozen=true",
        ],
    );
    gate(
        "Clip(x, -, high) -> z",
        &[
            "of_z = scale(input) frozen=true",
            "of_z_1 = shift(of_z) frozen=true",
            "of_z_2 = relu(of_z_1)",
            "of_z_3 = scale(of_z_2) frozen=true",
            "of_z_4 = shift(of_z_3) frozen=true",
        ],
    );
    let net = Net::new().number("low", -0.5).number("high", 2.5).nodes("Clip(x, low, high) -> z");
    let found = check(
        net,
        3,
        &[
            "of_z = shift(input) frozen=true",
            "of_z_1 = scale(of_z) frozen=true",
            "of_z_2 = relu6(of_z_1)",
            "of_z_3 = scale(of_z_2) frozen=true",
            "of_z_4 = shift(of_z_3) frozen=true",
        ],
    );
    let of = |name: &str| values(&found, name)[0];
    assert_eq!(["of_z", "of_z_1", "of_z_3", "of_z_4"].map(of), [0.5, 2.0, 0.5, -0.5]);
    let turned = Net::new().number("low", 2.0).number("high", 1.0).nodes("Clip(x, low, high) -> z");
    turned.classified("z", 3).refused(3, &["of_z", "Clip", "bounds 2 and 1"]);
}

#[test]
fn every_input_of_a_maximum_counts() {
    let net = Net::new().number("zero", 0.0).number("six", 6.0).number("seven", 7.0);
    check(net.nodes("Min(six, x, seven) -> a\nMax(a, zero) -> z"), 3, &["of_z = relu6(input)"]);
    check(
        Net::new().nodes("Sigmoid(x) -> a\nMax(x, a) -> z"),
        3,
        &[
            "of_a = sigmoid(input)",
            "of_z = scale(input) frozen=true",
            "of_z_1 = add(of_a, of_z)",
            "of_z_2 = relu(of_z_1)",
            "of_z_3 = add(input, of_z_2)",
        ],
    );
    let net = Net::new().number("part", 0.25);
    let expected = "of_z = leaky-relu(input) slope=0.25";
    check(net.nodes("Mul(x, part) -> a\nMax(x, a) -> z"), 3, &[expected]);
}

#[test]
fn means_and_sums_of_several() {
    let found = check(
        Net::new().weight("b.bias", &[3, 1, 1]).nodes("Sum(b.bias, x, x) -> a\nMean(a, x) -> z"),
        3,
        &[
            "of_a = add(input, input)",
            "b.bias = shift(of_a)",
            "of_z = add(b.bias, input)",
            "of_z_1 = scale(of_z) frozen=true",
        ],
    );
    assert_eq!(values(&found, "of_z_1"), [0.5; 3]);
}

#[test]
fn slopes_that_are_trained_stay_parameters() {
    let found = check(
        Net::new().weight("act.weight", &[3, 1, 1]).nodes("PRelu(x, act.weight) -> z"),
        3,
        &[
            "of_z = scale(input) frozen=true",
            "of_z_1 = relu(of_z)",
            "of_z_2 = scale(of_z_1) frozen=true",
            "act.weight = scale(of_z_2)",
            "of_z_3 = relu(input)",
            "of_z_4 = add(of_z_3, act.weight)",
        ],
    );
    assert_eq!(values(&found, "act.weight"), [0.5, 0.515_625, 0.531_25]);
    let net = Net::new().number("slope", 0.25).nodes("PRelu(x, slope) -> z");
    check(net, 3, &["of_z = leaky-relu(input) slope=0.25"]);
}

#[test]
fn other_curves() {
    let two =
        |lines: &[&str]| check(Net::new().number("three", 3.0).nodes(lines[0]), 3, &lines[1..]);
    two(&["Pow(x, three) -> z", "of_z = multiply(input, input)", "of_z_1 = multiply(of_z, input)"]);
    let found = two(&[
        "Tanh(x) -> z",
        "of_z = scale(input) frozen=true",
        "of_z_1 = sigmoid(of_z)",
        "of_z_2 = scale(of_z_1) frozen=true",
        "of_z_3 = shift(of_z_2) frozen=true",
    ]);
    assert_eq!(values(&found, "of_z_3"), [-1.0; 3]);
    let found = two(&[
        "HardSigmoid(x) -> z",
        "of_z = scale(input) frozen=true",
        "of_z_1 = hard-sigmoid(of_z)",
    ]);
    assert!((values(&found, "of_z")[0] - 1.2).abs() < 1e-6, "Keras's slope is 0.2");
}

#[test]
fn a_constant_of_the_size_of_the_map_is_one_number_a_channel() {
    let map = |of: &dyn Fn(usize) -> f32| {
        let values: Vec<f32> = (0..72).map(of).collect();
        let mut net = Net::new();
        net.graph.initializer.push(proto::Tensor::new("k", &[1, 3, 6, 4], &values));
        net.nodes("Mul(x, k) -> z")
    };
    let net = map(&|i| (i / 24) as f32 + 1.0);
    let found = check(net, 3, &["of_z = scale(input) frozen=true"]);
    assert_eq!(values(&found, "of_z"), [1.0, 2.0, 3.0]);
    let net = map(&|i| i as f32).classified("z", 3);
    net.refused(3, &["of_z", "Mul", "[1, 3, 6, 4]", "a value for each pixel"]);
}

#[test]
fn a_choice_between_two_branches() {
    // Selective kernels (Li et al. 2019).
    let net = Net::new()
        .weight("a.weight", &[6, 3, 1, 1])
        .whole("one", &[1])
        .whole("split", &[0, 2, 3, 1, 1])
        .nodes("Unsqueeze(x, one) -> u\nRelu(x) -> r\nUnsqueeze(r, one) -> v")
        .node("Concat(u, v) -> s", vec![Attribute::int("axis", 1)])
        .node("ReduceSum(s, one) -> t", vec![Attribute::int("keepdims", 0)])
        .nodes("GlobalAveragePool(t) -> g\nConv(g, a.weight) -> a\nReshape(a, split) -> b")
        .node("Softmax(b) -> p", vec![Attribute::int("axis", 1)])
        .nodes("Mul(s, p) -> q")
        .node("ReduceSum(q, one) -> z", vec![Attribute::int("keepdims", 0)]);
    check(
        net,
        3,
        &[
            "of_r = relu(input)",
            "of_s = concat(input, of_r)",
            "of_t = slice(of_s) end=3",
            "of_t_1 = slice(of_s) start=3 end=6",
            "of_t_2 = add(of_t, of_t_1)",
            "of_g = adaptive-average(of_t_2)",
            "a = conv(of_g) outputs=6 kernel=1 bias=false",
            "of_p = slice(a) end=3",
            "of_p_1 = slice(a) start=3 end=6",
            "of_p_2 = scale(of_p_1) frozen=true",
            "of_p_3 = add(of_p, of_p_2)",
            "of_p_4 = sigmoid(of_p_3)",
            "of_p_5 = scale(of_p) frozen=true",
            "of_p_6 = add(of_p_1, of_p_5)",
            "of_p_7 = sigmoid(of_p_6)",
            "of_p_8 = concat(of_p_4, of_p_7)",
            "of_q = multiply(of_s, of_p_8)",
            "of_z = slice(of_q) end=3",
            "of_z_1 = slice(of_q) start=3 end=6",
            "of_z_2 = add(of_z, of_z_1)",
        ],
    );
}

#[test]
fn a_kernel_along_the_channels_is_a_band() {
    let found = check(
        Net::new()
            .weight("se.conv.weight", &[1, 1, 3])
            .whole("list", &[0, 1, -1])
            .whole("map", &[0, -1, 1, 1])
            .nodes("GlobalAveragePool(x) -> g\nReshape(g, list) -> v")
            .node("Conv(v, se.conv.weight) -> c", vec![Attribute::ints("pads", &[1, 1])])
            .nodes("Sigmoid(c) -> s\nReshape(s, map) -> e\nMul(x, e) -> z"),
        3,
        &[
            "of_g = adaptive-average(input)",
            "se.conv = linear(of_g) outputs=3 bias=false",
            "of_s = sigmoid(se.conv)",
            "of_z = multiply(input, of_s)",
        ],
    );
    let [a, b, c] = [0.5, 0.515_625, 0.531_25];
    assert_eq!(values(&found, "se.conv.weight"), [b, c, 0.0, a, b, c, 0.0, a, b]);
    assert!(found.notes[0].contains("linear layer of 3 x 3"), "{:?}", found.notes);
}

#[test]
fn pixels_are_picked_by_a_convolution() {
    let found = check(
        Net::new()
            .whole("start", &[1, 1])
            .whole("end", &[99, -1])
            .whole("axes", &[2, 3])
            .whole("steps", &[2, 1])
            .nodes("Slice(x, start, end, axes, steps) -> z"),
        3,
        &[
            "of_z = conv(input) outputs=3 kernel=2x1 stride=2x1 groups=3 bias=false",
            "of_z_1 = conv(of_z) outputs=3 kernel=1x3 groups=3 bias=false",
        ],
    );
    assert_eq!(values(&found, "of_z.weight"), [0.0, 1.0].repeat(3));
    assert_eq!(values(&found, "of_z_1.weight"), [0.0, 1.0, 0.0].repeat(3));
}

#[test]
fn blocks_of_pixels_become_channels() {
    let net = Net::new()
        .whole("split", &[0, 3, 3, 2, 2, 2])
        .whole("join", &[0, 12, 3, 2])
        .weight("c.weight", &[2, 12, 1, 1])
        .nodes("Reshape(x, split) -> a")
        .node("Transpose(a) -> b", vec![Attribute::ints("perm", &[0, 3, 5, 1, 2, 4])])
        .nodes("Reshape(b, join) -> d\nConv(d, c.weight) -> z");
    let found = check(
        net,
        2,
        &[
            "of_d = conv(input) outputs=12 kernel=2 stride=2 bias=false",
            "c = conv(of_d) outputs=2 kernel=1 bias=false",
        ],
    );
    // Output 4: the second column of the first row in a block, of the second channel.
    let row = &values(&found, "of_d.weight")[4 * 12..5 * 12];
    assert_eq!(row.iter().position(|v| *v == 1.0), Some(4 + 1));
    assert_eq!(row.iter().sum::<f32>(), 1.0);
}

#[test]
fn minus_infinity_around_a_maximum_is_its_padding() {
    let window =
        || vec![Attribute::ints("kernel_shape", &[3, 3]), Attribute::ints("strides", &[2, 2])];
    let net =
        || Net::new().whole("pads", &[0, 0, 0, 1, 0, 0, 1, 1]).number("low", f32::NEG_INFINITY);
    check(
        net().nodes("Pad(x, pads, low) -> p").node("MaxPool(p) -> z", window()),
        3,
        &["of_z = max-pool(input) kernel=3 stride=2 padding=0,1,1,1"],
    );
    let alone = net().nodes("Pad(x, pads, low) -> z").classified("z", 3);
    alone.refused(3, &["of_z", "Pad", "before a max pooling alone"]);
}

#[test]
fn what_the_file_makes_of_logits_is_told() {
    for (kind, ending) in [("Softmax", Ending::Softmax), ("LogSoftmax", Ending::LogSoftmax)] {
        let mut net = Net::new().classified("x", 3).nodes(&format!("{kind}(y) -> p"));
        net.graph.output[0].name = "p".into();
        assert_eq!(net.check(&[]).ending, ending);
    }
}

#[test]
fn norms_in_training_mode_are_told() {
    let found = check(
        ["scale", "bias", "m", "var"]
            .iter()
            .fold(Net::new(), |net, name| net.weight(name, &[3]))
            .node(
                "BatchNormalization(x, scale, bias, m, var) -> z",
                vec![Attribute::int("training_mode", 1)],
            ),
        3,
        &["of_z = batch-norm(input)"],
    );
    assert!(found.notes[0].starts_with("1 batch norms are in training mode"), "{:?}", found.notes);
}

#[test]
fn metadata_of_others_may_mean_anything() {
    let read = |producer: &str, mean: &str| {
        use prost::Message as _;
        let net = Net::new().classified("x", 3);
        let entry = |key: &str, value: &str| Entry { key: key.into(), value: value.into() };
        let model = proto::Model {
            producer_name: producer.into(),
            metadata_props: vec![entry("mean", mean), entry("classes", r#"["a","b"]"#)],
            ..proto::Model::decode(&net.bytes()[..]).expect("decodes")
        };
        let options = super::Options { name: "net".into(), size: None };
        super::decode(model.encode_to_vec(), "net.onnx", &options)
    };
    let said = read("pytorch", "0.5").expect("reads").said;
    assert_eq!((said.mean, &said.classes[..]), (vec![], &["a".to_owned(), "b".to_owned()][..]));
    assert_eq!(read("secateur", "[0.5, 1]").expect("reads").said.mean, [0.5, 1.0]);
    let error = read("secateur", "0.5").expect_err("refused");
    assert!(error.to_string().contains("metadata mean \"0.5\""), "{error}");
}
