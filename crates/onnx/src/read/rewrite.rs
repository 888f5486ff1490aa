//! Patterns of several operators as the one operation that they compute.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

use geometry::{Size, Window};
use graph::op::{AdaptiveAverage, MaxPool, Scale, Shift};
use graph::{Activation, Op};

use super::constant::uniform;
use super::draft::{Draft, Step, Weight};
use super::rewrite_norm;
use crate::write::means;

/// The most factors of a product that are looked at.
const MOST_FACTORS: usize = 8;

/// Replaces patterns, each by an operation at the place of its last draft. What they were made of stays, for
/// who else reads it.
pub fn rewrite(drafts: &mut [Draft]) {
    let mut readers = vec![0_usize; drafts.len()];
    drafts.iter().flat_map(|d| &d.inputs).for_each(|&i| readers[i] += 1);
    for i in 0..drafts.len() {
        clip(drafts, i);
        average(drafts, i);
        strides(drafts, i);
        rewrite_norm::layer_norm(drafts, i);
        rewrite_norm::affine(drafts, i, &readers);
        rewrite_norm::bias(drafts, i, &readers);
        if let Some((function, x)) = activation(drafts, i) {
            replace(&mut drafts[i], Op::Activation(function), vec![x]);
        }
    }
}

/// Makes a draft another operation, without tensors.
pub fn replace(draft: &mut Draft, op: Op, inputs: Vec<usize>) {
    draft.step = Step::Op(op);
    draft.inputs = inputs;
    draft.weights = vec![];
}

/// The number that draft `i` adds to every value, and what it reads.
pub fn added(drafts: &[Draft], i: usize) -> Option<(f32, usize)> {
    let frozen = drafts[i].step == Step::Op(Op::Shift(Shift { frozen: true }));
    let weight: &Weight = drafts[i].weights.first().filter(|_| frozen)?;
    Some((uniform(&weight.values)?, drafts[i].inputs[0]))
}

/// The number that draft `i` multiplies every value by, and what it reads.
pub fn multiplied(drafts: &[Draft], i: usize) -> Option<(f32, usize)> {
    let frozen = drafts[i].step == Step::Op(Op::Scale(Scale { frozen: true }));
    let weight: &Weight = drafts[i].weights.first().filter(|_| frozen)?;
    Some((uniform(&weight.values)?, drafts[i].inputs[0]))
}

pub fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 * b.abs()
}

/// Draft `i` as a number times drafts, in the order of their numbers; `atom` is taken as it is.
pub fn product(drafts: &[Draft], i: usize, atom: usize) -> (f32, Vec<usize>) {
    let (mut number, mut factors, mut open) = (1.0, vec![], vec![i]);
    while let Some(next) = open.pop() {
        let scaled = multiplied(drafts, next);
        match &drafts[next].step {
            _ if next == atom || open.len() + factors.len() > MOST_FACTORS => factors.push(next),
            Step::Op(Op::Multiply) if is_equal(drafts, next) => open.extend(&drafts[next].inputs),
            Step::Power(n) if *n == 2.0 || *n == 3.0 => {
                factors.extend(vec![drafts[next].inputs[0]; *n as usize]);
            }
            _ => match scaled {
                Some((by, x)) => {
                    number *= by;
                    open.push(x);
                }
                None => factors.push(next),
            },
        }
    }
    factors.sort_unstable();
    (number, factors)
}

/// Whether all inputs have the shape of the output.
fn is_equal(drafts: &[Draft], i: usize) -> bool {
    drafts[i].inputs.iter().all(|&x| drafts[x].shape == drafts[i].shape)
}

fn sorted<const N: usize>(mut all: [usize; N]) -> Vec<usize> {
    all.sort_unstable();
    all.to_vec()
}

/// The activation that draft `i` is the last part of, and what that reads.
fn activation(drafts: &[Draft], i: usize) -> Option<(Activation, usize)> {
    let is_product = drafts[i].step == Step::Op(Op::Multiply) || multiplied(drafts, i).is_some();
    if !is_product {
        return None;
    }
    let (_, factors) = product(drafts, i, usize::MAX);
    factors.iter().find_map(|&gate| {
        let is = |x: usize, expected: f32, factors: Vec<usize>| {
            let (number, found) = product(drafts, i, x);
            near(number, expected) && found == factors
        };
        if let Step::Op(Op::Activation(function)) = drafts[gate].step {
            let x = drafts[gate].inputs[0];
            match function {
                Activation::Sigmoid if is(x, 1.0, sorted([x, gate])) => {
                    return Some((Activation::Silu, x));
                }
                Activation::HardSigmoid if is(x, 1.0, sorted([x, gate])) => {
                    return Some((Activation::HardSwish, x));
                }
                _ => {}
            }
        }
        if let Some(x) = hard_gate(drafts, gate) {
            if is(x, 1.0 / 6.0, sorted([x, gate])) {
                return Some((Activation::HardSwish, x));
            }
            return is(x, 1.0 / 6.0, vec![gate]).then_some((Activation::HardSigmoid, x));
        }
        let (function, x) = gelu_gate(drafts, gate)?;
        is(x, 0.5, sorted([x, gate])).then_some((function, x))
    })
}

