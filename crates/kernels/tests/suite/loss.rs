//! Softmax cross-entropy.

use kernels::loss::{Mix, Objective, Outcome, Target, Teacher, cross_entropy, loss};
use proptest::prelude::*;
use seed::stream;

use crate::array::Array;
use crate::{check, reference, shapes};

/// Images, classes, smoothing and a seed.
fn sizes() -> impl Strategy<Value = (usize, usize, f32, u64)> {
    let smoothing = proptest::sample::select(vec![0.0, 0.1, 0.5]);
    (shapes::batch(), 1..=40_usize, smoothing, any::<u64>())
}

fn logits(n: usize, classes: usize, seed: u64) -> (Array, Vec<u16>) {
    let mut random = stream(seed, "test/loss", 0);
    let logits = Array::of([n, classes, 1, 1], || 3.0 * random.normal());
    (logits, (0..n).map(|_| random.below(classes) as u16).collect())
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape((n, classes, smoothing, seed) in sizes()) {
        let (logits, labels) = logits(n, classes, seed);
        let target = Target { labels: &labels, classes, smoothing };
        let found = cross_entropy(target, &logits.blocks(), None);
        let expected =
            reference::loss::cross_entropy(&logits.values, &labels, f64::from(smoothing));
        prop_assert!((found.loss - expected).abs() <= 1e-12 * (n + classes) as f64);
        let rows = logits.values.chunks(classes).zip(&labels);
        let right = rows.filter(|(row, label)| row.iter().all(|v| *v <= row[usize::from(**label)]));
        prop_assert_eq!(found.correct, right.count());
    }

    #[test]
    fn gradient((n, classes, smoothing, seed) in sizes()) {
        let (logits, labels) = logits(n, classes, seed);
        let target = Target { labels: &labels, classes, smoothing };
        let mut grad = vec![f32::NAN; logits.blocks_len()];
        cross_entropy(target, &logits.blocks(), Some(&mut grad));
        let mean = |x: &[f64]| {
            reference::loss::cross_entropy(x, &labels, f64::from(smoothing)) / n as f64
        };
        check::gradient(mean, &logits.values, &logits.read(&grad));
    }

    #[test]
    fn mixtures((n, classes, smoothing, seed) in sizes(), share in 0.0..=1.0_f32) {
        let (logits, labels) = logits(n, classes, seed);
        let others: Vec<u16> = labels.iter().rev().copied().collect();
        let target = Target { labels: &labels, classes, smoothing };
        let mut grad = vec![f32::NAN; logits.blocks_len()];
        let mix = Some(Mix { labels: &others, share });
        let objective = Objective { mix, ..target.into() };
        let found = loss(objective, &logits.blocks(), Some(&mut grad));
        let both = |x: &[f64]| {
            let of = |l: &[u16]| reference::loss::cross_entropy(x, l, f64::from(smoothing));
            f64::from(share) * of(&labels) + (1.0 - f64::from(share)) * of(&others)
        };
        let expected = both(&logits.values);
        prop_assert!((found.loss - expected).abs() <= 1e-12 * (n + classes) as f64);
        let own = cross_entropy(target, &logits.blocks(), None);
        prop_assert_eq!(found.correct, own.correct, "the first label counts");
        check::gradient(|x| both(x) / n as f64, &logits.values, &logits.read(&grad));
    }
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn teachers(
        (n, classes, smoothing, seed) in sizes(),
        share in 0.0..=1.0_f32,
        temperature in 0.5..8.0_f32,
    ) {
        let (logits, labels) = logits(n, classes, seed);
        let answers: Vec<f32> =
            logits.values.iter().rev().map(|v| (v * 0.7) as f32).collect();
        let target = Target { labels: &labels, classes, smoothing };
        let teacher = Some(Teacher { logits: &answers, temperature, share });
        let mut grad = vec![f32::NAN; logits.blocks_len()];
        let objective = Objective { teacher, ..target.into() };
        let found = loss(objective, &logits.blocks(), Some(&mut grad));
        let both = |x: &[f64]| {
            let hard = reference::loss::cross_entropy(x, &labels, f64::from(smoothing));
            let answers: Vec<f64> = answers.iter().map(|v| f64::from(*v)).collect();
            let soft =
                reference::loss::distillation(x, &answers, classes, f64::from(temperature));
            (1.0 - f64::from(share)) * hard + f64::from(share) * soft
        };
        let expected = both(&logits.values);
        prop_assert!((found.loss - expected).abs() <= 1e-10 * (n + classes) as f64);
        check::gradient(|x| both(x) / n as f64, &logits.values, &logits.read(&grad));
    }
}

/// What one image with these logits and label scores.
fn one(logits: &[f64], label: u16) -> Outcome {
    let blocks = Array::zeros([1, logits.len(), 1, 1]).with(logits).blocks();
    let target = Target { labels: &[label], classes: logits.len(), smoothing: 0.0 };
    cross_entropy(target, &blocks, None)
}

#[test]
fn first_of_equal_logits_is_the_answer() {
    let check = |label, expected| assert_eq!(one(&[1.0, 2.0, 2.0], label).correct, expected);
    check(0, 0);
    check(1, 1);
    check(2, 0);
}

#[test]
fn labels_go_beyond_a_byte() {
    let mut logits = vec![0.0; 700];
    logits[600] = 50.0;
    assert_eq!(one(&logits, 600).correct, 1);
    assert!(one(&logits, 600).loss < 1e-6);
    assert_eq!(one(&logits, 600 - 256).correct, 0);
}

#[test]
fn large_logits_do_not_overflow() {
    let check = |logits: &[f64], expected: f64| assert_eq!(one(logits, 0).loss, expected);
    check(&[1e30, -1e30], 0.0);
    check(&[-1000.0, 1000.0], 2000.0);
}

#[test]
fn not_a_number_shows_in_the_loss() {
    assert!(one(&[1.0, f64::NAN], 0).loss.is_nan());
}

#[test]
#[should_panic(expected = "label out of range")]
fn second_label_beyond_the_classes_is_refused() {
    let target = Target { labels: &[0], classes: 2, smoothing: 0.0 };
    let blocks = Array::zeros([1, 2, 1, 1]).blocks();
    let mix = Some(Mix { labels: &[2], share: 0.5 });
    loss(Objective { mix, ..target.into() }, &blocks, None);
}

#[test]
#[should_panic(expected = "label out of range")]
fn label_beyond_the_classes_is_refused() {
    one(&[1.0, 2.0], 2);
}
