//! Means, sums and maxima over dimensions.

use geometry::{Size, Window};
use graph::op::{AveragePool, MaxPool};
use graph::{Op, Shape};

use super::constant::Found;
use super::draft::Step;
use super::fold::position;
use super::view::{Axis, Factor, View, whole};
use super::walk::{Call, Walk};

impl Walk<'_> {
    pub fn reduce(&mut self, kind: &str, call: &Call) -> Found<View> {
        let view = call.data(0)?;
        let rank = view.axes.len() + 1;
        let axes = match call.axes()? {
            Some(axes) if !axes.is_empty() => axes,
            _ if call.with.keeps_all() => return Ok(view),
            _ => return Err("over all dimensions, the batch too".into()),
        };
        let mut over = vec![];
        for axis in axes {
            let at = position(axis, rank)?;
            over.push(at.checked_sub(1).ok_or("over the batch")?);
        }
        let keep = call.with.int("keepdims").unwrap_or(1) == 1;
        let (branches, view) = self.without_branches(kind, view, &over, call.site)?;
        let view = if branches { view } else { self.settle(view)? };
        let factors: Vec<Factor> = over.iter().flat_map(|&i| view.axes[i].clone()).collect();
        let node = self.reduced(kind, &view, &factors, call.site)?;
        let left = |(i, axis): (usize, &Vec<Factor>)| match (over.contains(&i), keep) {
            (false, _) => Some(axis.clone()),
            (true, true) => Some(vec![]),
            (true, false) => None,
        };
        let axes = view.axes.iter().enumerate().filter_map(left).collect();
        Ok(View { node, axes, site: call.site })
    }

    /// The mean, sum or maximum of `view` over whole axes.
    fn reduced(&mut self, kind: &str, view: &View, over: &[Factor], site: usize) -> Found<usize> {
        let (node, shape) = (view.node, self.shape(view.node));
        let [channels, rows, columns] = whole(shape);
        let has = |axis: &[Factor]| axis.iter().all(|f| over.contains(f));
        if over.iter().any(|f| f.axis == Axis::Channel) {
            if over != channels || kind != "ReduceMean" {
                return Err("over the channels; expected over pixels".into());
            }
            return self.push_part(site, Step::ChannelMean, &[node], Shape { c: 1, ..shape });
        }
        if over.is_empty() {
            return Ok(node);
        }
        let (down, across) = (has(&rows), has(&columns));
        if !(down || rows.is_empty() || across || columns.is_empty()) {
            return Err("over a part of the pixels".into());
        }
        let kernel =
            Size { h: if down { shape.h } else { 1 }, w: if across { shape.w } else { 1 } };
        let window = Window { kernel, ..Window::square(1, 1, 0) };
        let all = kernel == shape.size();
        let found = match kind {
            "ReduceMax" if all => self.over_pixels(site, node, true)?,
            "ReduceMax" => {
                self.push(site, Op::MaxPool(MaxPool { window, ceil: false }), &[node])?
            }
            _ if all => self.over_pixels(site, node, false)?,
            _ => {
                let pool = AveragePool { window, ceil: false, count_padding: true };
                self.push(site, Op::AveragePool(pool), &[node])?
            }
        };
        if kind != "ReduceSum" {
            return Ok(found);
        }
        let pixels = self.number(kernel.pixels() as f32, shape.c)?;
        self.scale(site, found, pixels)
    }
}
