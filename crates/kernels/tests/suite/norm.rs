//! Batch norm forward in both modes, with what is added and the activation behind it.

use kernels::Activation;
use kernels::norm::{Affine, Norm, Tail};
use proptest::prelude::*;
use seed::{Stream, stream};

use crate::array::{Array, plain, wide, written};
use crate::reference::norm as expected;
use crate::{check, shapes};

const EPS: f32 = 1e-5;

/// An activation with what its channels are scaled and shifted by, and what follows.
pub struct Case {
    pub x: Array,
    pub weight: Vec<f64>,
    pub bias: Vec<f64>,
    pub add: Option<Array>,
    pub activation: Option<Activation>,
}

impl Case {
    /// Nothing added, and no activation.
    pub fn new(shape: [usize; 4], seed: u64) -> Self {
        let mut random = stream(seed, "test/norm", 0);
        let x = Array::of(shape, || 0.5 + 2.0 * random.normal());
        let channels = [shape[1], 1, 1, 1];
        let weight = Array::normal(channels, &mut random).values;
        let bias = Array::normal(channels, &mut random).values;
        Self { x, weight, bias, add: None, activation: None }
    }

    /// As [`Case::with_tail_under`] with the batch's statistics.
    pub fn with_tail(shape: [usize; 4], seed: u64, tail: TailOf) -> Self {
        Self::with_tail_under(expected::statistics, shape, seed, tail)
    }

    /// With something behind it, and nothing within [`GAP`] of the activation's kink at 0 (over the
    /// channel's deviation) when `stats` normalise it.
    pub fn with_tail_under(
        stats: impl FnOnce(&Array) -> Vec<[f64; 2]>,
        shape: [usize; 4],
        seed: u64,
        TailOf { add, activation }: TailOf,
    ) -> Self {
        let mut random = stream(seed, "test/norm", 1);
        let x = Array::of(shape, || 0.5 + 2.0 * off_zero(&mut random));
        let weight = Array::of([shape[1], 1, 1, 1], || off_zero(&mut random)).values;
        let stats = stats(&x);
        // What is as large as the centre of the gap in `x` comes out 0.
        let centre = |([mean, variance], w): (&[f64; 2], &f64)| {
            (mean - 0.5) / (variance + f64::from(EPS)).sqrt() * w
        };
        let mut bias = Array::of([shape[1], 1, 1, 1], || 0.0);
        bias.values = wide(&plain(&stats.iter().zip(&weight).map(centre).collect::<Vec<_>>()));
        let mut case = Self { x, weight, bias: bias.values, add: None, activation };
        if add {
            let z = expected::apply(&case.x, &stats, &case.affine());
            let mut z = z.values.iter();
            let next = || off_zero(&mut random) - z.next().expect("one a value");
            case.add = Some(Array::of(shape, next));
        }
        case
    }

    pub fn affine(&self) -> expected::Affine<'_> {
        expected::Affine { weight: &self.weight, bias: &self.bias, eps: f64::from(EPS) }
    }

    /// Calls `f` with the same in f32.
    pub fn plain<R>(&self, f: impl FnOnce(&Norm) -> R) -> R {
        let (weight, bias) = (plain(&self.weight), plain(&self.bias));
        let add = self.add.as_ref().map_or(Vec::new(), Array::blocks);
        let affine = Affine { weight: &weight, bias: &bias, eps: EPS };
        let tail = Tail { add: &add, activation: self.activation };
        f(&Norm { plane: shapes::plane(&self.x), affine, tail })
    }

    /// Whether all is some way off the kink at 6, if there is one.
    pub fn is_smooth(&self) -> bool {
        let z = expected::tail(&expected::train(&self.x, &self.affine()), self.add.as_ref(), None);
        self.activation != Some(Activation::Relu6)
            || z.values.iter().all(|z| (z - 6.0).abs() > 1e-3)
    }

    /// What train mode comes to with other inputs and summands.
    pub fn expected(&self, x: &Array, add: Option<&Array>) -> Array {
        expected::tail(&expected::train(x, &self.affine()), add, self.activation)
    }

    /// Statistics and blocks of the output in train mode.
    pub fn forward(&self) -> (Vec<f32>, Vec<f32>) {
        let (x, mut stats) = (self.x.blocks(), vec![f32::NAN; 2 * self.x.shape[1]]);
        let y = self.plain(|norm| written(x.len(), |y| norm.forward(&x, &mut stats, y)));
        (stats, y)
    }

    fn apply(&self, stats: &[f32]) -> Vec<f64> {
        let x = self.x.blocks();
        self.x.read(&self.plain(|norm| written(x.len(), |y| norm.apply(&x, stats, y))))
    }
}

/// What follows a norm.
#[derive(Debug, Clone, Copy)]
pub struct TailOf {
    pub add: bool,
    pub activation: Option<Activation>,
}

/// Any of them.
pub fn tail() -> impl Strategy<Value = TailOf> {
    let leaky = Activation::LeakyRelu { slope: 0.125 };
    let all = [None, Some(Activation::Relu), Some(Activation::Relu6), Some(leaky)];
    (any::<bool>(), proptest::sample::select(all.to_vec()))
        .prop_map(|(add, activation)| TailOf { add, activation })
}

