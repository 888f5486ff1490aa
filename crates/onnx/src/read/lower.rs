//! Parts that are left of no pattern, as the operations that compute them.

use std::rc::Rc;

use graph::op::{Scale, Shift};
use graph::{Activation, Op};

use super::draft::{Draft, Step, weights};

/// The largest power that becomes a product.
const MOST_POWER: f32 = 8.0;

/// An operation beside the value that goes through it.
enum Part {
    Scale(f32),
    Shift(f32),
    Activation(Activation),
}

/// The drafts with such parts replaced, and where draft `output` is among them.
pub fn lower(drafts: Vec<Draft>, output: usize) -> (Vec<Draft>, usize) {
    let mut all: Vec<Draft> = Vec::with_capacity(drafts.len());
    let mut places = Vec::with_capacity(drafts.len());
    for mut draft in drafts {
        draft.inputs.iter_mut().for_each(|input| *input = places[*input]);
        match (&draft.step, parts(&draft.step)) {
            (_, Some(parts)) => {
                let last = draft.inputs[0];
                places.push(parts.iter().fold(last, |x, part| pushed(&mut all, &draft, part, x)));
            }
            (Step::Power(n), None) if *n == n.round() && (2.0..=MOST_POWER).contains(n) => {
                let times = *n as usize - 1;
                let x = draft.inputs[0];
                places.push((0..times).fold(x, |product, _| {
                    let (step, inputs) = (Step::Op(Op::Multiply), vec![product, x]);
                    all.push(Draft { step, inputs, ..draft.clone() });
                    all.len() - 1
                }));
            }
            (_, None) => {
                places.push(all.len());
                all.push(draft);
            }
        }
    }
    (all, places[output])
}

fn pushed(all: &mut Vec<Draft>, of: &Draft, part: &Part, x: usize) -> usize {
    let values = |v: f32| weights(vec![("", Rc::new(vec![v; of.shape.c]))]);
    let (op, weights) = match part {
        Part::Scale(by) => (Op::Scale(Scale { frozen: true }), values(*by)),
        Part::Shift(by) => (Op::Shift(Shift { frozen: true }), values(*by)),
        Part::Activation(function) => (Op::Activation(*function), vec![]),
    };
    let (step, inputs) = (Step::Op(op), vec![x]);
    all.push(Draft { step, inputs, weights, path: None, ..of.clone() });
    all.len() - 1
}

/// What a part is made of; None where it is an operation, or nothing that operations compute.
fn parts(step: &Step) -> Option<Vec<Part>> {
    let relu = Part::Activation(Activation::Relu);
    let relu6 = Part::Activation(Activation::Relu6);
    Some(match *step {
        Step::Clip { low, high } => match (low.is_finite(), high.is_finite()) {
            (false, false) if low < high => vec![],
            (true, false) if high > low => vec![Part::Shift(-low), relu, Part::Shift(low)],
            (false, true) if low < high => {
                let (before, after) = (Part::Shift(high), Part::Shift(high));
                vec![Part::Scale(-1.0), before, relu, Part::Scale(-1.0), after]
            }
            (true, true) if low < high => {
                let wide = (high - low) / 6.0;
                let ends = [Part::Scale(1.0 / wide), relu6, Part::Scale(wide)];
                let moves = |by: f32| (low != 0.0).then_some(Part::Shift(by));
                moves(-low).into_iter().chain(ends).chain(moves(low)).collect()
            }
            _ => return None,
        },
        // 2 sigmoid(2 x) - 1
        Step::Tanh => {
            let sigmoid = Part::Activation(Activation::Sigmoid);
            vec![Part::Scale(2.0), sigmoid, Part::Scale(2.0), Part::Shift(-1.0)]
        }
        _ => return None,
    })
}
