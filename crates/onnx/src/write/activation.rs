//! Activations, those that operators of this version lack as what they are computed from.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

use graph::Activation;

use super::nodes::{Value, Writer};
use crate::proto::Attribute;

/// The cube's share in the approximation of GELU (Hendrycks and Gimpel 2016).
const CUBE: f32 = 0.044_715;

impl Writer<'_> {
    pub(super) fn activation(&mut self, function: Activation) -> Value {
        match function {
            Activation::Relu => self.unary("Relu", vec![]),
            Activation::Relu6 => self.relu6(),
            Activation::LeakyRelu { slope } => {
                self.unary("LeakyRelu", vec![Attribute::float("alpha", slope)])
            }
            Activation::Silu => self.silu(),
            Activation::HardSwish => self.unary("HardSwish", vec![]),
            Activation::HardSigmoid => {
                let alpha = Attribute::float("alpha", 1.0 / 6.0);
                self.unary("HardSigmoid", vec![alpha, Attribute::float("beta", 0.5)])
            }
            Activation::Sigmoid => self.unary("Sigmoid", vec![]),
            Activation::Gelu => self.gelu(),
            Activation::GeluTanh => self.gelu_tanh(),
        }
    }

    fn relu6(&mut self) -> Value {
        let x = self.read(0);
        let (low, high) = (self.scalar("min", 0.0), self.scalar("max", 6.0));
        Value { flat: x.flat, ..self.last("Clip", &[&x.name, &low, &high], vec![]) }
    }

    fn silu(&mut self) -> Value {
        let x = self.read(0);
        let gate = self.step("Sigmoid", "sigmoid", &[&x.name], vec![]);
        Value { flat: x.flat, ..self.last("Mul", &[&x.name, &gate], vec![]) }
    }

    /// `x * (1 + erf(x / sqrt(2))) / 2`.
    fn gelu(&mut self) -> Value {
        let x = self.read(0);
        let factor = self.scalar("factor", FRAC_1_SQRT_2);
        let scaled = self.step("Mul", "scaled", &[&x.name, &factor], vec![]);
        let erf = self.step("Erf", "erf", &[&scaled], vec![]);
        self.gate(&x, &erf)
    }

    /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`.
    fn gelu_tanh(&mut self) -> Value {
        let x = self.read(0);
        let (three, share) = (self.scalar("three", 3.0), self.scalar("share", CUBE));
        let factor = self.scalar("factor", FRAC_2_PI.sqrt());
        let cube = self.step("Pow", "cube", &[&x.name, &three], vec![]);
        let cube = self.step("Mul", "part", &[&cube, &share], vec![]);
        let sum = self.step("Add", "inner", &[&x.name, &cube], vec![]);
        let scaled = self.step("Mul", "scaled", &[&sum, &factor], vec![]);
        let tanh = self.step("Tanh", "tanh", &[&scaled], vec![]);
        self.gate(&x, &tanh)
    }

    /// `x * (1 + gate) / 2`.
    fn gate(&mut self, x: &Value, gate: &str) -> Value {
        let (one, half) = (self.scalar("one", 1.0), self.scalar("half", 0.5));
        let sum = self.step("Add", "sum", &[gate, &one], vec![]);
        let product = self.step("Mul", "product", &[&x.name, &sum], vec![]);
        Value { flat: x.flat, ..self.last("Mul", &[&product, &half], vec![]) }
    }

    fn scalar(&mut self, suffix: &str, value: f32) -> String {
        self.floats(suffix, &[], &[value])
    }
}
