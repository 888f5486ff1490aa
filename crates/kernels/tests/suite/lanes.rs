//! Lanes without an image change nothing, whatever they hold.

use kernels::conv::{self, Conv};
use kernels::loss::{Target, cross_entropy};
use kernels::norm::{self, Affine, Saved, Tail};
use kernels::{LANES, Lanes};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, empty_lanes};
use crate::{check, shapes};

/// Statistics, output, gradient sums and gradient of a batch norm with `junk` in the empty lanes
/// of what it reads.
fn norm(x: &Array, dy: &Array, junk: f32) -> [Vec<f32>; 4] {
    let (plane, channels) = (shapes::plane(x), x.shape[1]);
    let (x, mut dx) = (x.blocks_with(junk), dy.blocks_with(junk));
    let (mut stats, mut sums) = (vec![f32::NAN; 2 * channels], vec![f32::NAN; 2 * channels]);
    let (weight, bias) = (vec![1.5; channels], vec![0.5; channels]);
    let mut y = vec![f32::NAN; x.len()];
    let affine = Affine { weight: &weight, bias: &bias, eps: 1e-5 };
    norm::forward(plane, affine, Tail::default(), &x, (&mut stats, &mut y));
    let saved = Saved { x: &x, stats: &stats, y: &[], relu: false };
    norm::backward(plane, affine, saved, (&mut dx, &mut []), &mut sums);
    [stats, y, sums, dx]
}

fn all_zero(values: &[f32]) -> bool {
    values.iter().all(|v| v.to_bits() == 0)
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn batch_norm(n in shapes::batch(), c in 1..=5_usize, side in 1..=9_usize, seed: u64) {
        let mut random = stream(seed, "test/lanes", 0);
        let shape = [n, c, side, side];
        let (x, dy) = (Array::normal(shape, &mut random), Array::normal(shape, &mut random));
        let zeros = norm(&x, &dy, 0.0);
        prop_assert_eq!(&norm(&x, &dy, 1e4), &zeros);
        prop_assert_eq!(&norm(&x, &dy, f32::NAN), &zeros);
        for blocks in [&zeros[1], &zeros[3]] {
            let empty = empty_lanes(blocks, c * side * side, x.lanes());
            prop_assert_eq!(empty.len(), (x.lanes().blocks() * LANES - n) * c * side * side);
            prop_assert!(all_zero(&empty));
        }
    }

    #[test]
    fn weight_gradient(n in shapes::batch(), c in 1..=5_usize, side in 3..=9_usize, seed: u64) {
        let mut random = stream(seed, "test/lanes", 0);
        let (lanes, outputs) = (Lanes::of(n), 4);
        let conv =
            Conv { lanes, inputs: c, h: side, w: side, outputs, kernel: 3, stride: 1, padding: 1 };
        let [input, _, output] = shapes::of_conv(&conv);
        let (x, dy) = (Array::normal(input, &mut random), Array::normal(output, &mut random));
        let grad = |junk: f32| {
            let mut dw = vec![f32::NAN; conv.weight_len()];
            conv::weight_grad(&conv, &dy.blocks(), &x.blocks_with(junk), &mut dw);
            dw
        };
        prop_assert_eq!(grad(1e4), grad(0.0));
    }

    #[test]
    fn loss(n in shapes::batch(), classes in 1..=12_usize, seed: u64) {
        let mut random = stream(seed, "test/lanes", 0);
        let logits = Array::normal([n, classes, 1, 1], &mut random);
        let labels: Vec<u8> = (0..n).map(|_| random.below(classes) as u8).collect();
        let target = Target { labels: &labels, classes, smoothing: 0.1 };
        let run = |junk: f32| {
            let mut grad = vec![f32::NAN; logits.blocks_len()];
            (cross_entropy(target, &logits.blocks_with(junk), Some(&mut grad)), grad)
        };
        let zeros = run(0.0);
        prop_assert!(all_zero(&empty_lanes(&zeros.1, classes, logits.lanes())));
        prop_assert_eq!(run(f32::NAN), zeros);
    }
}
