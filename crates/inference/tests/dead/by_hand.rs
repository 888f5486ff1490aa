//! One rule at a time.

use geometry::{Size, Window};
use graph::op::MaxPool;
use graph::{Activation, AdaptiveAverage, Shape};
use inference::{Kind, Network};

use crate::common::layers::{Builder, Grouping, SIDE, start};
use crate::common::zoo;

/// Asserts the channels that are left in each layer but the last, and what holds of any network.
#[track_caller]
fn check(network: &Network, expected: &[usize]) -> Network {
    let (thin, _) = crate::check(network, 1);
    let found: Vec<usize> = thin.layers.iter().map(|l| l.shape.c).collect();
    assert_eq!(found[..found.len() - 1], *expected);
    thin
}

/// An image of two channels and a convolution of four outputs with `ReLU`, some of them constant.
fn four(constants: &[(usize, f32)]) -> (Builder, usize) {
    let mut net = start(2);
    let x = net.conv(0, 4, 3);
    net.layer(x).activation = Some(Activation::Relu);
    net.fix_all(x, constants);
    (net, x)
}

#[test]
fn a_constant_goes_into_a_bias() {
    let (net, x) = four(&[(1, 0.5), (3, 2.0)]);
    check(&net.finish(x), &[2, 2]);
}

#[test]
fn one_constant_stays_where_the_border_differs() {
    let (mut net, x) = four(&[(1, 0.5), (2, 0.7), (3, 2.0)]);
    let y = net.conv(x, 3, 3);
    let thin = check(&net.finish(y), &[2, 2, 3]);
    let Kind::Conv(conv) = &thin.layers[x].kind else { panic!("a convolution") };
    assert_eq!(conv.bias[1], 0.5);
}

#[test]
fn what_relu_kills_leaves_no_border() {
    let (mut net, x) = four(&[(1, -0.5), (2, -2.0), (3, 0.0)]);
    let y = net.conv(x, 3, 3);
    check(&net.finish(y), &[2, 1, 3]);
}

#[test]
fn a_small_constant_stands_in_for_no_large_one() {
    let (mut net, x) = four(&[(1, 1e-4), (2, 3.0)]);
    let y = net.conv(x, 3, 3);
    let thin = check(&net.finish(y), &[2, 3, 3]);
    let Kind::Conv(conv) = &thin.layers[x].kind else { panic!("a convolution") };
    assert!(conv.bias.contains(&3.0) && !conv.bias.contains(&1e-4));
}

#[test]
fn what_reads_constants_alone_is_one() {
    let (mut net, x) = four(&[(1, 0.5), (3, 2.0)]);
    let y = net.conv(x, 3, 1);
    for i in [0, 2] {
        net.weights(y).weight.floats_mut()[i] = 0.0;
    }
    check(&net.finish(y), &[2, 2, 2]);
}

#[test]
fn a_branch_alone_keeps_its_channel() {
    for (both, left) in [(false, 4), (true, 3)] {
        let (mut net, x) = four(&[(1, 0.5)]);
        let y = net.conv(x, 4, 3);
        net.layer(y).add = Some(x);
        if both {
            net.fix(y, 1, -0.25);
        }
        let mut network = net.finish(y);
        // The padded convolution reads the constant: it stays as the one that stands in.
        check(&network, &[2, 4, 4]);
        let Kind::Conv(conv) = &mut network.layers[y].kind else { panic!("a convolution") };
        zoo::clear_column(conv, 1);
        check(&network, &[2, left, left]);
    }
}

#[test]
fn sums_tie_their_branches() {
    for (both, left) in [(false, 4), (true, 3)] {
        let (mut net, x) = four(&[(2, 0.5)]);
        let y = net.conv(0, 4, 1);
        if both {
            net.fix(y, 2, -1.0);
        }
        let sum = net.same(Kind::Add, &[x, y]);
        net.layer(sum).activation = Some(Activation::Relu);
        check(&net.finish(sum), &[2, left, left, left]);
    }
}

#[test]
fn constants_go_through_pools_and_activations() {
    let (mut net, x) = four(&[(1, 0.5), (3, 0.25)]);
    let pool = MaxPool { window: Window::square(3, 2, 1), ceil: false };
    let y = net.push(Kind::MaxPool(pool), &[x], Shape::new(4, 3, 3));
    let y = net.activation(Activation::Silu, y);
    let y = net.push(
        Kind::AdaptiveAverage(AdaptiveAverage { grid: Size::square(2) }),
        &[y],
        Shape::new(4, 2, 2),
    );
    let y = net.activation(Activation::Sigmoid, y);
    let y = net.same(Kind::Copy, &[y]);
    check(&net.finish(y), &[2, 2, 2, 2, 2, 2, 2]);
}

/// Four channels, by a gate that reads their means.
fn gated(constants: &[(usize, f32)], gates: &[(usize, f32)]) -> Network {
    let (mut net, x) = four(constants);
    let means = net.push(Kind::AdaptiveAverage(AdaptiveAverage::GLOBAL), &[x], Shape::new(4, 1, 1));
    let gate = net.conv(means, 4, 1);
    net.fix_all(gate, gates);
    let gate = net.activation(Activation::Sigmoid, gate);
    let scaled = net.same(Kind::Multiply, &[x, gate]);
    net.finish(scaled)
}

