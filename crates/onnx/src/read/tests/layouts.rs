//! Values that are arranged as no operation of a graph has them.

use artifact::tensors::Tensor;

use super::Net;
use crate::proto::Attribute;

fn values<'a>(found: &'a super::Imported, name: &str) -> &'a [f32] {
    found.tensors.get(name).and_then(Tensor::as_f32).expect(name)
}

fn check(net: Net, channels: usize, expected: &[&str]) -> super::Imported {
    net.classified("z", channels).check(expected)
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
    assert_eq!(found.notes.len(), 1, "one operator is told of once: {:?}", found.notes);
}

#[test]
fn parts_that_leave_out_many_pixels_are_refused() {
    let net = |start: i64| {
        let mut net = Net::new().whole("start", &[start]).whole("end", &[40]).whole("rows", &[2]);
        net.graph.input[0] = crate::proto::ValueInfo::batch("x", &[3, 40, 4]);
        net.nodes("Slice(x, start, end, rows) -> z")
    };
    check(net(15), 3, &["of_z = conv(input) outputs=3 kernel=16x1 groups=3 bias=false"]);
    let many = net(16).classified("z", 3);
    many.refused(3, &["of_z", "24 of 40 pixels from 16 on", "leave out at most 15 pixels"]);
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
fn blocks_that_several_read_are_cut_once() {
    let found = check(
        Net::new()
            .whole("split", &[0, 3, 3, 2, 2, 2])
            .whole("join", &[0, 12, 3, 2])
            .weight("c.weight", &[2, 12, 1, 1])
            .weight("d.weight", &[2, 12, 1, 1])
            .nodes("Reshape(x, split) -> a")
            .node("Transpose(a) -> b", vec![Attribute::ints("perm", &[0, 3, 5, 1, 2, 4])])
            .nodes("Reshape(b, join) -> e\nConv(e, c.weight) -> c\nConv(e, d.weight) -> d")
            .nodes("Add(c, d) -> z"),
        2,
        &[
            "of_e = conv(input) outputs=12 kernel=2 stride=2 bias=false",
            "c = conv(of_e) outputs=2 kernel=1 bias=false",
            "d = conv(of_e) outputs=2 kernel=1 bias=false",
            "of_z = add(c, d)",
        ],
    );
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
}

#[test]
fn a_flattened_map_is_not_multiplied_by_its_channels() {
    let net = Net::new().nodes(
        "GlobalAveragePool(x) -> g\nFlatten(g) -> v\nFlatten(x) -> f\nMul(f, v) -> m\nReshape(m, map) -> z",
    );
    let net = net.whole("map", &[0, 3, 6, 4]).classified("z", 3);
    net.refused(3, &["of_m", "batch x [72] and batch x [3]"]);
}
