//! Bounds of every size, by what comes of images between and beyond them.

use inference::{Checked, Network, Plan};

use super::Net;
use crate::proto::{Attribute, Tensor};

const IMAGES: usize = 5;
const PIXELS: usize = 24;

/// Images whose values are spread around 0, up to five times `size` away from it.
fn images(size: f32) -> Vec<f32> {
    let mut stream = seed::stream(1, "test/bounds", 0);
    (0..IMAGES * 3 * PIXELS).map(|_| stream.normal() as f32 * size).collect()
}

/// What the network answers, and what it should where `z` is `of` each value of the image and its channel.
fn answers(net: &Net, size: f32, of: &dyn Fn(usize, f32) -> f32) -> [Vec<f32>; 2] {
    let images = images(size);
    let found = net.read().unwrap_or_else(|e| panic!("{e}"));
    let values = Checked { graph: &found.graph, tensors: &found.tensors };
    let network = Network::new(&found.graph, &values);
    let answers = Plan::fixed(&network, (0, IMAGES), false).logits(&images);
    let mean = |(i, map): (usize, &[f32])| {
        map.iter().map(|v| f64::from(of(i % 3, *v))).sum::<f64>() / PIXELS as f64
    };
    let means: Vec<f64> = images.chunks_exact(PIXELS).enumerate().map(mean).collect();
    let weight = |i: usize| 0.5 + i as f64 / 64.0;
    let logit = |means: &[f64], class: usize| {
        let sum: f64 = means.iter().enumerate().map(|(i, m)| m * weight(class * 3 + i)).sum();
        (sum + weight(class)) as f32
    };
    let expected = means.chunks_exact(3).flat_map(|m| [logit(m, 0), logit(m, 1)]).collect();
    [answers, expected]
}

fn check(net: Net, of: impl Fn(usize, f32) -> f32) {
    let net = net.classified("z", 3);
    for size in [1e-2, 1.0, 100.0, 1e5] {
        let [found, expected] = answers(&net, size, &of);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let off = (found - expected).abs();
            assert!(off <= 1e-5 * expected.abs().max(1.0), "{size}: {found}, not {expected}");
        }
    }
}

fn clip(low: f32, high: f32) -> Net {
    Net::new().number("low", low).number("high", high).nodes("Clip(x, low, high) -> z")
}

#[test]
fn as_large_as_f32_is_no_bound() {
    check(clip(f32::MIN, 6.0), |_, v| v.min(6.0));
    check(clip(1.0, f32::MAX), |_, v| v.max(1.0));
    let with = vec![Attribute::float("min", f32::MIN), Attribute::float("max", 6.0)];
    let attributes = Net { opset: 10, ..Net::new() }.node("Clip(x) -> z", with);
    check(attributes, |_, v| v.min(6.0));
    let untouched = |net: Net| drop(net.classified("z", 3).check(&[]));
    untouched(clip(f32::MIN, f32::MAX));
    untouched(clip(f32::MIN, f32::INFINITY));
    untouched(Net::new().number("low", f32::MIN).nodes("Max(x, low) -> z"));
    untouched(Net::new().number("high", f32::MAX).nodes("Min(x, high) -> z"));
}

#[test]
fn large_bounds_leave_small_values_as_they_are() {
    let all = [
        (-65504.0, 65504.0),
        (-65504.0, f32::INFINITY),
        (f32::NEG_INFINITY, 65504.0),
        (-1e30, 1e30),
        (-1e9, 0.5),
        (-0.5, 1e9),
        (0.0, 65504.0),
        (-65504.0, 0.0),
        (-65504.0, -1.0),
        (1.0, 65504.0),
        (-0.5, 2.5),
    ];
    for (low, high) in all {
        check(clip(low, high), |_, v| v.clamp(low, high));
    }
    let one_by_one = Net::new()
        .number("low", -65504.0)
        .number("high", 65504.0)
        .nodes("Max(x, low) -> a\nMin(a, high) -> z");
    check(one_by_one, |_, v| v.clamp(-65504.0, 65504.0));
}

#[test]
fn a_bound_of_each_channel() {
    let with = |bounds: [f32; 3], line: &str| {
        let mut net = Net::new();
        net.graph.initializer.push(Tensor::new("k", &[3, 1, 1], &bounds));
        net.nodes(line)
    };
    let low = [f32::MIN, -65504.0, 0.5];
    check(with(low, "Max(x, k) -> z"), |c, v| v.max(low[c]));
    let high = [f32::INFINITY, 65504.0, 0.5];
    check(with(high, "Min(k, x) -> z"), |c, v| v.min(high[c]));
}

#[test]
fn bounds_that_leave_next_to_nothing_are_refused() {
    clip(0.0, 1e-40).classified("z", 3).refused(3, &["of_z", "Clip", "by 1e-30 or more"]);
    clip(f32::NAN, 1.0).classified("z", 3).refused(3, &["of_z", "Clip", "bounds NaN and 1"]);
}
