//! Channels that are concatenated, sliced, shuffled, padded or flattened.

use graph::Graph;
use inference::{Conv, Kind, Network};

use crate::common::zoo;

/// The network of this text behind an image of three channels, and a last layer of three logits.
fn network(text: &str) -> Network {
    let text = format!(
        "secateur-graph 1\nx = input channels=3 height=5 width=5\n{text}\nlogits = linear(out) outputs=3\n"
    );
    zoo::of(&Graph::parse(&text, "small", "small.net").expect("a graph"), 5)
}

fn conv<'a>(network: &'a mut Network, name: &str) -> &'a mut Conv {
    let layer = network.layers.iter_mut().find(|l| l.name == name).expect("a layer");
    let Kind::Conv(conv) = &mut layer.kind else { panic!("{name} has no weights") };
    conv
}

/// Makes output `o` of the layer the constant `value`, before its activation.
fn fix(network: &mut Network, name: &str, o: usize, value: f32) {
    let conv = conv(network, name);
    zoo::clear_row(conv, o);
    conv.bias[o] = value;
}

/// Lets the layer not read input `c`.
fn ignore(network: &mut Network, name: &str, c: usize) {
    zoo::clear_column(conv(network, name), c);
}

/// Asserts which layers are left with how many channels.
#[track_caller]
fn check(network: &Network, expected: &[(&str, usize)]) {
    let (thin, _) = crate::check(network, 1);
    let found: Vec<_> = thin.layers.iter().map(|l| (l.name.as_str(), l.shape.c)).collect();
    assert_eq!(found, [&[("x", 3)], expected, &[("logits", 3)]].concat());
}

const DENSE: &str = "
stem = conv(x) outputs=4 kernel=3 padding=1
n1 = batch-norm(stem)
r1 = relu(n1)
c1 = conv(r1) outputs=3 kernel=3 padding=1
cat1 = concat(stem, c1)
n2 = batch-norm(cat1)
r2 = relu(n2)
c2 = conv(r2) outputs=2 kernel=3 padding=1
cat2 = concat(stem, c1, c2)
n3 = batch-norm(cat2)
r3 = relu(n3)
out = adaptive-average(r3)";

