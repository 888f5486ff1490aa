//! Batch norms folded into the weights before them.

use artifact::tensors::{Tensor, Tensors};

use crate::group::Group;
use crate::{BATCH_NORM_EPS, Graph, Op};

/// What a convolution or linear layer multiplies with and adds, the norm behind it included.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// In the shape of the layer's weight.
    pub weight: Vec<f32>,
    /// One value an output; zeros where neither bias nor norm adds any.
    pub bias: Vec<f32>,
}

/// The convolution or linear layer of `group` with the norm behind it, by values that were checked
/// against the table of `graph`.
///
/// `weight' = weight * s` and `bias' = (bias - mean) * s + shift`, where
/// `s = scale / sqrt(variance + eps)` of each output (Jacob et al. 2018, section 3.2).
///
/// # Panics
/// If the group's core is of another kind, or a tensor of the table is missing.
pub fn folded(graph: &Graph, group: &Group, tensors: &Tensors) -> Folded {
    let node = &graph.nodes()[group.core];
    let of = |n: usize, suffix: &str| {
        let name = format!("{}.{suffix}", graph.nodes()[n].name);
        let found = tensors.get(&name).and_then(Tensor::as_f32);
        found.expect("checked against the table").to_vec()
    };
    let (outputs, biased) = match node.op {
        Op::Conv(v) => (v.outputs, v.bias),
        Op::Linear(v) => (v.outputs, v.bias),
        _ => panic!("{}: {} has no weight", node.name, node.op.label()),
    };
    let bias = if biased { of(group.core, "bias") } else { vec![0.0; outputs] };
    let mut layer = Folded { weight: of(group.core, "weight"), bias };
    if let Some(norm) = group.norm {
        let [scale, shift] = ["weight", "bias"].map(|suffix| of(norm, suffix));
        layer.fold((&scale, &shift), (&of(norm, "running_mean"), &of(norm, "running_var")));
    }
    layer
}

impl Folded {
    fn fold(&mut self, (scale, shift): (&[f32], &[f32]), (mean, variance): (&[f32], &[f32])) {
        let row = self.weight.len() / self.bias.len();
        let rows = self.weight.chunks_mut(row).zip(&mut self.bias);
        for (o, (row, bias)) in rows.enumerate() {
            let scale = scale[o] / (variance[o] + BATCH_NORM_EPS).sqrt();
            for w in row {
                *w *= scale;
            }
            *bias = (*bias - mean[o]) * scale + shift[o];
        }
    }
}
