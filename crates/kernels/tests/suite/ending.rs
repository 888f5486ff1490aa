//! What follows a convolution's sums, whatever computes them.

use kernels::Activation;
use proptest::prelude::*;
use seed::stream;

use crate::array::Array;
use crate::{check, reference};

/// Which parts an epilogue has.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    pub bias: bool,
    pub add: bool,
    pub activation: Option<Activation>,
}

impl Ending {
    /// Nothing.
    pub const NONE: Self = Self { bias: false, add: false, activation: None };
    /// A bias, a summand and `ReLU`.
    pub const FULL: Self = Self { bias: true, add: true, activation: Some(Activation::Relu) };

    /// A summand for `output`, if there is one.
    pub fn summand(&self, output: &Array) -> Option<Array> {
        let mut random = stream(output.values.len() as u64, "test/summand", 0);
        self.add.then(|| Array::normal(output.shape, &mut random))
    }
}

/// Adds the summand to the sums `y` and applies the activation. Gives the relative error that is
/// allowed after that if `tolerance` is before: an activation can leave little of large sums.
pub fn end(
    y: &mut Array,
    add: Option<&Array>,
    activation: Option<Activation>,
    tolerance: f64,
) -> f64 {
    for (i, y) in y.values.iter_mut().enumerate() {
        *y += add.map_or(0.0, |add| add.values[i]);
    }
    let before = check::norm(&y.values);
    for y in &mut y.values {
        *y = activation.map_or(*y, |activation| reference::activation::of(activation, *y));
    }
    tolerance * (before / check::norm(&y.values).max(1e-30)).max(1.0)
}

/// Every activation, and none.
pub const ALL: [Option<Activation>; 10] = [
    None,
    Some(Activation::Relu),
    Some(Activation::Relu6),
    Some(Activation::LeakyRelu { slope: 0.125 }),
    Some(Activation::Silu),
    Some(Activation::HardSwish),
    Some(Activation::HardSigmoid),
    Some(Activation::Sigmoid),
    Some(Activation::Gelu),
    Some(Activation::GeluTanh),
];

/// Any epilogue.
pub fn ending() -> impl Strategy<Value = Ending> {
    let activation = proptest::sample::select(&ALL[..]);
    let parts = (any::<bool>(), any::<bool>(), activation);
    parts.prop_map(|(bias, add, activation)| Ending { bias, add, activation })
}
