//! Activations.

use artifact::Result;
use kernels::Activation;

use super::elementwise;
use crate::launch::{launch, line};
use crate::{Buffer, Gpu};

/// An activation as the kernels have it: its number, and the slope that one of them has.
pub(super) fn numbers(activation: Option<Activation>) -> (i32, f32) {
    match activation {
        None => (0, 0.0),
        Some(Activation::Relu) => (1, 0.0),
        Some(Activation::Relu6) => (2, 0.0),
        Some(Activation::LeakyRelu { slope }) => (3, slope),
        Some(Activation::Silu) => (4, 0.0),
        Some(Activation::HardSwish) => (5, 0.0),
        Some(Activation::HardSigmoid) => (6, 0.0),
        Some(Activation::Sigmoid) => (7, 0.0),
        Some(Activation::Gelu) => (8, 0.0),
        Some(Activation::GeluTanh) => (9, 0.0),
    }
}

impl Gpu {
    /// `y = activation(x)`.
    pub fn activation(&self, activation: Activation, x: &Buffer, y: &Buffer) -> Result<()> {
        assert!(x.kind() == y.kind() && x.len() == y.len(), "activations alike");
        let kernel = elementwise("activate", x, x.len());
        let (number, slope) = numbers(Some(activation));
        let packs = x.len() / kernel.vector();
        launch!(self, kernel, line(packs), x.address(), y.address(), packs, number, slope);
        Ok(())
    }

    /// `y = activation(y)`.
    pub fn activation_in_place(&self, activation: Activation, y: &Buffer) -> Result<()> {
        self.activation(activation, y, y)
    }

    /// Takes the gradient `dy` through the activation, in place; `saved` is what came out of it where
    /// that [suffices](Activation::saves_output), else what went in.
    pub fn activation_grad(
        &self,
        activation: Activation,
        saved: &Buffer,
        dy: &Buffer,
    ) -> Result<()> {
        assert!(dy.kind() == saved.kind() && dy.len() == saved.len(), "activations alike");
        let kernel = elementwise("activate_grad", dy, dy.len());
        let (number, slope) = numbers(Some(activation));
        let packs = dy.len() / kernel.vector();
        launch!(self, kernel, line(packs), dy.address(), saved.address(), packs, number, slope);
        Ok(())
    }
}
