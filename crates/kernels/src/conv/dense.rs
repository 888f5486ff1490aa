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
            winograd::transform_weights(&Tiles::forward(conv), weight, order, false)
        } else {
            direct::pack(&Stencil::forward(conv), weight, order)
        };
        Self { conv: *conv, weights }
    }

    /// As [`super::forward`], followed by `end`.
    pub fn forward(&self, conv: &Conv, x: &[f32], end: &Epilogue, y: &mut [f32]) {
        self.by(Crew::Pool).forward(conv, x, end, y);
    }

    /// Itself, computed by some threads.
    pub(crate) fn by(&self, crew: Crew) -> DenseBy<'_> {
        DenseBy { dense: self, crew }
    }
}

/// A dense convolution that some threads compute.
pub(crate) struct DenseBy<'a> {
    dense: &'a Dense,
    crew: Crew,
}

impl DenseBy<'_> {
    /// As [`Dense::forward`].
    pub(crate) fn forward(&self, conv: &Conv, x: &[f32], end: &Epilogue, y: &mut [f32]) {
        let Self { dense, crew } = *self;
        assert_eq!(Conv { lanes: conv.lanes, ..dense.conv }, *conv, "another convolution");
        conv.check((x.len(), conv.weight_len(), y.len()));
        end.check(conv.outputs, conv.output_len());
        if winograd::fits(conv) {
            let with = Transformed { weights: &dense.weights, end };
            return winograd::run(&Tiles::forward(conv), with, x, y, crew);
        }
        direct::run(&Stencil::forward(conv), &dense.weights, x, (end, crew), y);
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
    Panels(Vec<Buffer>),
}

impl InputGrad {
    /// Arranges `weight`, in the order of the tensor.
    pub(crate) fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        let order = Order { output: conv.taps(), channel: conv.row() };
        let weights = if winograd::fits(conv) {
            let tiles = Tiles::input_grad(conv);
            Arranged::Points(winograd::transform_weights(&tiles, weight, order, true))
        } else {
            let stencils = Stencil::input_grad(conv);
            let panels = stencils.iter().map(|s| direct::pack(s, weight, order));
            Arranged::Panels(panels.collect())
        };
        Self { conv: *conv, weights }
    }

    /// As [`super::input_grad`], by some threads.
    pub(crate) fn run(&self, conv: &Conv, dy: &[f32], dx: &mut [f32], crew: Crew) {
        assert_eq!(Conv { lanes: conv.lanes, ..self.conv }, *conv, "another convolution");
        conv.check((dx.len(), conv.weight_len(), dy.len()));
        let end = &Epilogue::default();
        match &self.weights {
            Arranged::Points(weights) => {
                let with = Transformed { weights, end };
                winograd::run(&Tiles::input_grad(conv), with, dy, dx, crew);
            }
            Arranged::Panels(panels) => {
                for (s, panels) in Stencil::input_grad(conv).iter().zip(panels) {
                    direct::run(s, panels, dy, (end, crew), dx);
                }
            }
        }
    }
}