/// What is left of the dense block: of `[stem, n1, c1, n2, c2, n3]`.
fn dense([stem, n1, c1, n2, c2, n3]: [usize; 6]) -> [(&'static str, usize); 9] {
    let concat = [("cat1", n2), ("cat2", n3)];
    let [first, second] = concat;
    [
        ("stem", stem),
        ("n1", n1),
        ("c1", c1),
        first,
        ("n2", n2),
        ("c2", c2),
        second,
        ("n3", n3),
        ("out", n3),
    ]
}

#[test]
fn dense_blocks_keep_what_is_read() {
    check(&network(DENSE), &dense([4, 4, 3, 7, 2, 9]));
}

#[test]
fn each_layer_of_a_dense_block_has_what_it_reads() {
    let mut block = network(DENSE);
    // What the last layer alone does not read stays for the others.
    ignore(&mut block, "logits", 1);
    check(&block, &dense([4, 4, 3, 7, 2, 8]));
    ignore(&mut block, "c2", 1);
    check(&block, &dense([4, 4, 3, 6, 2, 8]));
    ignore(&mut block, "c1", 1);
    check(&block, &dense([3, 3, 3, 6, 2, 8]));
    // The last of the first layer, of which `c2` asks for nothing.
    ignore(&mut block, "c2", 6);
    check(&block, &dense([3, 3, 3, 5, 2, 8]));
    ignore(&mut block, "logits", 6);
    check(&block, &dense([3, 3, 2, 5, 2, 7]));
}

#[test]
fn constants_leave_a_dense_block() {
    let mut block = network(DENSE);
    fix(&mut block, "c1", 1, 0.5);
    for norm in ["n2", "n3"] {
        let norm = conv(&mut block, norm);
        (norm.weight.floats_mut()[5], norm.bias[5]) = (1.0, -0.75);
    }
    // The norms and activations behind it make zero of it.
    check(&block, &dense([4, 4, 2, 6, 2, 8]));
    // Here they do not: what pads at its borders needs it, and gets it though nobody computes it.
    conv(&mut block, "n2").bias[5] = 0.75;
    check(&block, &dense([4, 4, 2, 7, 2, 8]));
}

const INCEPTION: &str = "
stem = conv(x) outputs=4 kernel=3 padding=1
a = conv(stem) outputs=3 kernel=1
ar = relu(a)
b1 = conv(stem) outputs=3 kernel=1
b1r = relu(b1)
b2 = conv(b1r) outputs=4 kernel=3 padding=1
b2r = relu(b2)
p = max-pool(stem) kernel=3 padding=1
p1 = conv(p) outputs=2 kernel=1
p1r = sigmoid(p1)
cat = concat(ar, b2r, p1r)
out = conv(cat) outputs=4 kernel=5";

#[test]
fn branches_lose_what_is_dead() {
    let mut all = network(INCEPTION);
    let left = |[stem, a, b1, b2, p1]: [usize; 5]| {
        let cat = a + b2 + p1;
        vec![
            ("stem", stem),
            ("a", a),
            ("b1", b1),
            ("b2", b2),
            ("p", stem),
            ("p1", p1),
            ("cat", cat),
            ("out", 4),
        ]
    };
    check(&all, &left([4, 3, 3, 4, 2]));
    // A zero of the first branch, what is not read of the second, and a constant of the third.
    fix(&mut all, "a", 0, -1.0);
    ignore(&mut all, "out", 4);
    fix(&mut all, "p1", 1, 0.25);
    check(&all, &left([4, 2, 3, 3, 1]));
    // And with that what it alone has read.
    let row = conv(&mut all, "b2").row();
    for o in [0, 2, 3] {
        conv(&mut all, "b2").weight.floats_mut()[o * row + 9..][..9].fill(0.0);
    }
    check(&all, &left([4, 2, 2, 3, 1]));
}

#[test]
fn a_branch_without_use_is_gone() {
    let mut all = network(INCEPTION);
    for o in 0..4 {
        fix(&mut all, "b2", o, [-1.0, 2.0][o % 2]);
    }
    let (_, removed) = crate::check(&all, 1);
    assert_eq!(removed.layers, [("b1".to_owned(), 3, 0), ("b2".to_owned(), 4, 0)]);
    check(&all, &[("stem", 4), ("a", 3), ("p", 4), ("p1", 2), ("cat", 5), ("out", 4)]);
}

const SHUFFLE: &str = "
stem = conv(x) outputs=8 kernel=3 padding=1
sr = relu(stem)
left = slice(sr) end=4
right = slice(sr) start=4 end=8
c1 = conv(right) outputs=4 kernel=1
c1r = relu(c1)
dw = conv(c1r) outputs=4 kernel=3 padding=1 groups=4
c2 = conv(dw) outputs=4 kernel=1
c2r = relu(c2)
cat = concat(left, c2r)
mix = shuffle(cat) groups=2
left2 = slice(mix) end=4
right2 = slice(mix) start=4 end=8
d = conv(right2) outputs=4 kernel=1
dr = relu(d)
cat2 = concat(left2, dr)
mix2 = shuffle(cat2) groups=2
out = adaptive-average(mix2)";

/// What is left of the unit: of the layers with weights, both halves, and the shuffled ones.
fn unit(weights: [usize; 5], halves: [usize; 4]) -> Vec<(&'static str, usize)> {
    let ([stem, c1, dw, c2, d], [left, right, left2, right2]) = (weights, halves);
    let (mix, mix2) = (left2 + right2, left2 + d);
    let cat = left + c2;
    vec![
        ("stem", stem),
        ("left", left),
        ("right", right),
        ("c1", c1),
        ("dw", dw),
        ("c2", c2),
        ("cat", cat),
        ("mix", mix),
        ("left2", left2),
        ("right2", right2),
        ("d", d),
        ("cat2", mix2),
        ("mix2", mix2),
        ("out", mix2),
    ]
}

#[test]
fn shuffle_units_lose_any_channels() {
    let mut all = network(SHUFFLE);
    check(&all, &unit([8, 4, 4, 4, 4], [4, 4, 4, 4]));
    // A zero of the branch, which is the second channel of what is shuffled.
    fix(&mut all, "c2", 0, -1.0);
    check(&all, &unit([8, 4, 4, 3, 4], [4, 4, 3, 4]));
    // A constant of the half that is passed on, which is the seventh then.
    fix(&mut all, "stem", 3, 0.5);
    check(&all, &unit([7, 4, 4, 3, 4], [3, 4, 3, 3]));
    // What neither unit reads of the other half.
    ignore(&mut all, "c1", 2);
    check(&all, &unit([6, 4, 4, 3, 4], [3, 3, 3, 3]));
    // A zero that is convolved by itself.
    fix(&mut all, "c1", 1, -1.0);
    check(&all, &unit([6, 3, 3, 3, 4], [3, 3, 3, 3]));
    // What the last layer does not read: of the second unit's halves the first of each.
    ignore(&mut all, "logits", 0);
    ignore(&mut all, "logits", 1);
    check(&all, &unit([5, 3, 3, 3, 3], [2, 3, 2, 3]));
}

#[test]
fn what_is_padded_with_zeros_loses_them_where_the_other_summand_is_known() {
    let text = "
a = conv(x) outputs=4 kernel=3 padding=1
b = conv(a) outputs=8 kernel=3 padding=1
pad = pad-channels(a) before=2 after=2
sum = add(b, pad)
r = relu(sum)
out = conv(r) outputs=2 kernel=5";
    let mut all = network(text);
    let left = |a, sum| vec![("a", a), ("pad", sum), ("b", sum), ("out", 2)];
    check(&all, &left(4, 8));
    fix(&mut all, "b", 0, 0.5);
    fix(&mut all, "b", 7, -0.5);
    check(&all, &left(4, 6));
    // Here the other summand is no constant, and there it is but the padded one is not.
    fix(&mut all, "b", 3, -0.5);
    check(&all, &left(4, 6));
    fix(&mut all, "a", 1, 0.0);
    check(&all, &left(3, 5));
}

#[test]
fn flattened_channels_go_with_all_their_values() {
    let text = "
a = conv(x) outputs=4 kernel=3
flat = flatten(a)
out = sigmoid(flat)";
    let mut all = network(text);
    let left = |a, flat| [("a", a), ("flat", flat), ("out", flat)];
    check(&all, &left(4, 36));
    fix(&mut all, "a", 2, 0.5);
    check(&all, &left(3, 27));
    (0..8).for_each(|c| ignore(&mut all, "logits", c));
    check(&all, &left(3, 27));
    ignore(&mut all, "logits", 8);
    check(&all, &left(2, 18));
}