#[test]
fn gates_multiply_constants() {
    check(&gated(&[(1, 0.5)], &[(1, 2.0)]), &[2, 3, 3, 3, 3, 3]);
    check(&gated(&[(1, 0.5)], &[(2, 2.0)]), &[2, 4, 4, 4, 4, 4]);
}

#[test]
fn products_ask_for_both() {
    let (mut net, first) = four(&[]);
    let [x, other] = [first, 0].map(|input| net.conv(input, 3, 3));
    let gate =
        net.push(Kind::AdaptiveAverage(AdaptiveAverage::GLOBAL), &[other], Shape::new(3, 1, 1));
    let scaled = net.same(Kind::Multiply, &[x, gate]);
    check(&net.finish(scaled), &[2, 4, 3, 3, 3, 3]);
}

#[test]
fn nobody_asks_for_the_gate_of_a_zero() {
    check(&gated(&[(1, -0.5)], &[]), &[2, 3, 3, 3, 3, 3]);
}

#[test]
fn nobody_asks_for_what_a_zero_gate_hides() {
    let mut net = start(2);
    let x = net.conv(0, 4, 3);
    let means = net.push(Kind::AdaptiveAverage(AdaptiveAverage::GLOBAL), &[x], Shape::new(4, 1, 1));
    let gate = net.conv(means, 4, 1);
    zoo::clear_column(net.weights(gate), 3);
    net.fix(gate, 3, -1.0);
    net.layer(gate).activation = Some(Activation::Relu);
    let scaled = net.same(Kind::Multiply, &[x, gate]);
    check(&net.finish(scaled), &[2, 3, 3, 3, 3]);
}

#[test]
fn what_nobody_reads_goes() {
    let (mut net, x) = four(&[]);
    let y = net.conv(x, 3, 3);
    zoo::clear_column(net.weights(y), 2);
    check(&net.finish(y), &[2, 3, 3]);
}

#[test]
fn what_only_the_unread_read_goes() {
    let (mut net, x) = four(&[]);
    let y = net.conv(x, 4, 3);
    // The last of `x` is read by the last of `y` alone, and that by nobody.
    zoo::clear_column(net.weights(y), 3);
    *net.weights(y).weight.floats_mut().last_mut().expect("it has weights") = 1.0;
    let z = net.conv(y, 3, 3);
    zoo::clear_column(net.weights(z), 3);
    check(&net.finish(z), &[2, 3, 3, 3]);
}

#[test]
fn one_channel_stays() {
    let (net, x) = four(&[(0, 0.5), (1, 1.0), (2, -1.0), (3, 0.0)]);
    check(&net.finish(x), &[2, 1]);
}

#[test]
fn channels_by_themselves_go_with_their_filters() {
    let (mut net, x) = four(&[(1, -1.0), (2, 0.5)]);
    let y = net.grouped(x, 4, Grouping { kernel: 3, groups: 4 });
    // The second reads zeros; the third reads a constant that is another at the border.
    let network = net.finish(y);
    let thin = check(&network, &[2, 3, 3]);
    let Kind::Conv(conv) = &thin.layers[y].kind else { panic!("a convolution") };
    assert_eq!((conv.groups, conv.weight.len()), (3, 27));
}

#[test]
fn other_groups_keep_what_they_read_and_give() {
    let (mut net, x) = four(&[(1, -1.0)]);
    let y = net.grouped(x, 4, Grouping { kernel: 3, groups: 2 });
    net.fix(y, 2, 0.5);
    check(&net.finish(y), &[2, 4, 4]);
}

/// Two sums of branches, and a padded convolution that reads each branch: the constants that those
/// see are of very different sizes.
fn two_borders(constants: &[(f32, f32)]) -> Network {
    let (mut net, x) = four(&[]);
    let y = net.conv(0, 4, 3);
    for (o, (a, b)) in constants.iter().enumerate() {
        net.fix(x, o, *a);
        net.fix(y, o, *b);
    }
    let (of_x, of_y) = (net.conv(x, 2, 3), net.conv(y, 2, 3));
    let sum = net.same(Kind::Add, &[x, y]);
    let narrow = net.conv(sum, 2, 1);
    let all = net.same(Kind::Add, &[of_x, of_y]);
    let all = net.same(Kind::Add, &[all, narrow]);
    net.finish(all)
}

#[test]
fn one_stands_in_for_all_readers_where_it_can() {
    let network = two_borders(&[(1.0, 1e-3), (1e-3, -1.0), (0.5, 0.5)]);
    check(&network, &[2, 2, 2, 2, 2, 2, 2, 2, 2]);
    let network = two_borders(&[(1.0, 1e-3), (1e-3, -1.0), (2.0, 1e-3)]);
    check(&network, &[2, 3, 3, 2, 2, 3, 2, 2, 2]);
}

#[test]
fn what_stands_in_for_the_largest_may_go_after_it() {
    let network = two_borders(&[(1.5, 1e-3), (1.0, 1.0), (20.0, 1e-3)]);
    check(&network, &[2, 2, 2, 2, 2, 2, 2, 2, 2]);
}

#[test]
fn windows_over_all_pixels_read_each_of_them() {
    let (net, x) = four(&[(1, 0.5)]);
    let thin = check(&net.finish(x), &[2, 3]);
    let Kind::Conv(conv) = &thin.layers[2].kind else { panic!("a convolution") };
    assert_eq!(conv.weight.len(), 3 * 3 * SIDE * SIDE);
}
