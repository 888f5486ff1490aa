//! Sums and products.

use super::{Arity, Channels, Facts, Slot};
use crate::text::Written;
use crate::{Role, Shape};

/// Sum of two equal shapes.
pub(super) struct Add;

impl Facts for Add {
    fn label(&self) -> &'static str {
        "Add"
    }

    fn keyword(&self) -> &'static str {
        "add"
    }

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (a, b) = (inputs[0], inputs[1]);
        if a == b { Ok(a) } else { Err(format!("adds {a} and {b}; expected equal shapes")) }
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

/// Product of two equal shapes, or of each channel and its value in a vector.
pub(super) struct Multiply;

impl Facts for Multiply {
    fn label(&self) -> &'static str {
        "Multiply"
    }

    fn keyword(&self) -> &'static str {
        "multiply"
    }

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (a, b) = (inputs[0], inputs[1]);
        if a == b || b == Shape::vector(a.c) {
            return Ok(a);
        }
        Err(format!("multiplies {a} by {b}; expected an equal shape or {}", Shape::vector(a.c)))
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

/// Each channel times a parameter of its own, which has the node's name and the shape
/// `channels x 1 x 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Whether training leaves the parameter as it is.
    pub frozen: bool,
}

/// Each channel plus a parameter of its own, which has the node's name and the shape
/// `channels x 1 x 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Whether training leaves the parameter as it is.
    pub frozen: bool,
}

/// The one tensor of [`Scale`] and [`Shift`].
fn parameter(trained: Role, frozen: bool, output: Shape) -> Vec<Slot> {
    let role = if frozen { Role::Constant } else { trained };
    vec![Slot { suffix: "", shape: vec![output.c, 1, 1], role }]
}

impl Facts for Scale {
    fn label(&self) -> &'static str {
        "Scale"
    }

    fn keyword(&self) -> &'static str {
        "scale"
    }

    fn fields(&self) -> Written {
        Written::default().unless("frozen", self.frozen, false)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }

    fn slots(&self, output: Shape) -> Vec<Slot> {
        parameter(Role::NormWeight, self.frozen, output)
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

impl Facts for Shift {
    fn label(&self) -> &'static str {
        "Shift"
    }

    fn keyword(&self) -> &'static str {
        "shift"
    }

    fn fields(&self) -> Written {
        Written::default().unless("frozen", self.frozen, false)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }

    fn slots(&self, output: Shape) -> Vec<Slot> {
        parameter(Role::NormBias, self.frozen, output)
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}
