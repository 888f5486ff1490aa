//! A dense convolution's weights, arranged for the algorithm that suits its shape.

use super::direct::{self, Order};
use super::stencil::Stencil;
use super::winograd::{self, Tiles, Transformed};
use super::{Conv, Crew, Epilogue};
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
            winograd::transform_weights((conv.inputs, conv.outputs), weight, order, false)
        } else {
            direct::pack(&Stencil::forward(conv), weight, order)
        };
        Self { conv: *conv, weights }
    }

    /// As [`super::forward`], followed by `end`.
    pub fn forward(&self, conv: &Conv, x: &[f32], end: &Epilogue, y: &mut [f32]) {
        self.run(conv, x, (end, Crew::Pool), y);
    }

    /// [`Self::forward`] by some threads.
    pub(crate) fn run(
        &self,
        conv: &Conv,
        x: &[f32],
        (end, crew): (&Epilogue, Crew),
        y: &mut [f32],
    ) {
        assert_eq!(Conv { lanes: conv.lanes, ..self.conv }, *conv, "another convolution");
        conv.check((x.len(), conv.weight_len(), y.len()));
        end.check(conv.outputs, conv.output_len());
        if winograd::fits(conv) {
            let with = Transformed { weights: &self.weights, end };
            return winograd::run(&Tiles::forward(conv), with, x, y, crew);
        }
        direct::run(&Stencil::forward(conv), &self.weights, x, (end, crew), y);
    }
}

/// A dense convolution's weights, arranged for the gradient of its input.
pub(crate) struct InputGrad {
    conv: Conv,
    weights: Arranged,
}

enum Arranged {
    /// At Winograd's points.
    Points(Buffer),
    /// In panels, for the pixels of each phase of the stride.
    Panels(Vec<(Stencil, Buffer)>),
}

impl InputGrad {
    /// Arranges `weight`, in the order of the tensor.
    pub(crate) fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        let order = Order { output: conv.taps(), channel: conv.row() };
        let weights = if winograd::fits(conv) {
            let sizes = (conv.outputs, conv.inputs);
            Arranged::Points(winograd::transform_weights(sizes, weight, order, true))
        } else {
            let packed = |s: Stencil| {
                let panels = direct::pack(&s, weight, order);
                (s, panels)
            };
            Arranged::Panels(Stencil::input_grad(conv).into_iter().map(packed).collect())
        };
        Self { conv: *conv, weights }
    }

    /// As [`super::input_grad`], by some threads.
    pub(crate) fn run(&self, dy: &[f32], dx: &mut [f32], crew: Crew) {
        let conv = &self.conv;
        conv.check((dx.len(), conv.weight_len(), dy.len()));
        let end = &Epilogue::default();
        match &self.weights {
            Arranged::Points(weights) => {
                let with = Transformed { weights, end };
                winograd::run(&Tiles::input_grad(conv), with, dy, dx, crew);
            }
            Arranged::Panels(all) => {
                for (s, panels) in all {
                    direct::run(s, panels, dy, (end, crew), dx);
                }
            }
        }
    }
}
