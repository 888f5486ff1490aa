//! Rectifier and sum.

use kernels::elementwise::{add, relu, relu_grad};
use proptest::prelude::*;
use seed::{Stream, stream};

use crate::array::{Array, plain, wide};
use crate::check;

/// Up to some pieces of a kernel and a part of one.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![1..100_usize, 16_000..17_000_usize, 50_000..70_000_usize]
}

fn normal(len: usize, random: &mut Stream) -> Vec<f64> {
    Array::normal([len, 1, 1, 1], random).values
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn rectifier(len in length(), seed: u64) {
        let x = normal(len, &mut stream(seed, "test/relu", 0));
        let mut y = plain(&x);
        relu(&mut y);
        prop_assert_eq!(wide(&y), x.iter().map(|v| v.max(0.0)).collect::<Vec<_>>());
    }

    #[test]
    fn rectifier_gradient(len in length(), seed: u64) {
        let mut random = stream(seed, "test/relu", 0);
        // The kink is at 0: no input within a tenth of it.
        let x = Array::of([len, 1, 1, 1], || {
            let v = random.normal();
            v + 0.1_f64.copysign(v)
        });
        let dy = normal(len, &mut random);
        let (mut y, mut dx) = (x.plain(), plain(&dy));
        relu(&mut y);
        relu_grad(&mut dx, &y);
        let value = |x: &[f64]| x.iter().zip(&dy).map(|(x, g)| x.max(0.0) * g).sum();
        check::gradient(value, &x.values, &wide(&dx));
    }

    #[test]
    fn sum(len in length(), seed: u64) {
        let mut random = stream(seed, "test/add", 0);
        let (a, b) = (normal(len, &mut random), normal(len, &mut random));
        let mut found = plain(&a);
        add(&mut found, &plain(&b));
        let expected: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        check::close(&wide(&found), &expected, 1e-7);
    }
}

#[test]
fn slope_at_zero_is_zero() {
    let check = |x: f32, expected: f32| {
        let (mut y, mut dx) = ([x], [3.0]);
        relu(&mut y);
        relu_grad(&mut dx, &y);
        assert_eq!(dx, [expected]);
    };
    check(0.0, 0.0);
    check(-0.0, 0.0);
    check(-1.0, 0.0);
    check(1.0, 3.0);
    check(f32::MIN_POSITIVE, 3.0);
}
