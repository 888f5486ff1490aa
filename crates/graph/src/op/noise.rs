//! What drops values in training and does nothing in inference.

use super::{Channels, Facts};
use crate::Shape;
use crate::text::Written;

/// In training each value is zero with this probability, and the others grow to make up for it
/// (Srivastava et al. 2014).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// From 0 up to, but not, 1.
    pub probability: f64,
}

/// In training all of an image is zero with this probability, and the other images grow to make up
/// for it (Huang et al. 2016): what remains is the branch beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StochasticDepth {
    /// From 0 up to, but not, 1.
    pub probability: f64,
}

fn shape(probability: f64, inputs: &[Shape]) -> Result<Shape, String> {
    if (0.0..1.0).contains(&probability) {
        return Ok(inputs[0]);
    }
    Err(format!("probability {probability}; expected at least 0 and less than 1"))
}

impl Facts for Dropout {
    fn label(&self) -> &'static str {
        "Dropout"
    }

    fn keyword(&self) -> &'static str {
        "dropout"
    }

    fn fields(&self) -> Written {
        Written::default().field("probability", self.probability)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        shape(self.probability, inputs)
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

impl Facts for StochasticDepth {
    fn label(&self) -> &'static str {
        "StochasticDepth"
    }

    fn keyword(&self) -> &'static str {
        "stochastic-depth"
    }

    fn fields(&self) -> Written {
        Written::default().field("probability", self.probability)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        shape(self.probability, inputs)
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}
