//! Batch norm backward in train mode, through the activation and the sum.

use kernels::Activation;
use kernels::norm::{self, Gradients, Norm, Saved};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, wide, written};
use crate::check;
use crate::norm::{Case, TailOf, several, tail};
use crate::reference::norm as expected;

/// What the backward pass is to do, of what it has a choice in.
#[derive(Clone, Copy)]
struct How {
    /// Write the input's gradient over the output's.
    in_place: bool,
    /// Hand it the output, which it needs if there is a summand.
    output: bool,
}

/// What the backward pass leaves, as blocks.
struct Left {
    /// Over the gradient of the output.
    dy: Vec<f32>,
    /// Of the input.
    dx: Vec<f32>,
    /// Of bias and weight, interleaved.
    sums: Vec<f32>,
}

fn backward(case: &Case, dy: &Array, how: How) -> Left {
    let (x, (stats, y)) = (case.x.blocks(), case.forward());
    let y: &[f32] = if how.output { &y } else { &[] };
    let saved = Saved { x: &x, stats: &stats, y, activation: case.activation };
    let (mut dx, mut sums) = (Vec::new(), Vec::new());
    let mut run = |norm: &Norm, dy: &mut [f32], dx: &mut [f32]| {
        sums = written(stats.len(), |sums| {
            norm::backward(norm.plane, norm.affine, saved, Gradients { dy, dx, sums });
        });
    };
    let start = dy.blocks();
    let dy = case.plain(|norm| {
        written(start.len(), |dy| {
            dy.copy_from_slice(&start);
            if how.in_place {
                run(norm, dy, &mut []);
            } else {
                dx = written(start.len(), |dx| run(norm, dy, dx));
            }
        })
    });
    let dx = if how.in_place { dy.clone() } else { dx };
    Left { dy, dx, sums }
}

/// With a second slice, and the output only where it is needed.
fn apart(case: &Case) -> How {
    How { in_place: false, output: case.add.is_some() }
}

fn cotangent(shape: [usize; 4], seed: u64) -> Array {
    Array::normal(shape, &mut stream(seed, "test/cotangent", 0))
}

/// `dy` before the activation.
fn through(case: &Case, dy: &Array) -> Array {
    let y = case.expected(&case.x, case.add.as_ref()).values;
    let slope = |y: f64| match case.activation {
        None => 1.0,
        Some(Activation::Relu) => f64::from(u8::from(y > 0.0)),
        Some(Activation::Relu6) => f64::from(u8::from(y > 0.0 && y < 6.0)),
        Some(Activation::LeakyRelu { slope }) => {
            if y > 0.0 {
                1.0
            } else {
                f64::from(slope)
            }
        }
        other => unreachable!("{other:?}"),
    };
    dy.with(&dy.values.iter().zip(y).map(|(g, y)| g * slope(y)).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn against_the_chain_rule(shape in several(), seed: u64, tail in tail()) {
        let (case, dy) = (Case::with_tail(shape, seed, tail), cotangent(shape, seed));
        prop_assume!(case.is_smooth());
        let found = backward(&case, &dy, apart(&case));
        let dz = through(&case, &dy);
        let (dx, sums) = expected::gradients(&case.x, &dz, &case.affine());
        prop_assert_eq!(case.x.read(&found.dy), dz.values);
        check::close(&case.x.read(&found.dx), &dx.values, 2e-6);
        check::close(&wide(&found.sums), &sums, 2e-6);
    }

    #[test]
    fn of_input(shape in several(), seed: u64, tail in tail()) {
        let (case, dy) = (Case::with_tail(shape, seed, tail), cotangent(shape, seed));
        prop_assume!(case.is_smooth());
        let dx = backward(&case, &dy, apart(&case)).dx;
        let value = |x: &[f64]| {
            let y = case.expected(&case.x.with(x), case.add.as_ref());
            check::dot(&dy.values, &y.values)
        };
        check::gradient(value, &case.x.values, &case.x.read(&dx));
    }

    #[test]
    fn of_summand(shape in several(), seed: u64, tail in tail()) {
        let (case, dy) = (Case::with_tail(shape, seed, TailOf { add: true, ..tail }), cotangent(shape, seed));
        prop_assume!(case.is_smooth());
        let found = backward(&case, &dy, apart(&case)).dy;
        let add = case.add.as_ref().expect("a summand");
        let value = |add_: &[f64]| {
            check::dot(&dy.values, &case.expected(&case.x, Some(&add.with(add_))).values)
        };
        check::gradient(value, &add.values, &case.x.read(&found));
    }

    #[test]
    fn of_bias_and_weight(shape in several(), seed: u64, tail in tail()) {
        let (case, dy) = (Case::with_tail(shape, seed, tail), cotangent(shape, seed));
        prop_assume!(case.is_smooth());
        let value = |both: &[f64]| {
            let (bias, weight): (Vec<_>, Vec<_>) = both.chunks(2).map(|b| (b[0], b[1])).unzip();
            let affine = expected::Affine { weight: &weight, bias: &bias, ..case.affine() };
            let z = expected::train(&case.x, &affine);
            check::dot(&dy.values, &expected::tail(&z, case.add.as_ref(), tail.activation).values)
        };
        let pairs = case.bias.iter().zip(&case.weight);
        let both: Vec<f64> = pairs.flat_map(|(b, w)| [*b, *w]).collect();
        check::gradient(value, &both, &wide(&backward(&case, &dy, apart(&case)).sums));
    }

    #[test]
    fn in_place_and_apart_agree(shape in several(), seed: u64, tail in tail()) {
        let (case, dy) = (Case::with_tail(shape, seed, tail), cotangent(shape, seed));
        prop_assume!(case.is_smooth());
        let apart = apart(&case);
        let (one, two) =
            (backward(&case, &dy, apart), backward(&case, &dy, How { in_place: true, ..apart }));
        prop_assert_eq!((one.dx, one.sums), (two.dx, two.sums));
    }

    /// The backward pass cuts off what the forward pass cut off, to the last bit: kinks included.
    #[test]
    fn output_is_found_again_from_the_input(shape in several(), seed: u64, tail in tail()) {
        let case = Case { activation: tail.activation, ..Case::new(shape, seed) };
        let dy = cotangent(shape, seed);
        let with = |output: bool| backward(&case, &dy, How { in_place: false, output });
        let (found, given) = (with(false), with(true));
        prop_assert_eq!(
            (found.dy, found.dx, found.sums),
            (given.dy, given.dx, given.sums)
        );
    }
}

#[test]
fn one_value_a_channel_takes_no_gradient() {
    let case = Case::new([1, 3, 1, 1], 1);
    let found = backward(&case, &case.x, apart(&case));
    assert_eq!(case.x.read(&found.dx), [0.0; 3]);
}

#[test]
fn slope_at_the_kink_is_zero() {
    let check = |bias: f64, add: Option<f64>, expected: f64| {
        let x = Array::zeros([1, 1, 1, 1]);
        let (weight, add) = (vec![1.0], add.map(|add| x.with(&[add])));
        let case = Case { x, weight, bias: vec![bias], add, activation: Some(Activation::Relu) };
        let found = backward(&case, &case.x.with(&[3.0]), apart(&case));
        assert_eq!(case.x.read(&found.dy), [expected]);
        assert_eq!(wide(&found.sums), [expected, 0.0]);
    };
    check(0.0, None, 0.0);
    check(-0.0, None, 0.0);
    check(f64::from(f32::MIN_POSITIVE), None, 3.0);
    check(-1.0, Some(1.0), 0.0);
    check(-1.0, Some(2.0), 3.0);
    check(1.0, Some(-2.0), 0.0);
}
