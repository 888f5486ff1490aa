//! A dense convolution's weights, arranged for the algorithm that suits its shape.

use super::direct::{self, Order};
use super::stencil::Stencil;
use super::winograd::{self, Crew, Tiles, Transformed};
use super::{Conv, Epilogue};
use crate::scratch::Buffer;

/// Weights that are ready to be used for any batch of the convolution they were made for.
pub struct Dense {
    conv: Conv,
    /// At Winograd's points where that fits the shape, else in panels.
    weights: Buffer,
}

impl Dense {
    /// Arranges `weight`, in the order of the tensor.
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        let order = Order { output: conv.row(), channel: conv.taps() };
        let weights = if winograd::fits(conv) {
            winograd::transform_weights(&Tiles::forward(conv), weight, order, false)
        } else {
            direct::pack(&Stencil::forward(conv), weight, order)
        };
        Self { conv: *conv, weights }
    }

    /// As [`super::forward`], followed by `end`.
    pub fn forward(&self, conv: &Conv, x: &[f32], end: &Epilogue, y: &mut [f32]) {
        assert_eq!(Conv { lanes: conv.lanes, ..self.conv }, *conv, "another convolution");
        conv.check((x.len(), conv.weight_len(), y.len()));
        end.check(conv.outputs, conv.output_len());
        if winograd::fits(conv) {
            let with = Transformed { weights: &self.weights, end };
            return winograd::run(&Tiles::forward(conv), with, x, y, Crew::Pool);
        }
        direct::run(&Stencil::forward(conv), &self.weights, x, end, y);
    }
}
