//! Pixels taken apart: parts of a map, and blocks of pixels that become channels. A graph has no operation
//! for that; a convolution whose kernel picks one pixel does it.

use std::rc::Rc;

use geometry::{Size, Window};
use graph::{Conv, Op, Shape};

use super::constant::Found;
use super::draft::weights;
use super::view::{Axis, Factor, View, size};
use super::walk::{Settled, Walk};

/// The widest kernel that picks pixels.
const MOST_KERNEL: usize = 16;

impl Walk<'_> {
    /// Of the pixels along one axis, `count` from `start` on, every `step`-th.
    pub fn picked(
        &mut self,
        site: usize,
        node: usize,
        is_row: bool,
        [start, count, step]: [usize; 3],
    ) -> Found<usize> {
        let shape = self.shape(node);
        let along = if is_row { shape.h } else { shape.w };
        let width = count.checked_sub(1).and_then(|n| along.checked_sub(n * step));
        let width = width.filter(|w| *w > start && *w <= MOST_KERNEL).ok_or_else(|| {
            format!(
                "{count} of {along} pixels from {start} on; supported are parts that leave out at most {} pixels, \
                 those before the first and after the last together",
                MOST_KERNEL - 1
            )
        })?;
        let side = |n: usize| if is_row { Size { h: n, w: 1 } } else { Size { h: 1, w: n } };
        let window = Window { kernel: side(width), stride: side(step), ..Window::square(1, 1, 0) };
        self.afford(shape.c.saturating_mul(width))?;
        let mut values = vec![0.0; shape.c * width];
        values.iter_mut().skip(start).step_by(width).for_each(|v| *v = 1.0);
        let (inputs, outputs, groups) = (shape.c, shape.c, shape.c);
        let op = Op::Conv(Conv { inputs, outputs, window, groups, bias: false });
        self.told_of_picking(site);
        self.push_with(site, op, &[node], (None, weights(vec![("weight", Rc::new(values))])))
    }

    /// A map of blocks: each pixel of a block, and each channel, is a channel.
    pub fn blocks(&mut self, view: &View) -> Found<Option<usize>> {
        let shape = self.shape(view.node);
        let [channels, rows, columns] = &view.axes[..] else { return Ok(None) };
        let of = |axis: Axis| channels.iter().find(|f| f.axis == axis);
        let block = Size {
            h: of(Axis::Row).map_or(1, |f| f.size),
            w: of(Axis::Column).map_or(1, |f| f.size),
        };
        let whole = Shape::new(shape.c, shape.h / block.h.max(1), shape.w / block.w.max(1));
        let outer = |axis, size, stride| -> Vec<Factor> {
            if size == 1 { vec![] } else { vec![Factor { axis, size, stride }] }
        };
        let fits = *rows == outer(Axis::Row, whole.h, block.h)
            && *columns == outer(Axis::Column, whole.w, block.w)
            && size(channels) == shape.c * block.pixels()
            && channels.iter().all(|f| f.axis == Axis::Channel || f.stride == 1)
            && block.h.max(block.w) <= MOST_KERNEL
            && block.pixels() > 1;
        if !fits {
            return Ok(None);
        }
        self.once(view, Settled::Blocks, |walk| walk.cut_in_blocks(view, channels, block)).map(Some)
    }

    /// The convolution whose output `i` is the value `i` of the factors `channels` in a block.
    fn cut_in_blocks(&mut self, view: &View, channels: &[Factor], block: Size) -> Found<usize> {
        let shape = self.shape(view.node);
        let outputs = size(channels);
        let per_row = shape.c * block.pixels();
        self.afford(outputs.saturating_mul(per_row))?;
        let mut values = vec![0.0; outputs * per_row];
        for (i, row) in values.chunks_exact_mut(per_row).enumerate() {
            let [mut rest, mut at] = [i, 0];
            for f in channels.iter().rev() {
                let step = match f.axis {
                    Axis::Channel => f.stride * block.pixels(),
                    Axis::Row => block.w,
                    Axis::Column => 1,
                };
                at += rest % f.size * step;
                rest /= f.size;
            }
            row[at] = 1.0;
        }
        let window = Window { kernel: block, stride: block, ..Window::square(1, 1, 0) };
        let op = Op::Conv(Conv { inputs: shape.c, outputs, window, groups: 1, bias: false });
        self.told_of_picking(view.site);
        let with = (None, weights(vec![("weight", Rc::new(values))]));
        self.push_with(view.site, op, &[view.node], with)
    }

    fn told_of_picking(&mut self, site: usize) {
        let node = &self.file.graph.node[site];
        let name = if node.name.is_empty() { &node.op_type } else { &node.name };
        let told = format!(
            "{name}, which picks or reorders pixels, becomes a convolution of ones and zeros; training changes these"
        );
        // A part of rows and columns is two convolutions of one operator.
        if self.notes.last() != Some(&told) {
            self.notes.push(told);
        }
    }
}
