//! Convolution that visits only the kept weights.

use kernels::conv::{Conv, Sparse};
use kernels::{Lanes, Window};
use proptest::prelude::*;
use seed::stream;

use crate::case::Case;
use crate::ending::ending;
use crate::{check, shapes};

/// A mask that keeps weights with probability `density`, and no weight of an output with
/// probability `empty`.
fn mask(conv: &Conv, (density, empty): (f64, f64), seed: u64) -> Vec<bool> {
    let mut random = stream(seed, "test/mask", 0);
    let of_output = (0..conv.outputs).map(|_| if random.chance(empty) { 0.0 } else { density });
    let of_output: Vec<f64> = of_output.collect();
    let row = conv.weight_len() / conv.outputs;
    (0..conv.weight_len()).map(|i| random.chance(of_output[i / row])).collect()
}

/// Shares of weights kept and of outputs left empty.
fn density() -> impl Strategy<Value = (f64, f64)> {
    let kept = prop_oneof![1 => Just(0.0), 1 => Just(1.0), 2 => 0.0..0.1, 2 => 0.0..1.0];
    (kept, prop_oneof![Just(0.0), 0.0..1.0])
}

/// The kept weights of `case`, made for a batch of `images` and set a second time.
fn sparse(case: &Case, images: usize) -> Sparse {
    let mut sparse = Sparse::new(&Conv { lanes: Lanes::of(images), ..case.conv }, &case.kept);
    assert_eq!(sparse.kept(), case.kept.iter().filter(|kept| **kept).count());
    sparse.set(&vec![f32::NAN; case.kept.len()]);
    let weights = case.weight.plain().into_iter().zip(&case.kept);
    sparse.set(&weights.map(|(w, kept)| if *kept { w } else { f32::NAN }).collect::<Vec<_>>());
    sparse
}

fn forward(case: &Case, sparse: &Sparse) {
    case.forward(|x, end, y| sparse.forward(&case.conv, x, end, y));
}

fn backward(case: &Case, sparse: &Sparse) {
    case.input_grad(|dy, dx| sparse.input_grad(&case.conv, dy, dx));
    case.weight_grad(|dy, x, dw| sparse.weight_grad(&case.conv, dy, x, dw));
}

fn both(conv: Conv, density: f64) {
    let case = Case::new(conv, 1).keep(mask(&conv, (density, 0.1), 2));
    let sparse = sparse(&case, 1);
    forward(&case, &sparse);
    backward(&case, &sparse);
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(
        conv in shapes::large_conv(), kept in density(), images in shapes::batch(),
        end in ending(), seed: u64,
    ) {
        let case = Case::new(conv, seed).keep(mask(&conv, kept, seed)).ending(end);
        forward(&case, &sparse(&case, images));
    }

    #[test]
    fn gradients_of_any_shape(
        conv in shapes::large_conv(), kept in density(), images in shapes::batch(), seed: u64,
    ) {
        let case = Case::new(conv, seed).keep(mask(&conv, kept, seed));
        backward(&case, &sparse(&case, images));
    }
}

/// A convolution of a 3x3 kernel with padding 1 over 8x8 pixels.
fn three(images: usize, inputs: usize, outputs: usize) -> Conv {
    let lanes = Lanes::of(images);
    Conv { lanes, inputs, h: 8, w: 8, outputs, window: Window::square(3, 1, 1) }
}

#[test]
fn many_channels_on_both_sides() {
    both(Conv { h: 5, w: 6, ..three(17, 200, 192) }, 0.05);
    both(Conv { window: Window::square(3, 2, 1), ..three(3, 193, 200) }, 0.05);
}

#[test]
fn windows_of_every_width() {
    (1..=33).for_each(|w| both(Conv { h: 5, w, ..three(2, 3, 4) }, 0.5));
}

#[test]
fn one_weight_of_many() {
    let conv = three(18, 20, 30);
    for at in [0, 17, conv.weight_len() / 2, conv.weight_len() - 1] {
        let case = Case::new(conv, 3).keep((0..conv.weight_len()).map(|i| i == at).collect());
        let sparse = sparse(&case, 18);
        forward(&case, &sparse);
        backward(&case, &sparse);
    }
}

#[test]
fn weights_are_zero_until_set() {
    let mut case = Case::new(three(2, 3, 4), 1);
    case.weight.values.fill(0.0);
    forward(&case, &Sparse::new(&case.conv, &case.kept));
}
