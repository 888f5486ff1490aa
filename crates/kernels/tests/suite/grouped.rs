//! Convolution in groups is the full one whose weight is zero outside its blocks.

use kernels::conv::grouped::{self, Grouped};
use proptest::prelude::*;

use crate::array::written;
use crate::case::Case;
use crate::ending::{Ending, ending};
use crate::{check, shapes};

/// Where weight `i` of the tensor in groups stands in the full one.
fn place(g: &Grouped, i: usize) -> usize {
    let taps = g.each.window.kernel.pixels();
    let (output, rest) = (i / (g.each.inputs * taps), i % (g.each.inputs * taps));
    let first = output / g.each.outputs * g.each.inputs;
    (output * g.full().inputs + first) * taps + rest
}

#[track_caller]
pub fn check(g: &Grouped, seed: u64, end: Ending) {
    let len = g.each.weight_len() * g.groups;
    let mut kept = vec![false; g.full().weight_len()];
    (0..len).for_each(|i| kept[place(g, i)] = true);
    let mut case = Case::new(g.full(), seed);
    let tolerance = case.tolerance;
    case = case.keep(kept).ending(end);
    case.tolerance = tolerance;
    let all = case.weight.plain();
    let weight: Vec<f32> = (0..len).map(|i| all[place(g, i)]).collect();
    case.forward(|x, end, y| grouped::forward(g, x, &weight, end, y));
    case.input_grad(|dy, dx| grouped::input_grad(g, dy, &weight, dx));
    case.weight_grad(|dy, x, dw| {
        let found = written(len, |dw| grouped::weight_grad(g, dy, x, dw));
        dw.fill(0.0);
        found.iter().enumerate().for_each(|(i, v)| dw[place(g, i)] = *v);
    });
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(each in shapes::conv(20, 6), groups in 1..=4_usize, seed: u64, end in ending()) {
        check(&Grouped { each, groups }, seed, end);
    }
}
