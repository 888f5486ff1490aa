//! What one image goes through beside convolutions, held to the same f64 versions as blocks.

use kernels::flat::{self, Image, Map, Output};
use kernels::norm::Affine;
use proptest::prelude::*;
use seed::stream;

use crate::activation::any_activation;
use crate::array::{Array, plain, written};
use crate::flat::{holds, laid, map};
use crate::pool::{distinct, input};
use crate::{average, border, channels, check, layer_norm, reference, shapes};

/// Zeros around what is read and around what is written.
type Pads = [usize; 2];

fn pads() -> impl Strategy<Value = Pads> {
    [0..3_usize, 0..3_usize]
}

/// An image that was laid out.
struct Laid {
    map: Map,
    values: Vec<f32>,
}

impl Laid {
    fn new(array: &Array, pad: usize) -> Self {
        Self { map: map(array, pad), values: laid(array, pad) }
    }

    fn image(&self) -> Image<'_> {
        Image { map: self.map, values: &self.values }
    }
}

/// Asserts that `run` writes `expected` with zeros around and behind it, the same in several parts.
#[track_caller]
fn check(expected: &Array, pad: usize, tolerance: f64, run: impl Fn(Output)) {
    let map = map(expected, pad);
    let of = |tasks: usize| written(map.len(), |values| run(Output { map, values, tasks }));
    let found = of(1);
    holds(&found, expected, pad, tolerance);
    let behind = &found[map.channels * map.plane()..];
    assert!(behind.iter().all(|v| *v == 0.0), "something behind the channels is not zero");
    assert!(found == of(3), "three tasks differ from one");
}

fn image_of(shape: [usize; 4], index: u64) -> Array {
    let [_, c, h, w] = shape;
    Array::normal([1, c, h, w], &mut stream(index, "test/flat", 7))
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn maxima(p in shapes::pooling(), c in 1..=5_usize, pads in pads(), seed: u64) {
        let x = distinct(input(&p, [1, c]), seed);
        let from = Laid::new(&x, pads[0]);
        let expected = reference::pool::max(&p, &x);
        // The norm of minus infinities is none.
        prop_assume!(expected.values.iter().all(|v| v.is_finite()));
        check(&expected, pads[1], 0.0, |y| flat::max_pool(&p, from.image(), y));
    }

    #[test]
    fn averages(
        of in prop_oneof![average::windows(), average::grids()],
        c in 1..=5_usize,
        pads in pads(),
    ) {
        let x = image_of([1, c, of.input().h, of.input().w], 0);
        let from = Laid::new(&x, pads[0]);
        let expected = reference::pool::average(&of, &x);
        check(&expected, pads[1], 1e-6, |y| flat::average(&of, from.image(), y));
    }

    #[test]
    fn activations(of in any_activation(), shape in shapes::activation(), pad in 0..3_usize) {
        let x = image_of(shape, 1);
        let values: Vec<f64> =
            x.values.iter().map(|x| reference::activation::of(of, *x)).collect();
        let (expected, from) = (x.with(&values), Laid::new(&x, pad));
        check(&expected, pad, 5e-7, |y| flat::activation(of, from.image(), y));
        check(&expected, pad, 5e-7, |y| {
            y.values.copy_from_slice(&from.values);
            flat::apply(of, y);
        });
    }

    #[test]
    fn sums_and_products(shape in shapes::activation(), pad in 0..3_usize) {
        let [a, b] = [image_of(shape, 2), image_of(shape, 3)];
        let (left, right) = (Laid::new(&a, pad), Laid::new(&b, pad));
        let pairs = || a.values.iter().zip(&b.values);
        let sums = a.with(&pairs().map(|(a, b)| a + b).collect::<Vec<_>>());
        check(&sums, pad, 1e-7, |y| flat::add(left.image(), right.image(), y));
        let products = a.with(&pairs().map(|(a, b)| a * b).collect::<Vec<_>>());
        check(&products, pad, 1e-7, |y| flat::multiply(left.image(), right.image(), y));
    }

    #[test]
    fn factors_and_shifts(shape in shapes::activation(), pads in pads()) {
        let (x, c) = (image_of(shape, 4), shape[1]);
        let (from, factors) = (Laid::new(&x, pads[0]), image_of([1, c, 1, 1], 5));
        let (none, ones) = (vec![0.0; c], vec![1.0; c]);
        let scaled = channels::affine(&x, &factors.values, &none);
        let one = Laid::new(&factors, pads[1]);
        check(&scaled, pads[0], 1e-7, |y| flat::scale(from.image(), one.image(), y));
        let values = factors.plain();
        check(&scaled, pads[0], 1e-7, |y| flat::scale_channels(&values, from.image(), y));
        let shifted = channels::affine(&x, &ones, &factors.values);
        check(&shifted, pads[0], 1e-7, |y| flat::shift_channels(&values, from.image(), y));
    }

    #[test]
    fn channels_of_two_inputs(
        shape in shapes::activation(), pads in pads(),
        (counts, sources) in
            [1..=4_usize, 1..=4_usize].prop_flat_map(|c| (Just(c), channels::sources(c))),
    ) {
        let [_, _, h, w] = shape;
        let [first, second] = [0, 1].map(|i| image_of([1, counts[i], h, w], 6 + i as u64));
        let expected = channels::gathered([&first, &second], &sources);
        let [first, second] = [Laid::new(&first, pads[0]), Laid::new(&second, 0)];
        let images = [first.image(), second.image()];
        check(&expected, pads[1], 0.0, |y| flat::gather(&images, &sources, y));
    }

    #[test]
    fn borders(shape in shapes::activation(), sides in border::sides(), pads in pads()) {
        let x = image_of(shape, 8);
        let from = Laid::new(&x, pads[0]);
        let expected = border::padded(&x, sides);
        check(&expected, pads[1], 0.0, |y| flat::pad_borders(sides, from.image(), y));
    }

    #[test]
    fn vectors(shape in shapes::activation(), pad in 0..3_usize) {
        let x = image_of(shape, 9);
        let from = Laid::new(&x, pad);
        let vector = Array { shape: [1, x.values.len(), 1, 1], ..x.clone() };
        check(&vector, 0, 0.0, |y| flat::flatten(from.image(), y));
    }

    #[test]
    fn layer_norms(shape in layer_norm::several(), large: bool, affine: bool, pad in 0..3_usize) {
        let [_, c, h, w] = shape;
        let x = image_of(if large { [1, c, 5 * h, 5 * w] } else { shape }, 10);
        let count = if affine { c } else { 0 };
        let [weight, bias] = [11, 12].map(|index| image_of([1, count, 1, 1], index).values);
        let exact = reference::norm::Affine { weight: &weight, bias: &bias, eps: 1e-6 };
        let expected = reference::norm::layer(&x, &exact);
        let (weight, bias, from) = (plain(&weight), plain(&bias), Laid::new(&x, pad));
        let affine = Affine { weight: &weight, bias: &bias, eps: 1e-6 };
        check(&expected, pad, 1e-6, |y| flat::layer_norm(&affine, from.image(), y));
    }
}

/// Infinity times the zeros around is not zero.
#[test]
fn factors_that_are_not_finite_stay_within_the_pixels() {
    let x = image_of([1, 1, 2, 2], 13);
    let from = Laid::new(&x, 1);
    for factor in [f32::NAN, f32::INFINITY] {
        let map = from.map;
        let found = written(map.len(), |values| {
            flat::scale_channels(&[factor], from.image(), Output { map, values, tasks: 1 });
        });
        let around = found.iter().filter(|v| **v == 0.0).count();
        assert_eq!(around, map.len() - 4);
    }
}
