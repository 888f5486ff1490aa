//! Convolution in groups: each group of output channels reads a group of input channels alone.
//!
//! Groups of one channel are [`depthwise`]; others are full convolutions, one after the other, of
//! channels that are copied out of the batch and back.

use std::ops::Range;

use super::depthwise::{self, Depthwise};
use super::{Conv, Epilogue};
use crate::scratch::Buffer;

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

    /// Copies the channels of `group` into `all`.
    fn put(&self, group: usize, own: &[f32], all: &mut [f32]) {
        let size = own.len() / self.each.lanes.blocks();
        for (block, own) in own.chunks_exact(size).enumerate() {
            all[(block * self.groups + group) * size..][..size].copy_from_slice(own);
        }
    }

    fn check(&self, (input, weight, output): (usize, usize, usize)) {
        assert!(weight > 0 && weight == self.each.weight_len() * self.groups, "weight");
        assert!(input == self.full().input_len() && output == self.full().output_len(), "sizes");
    }
}

/// As [`super::forward`] of each group, followed by `end`.
pub fn forward(g: &Grouped, x: &[f32], weight: &[f32], end: &Epilogue, y: &mut [f32]) {
    g.check((x.len(), weight.len(), y.len()));
    if let Some(d) = g.depthwise() {
        return depthwise::forward(&d, x, weight, end, y);
    }
    end.check(g.full().outputs, y.len());
    let mut own = Buffer::zeros(g.each.input_len());
    let (mut to, mut add) = (Buffer::zeros(g.each.output_len()), Buffer::zeros(0));
    if !end.add.is_empty() {
        add = Buffer::zeros(g.each.output_len());
    }
    for group in 0..g.groups {
        g.take(group, x, &mut own);
        if !add.is_empty() {
            g.take(group, end.add, &mut add);
        }
        let outputs = g.each.outputs;
        let bias = end.bias.get(group * outputs..(group + 1) * outputs).unwrap_or_default();
        let end = Epilogue { bias, add: &add, activation: end.activation };
        super::Dense::new(&g.each, &weight[g.weight(group)]).forward(&g.each, &own, &end, &mut to);
        g.put(group, &to, y);
    }
}

/// As [`super::input_grad`] of each group.
pub fn input_grad(g: &Grouped, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    g.check((dx.len(), weight.len(), dy.len()));
    if let Some(d) = g.depthwise() {
        return depthwise::input_grad(&d, dy, weight, dx);
    }
    let (mut own, mut to) = (Buffer::zeros(g.each.output_len()), Buffer::zeros(g.each.input_len()));
    for group in 0..g.groups {
        g.take(group, dy, &mut own);
        super::input_grad(&g.each, &own, &weight[g.weight(group)], &mut to);
        g.put(group, &to, dx);
    }
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
