//! Norms, scales and shifts folded into the weights before them.

use artifact::tensors::{Tensor, Tensors};

use crate::group::Group;
use crate::{Graph, Op, Role};

/// What a layer multiplies with and adds, what follows it in its group included.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// In the shape of the layer's weight; one value a channel where a group begins with a norm.
    pub weight: Vec<f32>,
    /// One value an output; zeros where nothing adds any.
    pub bias: Vec<f32>,
}

/// The convolution, linear layer or norm that `group` begins with, with the norms behind it, by
/// values that were checked against the table of `graph`; None for any other group.
///
/// `weight' = weight * s` and `bias' = (bias - mean) * s + shift`, where
/// `s = scale / sqrt(variance + eps)` of each output (Jacob et al. 2018, section 3.2).
///
/// # Panics
/// If a tensor of the table is missing.
pub fn folded(graph: &Graph, group: &Group, tensors: &Tensors) -> Option<Folded> {
    let values = |node: usize, role: Role| {
        let param = &graph.params()[graph.index_of(node, role)?];
        Some(tensors.get(&param.name).and_then(Tensor::as_f32).expect("checked against the table"))
    };
    let (core, channels) = (group.core, graph.nodes()[group.core].shape.c);
    let mut layer = match (values(core, Role::Weight), group.norms.first()) {
        (Some(weight), _) => {
            let bias = values(core, Role::Bias).map_or_else(|| vec![0.0; channels], <[_]>::to_vec);
            Folded { weight: weight.to_vec(), bias }
        }
        (None, Some(_)) => Folded { weight: vec![1.0; channels], bias: vec![0.0; channels] },
        (None, None) => return None,
    };
    for &norm in &group.norms {
        layer.fold(&affine(graph.nodes()[norm].op, channels, |role| values(norm, role)));
    }
    Some(layer)
}

/// `x * factor + (-mean * factor + shift)`, by channel.
pub(crate) struct Affine {
    pub factor: Vec<f32>,
    pub mean: Vec<f32>,
    pub shift: Vec<f32>,
}

/// The function that the norm, scale or shift `op` is.
pub(crate) fn affine<'a>(
    op: Op,
    channels: usize,
    values: impl Fn(Role) -> Option<&'a [f32]>,
) -> Affine {
    let of =
        |role, missing: f32| values(role).map_or_else(|| vec![missing; channels], <[f32]>::to_vec);
    let either = |role, missing| match values(role) {
        Some(found) => found.to_vec(),
        None => of(Role::Constant, missing),
    };
    let zeros = || vec![0.0; channels];
    match op {
        Op::BatchNorm(norm) => {
            let mut factor = of(Role::NormWeight, 1.0);
            for (factor, variance) in factor.iter_mut().zip(of(Role::RunningVar, 1.0)) {
                *factor /= (variance + norm.eps).sqrt();
            }
            let mean = of(Role::RunningMean, 0.0);
            Affine { factor, mean, shift: of(Role::NormBias, 0.0) }
        }
        Op::Scale(_) => {
            Affine { factor: either(Role::NormWeight, 1.0), mean: zeros(), shift: zeros() }
        }
        Op::Shift(_) => {
            let shift = either(Role::NormBias, 0.0);
            Affine { factor: vec![1.0; channels], mean: zeros(), shift }
        }
        other => unreachable!("{} is no norm of a group", other.label()),
    }
}

impl Folded {
    fn fold(&mut self, norm: &Affine) {
        let row = self.weight.len() / self.bias.len();
        let rows = self.weight.chunks_mut(row).zip(&mut self.bias);
        for (o, (row, bias)) in rows.enumerate() {
            for w in row {
                *w *= norm.factor[o];
            }
            *bias = (*bias - norm.mean[o]) * norm.factor[o] + norm.shift[o];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{Walk, groups};

    #[test]
    fn all_that_follows_is_one_function() {
        let text = "secateur-graph 1\ninput = input channels=1 height=1 width=1\n\
                    d = conv(input) outputs=2 kernel=1\ne = batch-norm(d) eps=0 affine=false\n\
                    f = scale(e)\ng = shift(f) frozen=true\n";
        let graph = Graph::parse(text, "test", "test").expect("a graph");
        let values = [
            ("d.weight", vec![1.0, 2.0]),
            ("d.bias", vec![3.0, 4.0]),
            ("e.running_mean", vec![1.0, 0.0]),
            ("e.running_var", vec![4.0, 0.25]),
            ("f", vec![10.0, -1.0]),
            ("g", vec![0.5, 0.25]),
        ];
        let named = |(name, values): (&str, Vec<f32>)| {
            let shape = &graph.param(name).expect(name).shape;
            (name.to_owned(), Tensor::f32(shape, values))
        };
        let tensors: Tensors = values.into_iter().map(named).collect();
        let group = &groups(&graph, Walk::Inference)[0];
        let found = folded(&graph, group, &tensors).expect("a layer");
        // ((x + 3) - 1) / 2 * 10 + 0.5 and (2 x + 4) * 2 * -1 + 0.25.
        assert_eq!(found, Folded { weight: vec![5.0, -4.0], bias: vec![10.5, -7.75] });
    }
}
