//! A named operation on earlier nodes.

use crate::{Op, Shape};

/// A named operation on earlier nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Module path in `PyTorch`, such as `layer1.0.conv1`; unique.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Indices of the nodes that it reads, all smaller than its own.
    pub inputs: Vec<usize>,
    /// Shape of its output for one image.
    pub shape: Shape,
}
