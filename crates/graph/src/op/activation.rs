//! Activations.

use super::{Channels, Facts};
use crate::Shape;
use crate::text::{Fields, Written};

/// A function of each value by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` where it is positive, else `slope * x`.
    LeakyRelu {
        /// Factor of negative values.
        slope: f32,
    },
    /// `x * sigmoid(x)` (Elfwing et al. 2017).
    Silu,
    /// `x * min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    HardSwish,
    /// `min(max(x + 3, 0), 6) / 6`.
    HardSigmoid,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel 2016).
    Gelu,
    /// Its approximation by a hyperbolic tangent, of the same paper.
    GeluTanh,
}

/// `PyTorch`'s slope of a leaky rectifier.
const SLOPE: f32 = 0.01;

impl Activation {
    /// The activation of this word; None where there is none.
    pub(crate) fn read(keyword: &str, fields: &mut Fields) -> Result<Option<Self>, String> {
        Ok(Some(match keyword {
            "relu" => Self::Relu,
            "relu6" => Self::Relu6,
            "leaky-relu" => Self::LeakyRelu { slope: fields.or("slope", SLOPE)? },
            "silu" => Self::Silu,
            "hard-swish" => Self::HardSwish,
            "hard-sigmoid" => Self::HardSigmoid,
            "sigmoid" => Self::Sigmoid,
            "gelu" => Self::Gelu,
            "gelu-tanh" => Self::GeluTanh,
            _ => return Ok(None),
        }))
    }

    /// Whether the gradient of what it read follows from its output.
    pub fn is_undone_by_output(self) -> bool {
        match self {
            Self::Relu | Self::Relu6 => true,
            Self::LeakyRelu { slope } => slope > 0.0,
            Self::Silu
            | Self::HardSwish
            | Self::HardSigmoid
            | Self::Sigmoid
            | Self::Gelu
            | Self::GeluTanh => false,
        }
    }

    /// Its value at `x`, in f64: for what is computed once a channel, not once a pixel.
    pub fn at(self, x: f64) -> f64 {
        let gate = |x: f64| (x + 3.0).clamp(0.0, 6.0) / 6.0;
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            Self::Relu => x.max(0.0),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu { slope } if x < 0.0 => f64::from(slope) * x,
            Self::LeakyRelu { .. } => x,
            Self::Silu => x * sigmoid(x),
            Self::HardSwish => x * gate(x),
            Self::HardSigmoid => gate(x),
            Self::Sigmoid => sigmoid(x),
            Self::Gelu => 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
            Self::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            }
        }
    }
}

impl Facts for Activation {
    fn label(&self) -> &'static str {
        match self {
            Self::Relu => "ReLU",
            Self::Relu6 => "ReLU6",
            Self::LeakyRelu { .. } => "LeakyReLU",
            Self::Silu => "SiLU",
            Self::HardSwish => "Hardswish",
            Self::HardSigmoid => "Hardsigmoid",
            Self::Sigmoid => "Sigmoid",
            Self::Gelu | Self::GeluTanh => "GELU",
        }
    }

    fn keyword(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Relu6 => "relu6",
            Self::LeakyRelu { .. } => "leaky-relu",
            Self::Silu => "silu",
            Self::HardSwish => "hard-swish",
            Self::HardSigmoid => "hard-sigmoid",
            Self::Sigmoid => "sigmoid",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu-tanh",
        }
    }

    fn fields(&self) -> Written {
        match *self {
            Self::LeakyRelu { slope } => Written::default().unless("slope", slope, SLOPE),
            Self::Relu
            | Self::Relu6
            | Self::Silu
            | Self::HardSwish
            | Self::HardSigmoid
            | Self::Sigmoid
            | Self::Gelu
            | Self::GeluTanh => Written::default(),
        }
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match *self {
            Self::LeakyRelu { slope } if !slope.is_finite() => {
                Err(format!("slope {slope}; expected a finite number"))
            }
            _ => Ok(inputs[0]),
        }
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_pytorch() {
        let check = |of: Activation, expected: [f64; 4]| {
            for (x, expected) in [-3.5, -1.0, 0.5, 7.0].into_iter().zip(expected) {
                let found = of.at(x);
                assert!((found - expected).abs() < 5e-7, "{of:?} of {x}: {found}, not {expected}");
            }
        };
        check(Activation::Relu, [0.0, 0.0, 0.5, 7.0]);
        check(Activation::Relu6, [0.0, 0.0, 0.5, 6.0]);
        check(Activation::LeakyRelu { slope: 0.5 }, [-1.75, -0.5, 0.5, 7.0]);
        check(Activation::Silu, [-0.102_592_8, -0.268_941_4, 0.311_229_7, 6.993_622_5]);
        check(Activation::HardSwish, [0.0, -1.0 / 3.0, 0.291_666_7, 7.0]);
        check(Activation::HardSigmoid, [0.0, 1.0 / 3.0, 0.583_333_3, 1.0]);
        check(Activation::Sigmoid, [0.029_312_2, 0.268_941_4, 0.622_459_3, 0.999_088_9]);
        check(Activation::Gelu, [-0.000_814_2, -0.158_655_3, 0.345_731_2, 7.0]);
        check(Activation::GeluTanh, [-0.000_616_2, -0.158_808, 0.345_714, 7.0]);
    }
}