/// `x` where draft `i` is `min(max(x + 3, 0), 6)`.
fn hard_gate(drafts: &[Draft], i: usize) -> Option<usize> {
    let relu6 = drafts[i].step == Step::Op(Op::Activation(Activation::Relu6));
    let (three, x) = added(drafts, *drafts[i].inputs.first().filter(|_| relu6)?)?;
    near(three, 3.0).then_some(x)
}

/// `x` where draft `i` is one plus the error function or hyperbolic tangent of a GELU.
fn gelu_gate(drafts: &[Draft], i: usize) -> Option<(Activation, usize)> {
    let (_, curve) = added(drafts, i).filter(|(one, _)| near(*one, 1.0))?;
    let inner = *drafts[curve].inputs.first()?;
    if drafts[curve].step == Step::Erf {
        let (factor, x) = multiplied(drafts, inner)?;
        return near(factor, FRAC_1_SQRT_2).then_some((Activation::Gelu, x));
    }
    let (factor, factors) = product(drafts, inner, usize::MAX);
    if drafts[curve].step != Step::Tanh || !near(factor, FRAC_2_PI.sqrt()) {
        return None;
    }
    let is_power = |i: usize, x: usize, times: usize| {
        let (share, found) = product(drafts, i, x);
        near(share, 0.044_715) && found == vec![x; times]
    };
    let x = match factors[..] {
        // x + 0.044715 x^3
        [sum] if drafts[sum].step == Step::Op(Op::Add) => {
            let (a, b) = (drafts[sum].inputs[0], drafts[sum].inputs[1]);
            [(a, b), (b, a)].into_iter().find(|&(x, cube)| is_power(cube, x, 3))?.0
        }
        // x * (1 + 0.044715 x^2)
        [a, b] => {
            let square = |i: usize| added(drafts, i).filter(|(one, _)| near(*one, 1.0));
            let pairs = [(a, b), (b, a)].into_iter();
            pairs.filter_map(|(x, s)| Some((x, square(s)?.1))).find(|&(x, s)| is_power(s, x, 2))?.0
        }
        _ => return None,
    };
    Some((Activation::GeluTanh, x))
}

/// Bounds that are an activation's; those of what is bounded before are taken together with them.
fn clip(drafts: &mut [Draft], i: usize) {
    let Some((low, high)) = bounds(&drafts[i].step) else { return };
    let x = drafts[i].inputs[0];
    let below = bounds(&drafts[x].step);
    let (low, high, inputs) = match (known(low, high), below) {
        // Only a part of an operation needs what is before it.
        (None, Some((l, h))) => (l.clamp(low, high), h.clamp(low, high), drafts[x].inputs.clone()),
        (Some(_), Some((l, h))) if matches!(drafts[x].step, Step::Clip { .. }) => {
            (l.clamp(low, high), h.clamp(low, high), drafts[x].inputs.clone())
        }
        _ => (low, high, vec![x]),
    };
    if let Some(function) = known(low, high) {
        replace(&mut drafts[i], Op::Activation(function), inputs);
    } else {
        (drafts[i].step, drafts[i].inputs) = (Step::Clip { low, high }, inputs);
    }
}

fn bounds(step: &Step) -> Option<(f32, f32)> {
    match step {
        Step::Clip { low, high } if low <= high => Some((*low, *high)),
        Step::Op(Op::Activation(Activation::Relu)) => Some((0.0, f32::INFINITY)),
        Step::Op(Op::Activation(Activation::Relu6)) => Some((0.0, 6.0)),
        _ => None,
    }
}

fn known(low: f32, high: f32) -> Option<Activation> {
    match (low, high) {
        (0.0, 6.0) => Some(Activation::Relu6),
        (0.0, f32::INFINITY) => Some(Activation::Relu),
        _ => None,
    }
}

/// Two matrices that take means over a grid of windows.
fn average(drafts: &mut [Draft], i: usize) {
    let Step::Columns(columns) = &drafts[i].step else { return };
    let inner = drafts[i].inputs[0];
    let Step::Rows(rows) = &drafts[inner].step else { return };
    let x = drafts[inner].inputs[0];
    let (size, grid) = (drafts[x].shape.size(), drafts[i].shape.size());
    let same = |a: &[f32], b: &[f32]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6)
    };
    let across = super::fold::transposed(&means(size.w, grid.w), size.w);
    if same(rows, &means(size.h, grid.h)) && same(columns, &across) {
        replace(&mut drafts[i], Op::AdaptiveAverage(AdaptiveAverage { grid }), vec![x]);
    }
}

/// Every n-th row, then every n-th column: one operation.
fn strides(drafts: &mut [Draft], i: usize) {
    let picks = |d: &Draft| match d.step {
        Step::Op(Op::MaxPool(p)) => {
            let stride = p.window.stride;
            (p.window == Window { stride, ..Window::square(1, 1, 0) }).then_some(stride)
        }
        _ => None,
    };
    let Some(second) = picks(&drafts[i]) else { return };
    let Some(first) = picks(&drafts[drafts[i].inputs[0]]) else { return };
    let stride = Size { h: first.h * second.h, w: first.w * second.w };
    let x = drafts[drafts[i].inputs[0]].inputs[0];
    let window = Window { stride, ..Window::square(1, 1, 0) };
    replace(&mut drafts[i], Op::MaxPool(MaxPool { window, ceil: false }), vec![x]);
}
