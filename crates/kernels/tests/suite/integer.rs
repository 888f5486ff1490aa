//! Convolution of bytes, held to plain loops bit for bit on every set of instructions of the machine.

use kernels::conv::Conv;
use kernels::integer::{
    Ending, Instructions, Method, Output, Rounding, Summand, Weights, Word, from_words, quads,
    to_words,
};
use kernels::{Activation, LANES};
use proptest::prelude::*;
use seed::stream;

use crate::{check, shapes};

/// A convolution with its operands.
struct Case {
    conv: Conv,
    weights: Vec<i8>,
    factors: Vec<f32>,
    bias: Vec<f32>,
    activation: Option<Activation>,
    /// `(images, inputs, rows, columns)`.
    x: Vec<u8>,
    from: Rounding,
    /// As many as there are outputs.
    add: Option<(Vec<u8>, Rounding)>,
    to: Rounding,
}

impl Case {
    /// Any operands; a share `density` of the weights is not zero, of any size up to the largest.
    fn new(conv: Conv, density: f64, seed: u64, activation: Option<Activation>) -> Self {
        let mut random = stream(seed, "test/integer", conv.weight_len() as u64);
        let mut byte = || (random.unit() * 256.0) as u8;
        let images = conv.lanes.images();
        let x = (0..images * conv.inputs * conv.h * conv.w).map(|_| byte()).collect();
        let outputs = images * conv.outputs * conv.output().pixels();
        let from = Rounding { scale: 0.02, zero: byte() };
        let add = (byte() < 128).then(|| {
            let rounding = Rounding { scale: 0.013, zero: byte() };
            ((0..outputs).map(|_| byte()).collect(), rounding)
        });
        let to = Rounding { scale: 0.031, zero: byte() };
        let weights = (0..conv.weight_len())
            .map(|_| if random.chance(density) { (random.unit() * 256.0) as u8 as i8 } else { 0 })
            .collect();
        // Sums that spread over the bytes of the output.
        let terms = (conv.inputs * conv.window.taps()) as f64 * density.max(0.01);
        let size = 2.0 / (128.0 * 74.0 * terms.sqrt());
        let factors = (0..conv.outputs).map(|_| ((random.unit() + 0.5) * size) as f32).collect();
        let bias = (0..conv.outputs).map(|_| random.unit() as f32 - 0.5).collect();
        Self { conv, weights, factors, bias, activation, x, from, add, to }
    }

    /// The value of each output as plain loops have it.
    fn values(&self) -> Vec<f32> {
        let c = &self.conv;
        let (window, output) = (c.window, c.output());
        let mut values = vec![];
        let add =
            self.add.as_ref().map(|(_, rounding)| Summand { words: &[], rounding: *rounding });
        let end =
            Ending { factors: &self.factors, bias: &self.bias, add, activation: self.activation };
        for n in 0..c.lanes.images() {
            for o in 0..c.outputs {
                for (oy, ox) in (0..output.h).flat_map(|y| (0..output.w).map(move |x| (y, x))) {
                    let mut sum = 0_i32;
                    for i in 0..c.inputs {
                        for tap in 0..window.taps() {
                            let (ky, kx) = (tap / window.kernel.w, tap % window.kernel.w);
                            let y = oy * window.stride.h + ky * window.dilation.h;
                            let x = ox * window.stride.w + kx * window.dilation.w;
                            let y = y.wrapping_sub(window.padding.top);
                            let x = x.wrapping_sub(window.padding.left);
                            if y < c.h && x < c.w {
                                let byte = self.x[((n * c.inputs + i) * c.h + y) * c.w + x];
                                let weight = self.weights[(o * c.inputs + i) * window.taps() + tap];
                                let byte = i32::from(byte) - i32::from(self.from.zero);
                                sum += i32::from(weight) * byte;
                            }
                        }
                    }
                    let summand = self.add.as_ref().map_or(0, |(all, _)| all[values.len()]);
                    values.push(end.value(o, sum, summand));
                }
            }
        }
        values
    }

    fn words(&self, bytes: &[u8], channels: usize, pixels: usize) -> Vec<Word> {
        let blocks = self.conv.lanes.blocks();
        let mut words = vec![0; blocks * quads(channels) * pixels * LANES];
        // What is no channel and no image must not matter.
        to_words(bytes, channels, self.conv.lanes, 77, &mut words);
        words
    }

    #[track_caller]
    fn check(&self) {
        let c = &self.conv;
        let pixels = c.output().pixels();
        let x = self.words(&self.x, c.inputs, c.h * c.w);
        let add = self.add.as_ref().map(|(all, r)| (self.words(all, c.outputs, pixels), *r));
        let add = add.as_ref().map(|(words, rounding)| Summand { words, rounding: *rounding });
        let end =
            Ending { factors: &self.factors, bias: &self.bias, add, activation: self.activation };
        let expected = self.values();
        let bytes: Vec<u8> = expected.iter().map(|v| self.to.rounded(*v)).collect();
        for instructions in Instructions::available() {
            for method in [Method::Dense, Method::Sparse] {
                let weights = Weights::new(c, &self.weights, method, instructions);
                let mut y = vec![0; c.lanes.blocks() * quads(c.outputs) * pixels * LANES];
                weights.forward(c, (&x, self.from), &end, Output::Words(&mut y, self.to));
                let found = from_words(&y, c.outputs, c.lanes);
                assert!(found == bytes, "{instructions:?}, {method:?}: bytes differ");
                let mut y = vec![f32::NAN; c.output_len()];
                weights.forward(c, (&x, self.from), &end, Output::Floats(&mut y));
                let mut found = vec![0.0; expected.len()];
                kernels::pack::from_blocks(&y, c.outputs * pixels, c.lanes, &mut found);
                let same = found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{instructions:?}, {method:?}: values differ");
            }
        }
    }
}

fn activations() -> impl Strategy<Value = Option<Activation>> {
    prop_oneof![
        Just(None),
        Just(Some(Activation::Relu)),
        Just(Some(Activation::Relu6)),
        Just(Some(Activation::Silu)),
        Just(Some(Activation::LeakyRelu { slope: 0.1 })),
        Just(Some(Activation::Gelu)),
    ]
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(
        conv in shapes::conv(20, 20), seed in any::<u64>(), activation in activations(),
        density in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
    ) {
        Case::new(conv, density, seed, activation).check();
    }

    #[test]
    fn more_channels(conv in shapes::large_conv(), seed in any::<u64>(), density in 0.0..1.0) {
        Case::new(conv, density, seed, Some(Activation::Relu)).check();
    }
}
