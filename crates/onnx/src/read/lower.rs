//! Parts that are left of no pattern, as the operations that compute them.

use std::rc::Rc;

use graph::op::{Scale, Shift};
use graph::{Activation, Op};

use super::draft::{Draft, Step, weights};

/// The largest power that becomes a product.
const MOST_POWER: f32 = 8.0;
/// How far values are moved for a bound to be at zero: moved farther, those near zero would lose their digits.
const FARTHEST: f32 = 64.0;
/// The least distance between bounds; the inverse of a shorter one may be no number.
pub const LEAST_DISTANCE: f32 = 1e-30;

/// An operation beside the value that goes through it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Scale(f32),
    Shift(f32),
    Activation(Activation),
}

const RELU: Part = Part::Activation(Activation::Relu);
const RELU6: Part = Part::Activation(Activation::Relu6);

/// The drafts that are `needed`, and the input, with such parts replaced; and where draft `output` is among them.
pub fn lower(drafts: Vec<Draft>, needed: &[bool], output: usize) -> (Vec<Draft>, usize) {
    let mut all: Vec<Draft> = Vec::with_capacity(drafts.len());
    // Nothing that is needed reads what is not.
    let mut places = vec![usize::MAX; drafts.len()];
    for (i, mut draft) in drafts.into_iter().enumerate().filter(|(i, _)| *i == 0 || needed[*i]) {
        draft.inputs.iter_mut().for_each(|input| *input = places[*input]);
        places[i] = lowered(&mut all, draft);
    }
    (all, places[output])
}

/// Adds what computes `draft`, and says where its value is.
fn lowered(all: &mut Vec<Draft>, draft: Draft) -> usize {
    if let Some(chains) = chains(&draft.step) {
        let x = draft.inputs[0];
        let ends = chains
            .iter()
            .map(|chain| chain.iter().fold(x, |x, part| pushed(all, &draft, *part, x)))
            .collect::<Vec<_>>();
        let sum = |a, b| joined(all, &draft, Op::Add, [a, b]);
        return ends.into_iter().reduce(sum).unwrap_or(x);
    }
    match draft.step {
        Step::Power(n) if n == n.round() && (2.0..=MOST_POWER).contains(&n) => {
            let x = draft.inputs[0];
            (1..n as usize).fold(x, |power, _| joined(all, &draft, Op::Multiply, [power, x]))
        }
        _ => {
            all.push(draft);
            all.len() - 1
        }
    }
}

fn joined(all: &mut Vec<Draft>, of: &Draft, op: Op, inputs: [usize; 2]) -> usize {
    all.push(Draft { step: Step::Op(op), inputs: inputs.to_vec(), ..of.clone() });
    all.len() - 1
}

fn pushed(all: &mut Vec<Draft>, of: &Draft, part: Part, x: usize) -> usize {
    let values = |v: f32| weights(vec![("", Rc::new(vec![v; of.shape.c]))]);
    let (op, weights) = match part {
        Part::Scale(by) => (Op::Scale(Scale { frozen: true }), values(by)),
        Part::Shift(by) => (Op::Shift(Shift { frozen: true }), values(by)),
        Part::Activation(function) => (Op::Activation(function), vec![]),
    };
    let (step, inputs) = (Step::Op(op), vec![x]);
    all.push(Draft { step, inputs, weights, path: None, ..of.clone() });
    all.len() - 1
}

/// The chains of parts, each from what the step reads, whose sum it is; None where it is an operation, or nothing
/// that operations compute.
fn chains(step: &Step) -> Option<Vec<Vec<Part>>> {
    match *step {
        Step::Clip { low, high } if high - low >= LEAST_DISTANCE => Some(clip(low, high)),
        // 2 sigmoid(2 x) - 1
        Step::Tanh => {
            let sigmoid = Part::Activation(Activation::Sigmoid);
            Some(vec![vec![Part::Scale(2.0), sigmoid, Part::Scale(2.0), Part::Shift(-1.0)]])
        }
        _ => None,
    }
}

/// `min(max(x, low), high)`, to the digits of f32 within the bounds and beyond them.
fn clip(low: f32, high: f32) -> Vec<Vec<Part>> {
    let turn = Part::Scale(-1.0);
    let shift = |by: f32| (by != 0.0).then_some(Part::Shift(by));
    if low == f32::NEG_INFINITY && high == f32::INFINITY {
        vec![]
    } else if low >= -FARTHEST {
        let upwards = shift(-low).into_iter().chain(up_to(high - low, 1.0, 1.0));
        vec![upwards.chain(shift(low)).collect()]
    } else if high <= FARTHEST {
        let turned = std::iter::once(turn).chain(shift(high));
        vec![turned.chain(up_to(high - low, 1.0, -1.0)).chain(shift(high)).collect()]
    } else {
        // What is above zero, and what is below.
        vec![up_to(high, 1.0, 1.0), up_to(-low, -1.0, -1.0)]
    }
}

/// `after * min(max(before * x, 0), most)`, for factors of 1 and -1.
fn up_to(most: f32, before: f32, after: f32) -> Vec<Part> {
    let scale = |by: f32| (by != 1.0).then_some(Part::Scale(by));
    if most == f32::INFINITY {
        return scale(before).into_iter().chain([RELU]).chain(scale(after)).collect();
    }
    let unit = most / 6.0;
    vec![Part::Scale(before / unit), RELU6, Part::Scale(after * unit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(chains: &[Vec<Part>], x: f32) -> f32 {
        let one = |x: f32, part: &Part| match part {
            Part::Scale(by) => x * by,
            Part::Shift(by) => x + by,
            Part::Activation(Activation::Relu) => x.max(0.0),
            Part::Activation(Activation::Relu6) => x.clamp(0.0, 6.0),
            Part::Activation(other) => unreachable!("{other:?} bounds nothing"),
        };
        let sum = chains.iter().map(|chain| chain.iter().fold(x, one)).reduce(|a, b| a + b);
        sum.unwrap_or(x)
    }

    #[test]
    fn values_keep_their_digits_between_any_bounds() {
        let bounds =
            [-1e30, -65504.0, -65.0, -64.0, -0.5, 0.0, 0.25, 6.0, 64.0, 1e3, 65504.0, 1e30];
        let values = [0.0, 1e-3, 0.3, 1.0, 7.0, 100.0, 1e5, 1e9, 3e38].map(|v| [v, -v]);
        let ends = [f32::NEG_INFINITY].into_iter().chain(bounds);
        for (i, low) in ends.enumerate() {
            for high in bounds.into_iter().skip(i).chain([f32::INFINITY]) {
                let chains = clip(low, high);
                for x in values.into_iter().flatten() {
                    let (found, expected) = (run(&chains, x), x.max(low).min(high));
                    // What is moved by 64 is rounded as 64 is.
                    let off = (found - expected).abs() / expected.abs().max(FARTHEST);
                    assert!(off < 1e-6, "{x} in {low} to {high}: {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn what_nothing_reads_is_not_made() {
        let shape = graph::Shape::vector(2);
        let draft = |step: Step, inputs: Vec<usize>| Draft {
            step,
            inputs,
            shape,
            weights: vec![],
            path: None,
            site: 0,
        };
        let relu = Step::Op(Op::Activation(Activation::Relu));
        let drafts = vec![
            draft(Step::Op(Op::Input), vec![]),
            draft(Step::Tanh, vec![0]),
            draft(relu.clone(), vec![0]),
        ];
        let (all, output) = lower(drafts, &[true, false, true], 2);
        assert_eq!((all.len(), output, &all[1].step), (2, 1, &relu));
    }
}
