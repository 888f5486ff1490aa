//! Activations.

use kernels::Activation;
use kernels::activation::{apply, backward, forward};
use proptest::prelude::*;
use seed::{Stream, stream};

use crate::array::{Array, plain, wide, written};
use crate::check;
use crate::reference::activation::{kinks, of};

/// Each of them.
pub const ALL: [Activation; 9] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu { slope: 0.125 },
    Activation::Silu,
    Activation::HardSwish,
    Activation::HardSigmoid,
    Activation::Sigmoid,
    Activation::Gelu,
    Activation::GeluTanh,
];

/// Any of them.
pub fn any_activation() -> impl Strategy<Value = Activation> {
    proptest::sample::select(&ALL[..])
}

/// Up to some pieces of a kernel and a part of one.
pub fn length() -> impl Strategy<Value = usize> {
    prop_oneof![1..100_usize, 16_000..17_000_usize, 50_000..70_000_usize]
}

pub fn normal(len: usize, random: &mut Stream) -> Vec<f64> {
    Array::normal([len, 1, 1, 1], random).values
}

/// Values on all pieces of the activations, none within a hundredth of a kink.
fn spread(activation: Activation, len: usize, random: &mut Stream) -> Vec<f64> {
    let off_kinks = |x: f64| {
        let near = kinks(activation).iter().find(|kink| (x - **kink).abs() < 0.01);
        near.map_or(x, |kink| kink + 0.02)
    };
    Array::of([len, 1, 1, 1], || off_kinks(4.0 * random.normal())).values
}

/// What [`backward`] leaves of a gradient of 3 at `x`.
fn gradient_at(activation: Activation, x: f32) -> f32 {
    let (mut saved, mut grad) = ([x], [3.0]);
    if activation.saves_output() {
        apply(activation, &mut saved);
    }
    backward(activation, &saved, &mut grad);
    grad[0]
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_length(activation in any_activation(), len in length(), seed: u64) {
        let x = plain(&spread(activation, len, &mut stream(seed, "test/activation", 0)));
        let found = written(len, |y| forward(activation, &x, y));
        let expected: Vec<f64> = wide(&x).iter().map(|x| of(activation, *x)).collect();
        check::close(&wide(&found), &expected, 3e-7);
        let mut in_place = x;
        apply(activation, &mut in_place);
        prop_assert_eq!(in_place, found);
    }

    #[test]
    fn gradient(activation in any_activation(), len in length(), seed: u64) {
        let mut random = stream(seed, "test/activation", 0);
        let (x, dy) = (spread(activation, len, &mut random), normal(len, &mut random));
        let (mut saved, mut grad) = (plain(&x), plain(&dy));
        if activation.saves_output() {
            apply(activation, &mut saved);
        }
        backward(activation, &saved, &mut grad);
        let value = |x: &[f64]| x.iter().zip(&dy).map(|(x, g)| of(activation, *x) * g).sum();
        check::gradient(value, &x, &wide(&grad));
    }
}

/// Everywhere, and not only on average.
#[test]
fn each_value_is_close() {
    for activation in ALL {
        for i in -2_000..=2_000 {
            let x = i as f32 / 100.0 + 1e-3;
            let expected = of(activation, f64::from(x));
            let mut y = [x];
            apply(activation, &mut y);
            let off = (f64::from(y[0]) - expected).abs();
            assert!(off < 3e-7 * f64::from(x).abs().max(1.0), "{activation:?} of {x}: {off:e}");
        }
    }
}

/// A leaky `ReLU` that sends both signs to one cannot be told from its output.
#[test]
fn outputs_that_suffice() {
    let saved: Vec<Activation> = ALL.into_iter().filter(|a| a.saves_output()).collect();
    let leaky = |slope: f32| Activation::LeakyRelu { slope };
    let expected = [Activation::Relu, Activation::Relu6, leaky(0.125), Activation::Sigmoid];
    assert_eq!(saved, expected);
    assert!(leaky(0.0).saves_output() && !leaky(-0.5).saves_output());
    assert_eq!([gradient_at(leaky(-0.5), -2.0), gradient_at(leaky(-0.5), 2.0)], [-1.5, 3.0]);
}

/// Three times the derivatives that `PyTorch` has.
#[test]
fn kinks_as_in_pytorch() {
    let check = |activation: Activation, x: f32, expected: f32| {
        assert_eq!(gradient_at(activation, x), expected, "{activation:?} at {x}");
    };
    check(Activation::Relu, 0.0, 0.0);
    check(Activation::Relu, -0.0, 0.0);
    check(Activation::Relu, -1.0, 0.0);
    check(Activation::Relu, f32::MIN_POSITIVE, 3.0);
    check(Activation::Relu6, 0.0, 0.0);
    check(Activation::Relu6, 3.0, 3.0);
    check(Activation::Relu6, 6.0, 0.0);
    check(Activation::Relu6, 7.0, 0.0);
    check(Activation::LeakyRelu { slope: 0.125 }, 0.0, 0.375);
    check(Activation::LeakyRelu { slope: 0.125 }, -0.0, 0.375);
    check(Activation::HardSwish, -3.0, 0.0);
    check(Activation::HardSwish, 3.0, 3.0);
    check(Activation::HardSwish, 0.0, 1.5);
    check(Activation::HardSigmoid, -3.0, 0.0);
    check(Activation::HardSigmoid, 3.0, 0.0);
    check(Activation::HardSigmoid, 0.0, 0.5);
    check(Activation::Silu, 0.0, 1.5);
    check(Activation::Gelu, 0.0, 1.5);
    check(Activation::GeluTanh, 0.0, 1.5);
}

#[test]
fn far_from_zero_nothing_overflows() {
    let check = |activation: Activation, x: f32, [y, gradient]: [f32; 2]| {
        let mut found = [x];
        apply(activation, &mut found);
        assert_eq!(found, [y], "{activation:?} of {x}");
        assert_eq!(gradient_at(activation, x), gradient, "{activation:?} at {x}");
    };
    for x in [200.0, 1e6, 1e18] {
        for curve in [Activation::Silu, Activation::Gelu, Activation::GeluTanh] {
            check(curve, x, [x, 3.0]);
            check(curve, -x, [0.0, 0.0]);
        }
        check(Activation::Sigmoid, x, [1.0, 0.0]);
        check(Activation::Sigmoid, -x, [0.0, 0.0]);
        check(Activation::HardSwish, x, [x, 3.0]);
        check(Activation::HardSwish, -x, [0.0, 0.0]);
    }
}
