//! How much a network computes: multiply-accumulates (MACs) of convolutions and linear layers.
//!
//! One MAC is one multiplication and one addition, so FLOPs are twice as many. Norm, activation,
//! pooling and bias are not counted, as is usual in the field.

use crate::{Graph, Node, Param};

impl Node {
    /// How often each weight of this node is used for one image.
    pub fn uses(&self) -> u64 {
        self.op.facts().uses(self.shape)
    }
}

impl Graph {
    /// MACs for one image of which `kept` weights of `param` are used.
    pub fn macs_of(&self, param: &Param, kept: u64) -> u64 {
        kept * self.nodes()[param.node].uses()
    }

    /// MACs of the dense network for one image.
    pub fn macs(&self) -> u64 {
        self.prunable().map(|p| self.macs_of(p, p.count() as u64)).sum()
    }
}
