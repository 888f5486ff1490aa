//! Activations: functions of each value by itself, and their derivatives.

mod exponential;
mod passes;

use exponential::{erf, exp, logistic};
pub(crate) use passes::{Applied, Forward};
pub use passes::{apply, backward, forward};

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
    /// The approximation of [`Self::Gelu`] by a hyperbolic tangent, of the same paper.
    GeluTanh,
}

/// Evaluates `$body` with `$name` bound to the activation, compiled once for each of them: the
/// `match` of [`Activation::of`] is decided at compile time, not at each value.
macro_rules! specialised {
    (@output $activation:expr, $name:ident => $body:expr; $($variant:ident)*; $($other:ident)*) => {
        match $activation {
            $($crate::Activation::$variant => {
                let $name = $crate::Activation::$variant;
                $body
            })*
            $crate::Activation::LeakyRelu { slope } => {
                let $name = $crate::Activation::LeakyRelu { slope };
                $body
            }
            $($crate::Activation::$other)|* => unreachable!("refused before"),
        }
    };
    (@ $activation:expr, $name:ident => $body:expr; $($variant:ident)*) => {
        match $activation {
            $($crate::Activation::$variant => {
                let $name = $crate::Activation::$variant;
                $body
            })*
            $crate::Activation::LeakyRelu { slope } => {
                let $name = $crate::Activation::LeakyRelu { slope };
                $body
            }
        }
    };
    ($activation:expr, $name:ident => $body:expr) => {
        $crate::activation::specialised!(
            @ $activation, $name => $body;
            Relu Relu6 Silu HardSwish HardSigmoid Sigmoid Gelu GeluTanh
        )
    };
}
pub(crate) use specialised;

/// As `specialised`, for activations that are known to [save their output](
/// Activation::saves_output).
macro_rules! specialised_by_output {
    ($activation:expr, $name:ident => $body:expr) => {
        $crate::activation::specialised!(
            @output $activation, $name => $body;
            Relu Relu6 Sigmoid;
            Silu HardSwish HardSigmoid Gelu GeluTanh
        )
    };
}
pub(crate) use specialised_by_output;

impl Activation {
    /// Whether [`backward`] is given the activation's output; else it needs the input.
    ///
    /// Where the output suffices, nothing before the activation has to be kept, and a
    /// [norm](crate::norm) can end with it.
    pub fn saves_output(self) -> bool {
        match self {
            Self::Relu | Self::Relu6 | Self::Sigmoid => true,
            // A negative slope sends both signs to one.
            Self::LeakyRelu { slope } => slope >= 0.0,
            Self::Silu | Self::HardSwish | Self::HardSigmoid | Self::Gelu | Self::GeluTanh => false,
        }
    }

    /// Whether zeros stay zeros.
    pub(crate) fn keeps_zero(self) -> bool {
        !matches!(self, Self::Sigmoid | Self::HardSigmoid)
    }

    /// Its value at `x`; NaN stays NaN.
    #[inline(always)]
    pub(crate) fn of(self, x: f32) -> f32 {
        match self {
            Self::Relu => positive(x),
            Self::Relu6 => at_most_six(positive(x)),
            Self::LeakyRelu { slope } => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::Silu => x * logistic(x),
            Self::HardSwish => x * at_most_six(positive(x + 3.0)) / 6.0,
            Self::HardSigmoid => at_most_six(positive(x + 3.0)) / 6.0,
            Self::Sigmoid => logistic(x),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => x * logistic(tanh_argument(x)),
        }
    }

    /// `gradient` times the derivative, where `saved` is the output if it [suffices](
    /// Self::saves_output), else the input. At kinks as in `PyTorch`. Where a flat piece has the
    /// derivative 0, even a NaN becomes 0.
    #[allow(
        clippy::needless_bitwise_bool,
        reason = "without a branch sixteen are computed at once"
    )]
    #[inline(always)]
    pub(crate) fn gradient(self, saved: f32, gradient: f32) -> f32 {
        let unless = |cut: bool| if cut { 0.0 } else { gradient };
        match self {
            Self::Relu => unless(saved <= 0.0),
            Self::Relu6 => unless((saved <= 0.0) | (saved >= 6.0)),
            Self::LeakyRelu { slope } => gradient * if saved > 0.0 { 1.0 } else { slope },
            Self::Silu => {
                let s = logistic(saved);
                gradient * (s * (1.0 + saved * (1.0 - s)))
            }
            Self::HardSwish => {
                let inner = gradient * (saved / 3.0 + 0.5);
                let upper = if saved < 3.0 { inner } else { gradient };
                if saved <= -3.0 { 0.0 } else { upper }
            }
            Self::HardSigmoid => {
                let inside = (saved > -3.0) & (saved < 3.0);
                if inside { gradient / 6.0 } else { 0.0 }
            }
            Self::Sigmoid => gradient * (saved * (1.0 - saved)),
            Self::Gelu => {
                let below = 0.5 * (1.0 + erf(saved * std::f32::consts::FRAC_1_SQRT_2));
                gradient * (below + saved * NORMAL * exp(-0.5 * saved * saved))
            }
            Self::GeluTanh => {
                let s = logistic(tanh_argument(saved));
                let slope = 2.0 * TANH_SCALE * (1.0 + 3.0 * TANH_CUBE * saved * saved);
                gradient * (s + saved * s * (1.0 - s) * slope)
            }
        }
    }
}

/// `1 / sqrt(2 pi)`.
const NORMAL: f32 = 0.398_942_3;
/// `sqrt(2 / pi)`, and the factor of the cube, of [`Activation::GeluTanh`].
const TANH_SCALE: f32 = 0.797_884_6;
const TANH_CUBE: f32 = 0.044_715;

/// What the logistic function is taken of: `(1 + tanh(a)) / 2 = logistic(2 a)`.
#[inline(always)]
fn tanh_argument(x: f32) -> f32 {
    2.0 * TANH_SCALE * (x + TANH_CUBE * x * x * x)
}

#[inline(always)]
fn positive(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn at_most_six(x: f32) -> f32 {
    if x > 6.0 { 6.0 } else { x }
}
