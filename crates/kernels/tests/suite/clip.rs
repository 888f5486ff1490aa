//! Limits of gradients.

use kernels::clip;
use seed::stream;

use crate::array::{Array, plain, wide};
use crate::check;

/// Lengths within a vector, around a piece of the kernel, and of several pieces.
const LENGTHS: [usize; 6] = [1, 15, 40, (1 << 14) - 1, (1 << 14) + 17, 70_000];

fn normal(len: usize, index: u64) -> Vec<f64> {
    wide(&plain(&Array::normal([len, 1, 1, 1], &mut stream(3, "test/clip", index)).values))
}

#[test]
fn norms_of_all_and_of_what_is_kept() {
    for len in LENGTHS {
        let values = normal(len, 0);
        let keep: Vec<bool> = normal(len, 1).iter().map(|v| *v > 0.5).collect();
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() <= 1e-12 * expected, "{found}, not {expected}: {len}");
        };
        close(clip::norm(&plain(&values), &[]), check::norm(&values));
        let kept: Vec<f64> =
            values.iter().zip(&keep).map(|(v, k)| if *k { *v } else { 0.0 }).collect();
        let mask: Vec<f32> = keep.iter().map(|k| f32::from(*k)).collect();
        close(clip::norm(&plain(&values), &mask), check::norm(&kept));
        // What is pruned need not have been computed.
        let junk = plain(&values).into_iter().zip(&keep);
        let junk: Vec<f32> = junk.map(|(v, k)| if *k { v } else { f32::NAN }).collect();
        close(clip::norm(&junk, &mask), check::norm(&kept));
    }
}

#[test]
fn norms_neither_overflow_nor_vanish() {
    let check = |value: f32, expected: f64| {
        let found = clip::norm(&[value; 4], &[]);
        assert!((found / expected - 1.0).abs() < 1e-12, "{found}, expected {expected}");
    };
    check(f32::MAX, 2.0 * f64::from(f32::MAX));
    check(f32::MIN_POSITIVE, 2.0 * f64::from(f32::MIN_POSITIVE));
    assert!(clip::norm(&[1.0, f32::NAN], &[]).is_nan());
}

#[test]
fn factors() {
    let check = |norm: f64, limit: f64, expected: f32| {
        assert_eq!(clip::factor(norm, limit), expected, "{norm} {limit}");
    };
    check(0.0, 1.0, 1.0);
    check(0.999, 1.0, 1.0);
    check(1.0, 1.0, (1.0_f64 / 1.000_001) as f32);
    check(8.0, 2.0, (2.0_f64 / 8.000_001) as f32);
    check(f64::INFINITY, 1.0, 0.0);
    check(f64::NAN, 1.0, 1.0);
}

#[test]
fn values_are_put_between_the_limits() {
    for len in LENGTHS {
        let values = plain(&normal(len, 2));
        let mut found = values.clone();
        clip::by_value(&mut found, 0.5);
        let expected: Vec<f32> =
            values.iter().map(|v| if v.abs() > 0.5 { v.signum() / 2.0 } else { *v }).collect();
        assert_eq!(found, expected);
        clip::scale(&mut found, 0.25);
        assert_eq!(found, expected.iter().map(|v| v * 0.25).collect::<Vec<_>>());
    }
    let mut strange = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    clip::by_value(&mut strange, 1.0);
    assert!(strange[0].is_nan() && strange[1..] == [1.0, -1.0]);
}

#[test]
fn the_norm_is_the_same_on_any_threads() {
    let values = plain(&normal(200_000, 3));
    check::same_on_any_threads(|| {
        let bits = clip::norm(&values, &[]).to_bits();
        vec![f32::from_bits((bits >> 32) as u32), f32::from_bits(bits as u32)]
    });
}
