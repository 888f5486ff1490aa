//! Linear layers.

use super::conv::weighted;
use super::{Channels, Facts, Slot};
use crate::Shape;
use crate::text::{Fields, Written};

/// A linear layer over the channels of each pixel; a vector has one. Weight: `outputs x inputs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Input features.
    pub inputs: usize,
    /// Output features.
    pub outputs: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Linear {
    pub(crate) fn read(fields: &mut Fields, inputs: &[Shape]) -> Result<Self, String> {
        Ok(Self {
            inputs: inputs.first().map_or(0, |x| x.c),
            outputs: fields.needed("outputs")?,
            bias: fields.or("bias", true)?,
        })
    }
}

impl Facts for Linear {
    fn label(&self) -> &'static str {
        "Linear"
    }

    fn keyword(&self) -> &'static str {
        "linear"
    }

    fn fields(&self) -> Written {
        Written::default().field("outputs", self.outputs).unless("bias", self.bias, true)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let x = inputs[0];
        if self.inputs != x.c {
            return Err(format!("{} input features; expected {}", x.c, self.inputs));
        }
        if self.outputs == 0 {
            return Err("no output features; expected 1 or more".into());
        }
        Ok(Shape { c: self.outputs, ..x })
    }

    fn slots(&self, _: Shape) -> Vec<Slot> {
        weighted(&[self.outputs, self.inputs], self.bias)
    }

    fn uses(&self, output: Shape) -> u64 {
        output.pixels() as u64
    }

    fn channels(&self) -> Channels {
        Channels::All
    }
}
