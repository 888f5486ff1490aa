//! Values side by side, and zeros around them.

use geometry::Sides;
use graph::op::{PadBorders, PadChannels};
use graph::{Op, Shape};

use super::super::constant::{Found, uniform};
use super::super::draft::Step;
use super::super::fold::position;
use super::super::view::{Axis, Factor, View, whole};
use super::super::walk::{Call, Value, Walk};

/// A part of a concatenation.
enum Part {
    Data(View),
    /// So many channels of zeros.
    Zeros(usize),
}

impl Walk<'_> {
    pub fn concat(&mut self, call: &Call) -> Found<View> {
        let axis = call.with.int("axis").ok_or("axis is missing")?;
        let parts = (0..call.inputs.len()).map(|i| self.part(call, i, axis));
        let parts: Vec<Part> = parts.collect::<Found<_>>()?;
        let first = parts.iter().find_map(|p| match p {
            Part::Data(view) => Some(view.clone()),
            Part::Zeros(_) => None,
        });
        let first = first.ok_or("constants alone")?;
        let at = position(axis, first.axes.len() + 1)?.checked_sub(1).ok_or("along the batch")?;
        if let Some(stacked) = self.stacked(call.site, &parts, at)? {
            return Ok(stacked);
        }
        let mut nodes = vec![];
        let mut ahead = 0;
        for part in parts {
            match part {
                Part::Zeros(count) => {
                    if let Some(last) = nodes.last_mut() {
                        *last = self.padded(call.site, *last, 0, count)?;
                    } else {
                        let all = usize::checked_add(ahead, count);
                        ahead = all.ok_or("more channels than can be counted")?;
                    }
                }
                Part::Data(view) => {
                    self.beside(&first, &view, at)?;
                    let node = self.padded(call.site, view.node, ahead, 0)?;
                    nodes.push(node);
                    ahead = 0;
                }
            }
        }
        let node = match nodes[..] {
            [one] => one,
            _ => self.push(call.site, Op::Concat, &nodes)?,
        };
        Ok(View { site: call.site, ..first.with_channels(node, self.shape(node), at) })
    }

    /// Parts along a new dimension: their channels side by side, told apart by that dimension.
    fn stacked(&mut self, site: usize, parts: &[Part], at: usize) -> Found<Option<View>> {
        let views = parts.iter().map(|p| match p {
            Part::Data(view) => Some(view),
            Part::Zeros(_) => None,
        });
        let Some(views) = views.collect::<Option<Vec<&View>>>() else { return Ok(None) };
        let (first, shape) = (views[0], self.shape(views[0].node));
        let alike = |v: &&View| v.axes == first.axes && self.shape(v.node) == shape;
        let plain = first.channel_axis(shape).is_some_and(|axis| axis != at);
        if views.len() == 1 || !plain || !first.axes[at].is_empty() || !views.iter().all(alike) {
            return Ok(None);
        }
        let nodes: Vec<usize> = views.iter().map(|v| v.node).collect();
        let mut axes = first.axes.clone();
        axes[at] = vec![Factor { axis: Axis::Channel, size: views.len(), stride: shape.c }];
        let node = self.push(site, Op::Concat, &nodes)?;
        Ok(Some(View { node, axes, site }))
    }

    fn padded(&mut self, site: usize, node: usize, before: usize, after: usize) -> Found<usize> {
        if before + after == 0 {
            return Ok(node);
        }
        self.push(site, Op::PadChannels(PadChannels { before, after }), &[node])
    }

    fn part(&mut self, call: &Call, i: usize, axis: i64) -> Found<Part> {
        let zeros = |dims: &[usize]| {
            let at = position(axis, dims.len())?;
            Ok(Part::Zeros(dims[at]))
        };
        match call.inputs[i].clone().ok_or("an input is missing")? {
            Value::Data(view) => Ok(Part::Data(self.settle(view)?)),
            Value::Filled { dims, value: 0.0 } => {
                let sizes: Vec<usize> =
                    dims.iter().map(|d| if d.batch { 1 } else { d.n as usize }).collect();
                zeros(&sizes)
            }
            Value::Constant(c) if uniform(&c.real()?) == Some(0.0) => zeros(&c.dims),
            Value::Joined(_) | Value::Repeated(..) => {
                Err(call.data(i).expect_err("no plain value"))
            }
            _ => Err("a constant beside what the images become; supported are zeros".into()),
        }
    }

    /// Whether the channels of `other` may be put behind those of `first`.
    fn beside(&self, first: &View, other: &View, at: usize) -> Found<()> {
        let (a, b) = (self.shape(first.node), self.shape(other.node));
        let rest = |v: &View| {
            let others = v.axes.iter().enumerate().filter(|(i, _)| *i != at);
            others.map(|(_, axis)| axis.clone()).collect::<Vec<_>>()
        };
        let fits = first.has_channels_at(a, at) && other.has_channels_at(b, at);
        if fits && rest(first) == rest(other) {
            return Ok(());
        }
        Err(format!(
            "batch x {:?} and batch x {:?} along dimension {}; expected channels of maps of equal size",
            first.dims(),
            other.dims(),
            at + 1
        ))
    }

    pub fn pad(&mut self, call: &Call) -> Found<View> {
        let mode = call.with.text("mode").unwrap_or_else(|| "constant".into());
        let view = self.settle(call.data(0)?)?;
        let rank = view.axes.len() + 1;
        let pads = pads(call, rank)?;
        if pads.iter().all(|n| *n == 0) {
            return Ok(view);
        }
        let given = call.constant_if(2)?.map(|c| c.scalar()).transpose()?;
        let value = call.with.float("value").or(given).unwrap_or(0.0);
        let below = value == f32::NEG_INFINITY || value == f32::MIN;
        if mode != "constant" || value != 0.0 && !below {
            let with =
                if mode == "constant" { format!("value {value}") } else { format!("mode {mode}") };
            return Err(format!(
                "{with}; supported are zeros, and minus infinity before a max pooling: a graph has no border of \
                 other values"
            ));
        }
        if pads[0] != 0 || pads[rank] != 0 {
            return Err("images added to the batch, or taken from it".into());
        }
        let view = self.without_borders(view, &pads, call.site)?;
        let pads: Vec<usize> = pads.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
        let (before, after) = pads.split_at(rank);
        if below {
            return self.below(&view, &before[1..], &after[1..], call.site);
        }
        self.padded_view(view, &before[1..], &after[1..], call.site)
    }

    /// Pixels and channels cut off, as pads below 0 have it.
    fn without_borders(&mut self, mut view: View, pads: &[i64], site: usize) -> Found<View> {
        let rank = pads.len() / 2;
        for at in 1..rank {
            let less = |n: i64| usize::try_from(n.min(0).unsigned_abs()).unwrap_or(usize::MAX);
            let (first, last) = (less(pads[at]), less(pads[rank + at]));
            if first == 0 && last == 0 {
                continue;
            }
            let size = view.dims()[at - 1];
            let left = size.checked_sub(first).and_then(|n| n.checked_sub(last)).filter(|n| *n > 0);
            let left = left.ok_or_else(|| {
                format!("{first} and {last} of {size} cut off; expected one left at least")
            })?;
            view = self.cut(view, at - 1, [first, left, 1], site)?;
        }
        Ok(view)
    }

    /// Minus infinity around a map.
    fn below(
        &mut self,
        view: &View,
        before: &[usize],
        after: &[usize],
        site: usize,
    ) -> Found<View> {
        let shape = self.shape(view.node);
        let ([0, top, left], [0, bottom, right]) = (before, after) else {
            return Err("minus infinity around anything other than height and width".into());
        };
        if !view.is_map(shape) {
            return Err(format!("minus infinity around batch x {:?}; expected a map", view.dims()));
        }
        let sides = Sides { top: *top, left: *left, bottom: *bottom, right: *right };
        let [h, w] = [shape.h.saturating_add(top + bottom), shape.w.saturating_add(left + right)];
        let node =
            self.push_part(site, Step::Below(sides), &[view.node], Shape { h, w, ..shape })?;
        Ok(View::map(node, self.shape(node), site))
    }

    fn padded_view(
        &mut self,
        mut view: View,
        before: &[usize],
        after: &[usize],
        site: usize,
    ) -> Found<View> {
        let mut sides = Sides::all(0);
        for at in 0..view.axes.len() {
            let (first, last) = (before[at], after[at]);
            if first + last == 0 {
                continue;
            }
            let shape = self.shape(view.node);
            let [_, rows, columns] = whole(shape);
            if view.has_channels_at(shape, at) {
                let node = self.padded(site, view.node, first, last)?;
                view = view.with_channels(node, self.shape(node), at);
            } else if view.is_map(shape) && at == 1 || !rows.is_empty() && view.axes[at] == rows {
                (sides.top, sides.bottom) = (first, last);
            } else if view.is_map(shape) && at == 2
                || !columns.is_empty() && view.axes[at] == columns
            {
                (sides.left, sides.right) = (first, last);
            } else {
                return Err(format!("dimension {}; expected channels or borders", at + 1));
            }
        }
        if sides == Sides::all(0) {
            return Ok(View { site, ..view });
        }
        let was = self.shape(view.node);
        let [_, rows, columns] = whole(was);
        let is_map = view.is_map(was);
        let node = self.push(site, Op::PadBorders(PadBorders { sides }), &[view.node])?;
        let shape = self.shape(node);
        if is_map {
            return Ok(View::map(node, shape, site));
        }
        let [_, new_rows, new_columns] = whole(shape);
        let axis = |axis: Vec<_>| match axis {
            axis if axis == rows => new_rows.clone(),
            axis if axis == columns => new_columns.clone(),
            axis => axis,
        };
        Ok(View { node, axes: view.axes.into_iter().map(axis).collect(), site })
    }
}

/// So many before each of `rank` dimensions, then so many behind each.
fn pads(call: &Call, rank: usize) -> Found<Vec<i64>> {
    let given = match call.with.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => call.constant_at(1)?.integers()?,
    };
    let axes = match call.constant_if(3)? {
        Some(axes) => axes.integers()?,
        None => (0..rank as i64).collect(),
    };
    if given.len() != axes.len() * 2 {
        return Err(format!("pads {given:?} of {} dimensions", axes.len()));
    }
    let mut all = vec![0; rank * 2];
    for (i, &axis) in axes.iter().enumerate() {
        let at = position(axis, rank)?;
        all[at] = given[i];
        all[rank + at] = given[axes.len() + i];
    }
    Ok(all)
}
