//! Convolution that visits only the weights that a mask keeps.
//!
//! For each output the kept weights are a list of (where it reads, value). A segment of up to
//! sixteen windows is kept in registers while the list is walked: one broadcast and sixteen
//! multiply-adds a weight, each with its operand straight from the cache. The gradient of the
//! weight keeps the segment's gradient in registers and walks the same list.

mod forward;
mod list;
mod segment;
mod weight_grad;

use super::direct::Order;
use super::stencil::Stencil;
use super::{Conv, Epilogue};
pub(super) use forward::window;
pub(super) use list::Entry;
use list::List;
pub(super) use segment::{Steps, Sum, dots, total, walk};

/// The kept weights of one convolution, arranged for the three computations.
///
/// It fits any batch of the convolution it was made for.
#[derive(Debug, Clone)]
pub struct Sparse {
    conv: Conv,
    forward: List,
    input_grad: Vec<List>,
}

impl Sparse {
    /// Arranges the weights of `conv` where `kept` (in the tensor's order) says so.
    pub fn new(conv: &Conv, kept: &[bool]) -> Self {
        assert_eq!(kept.len(), conv.weight_len(), "mask");
        let forward = Order { output: conv.row(), channel: conv.taps() };
        let backward = Order { output: conv.taps(), channel: conv.row() };
        let phases = Stencil::input_grad(conv);
        Self {
            conv: *conv,
            forward: List::new(&Stencil::forward(conv), kept, forward),
            input_grad: phases.iter().map(|s| List::new(s, kept, backward)).collect(),
        }
    }

    /// Arranges the values of `weight` that are not zero, for [`Sparse::forward`] alone.
    pub fn inference(conv: &Conv, weight: &[f32]) -> Self {
        assert_eq!(weight.len(), conv.weight_len(), "weight");
        let kept: Vec<bool> = weight.iter().map(|w| *w != 0.0).collect();
        let order = Order { output: conv.row(), channel: conv.taps() };
        let mut forward = List::new(&Stencil::forward(conv), &kept, order);
        forward.set(weight);
        Self { conv: *conv, forward, input_grad: vec![] }
    }

    /// Takes over the values of `weight`; those that the mask does not keep are not looked at.
    pub fn set(&mut self, weight: &[f32]) {
        assert_eq!(weight.len(), self.conv.weight_len(), "weight");
        self.forward.set(weight);
        self.input_grad.iter_mut().for_each(|list| list.set(weight));
    }

    /// Weights kept.
    pub fn kept(&self) -> usize {
        self.forward.len()
    }

    /// As [`super::forward`] with zeros where the mask keeps nothing.
    pub fn forward(&self, conv: &Conv, x: &[f32], end: &Epilogue, y: &mut [f32]) {
        self.check(conv, (x.len(), y.len()));
        end.check(conv.outputs, conv.output_len());
        forward::run(&Stencil::forward(conv), &self.forward, x, end, y);
    }

    /// As [`super::input_grad`] with zeros where the mask keeps nothing.
    pub fn input_grad(&self, conv: &Conv, dy: &[f32], dx: &mut [f32]) {
        self.check(conv, (dx.len(), dy.len()));
        let stencils = Stencil::input_grad(conv);
        assert_eq!(stencils.len(), self.input_grad.len(), "arranged for inference alone");
        for (s, list) in stencils.iter().zip(&self.input_grad) {
            forward::run(s, list, dy, &Epilogue::default(), dx);
        }
    }

    /// As [`super::weight_grad`] for the kept weights, zero elsewhere.
    pub fn weight_grad(&self, conv: &Conv, dy: &[f32], x: &[f32], dw: &mut [f32]) {
        self.check(conv, (x.len(), dy.len()));
        assert_eq!(dw.len(), conv.weight_len(), "weight gradient");
        weight_grad::run(&Stencil::forward(conv), &self.forward, (dy, x), dw);
    }

    fn check(&self, conv: &Conv, (input, output): (usize, usize)) {
        assert_eq!(Conv { lanes: conv.lanes, ..self.conv }, *conv, "another convolution");
        assert!(input == conv.input_len() && output == conv.output_len(), "sizes");
    }
}