/// Least size of what [`off_zero`] draws.
const GAP: f64 = 0.2;

/// A normal value moved away from 0.
fn off_zero(random: &mut Stream) -> f64 {
    let v = random.normal();
    v + GAP.copysign(v)
}

/// Shapes with nine values a channel or more: over two, batch norm's gradient all but cancels.
pub fn several() -> impl Strategy<Value = [usize; 4]> {
    (shapes::batch(), 1..=6_usize, 3..=11_usize, 3..=11_usize).prop_map(|(n, c, h, w)| [n, c, h, w])
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn statistics(shape in shapes::activation(), seed: u64) {
        let case = Case::new(shape, seed);
        let expected = expected::statistics(&case.x).concat();
        check::close(&wide(&case.forward().0), &expected, 1e-6);
    }

    #[test]
    fn variance_far_from_zero(shape in several(), seed: u64) {
        let mut case = Case::new(shape, seed);
        let far: Vec<f64> = case.x.values.iter().map(|v| f64::from((v + 500.0) as f32)).collect();
        case.x = case.x.with(&far);
        let variances = |stats: &[f64]| stats.chunks(2).map(|s| s[1]).collect::<Vec<_>>();
        let expected = variances(&expected::statistics(&case.x).concat());
        check::close(&variances(&wide(&case.forward().0)), &expected, 1e-5);
    }

    #[test]
    fn train_mode(shape in several(), seed: u64) {
        let case = Case::new(shape, seed);
        let y = expected::train(&case.x, &case.affine());
        check::close(&case.x.read(&case.forward().1), &y.values, 1e-6);
    }

    #[test]
    fn eval_mode(shape in shapes::activation(), seed: u64) {
        let case = Case::new(shape, seed);
        let running = running(shape[1], seed);
        let y = expected::apply(&case.x, &running, &case.affine());
        check::close(&case.apply(&plain(&running.concat())), &y.values, 1e-6);
    }

    #[test]
    fn train_mode_with_tail(shape in several(), seed: u64, tail in tail()) {
        let case = Case::with_tail(shape, seed, tail);
        let y = case.expected(&case.x, case.add.as_ref());
        check::close(&case.x.read(&case.forward().1), &y.values, 1e-6);
    }

    #[test]
    fn eval_mode_with_tail(shape in shapes::activation(), seed: u64, tail in tail()) {
        let running = running(shape[1], seed);
        let case = Case::with_tail_under(|_| running.clone(), shape, seed, tail);
        let z = expected::apply(&case.x, &running, &case.affine());
        let y = expected::tail(&z, case.add.as_ref(), tail.activation);
        check::close(&case.apply(&plain(&running.concat())), &y.values, 5e-6);
    }

    /// Eval mode is the second half of train mode.
    #[test]
    fn modes_agree_on_the_batch_statistics(shape in several(), seed: u64, tail in tail()) {
        let case = Case::with_tail(shape, seed, tail);
        let (stats, y) = case.forward();
        prop_assert_eq!(case.apply(&stats), case.x.read(&y));
    }
}

/// Random mean and variance of each channel.
fn running(channels: usize, seed: u64) -> Vec<[f64; 2]> {
    let mut random = stream(seed, "test/running", 0);
    let values = Array::of([channels, 2, 1, 1], || random.range(0.1, 2.0)).values;
    values.as_chunks().0.to_vec()
}

#[test]
fn one_value_a_channel_is_its_own_mean() {
    let case = Case::new([1, 3, 1, 1], 1);
    assert_eq!(case.x.read(&case.forward().1), case.bias);
}

#[test]
fn tail_adds_before_it_cuts_off() {
    let check = |add: f64, activation: Option<Activation>, expected: f64| {
        let x = Array::zeros([1, 1, 1, 1]);
        let add = Some(x.with(&[add]));
        let case = Case { x, weight: vec![1.0], bias: vec![-2.0], add, activation };
        assert_eq!(case.x.read(&case.forward().1), [expected]);
    };
    check(3.0, Some(Activation::Relu), 1.0);
    check(1.0, Some(Activation::Relu), 0.0);
    check(1.0, None, -1.0);
    check(9.0, Some(Activation::Relu6), 6.0);
    check(1.0, Some(Activation::LeakyRelu { slope: 0.5 }), -0.5);
}

#[test]
fn running_statistics_move_by_the_momentum() {
    let x = Array::zeros([5, 1, 1, 1]).with(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    let plane = shapes::plane(&x);
    let case = Case { x, weight: vec![1.0], bias: vec![0.0], add: None, activation: None };
    let stats = case.forward().0;
    let check = |part: usize, expected: f32| {
        let mut running = [1.0];
        kernels::norm::update_running(plane, 0.25, &stats, part, &mut running);
        assert_eq!(running, [expected]);
    };
    check(0, 0.75 + 0.25 * 3.0);
    check(1, 0.75 + 0.25 * 2.5);
}
