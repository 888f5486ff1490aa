//! The parameter table: names, shapes and roles under `PyTorch`'s state-dict names.

use crate::{Node, Op};

/// One tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// `PyTorch`'s name: module path and `weight`, `bias`, `running_mean` or `running_var`.
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
    /// Scale of a batch norm.
    NormWeight,
    /// Shift of a batch norm.
    NormBias,
    /// Running mean of a batch norm: no parameter, but part of a checkpoint.
    RunningMean,
    /// Running variance of a batch norm, likewise.
    RunningVar,
}

impl Param {
    /// Number of values.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an optimiser changes it.
    pub fn trainable(&self) -> bool {
        !matches!(self.role, Role::RunningMean | Role::RunningVar)
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

fn of_node(index: usize, node: &Node) -> Vec<Param> {
    let param = |suffix: &str, shape: &[usize], role| Param {
        name: format!("{}.{suffix}", node.name),
        shape: shape.to_vec(),
        role,
        node: index,
    };
    let weighted = |shape: &[usize], bias: bool| {
        let mut all = vec![param("weight", shape, Role::Weight)];
        all.extend(bias.then(|| param("bias", &shape[..1], Role::Bias)));
        all
    };
    match node.op {
        Op::Conv(v) => weighted(&[v.outputs, v.inputs / v.groups, v.kernel, v.kernel], v.bias),
        Op::Linear(v) => weighted(&[v.outputs, v.inputs], v.bias),
        Op::BatchNorm => vec![
            param("weight", &[node.shape.c], Role::NormWeight),
            param("bias", &[node.shape.c], Role::NormBias),
            param("running_mean", &[node.shape.c], Role::RunningMean),
            param("running_var", &[node.shape.c], Role::RunningVar),
        ],
        _ => vec![],
    }
}
