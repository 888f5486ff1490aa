//! How weights are drawn before training.

use crate::text::{Fields, Written};

/// How the weights of convolutions and linear layers are drawn before training.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Init {
    /// Uniform in `±1/sqrt(fan_in)`, biases too: the default of `nn.Conv2d` and `nn.Linear`.
    #[default]
    Modules,
    /// Convolutions normal with variance `2 / fan_out` (He et al. 2015), biases zero, as
    /// torchvision's networks; linear weights as said.
    FanOut(LinearInit),
}

/// How [`Init::FanOut`] draws linear weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LinearInit {
    /// Normal with this deviation.
    Normal(f64),
    /// Uniform in `±1/sqrt(outputs)`.
    ByOutputs,
}

impl Init {
    /// The pairs behind `init`.
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, String> {
        let conv: String = fields.needed("conv")?;
        match conv.as_str() {
            "modules" => Ok(Self::Modules),
            "fan-out" => {
                let deviation = fields.take("linear-deviation")?;
                Ok(Self::FanOut(deviation.map_or(LinearInit::ByOutputs, LinearInit::Normal)))
            }
            other => Err(format!("init conv={other}; expected modules or fan-out")),
        }
    }

    /// What [`Self::read`] reads.
    pub(crate) fn written(self) -> Written {
        let written = Written::default();
        match self {
            Self::Modules => written.field("conv", "modules"),
            Self::FanOut(LinearInit::ByOutputs) => written.field("conv", "fan-out"),
            Self::FanOut(LinearInit::Normal(deviation)) => {
                written.field("conv", "fan-out").field("linear-deviation", deviation)
            }
        }
    }
}
