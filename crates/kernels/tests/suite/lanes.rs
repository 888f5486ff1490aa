//! Lanes without an image change nothing, whatever they hold.

use kernels::conv::{self, Conv};
use kernels::loss::{Target, cross_entropy};
use kernels::norm::{self, Affine, Gradients, Norm, Saved, Tail};
use kernels::{Activation, LANES, Lanes, Window};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, empty_lanes};
use crate::norm::tail;
use crate::{check, shapes};

/// Activation, summand and gradient of a batch norm, and the activation behind it.
struct Case {
    x: Array,
    add: Option<Array>,
    dy: Array,
    activation: Option<Activation>,
}

/// What forward and backward pass of a batch norm leave.
#[derive(Debug, PartialEq)]
struct Passed {
    /// Statistics and gradient sums.
    sums: [Vec<f32>; 2],
    /// Outputs of train and eval mode, and the input's gradient.
    blocks: [Vec<f32>; 3],
    /// The gradient before the activation, of real images.
    dz: Vec<f64>,
}

impl Case {
    /// Both passes with `junk` in the empty lanes of what they read.
    fn passed(&self, junk: f32) -> Passed {
        let (plane, channels) = (shapes::plane(&self.x), self.x.shape[1]);
        let (x, mut dz) = (self.x.blocks_with(junk), self.dy.blocks_with(junk));
        let add = self.add.as_ref().map_or(Vec::new(), |add| add.blocks_with(junk));
        let (weight, bias) = (vec![1.5; channels], vec![0.5; channels]);
        let affine = Affine { weight: &weight, bias: &bias, eps: 1e-5 };
        let norm = Norm { plane, affine, tail: Tail { add: &add, activation: self.activation } };
        let unset = || (vec![f32::NAN; 2 * channels], vec![f32::NAN; x.len()]);
        let ((mut stats, mut y), (mut sums, mut dx), (_, mut eval)) = (unset(), unset(), unset());
        norm.forward(&x, &mut stats, &mut y);
        norm.apply(&x, &stats, &mut eval);
        let output: &[f32] = if add.is_empty() { &[] } else { &y };
        let saved = Saved { x: &x, stats: &stats, y: output, activation: self.activation };
        let gradients = Gradients { dy: &mut dz, dx: &mut dx, sums: &mut sums };
        norm::backward(plane, affine, saved, gradients);
        Passed { sums: [stats, sums], blocks: [y, eval, dx], dz: self.x.read(&dz) }
    }
}

fn all_zero(values: &[f32]) -> bool {
    values.iter().all(|v| v.to_bits() == 0)
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn batch_norm(
        (n, c, side) in (shapes::batch(), 1..=5_usize, 1..=9_usize),
        tail in tail(),
        seed: u64,
    ) {
        let mut random = stream(seed, "test/lanes", 0);
        let mut normal = || Array::normal([n, c, side, side], &mut random);
        let (x, dy) = (normal(), normal());
        let add = tail.add.then(&mut normal);
        let norm = Case { x, add, dy, activation: tail.activation };
        let zeros = norm.passed(0.0);
        prop_assert_eq!(&norm.passed(1e4), &zeros);
        prop_assert_eq!(&norm.passed(f32::NAN), &zeros);
        for blocks in &zeros.blocks {
            let empty = empty_lanes(blocks, c * side * side, norm.x.lanes());
            prop_assert_eq!(empty.len(), (norm.x.lanes().blocks() * LANES - n) * c * side * side);
            prop_assert!(all_zero(&empty));
        }
    }

    #[test]
    fn weight_gradient(n in shapes::batch(), c in 1..=5_usize, side in 3..=9_usize, seed: u64) {
        let mut random = stream(seed, "test/lanes", 0);
        let (lanes, outputs) = (Lanes::of(n), 4);
        let window = Window::square(3, 1, 1);
        let conv = Conv { lanes, inputs: c, h: side, w: side, outputs, window };
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
        let labels: Vec<u16> = (0..n).map(|_| random.below(classes) as u16).collect();
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
