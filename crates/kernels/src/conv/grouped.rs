//! Convolution in groups: each group of output channels reads a group of input channels alone.
//!
//! Groups of one channel are [`depthwise`]. Otherwise the channels of a group are contiguous in a block, so
//! that each group of a block is a full convolution; weight gradients alone copy the channels of a group.

use std::ops::Range;

use rayon::prelude::*;

use super::dense::InputGrad;
use super::depthwise::{self, Depthwise};
use super::{Conv, Crew, Dense, Epilogue};
use crate::scratch::Buffer;
use crate::{LANES, Lanes};

/// Sizes of a convolution in groups over a batch. Weight: `outputs x each.inputs x kernel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouped {
    /// The convolution of one group.
    pub each: Conv,
    /// How many there are.
    pub groups: usize,
}

impl Grouped {
    /// The sizes of the whole batch: those of a full convolution.
    pub fn full(&self) -> Conv {
        let Conv { inputs, outputs, .. } = self.each;
        Conv { inputs: inputs * self.groups, outputs: outputs * self.groups, ..self.each }
    }

    fn depthwise(&self) -> Option<Depthwise> {
        let Conv { lanes, inputs, h, w, outputs, window } = self.each;
        let one = inputs == 1 && outputs == 1;
        one.then_some(Depthwise { lanes, channels: self.groups, h, w, window })
    }

    fn weight(&self, group: usize) -> Range<usize> {
        let len = self.each.weight_len();
        group * len..(group + 1) * len
    }

    /// Copies the channels of `group` out of `all`, whose blocks hold those of all groups.
    fn take(&self, group: usize, all: &[f32], out: &mut [f32]) {
        let size = out.len() / self.each.lanes.blocks();
        for (block, out) in out.chunks_exact_mut(size).enumerate() {
            out.copy_from_slice(&all[(block * self.groups + group) * size..][..size]);
        }
    }

    /// The convolution of one group of one block.
    fn of_block(&self) -> Conv {
        Conv { lanes: Lanes::of(LANES), ..self.each }
    }

    fn check(&self, (input, weight, output): (usize, usize, usize)) {
        assert!(weight > 0 && weight == self.each.weight_len() * self.groups, "weight");
        assert!(input == self.full().input_len() && output == self.full().output_len(), "sizes");
    }
}

/// The weights of a convolution in groups, ready to be used for any batch.
pub struct Prepared {
    grouped: Grouped,
    weights: Weights,
}

enum Weights {
    Depthwise(Vec<f32>),
    /// Of each group.
    Dense(Vec<Dense>),
}

impl Prepared {
    /// Arranges `weight`.
    pub fn new(grouped: &Grouped, weight: &[f32]) -> Self {
        assert_eq!(weight.len(), grouped.each.weight_len() * grouped.groups, "weight");
        let of = |group| Dense::new(&grouped.of_block(), &weight[grouped.weight(group)]);
        let weights = match grouped.depthwise() {
            Some(_) => Weights::Depthwise(weight.to_vec()),
            None => Weights::Dense((0..grouped.groups).map(of).collect()),
        };
        Self { grouped: *grouped, weights }
    }

    /// As [`super::forward`] of each group, followed by `end`.
    pub fn forward(&self, lanes: Lanes, x: &[f32], end: &Epilogue, y: &mut [f32]) {
        let g = Grouped { each: Conv { lanes, ..self.grouped.each }, ..self.grouped };
        g.check((x.len(), g.each.weight_len() * g.groups, y.len()));
        let dense = match &self.weights {
            Weights::Dense(dense) => dense,
            Weights::Depthwise(weight) => {
                let d = g.depthwise().expect("groups of one channel");
                return depthwise::forward(&d, x, weight, end, y);
            }
        };
        end.check(g.full().outputs, y.len());
        let (each, outputs) = (g.of_block(), g.each.outputs);
        let (from, to) = (each.input_len(), each.output_len());
        let crew = Crew::of_each(lanes.blocks() * g.groups);
        y.par_chunks_exact_mut(to).zip(x.par_chunks_exact(from)).enumerate().for_each(
            |(i, (y, x))| {
                let group = i % g.groups;
                let own = Epilogue {
                    bias: end.bias.get(group * outputs..(group + 1) * outputs).unwrap_or_default(),
                    add: end.add.get(i * to..(i + 1) * to).unwrap_or_default(),
                    activation: end.activation,
                };
                dense[group].run(&each, x, (&own, crew), y);
            },
        );
    }
}

/// As [`super::forward`] of each group, followed by `end`.
pub fn forward(g: &Grouped, x: &[f32], weight: &[f32], end: &Epilogue, y: &mut [f32]) {
    if let Some(d) = g.depthwise() {
        g.check((x.len(), weight.len(), y.len()));
        return depthwise::forward(&d, x, weight, end, y);
    }
    Prepared::new(g, weight).forward(g.each.lanes, x, end, y);
}

/// As [`super::input_grad`] of each group.
pub fn input_grad(g: &Grouped, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    g.check((dx.len(), weight.len(), dy.len()));
    if let Some(d) = g.depthwise() {
        return depthwise::input_grad(&d, dy, weight, dx);
    }
    let each = g.of_block();
    let of = |group| InputGrad::new(&each, &weight[g.weight(group)]);
    let gradients: Vec<InputGrad> = (0..g.groups).map(of).collect();
    let crew = Crew::of_each(g.each.lanes.blocks() * g.groups);
    let blocks = dx.par_chunks_exact_mut(each.input_len());
    blocks.zip(dy.par_chunks_exact(each.output_len())).enumerate().for_each(|(i, (dx, dy))| {
        gradients[i % g.groups].run(dy, dx, crew);
    });
}

/// As [`super::weight_grad`] of each group.
pub fn weight_grad(g: &Grouped, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    g.check((x.len(), dw.len(), dy.len()));
    if let Some(d) = g.depthwise() {
        return depthwise::weight_grad(&d, dy, x, dw);
    }
    let (mut from, mut own) =
        (Buffer::zeros(g.each.output_len()), Buffer::zeros(g.each.input_len()));
    for group in 0..g.groups {
        g.take(group, dy, &mut from);
        g.take(group, x, &mut own);
        super::weight_grad(&g.each, &from, &own, &mut dw[g.weight(group)]);
    }
}
