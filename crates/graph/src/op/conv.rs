//! Convolutions.

use geometry::{Sides, Size, Window};

use super::{Channels, Facts, Slot};
use crate::text::{Fields, Written};
use crate::{Role, Shape};

/// A convolution. Weight: `outputs x inputs/groups x kernel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// What an output reads.
    pub window: Window,
    /// Into how many groups the channels are split; outputs read the inputs of their group alone.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Conv {
    /// Whether each channel is convolved by itself.
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.inputs && self.groups == self.outputs
    }

    pub(crate) fn read(fields: &mut Fields, inputs: &[Shape]) -> Result<Self, String> {
        Ok(Self {
            inputs: inputs.first().map_or(0, |x| x.c),
            outputs: fields.needed("outputs")?,
            window: window(fields)?,
            groups: fields.or("groups", 1)?,
            bias: fields.or("bias", true)?,
        })
    }
}

/// The window that `fields` say: of stride 1, without padding and dilation where they say nothing.
pub(super) fn window(fields: &mut Fields) -> Result<Window, String> {
    Ok(Window {
        kernel: fields.needed("kernel")?,
        stride: fields.or("stride", Size::square(1))?,
        padding: fields.or("padding", Sides::all(0))?,
        dilation: fields.or("dilation", Size::square(1))?,
    })
}

/// What [`window`] reads.
pub(super) fn write(written: Written, window: &Window) -> Written {
    written
        .field("kernel", window.kernel)
        .unless("stride", window.stride, Size::square(1))
        .unless("padding", window.padding, Sides::all(0))
        .unless("dilation", window.dilation, Size::square(1))
}

impl Facts for Conv {
    fn label(&self) -> &'static str {
        "Conv2d"
    }

    fn keyword(&self) -> &'static str {
        "conv"
    }

    fn fields(&self) -> Written {
        write(Written::default().field("outputs", self.outputs), &self.window)
            .unless("groups", self.groups, 1)
            .unless("bias", self.bias, true)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (x, v) = (inputs[0], self);
        if v.inputs != x.c {
            return Err(format!("{} input channels; expected {}", x.c, v.inputs));
        }
        let divides = |channels: usize| v.groups > 0 && channels.is_multiple_of(v.groups);
        if v.outputs == 0 || !divides(v.inputs) || !divides(v.outputs) {
            return Err(format!(
                "{} groups do not divide {} inputs and {} outputs",
                v.groups, v.inputs, v.outputs
            ));
        }
        let size = v.window.count(x.size(), false);
        let size = size.ok_or_else(|| format!("{} do not fit {x}", v.window))?;
        Ok(Shape::new(v.outputs, size.h, size.w))
    }

    fn slots(&self, _: Shape) -> Vec<Slot> {
        let Size { h, w } = self.window.kernel;
        weighted(&[self.outputs, self.inputs / self.groups, h, w], self.bias)
    }

    fn uses(&self, output: Shape) -> u64 {
        output.pixels() as u64
    }

    fn channels(&self) -> Channels {
        if self.is_depthwise() { Channels::Own } else { Channels::All }
    }
}

/// A weight, and a bias of as many values as it has rows.
pub(super) fn weighted(shape: &[usize], bias: bool) -> Vec<Slot> {
    let weight = Slot { suffix: "weight", shape: shape.to_vec(), role: Role::Weight };
    let bias = bias.then(|| Slot { suffix: "bias", shape: shape[..1].to_vec(), role: Role::Bias });
    [weight].into_iter().chain(bias).collect()
}
