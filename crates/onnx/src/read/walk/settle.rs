//! Values in an order that operations of a graph can make.

use graph::Op;
use graph::op::Shuffle;

use super::super::constant::Found;
use super::super::view::{Axis, Factor, View, merged, size, whole};
use super::Walk;

/// How a draft puts values in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settled {
    /// Channels are dealt out.
    Shuffled,
    /// All values are a vector.
    Flat,
    /// Blocks of pixels are channels.
    Blocks,
}

impl Walk<'_> {
    /// The same values with all axes whole and in order, as far as operations can do that: channels are
    /// shuffled, and what is one dimension is flattened.
    pub fn settle(&mut self, view: View) -> Found<View> {
        let shape = self.shape(view.node);
        let [channels, rows, columns] = whole(shape);
        let View { node, axes, site } = view;
        let axes = axes.into_iter().map(|axis| merged(axis.into_iter())).collect();
        let mut view = View { node, axes, site };
        let Some(at) = view.axes.iter().position(|axis| axis.iter().any(channels_of)) else {
            return self.flatten_single(view);
        };
        let own: Vec<Factor> = view.axes[at].iter().copied().filter(channels_of).collect();
        let rest: Vec<Factor> = view.axes[at][own.len()..].to_vec();
        let open = || format!("{:?} (without the batch) splits the channels", view.dims());
        if size(&own) != shape.c || view.axes[at][..own.len()] != own[..] {
            return Err(open());
        }
        if let [outer, _] = own[..] {
            let op = Op::Shuffle(Shuffle { groups: shape.c / outer.size });
            view.node = self.settled(&view, op)?;
        } else if own != channels {
            return Err(open());
        }
        view.axes[at] = [channels, rest.clone()].concat();
        if rest.is_empty() {
            return Ok(view);
        }
        if rest != [rows, columns].concat() {
            return Err("values are flattened with the channels not first".into());
        }
        view.node = self.settled(&view, Op::Flatten)?;
        let [joined, ..] = whole(self.shape(view.node));
        view.axes[at] = joined;
        Ok(view)
    }

    /// The draft `op` of a view, made once however many read it.
    pub fn settled(&mut self, view: &View, op: Op) -> Found<usize> {
        let how = if op == Op::Flatten { Settled::Flat } else { Settled::Shuffled };
        self.once(view, how, |walk| walk.push(view.site, op, &[view.node]))
    }

    /// What `make` adds for a view, added once.
    pub fn once(
        &mut self,
        view: &View,
        how: Settled,
        make: impl FnOnce(&mut Self) -> Found<usize>,
    ) -> Found<usize> {
        let key = (view.node, view.site, how);
        if let Some(&node) = self.settled.get(&key) {
            return Ok(node);
        }
        let node = make(self)?;
        self.settled.insert(key, node);
        Ok(node)
    }

    /// A map of one channel that is flattened.
    fn flatten_single(&mut self, mut view: View) -> Found<View> {
        let [_, rows, columns] = whole(self.shape(view.node));
        if view.axes.len() > 1 || rows.is_empty() && columns.is_empty() {
            return Ok(view);
        }
        if view.axes[0] != [rows, columns].concat() {
            return Err("pixels are flattened in another order".into());
        }
        view.node = self.settled(&view, Op::Flatten)?;
        let [joined, ..] = whole(self.shape(view.node));
        view.axes[0] = joined;
        Ok(view)
    }

    /// The draft of a value that must be channels x height x width.
    pub fn map(&mut self, view: View) -> Found<usize> {
        if let Some(node) = self.blocks(&view)? {
            return Ok(node);
        }
        let view = self.settle(view)?;
        let shape = self.shape(view.node);
        if view.is_map(shape) {
            return Ok(view.node);
        }
        Err(format!(
            "reads batch x {:?}; expected batch x channels x height x width of {shape}",
            view.dims()
        ))
    }
}

fn channels_of(factor: &Factor) -> bool {
    factor.axis == Axis::Channel
}
