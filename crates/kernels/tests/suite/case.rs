//! A convolution with its operands, and what is asked of kernels that compute it: the f64
//! version's values, no write out of bounds, and no look at lanes without an image.

use kernels::conv::{Conv, Epilogue};
use kernels::{Activation, Size};
use seed::stream;

use crate::array::{Array, empty_lanes, plain, wide, written};
use crate::ending::{self, Ending};
use crate::{check, reference, shapes};

/// What lanes without an image hold where only their being finite is promised.
const JUNK: f32 = 1e4;

/// A convolution, its operands, and the cotangent `dy` of its output.
pub struct Case {
    pub conv: Conv,
    pub x: Array,
    /// Zero where not kept.
    pub weight: Array,
    pub kept: Vec<bool>,
    /// One value an output, or none.
    pub bias: Vec<f64>,
    /// What the output is added to, or none.
    add: Option<Array>,
    activation: Option<Activation>,
    pub dy: Array,
    /// Relative error that is allowed.
    pub tolerance: f64,
}

impl Case {
    /// Normal operands with a bias, every weight kept, and the error that dense kernels may make.
    pub fn new(conv: Conv, seed: u64) -> Self {
        let mut random = stream(seed, "test/conv", 0);
        let [input, weight, output] = shapes::of_conv(&conv);
        let (kernel, stride) = (conv.window.kernel, conv.window.stride);
        let three = kernel == Size::square(3) && stride == Size::square(1);
        let tiled = three && conv.inputs.min(conv.outputs) >= 8;
        Self {
            conv,
            x: Array::normal(input, &mut random),
            weight: Array::normal(weight, &mut random),
            kept: vec![true; conv.weight_len()],
            bias: Array::normal([conv.outputs, 1, 1, 1], &mut random).values,
            add: None,
            activation: None,
            dy: Array::normal(output, &mut random),
            tolerance: if tiled { 5e-5 } else { 5e-6 },
        }
    }

    /// The same with only some weights kept, and the error that sparse kernels may make.
    pub fn keep(mut self, kept: Vec<bool>) -> Self {
        let weights = self.weight.values.iter_mut().zip(&kept);
        weights.filter(|(_, kept)| !**kept).for_each(|(w, _)| *w = 0.0);
        Self { kept, tolerance: 5e-6, ..self }
    }

    /// The same with another epilogue.
    pub fn ending(mut self, ending: Ending) -> Self {
        self.bias.truncate(if ending.bias { self.conv.outputs } else { 0 });
        Self { add: ending.summand(&self.dy), activation: ending.activation, ..self }
    }

    /// Asserts that `kernel` writes `conv(x, weight)` given `x`, ended as it is told.
    #[track_caller]
    pub fn forward(&self, kernel: impl FnOnce(&[f32], &Epilogue, &mut [f32])) {
        let (x, bias) = (self.x.blocks_with(f32::NAN), plain(&self.bias));
        let add = self.add.as_ref().map_or(vec![], |add| add.blocks_with(f32::NAN));
        let end = Epilogue { bias: &bias, add: &add, activation: self.activation };
        let found = written(self.conv.output_len(), |y| kernel(&x, &end, y));
        let mut expected = reference::conv::forward(&self.conv, &self.x, &self.weight, &self.bias);
        let add = self.add.as_ref();
        let tolerance = ending::end(&mut expected, add, self.activation, self.tolerance);
        check::close(&expected.read(&found), &expected.values, tolerance);
    }

    /// Asserts that `kernel` writes the gradient of `x` given `dy`, and zeros in empty lanes.
    #[track_caller]
    pub fn input_grad(&self, kernel: impl FnOnce(&[f32], &mut [f32])) {
        let dy = self.dy.blocks();
        let found = written(self.conv.input_len(), |dx| kernel(&dy, dx));
        let expected = reference::conv::input_grad(&self.conv, &self.dy, &self.weight);
        check::close(&expected.read(&found), &expected.values, self.tolerance);
        let pixels = self.conv.inputs * self.conv.h * self.conv.w;
        let empty = empty_lanes(&found, pixels, self.conv.lanes);
        assert!(empty.iter().all(|v| *v == 0.0), "an empty lane is not zero");
    }

    /// Asserts that `kernel` writes the gradient of the kept weights given `dy` and `x`, and +0
    /// elsewhere.
    #[track_caller]
    pub fn weight_grad(&self, kernel: impl FnOnce(&[f32], &[f32], &mut [f32])) {
        let (dy, x) = (self.dy.blocks(), self.x.blocks_with(JUNK));
        let found = written(self.conv.weight_len(), |dw| kernel(&dy, &x, dw));
        let mut expected = reference::conv::weight_grad(&self.conv, &self.dy, &self.x).values;
        for (i, kept) in self.kept.iter().enumerate().filter(|(_, kept)| !**kept) {
            assert_eq!(found[i].to_bits(), 0, "weight {i}, kept {kept}");
            expected[i] = 0.0;
        }
        check::close(&wide(&found), &expected, self.tolerance);
    }
}
