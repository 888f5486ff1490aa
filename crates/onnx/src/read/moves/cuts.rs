//! Parts of a value: slices, splits, channels by number.

use geometry::{Size, Window};
use graph::op::{MaxPool, Shuffle, Slice};
use graph::{Op, Shape};

use super::super::constant::{Constant, Found};
use super::super::fold::{cuts, position, span};
use super::super::view::{View, whole};
use super::super::walk::{Call, Value, Walk};

/// The most parts that one operator may take its channels apart into.
pub const MOST_RUNS: usize = 256;

impl Walk<'_> {
    pub fn slice(&mut self, call: &Call) -> Found<View> {
        let mut view = self.settle(call.data(0)?)?;
        // Attributes below opset 10.
        let given = |i: usize| {
            let name = ["", "starts", "ends", "axes", ""][i];
            let list = |all: &[i64]| {
                Constant::whole(&[all.len()], all.iter().map(|&n| n.into()).collect())
            };
            match call.with.ints(name) {
                Some(all) => Ok(Some(list(all))),
                None if i == 0 => Ok(None),
                None => call.constant_if(i),
            }
        };
        let inputs: Vec<Option<Constant>> = (0..5).map(given).collect::<Found<_>>()?;
        let rank = view.axes.len() + 1;
        for [axis, start, end, step] in cuts(&inputs, rank)? {
            let axis = position(axis, rank)?;
            let Some(at) = axis.checked_sub(1) else {
                if start == 0 && end >= i64::from(i32::MAX) && step == 1 {
                    continue;
                }
                return Err("a part of the batch".into());
            };
            let size = view.dims()[at];
            let (start, count, step) = span(size, start, end, step)?;
            if (start, count, step) != (0, size, 1) {
                view = self.cut(view, at, [start, count, step], call.site)?;
            }
        }
        Ok(view)
    }

    pub fn cut(&mut self, view: View, at: usize, cut: [usize; 3], site: usize) -> Found<View> {
        let shape = self.shape(view.node);
        let [start, count, step] = cut;
        if view.has_channels_at(shape, at) {
            let node = self.channels(site, view.node, cut)?;
            return Ok(View { site, ..view.with_channels(node, self.shape(node), at) });
        }
        let [_, rows, columns] = whole(shape);
        let is_row = view.axes[at] == rows;
        if !(is_row || view.axes[at] == columns) {
            return Err(format!(
                "{count} of dimension {} of batch x {:?}; expected channels, rows or columns",
                at + 1,
                view.dims()
            ));
        }
        if start != 0 || step == 1 {
            let node = self.picked(site, view.node, is_row, cut)?;
            return Ok(self.with_size(view, at, is_row, node));
        }
        // A maximum over one pixel is that pixel.
        let stride = if is_row { Size { h: step, w: 1 } } else { Size { h: 1, w: step } };
        let window = Window { stride, ..Window::square(1, 1, 0) };
        let node = self.push(site, Op::MaxPool(MaxPool { window, ceil: false }), &[view.node])?;
        Ok(self.with_size(view, at, is_row, node))
    }

    /// The values of `node` instead, which has other rows or columns, at the dimension `at`.
    fn with_size(&self, mut view: View, at: usize, is_row: bool, node: usize) -> View {
        let [_, rows, columns] = whole(self.shape(node));
        view.axes[at] = if is_row { rows } else { columns };
        View { node, ..view }
    }

    /// `count` channels from `start` on, every `step`-th.
    fn channels(&mut self, site: usize, node: usize, cut: [usize; 3]) -> Found<usize> {
        let (Shape { c, .. }, [start, count, step]) = (self.shape(node), cut);
        if step == 1 {
            let part = Slice { start, end: start + count };
            return self.push(site, Op::Slice(part), &[node]);
        }
        if !c.is_multiple_of(step) || start >= step || count != c / step {
            return Err(format!("every {step}-th of {c} channels, from {start} on"));
        }
        // Dealt out, those of the same remainder lie side by side.
        let dealt = self.push(site, Op::Shuffle(Shuffle { groups: count }), &[node])?;
        let part = Slice { start: start * count, end: (start + 1) * count };
        self.push(site, Op::Slice(part), &[dealt])
    }

    pub fn gather(&mut self, call: &Call) -> Found<View> {
        let view = self.settle(call.data(0)?)?;
        let (indices, rank) = (call.constant_at(1)?, view.axes.len() + 1);
        let axis = position(call.with.int("axis").unwrap_or(0), rank)?;
        let shape = self.shape(view.node);
        let at = axis.checked_sub(1).ok_or("images of the batch by number")?;
        if !view.has_channels_at(shape, at) {
            if view.dims()[at] == 1 && indices.dims.is_empty() {
                let mut view = View { site: call.site, ..view };
                view.axes.remove(at);
                return Ok(view);
            }
            return Err("pixels by number; supported are channels".into());
        }
        let all = indices.integers()?.into_iter().map(|i| position(i, shape.c));
        let all: Vec<usize> = all.collect::<Found<_>>()?;
        let node = self.selected(call.site, view.node, &all)?;
        let mut view = View { site: call.site, ..view.with_channels(node, self.shape(node), at) };
        match indices.dims.len() {
            0 => drop(view.axes.remove(at)),
            1 => {}
            _ => return Err("numbers of channels as a matrix; expected a list".into()),
        }
        Ok(view)
    }

    /// The channels of these numbers: shuffled, or run by run.
    fn selected(&mut self, site: usize, node: usize, all: &[usize]) -> Found<usize> {
        let c = self.shape(node).c;
        let dealt = |groups: usize| {
            all.iter().enumerate().all(|(i, at)| *at == i % groups * (c / groups) + i / groups)
        };
        let step = all.get(1).copied().filter(|s| *s > 1 && c.is_multiple_of(*s));
        let groups = step.map(|s| c / s).filter(|g| all.len() == c && *g > 1 && dealt(*g));
        if let Some(groups) = groups {
            return self.push(site, Op::Shuffle(Shuffle { groups }), &[node]);
        }
        let mut runs: Vec<Slice> = vec![];
        for &at in all {
            match runs.last_mut() {
                Some(run) if run.end == at => run.end += 1,
                _ => runs.push(Slice { start: at, end: at + 1 }),
            }
        }
        if runs.len() > MOST_RUNS {
            let count = runs.len();
            return Err(format!(
                "channels in {count} runs of numbers; expected {MOST_RUNS} at most"
            ));
        }
        if let [Slice { start: 0, end }] = runs[..]
            && end == c
        {
            return Ok(node);
        }
        let parts = runs.into_iter().map(|run| self.push(site, Op::Slice(run), &[node]));
        let parts: Vec<usize> = parts.collect::<Found<_>>()?;
        if let [one] = parts[..] { Ok(one) } else { self.push(site, Op::Concat, &parts) }
    }

    pub fn split(&mut self, call: &Call) -> Found<Vec<Value>> {
        let view = self.settle(call.data(0)?)?;
        let axis = position(call.with.int("axis").unwrap_or(0), view.axes.len() + 1)?;
        let shape = self.shape(view.node);
        let at = axis.checked_sub(1).filter(|&at| view.has_channels_at(shape, at));
        let at = at.ok_or_else(|| format!("along dimension {axis}; expected the channels"))?;
        let parts = parts(call, shape.c)?;
        // Parts of a sequence have no names in the file, and may be any number.
        let most = call.with.0.output.len().max(MOST_RUNS);
        if parts.len() > most {
            return Err(format!("{} parts of channels; expected {most} at most", parts.len()));
        }
        let mut start = 0;
        let mut values = vec![];
        for count in parts {
            let end = start + count;
            let node = self.push(call.site, Op::Slice(Slice { start, end }), &[view.node])?;
            let part = view.clone().with_channels(node, self.shape(node), at);
            values.push(Value::Data(View { site: call.site, ..part }));
            start = end;
        }
        if start != shape.c {
            return Err(format!("parts of {start} channels in all; there are {}", shape.c));
        }
        Ok(values)
    }
}

/// Sizes of the parts of a split.
fn parts(call: &Call, c: usize) -> Found<Vec<usize>> {
    let given = match call.with.ints("split") {
        Some(sizes) => Some(sizes.to_vec()),
        None => call.constant_if(1)?.map(|c| c.integers()).transpose()?,
    };
    if let Some(sizes) = given {
        let all = sizes.iter().map(|&n| usize::try_from(n).ok().filter(|n| *n <= c));
        return all.collect::<Option<_>>().ok_or_else(|| format!("parts of {sizes:?} channels"));
    }
    let outputs = call.with.0.output.len();
    let count = c.div_ceil(outputs);
    let of = |i: usize| count.min(c.saturating_sub(i * count));
    Ok((0..outputs).map(of).collect())
}
