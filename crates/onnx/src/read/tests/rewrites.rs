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
fn what_the_file_makes_of_logits_is_told() {
    for (kind, ending) in [("Softmax", Ending::Softmax), ("LogSoftmax", Ending::LogSoftmax)] {
        let mut net = Net::new().classified("x", 3).nodes(&format!("{kind}(y) -> p"));
        net.graph.output[0].name = "p".into();
        assert_eq!(net.check(&[]).ending, ending);
    }
}

#[test]
fn norms_in_training_mode_are_told() {
    let notes = |opset: i64, outputs: &str, with: Vec<Attribute>| {
        let net = Net { opset, ..Net::new() };
        let net =
            ["scale", "bias", "m", "var"].iter().fold(net, |net, name| net.weight(name, &[3]));
        let line = format!("BatchNormalization(x, scale, bias, m, var) -> {outputs}");
        check(net.node(&line, with), 3, &["of_z = batch-norm(input)"]).notes
    };
    let told =
        ["1 batch norms are in training mode; here they use their stored statistics in inference"];
    assert_eq!(notes(17, "z, a, b", vec![Attribute::int("training_mode", 1)]), told);
    // Below opset 14 its further outputs say so.
    assert_eq!(notes(9, "z, a, b, c, d", vec![]), told);
    assert!(notes(9, "z", vec![]).is_empty());
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
