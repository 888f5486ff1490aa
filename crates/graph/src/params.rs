//! The parameter table: names, shapes and roles under `PyTorch`'s state-dict names.

use crate::Node;

/// One tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// `PyTorch`'s name: module path and `weight`, `bias`, `running_mean` or `running_var`; the path
    /// alone where a parameter is no module's own.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// What it is to its node.
    pub role: Role,
    /// Index of its node.
    pub node: usize,
}

/// What a tensor is to its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Weight of a convolution or linear layer.
    Weight,
    /// Bias of a convolution or linear layer.
    Bias,
    /// Factors of channels: of a norm, or by themselves.
    NormWeight,
    /// Summands of channels: of a norm, or by themselves.
    NormBias,
    /// Running mean of a batch norm: no parameter, but part of a checkpoint.
    RunningMean,
    /// Running variance of a batch norm, likewise.
    RunningVar,
    /// Factors or summands of channels that training leaves as they are.
    Constant,
}

impl Param {
    /// Element count.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an optimiser changes it.
    pub fn trainable(&self) -> bool {
        match self.role {
            Role::Weight | Role::Bias | Role::NormWeight | Role::NormBias => true,
            Role::RunningMean | Role::RunningVar | Role::Constant => false,
        }
    }

    /// Whether pruning may touch it.
    pub fn prunable(&self) -> bool {
        self.role == Role::Weight
    }

    /// Inputs of one output: the product of all dimensions but the first.
    pub fn fan_in(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

pub(crate) fn table(nodes: &[Node]) -> Vec<Param> {
    nodes.iter().enumerate().flat_map(|(i, node)| of_node(i, node)).collect()
}

fn of_node(index: usize, node: &Node) -> impl Iterator<Item = Param> {
    node.op.facts().slots(node.shape).into_iter().map(move |slot| {
        let name = slot.named(&node.name);
        Param { name, shape: slot.shape, role: slot.role, node: index }
    })
}
