//! Convolution of bytes, held to plain loops bit for bit on every set of instructions of the machine.

use kernels::conv::Conv;
use kernels::conv::depthwise;
use kernels::integer::{
    Arrangement, Depthwise, Ending, Input, Instructions, Layout, Maps, Method, Output, Quads,
    Rounding, Summand, Weights,
};
use kernels::{Activation, LANES, Lanes, Sides, Size, Window};
use proptest::prelude::*;
use seed::stream;

use crate::{check, shapes};

/// A convolution with its operands.
#[derive(Clone)]
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

    fn maps(&self, layout: Layout, output: bool) -> Maps {
        let c = &self.conv;
        let (channels, size) =
            if output { (c.outputs, c.output()) } else { (c.inputs, Size { h: c.h, w: c.w }) };
        Maps { layout, channels, size }
    }

    /// All images as lanes, or the first one in tiles.
    fn check(&self) {
        let batch = Layout::Images(self.conv.lanes);
        for layout in [batch, Layout::Tiles] {
            for instructions in Instructions::available() {
                for method in [Method::Dense, Method::Sparse] {
                    let tiles = layout == Layout::Tiles;
                    self.check_one(layout, Arrangement { method, tiles, instructions });
                }
            }
        }
    }

    #[track_caller]
    fn check_one(&self, layout: Layout, how: Arrangement) {
        let c = &self.conv;
        let (maps, to) = (self.maps(layout, false), self.maps(layout, true));
        // What is no channel and no image must not matter.
        let words = maps.to_words(&self.x[..maps.bytes()], 77);
        let x = Input { layout, words: &words, rounding: self.from };
        let add = self.add.as_ref().map(|(all, r)| (to.to_words(&all[..to.bytes()], 78), *r));
        let add = add.as_ref().map(|(words, rounding)| Summand { words, rounding: *rounding });
        let end =
            Ending { factors: &self.factors, bias: &self.bias, add, activation: self.activation };
        let expected = &self.values()[..to.bytes()];
        let bytes: Vec<u8> = expected.iter().map(|v| self.to.rounded(*v)).collect();
        let weights = Weights::new(c, &Quads::new(c, &self.weights, 1), how);
        let mut y = vec![0; to.words()];
        weights.forward(x, &end, Output::Words(&mut y, self.to));
        assert!(to.from_words(&y) == bytes, "{how:?}: bytes differ");
        if layout == Layout::Tiles {
            // As the logits of one image: single pixels, in the first lane.
            if c.output().pixels() == 1 {
                let mut y = vec![f32::NAN; c.outputs * LANES];
                weights.forward(x, &end, Output::Floats(&mut y));
                let found: Vec<f32> = y.iter().step_by(LANES).copied().collect();
                let same = found.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{how:?}: values differ");
            }
            return;
        }
        let mut y = vec![f32::NAN; c.output_len()];
        weights.forward(x, &end, Output::Floats(&mut y));
        let mut found = vec![0.0; expected.len()];
        kernels::pack::from_blocks(&y, c.outputs * c.output().pixels(), c.lanes, &mut found);
        let same = found.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "{how:?}: values differ");
    }

    /// As a convolution of each channel by itself, of as many outputs as inputs.
    #[track_caller]
    fn check_depthwise(&self) {
        let c = &self.conv;
        let sizes = depthwise::Depthwise {
            lanes: Lanes::of(1),
            channels: c.inputs,
            h: c.h,
            w: c.w,
            window: c.window,
        };
        // The same weights where all others are zero.
        let (taps, mut full) = (c.window.taps(), vec![0; c.weight_len()]);
        let own = &self.weights[..c.inputs * taps];
        for (i, weights) in own.chunks_exact(taps).enumerate() {
            full[(i * c.inputs + i) * taps..][..taps].copy_from_slice(weights);
        }
        let all = Self { weights: full, x: self.x.clone(), ..self.clone() };
        for layout in [Layout::Images(c.lanes), Layout::Tiles] {
            let (maps, to) = (self.maps(layout, false), self.maps(layout, true));
            let words = maps.to_words(&self.x[..maps.bytes()], 77);
            let x = Input { layout, words: &words, rounding: self.from };
            let add = self.add.as_ref().map(|(all, r)| (to.to_words(&all[..to.bytes()], 78), *r));
            let add = add.as_ref().map(|(words, rounding)| Summand { words, rounding: *rounding });
            let activation = self.activation;
            let end = Ending { factors: &self.factors, bias: &self.bias, add, activation };
            let bytes: Vec<u8> = all.values().iter().map(|v| self.to.rounded(*v)).collect();
            for instructions in Instructions::available() {
                let mut y = vec![0; to.words()];
                let tiles = layout == Layout::Tiles;
                let kernel = Depthwise::new(&sizes, own, tiles, instructions);
                kernel.forward(x, &end, (&mut y, self.to));
                let same = to.from_words(&y) == bytes[..to.bytes()];
                assert!(same, "{layout:?}, {instructions:?}");
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

/// Inputs and outputs that fill no whole matrix of AMX, or several; windows that come alone or in pairs.
#[test]
fn parts_of_matrices() {
    let lanes = Lanes::of(3);
    for (inputs, outputs) in [(64, 16), (65, 17), (68, 33), (132, 64), (3, 48)] {
        for (side, stride) in [(1, 1), (3, 1), (7, 2)] {
            let window = Window { stride: Size::square(stride), ..Window::square(3, 1, 1) };
            let conv = Conv { lanes, inputs, h: side, w: side, outputs, window };
            Case::new(conv, 0.9, side as u64, Some(Activation::Relu)).check();
        }
    }
    let window = Window { kernel: Size { h: 3, w: 1 }, ..Window::square(1, 1, 0) };
    Case::new(Conv { lanes, inputs: 8, h: 9, w: 1, outputs: 5, window }, 1.0, 3, None).check();
    // Taps of a single quad that are not neighbours, in runs of different lengths.
    let window = Window { stride: Size::square(2), ..Window::square(7, 1, 3) };
    Case::new(Conv { lanes, inputs: 3, h: 12, w: 12, outputs: 20, window }, 1.0, 1, None).check();
    let window = Window { dilation: Size::square(2), ..Window::square(3, 1, 2) };
    Case::new(Conv { lanes, inputs: 4, h: 9, w: 9, outputs: 8, window }, 1.0, 2, None).check();
}

/// Values halfway between two integers, within the range, at its bounds and beyond them.
#[test]
fn halves_become_the_even_integer() {
    let window = Window::square(1, 1, 0);
    let conv = Conv { lanes: Lanes::of(16), inputs: 1, h: 4, w: 5, outputs: 4, window };
    for zero in [0, 1, 100, 255] {
        for activation in [None, Some(Activation::Relu), Some(Activation::Relu6)] {
            let case = Case {
                x: (0..16 * 20).map(|i| i as u8).collect(),
                from: Rounding { scale: 1.0, zero: 128 },
                weights: vec![1; 4],
                factors: vec![0.25, -0.25, 0.75, 64.0],
                bias: vec![0.0; 4],
                add: None,
                to: Rounding { scale: 0.5, zero },
                ..Case::new(conv, 1.0, 1, activation)
            };
            case.check();
        }
    }
}

/// Single pixels that lie apart from where their windows stand, or beyond the map.
#[test]
fn single_pixels_beside_others() {
    let one = Window::square(1, 1, 0);
    let below = Sides { top: 0, left: 0, bottom: 1, right: 1 };
    let windows = [
        Window { dilation: Size::square(2), ..one },
        Window { padding: below, ..one },
        Window::square(1, 2, 0),
    ];
    for window in windows {
        for side in [3, 5, 8, 9] {
            let lanes = Lanes::of(2);
            let conv = Conv { lanes, inputs: 5, h: side, w: side, outputs: 6, window };
            Case::new(conv, 0.7, side as u64, None).check();
            Case::new(Conv { outputs: 5, ..conv }, 1.0, 1, None).check_depthwise();
        }
    }
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn each_channel_by_itself(
        conv in shapes::conv(9, 9), seed in any::<u64>(), activation in activations(),
    ) {
        let conv = Conv { outputs: conv.inputs, ..conv };
        Case::new(conv, 1.0, seed, activation).check_depthwise();
    }
}
