//! Channels that are split into branches, as selective kernels and split attention have them; softmax over
//! two of them, and over classes.

use std::rc::Rc;

use graph::op::Slice;
use graph::{Activation, Linear, Op, Shape};

use super::constant::{Constant, Found};
use super::draft::Step;
use super::fold::position;
use super::layers::bias;
use super::moves::MOST_RUNS;
use super::names::module;
use super::view::{Axis, Factor, View};
use super::walk::{Call, Walk};
use super::windows::pair_along;

impl Walk<'_> {
    /// The outermost factor of split channels, where the dimension `at` is that factor alone.
    fn branches(&self, view: &View, at: usize) -> Option<Factor> {
        let [branch] = view.axes.get(at)?[..] else { return None };
        let split = branch.axis == Axis::Channel && branch.stride > 1;
        (split && branch.size * branch.stride == self.shape(view.node).c).then_some(branch)
    }

    fn parts(&mut self, site: usize, node: usize, branch: Factor) -> Found<Vec<usize>> {
        let count = branch.size;
        if count > MOST_RUNS {
            return Err(format!("over {count} branches of channels; expected {MOST_RUNS} at most"));
        }
        let part = |i: usize| Slice { start: i * branch.stride, end: (i + 1) * branch.stride };
        (0..branch.size).map(|i| self.push(site, Op::Slice(part(i)), &[node])).collect()
    }

    /// `view` summed over branches, where that is what a reduction over the dimensions `over` does.
    pub fn without_branches(
        &mut self,
        kind: &str,
        view: View,
        over: &[usize],
        site: usize,
    ) -> Found<(bool, View)> {
        let [at] = over[..] else { return Ok((false, view)) };
        let Some(branch) = self.branches(&view, at) else { return Ok((false, view)) };
        if !matches!(kind, "ReduceSum" | "ReduceMean") {
            return Err("over branches of channels; supported are sums and means of them".into());
        }
        let parts = self.parts(site, view.node, branch)?;
        let (first, others) = parts.split_first().ok_or("no branches")?;
        let sum = others.iter().try_fold(*first, |a, b| self.push(site, Op::Add, &[a, *b]));
        let mut found = View { node: sum?, site, ..view };
        found.axes[at] = vec![];
        if kind == "ReduceMean" {
            let by = Constant::floats(&[], vec![branch.size as f32]);
            found = self.with_constant("Div", site, found, &by)?;
        }
        Ok((true, found))
    }

    /// Left out where it is last; of two branches, the sigmoid of their difference.
    pub fn softmax(&mut self, kind: &str, call: &Call) -> Found<View> {
        let view = call.data(0)?;
        let usual = if self.file.opset < 13 { 1 } else { -1 };
        let axis = position(call.with.int("axis").unwrap_or(usual), view.axes.len() + 1)?;
        let branch = axis.checked_sub(1).and_then(|at| self.branches(&view, at));
        if let (Some(branch), 13.., "Softmax") = (branch, self.file.opset, kind) {
            return self.of_branches(call.site, view, branch);
        }
        let view = self.settle(view)?;
        let shape = self.shape(view.node);
        if !shape.is_vector() || axis == 0 || !view.has_channels_at(shape, axis - 1) {
            return Err(
                "supported only over the classes, as the last operator, and over two branches of channels"
                    .into(),
            );
        }
        let log = kind == "LogSoftmax";
        let node = self.push_part(call.site, Step::Softmax { log }, &[view.node], shape)?;
        Ok(View { node, ..view })
    }

    fn of_branches(&mut self, site: usize, view: View, branch: Factor) -> Found<View> {
        let refused = || format!("over {} branches of channels; supported are two", branch.size);
        if branch.size != 2 {
            return Err(refused());
        }
        let [a, b] = self.parts(site, view.node, branch)?[..] else { return Err(refused()) };
        let mut share = |of: usize, other: usize| {
            let minus = self.minus(site, other)?;
            let more = self.push(site, Op::Add, &[of, minus])?;
            self.push(site, Op::Activation(Activation::Sigmoid), &[more])
        };
        let both = [share(a, b)?, share(b, a)?];
        let node = self.push(site, Op::Concat, &both)?;
        Ok(View { node, site, ..view })
    }

    /// A convolution along the channels of a vector: a linear layer whose weights are a band.
    pub fn along_channels(&mut self, call: &Call, weight: &Constant) -> Found<View> {
        let view = self.settle(call.data(0)?)?;
        let channels = self.shape(view.node).c;
        let ([1, 1, width], 2) = (&weight.dims[..], view.axes.len()) else {
            let (found, dims) = (&weight.dims, view.dims());
            return Err(format!(
                "weights of shape {found:?} over batch x {dims:?}; supported in one dimension is one kernel \
                 along the channels of a vector"
            ));
        };
        let (width, [before, after]) = (*width, pair_along(call.with, *width, channels)?);
        let fits = view.has_channels_at(self.shape(view.node), 1)
            && self.shape(view.node) == Shape::vector(channels);
        let outputs = (channels + before + after + 1).checked_sub(width).filter(|n| *n > 0 && fits);
        let outputs = outputs.ok_or("not along the channels of a vector")?;
        self.afford(channels.saturating_mul(outputs))?;
        let (band, offset) = (weight.real()?, bias(call, 2, 1)?);
        let mut values = vec![0.0; channels * outputs];
        for (i, row) in values.chunks_exact_mut(channels).enumerate() {
            for (k, v) in band.iter().enumerate() {
                if let Some(at) = (i + k).checked_sub(before).filter(|at| *at < channels) {
                    row[at] = *v;
                }
            }
        }
        let path = module(weight.name.as_deref());
        let name = path.as_deref().unwrap_or("without name");
        self.notes.push(format!(
            "the convolution {name} along channels becomes a linear layer of {channels} x {outputs}, zero but \
             for {width} weights a row; training changes the zeros too"
        ));
        let sizes = Linear { inputs: channels, outputs, bias: offset.is_some() };
        let offset = offset.map(|b| Rc::new(vec![b[0]; outputs]));
        self.linear(call.site, &view, sizes, (path, Rc::new(values), offset))
    }
}
