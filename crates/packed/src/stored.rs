//! Which tensors a packed file holds: the parameter table, or what is left of it after folding.

use std::borrow::Cow;

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result};
use graph::fold::folded;
use graph::group::{Group, Walk, groups};
use graph::{Graph, Param, Role};

use crate::Contents;

/// One tensor of the file, before it is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its name: that of the parameter table.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Whether it is the weight of a convolution or linear layer: these are always coded.
    pub weight: bool,
}

/// The tensors of a network, norms `fold`ed or not.
pub(crate) fn slots(graph: &Graph, fold: bool) -> Vec<Slot> {
    if fold {
        groups(graph, Walk::Inference).iter().flat_map(|g| of_group(graph, g)).collect()
    } else {
        graph.params().iter().map(slot).collect()
    }
}

fn slot(param: &Param) -> Slot {
    let weight = param.role == Role::Weight;
    Slot { name: param.name.clone(), shape: param.shape.clone(), weight }
}

/// What is left of a group: weight and bias of a layer; all parameters of any other as they are.
fn of_group(graph: &Graph, group: &Group) -> Vec<Slot> {
    let Some(names) = FoldedNames::of(graph, group) else {
        return own(graph, group).map(slot).collect();
    };
    let weight = slot(graph.param(&names.weight).expect("a layer has one"));
    let bias = Slot { name: names.bias, shape: vec![weight.shape[0]], weight: false };
    vec![weight, bias]
}

/// The parameters of a group.
pub(crate) fn own<'a>(
    graph: &'a Graph,
    group: &'a Group,
) -> impl Iterator<Item = &'a Param> + use<'a> {
    graph.params().iter().filter(|p| p.node == group.core || group.norms.contains(&p.node))
}

/// The names of the two tensors that a layer folds into.
pub(crate) struct FoldedNames {
    pub weight: String,
    /// The network need not have it before folding.
    pub bias: String,
}

impl FoldedNames {
    /// Those of `group`; None where it is no convolution or linear layer.
    pub fn of(graph: &Graph, group: &Group) -> Option<Self> {
        let weight = &graph.params()[graph.index_of(group.core, Role::Weight)?];
        let name = &graph.nodes()[group.core].name;
        Some(Self { weight: weight.name.clone(), bias: format!("{name}.bias") })
    }
}

/// The tensors of [`slots`].
///
/// # Errors
/// [`Error::Integrity`] where a value of a folded layer is not finite.
pub(crate) fn tensors(contents: &Contents, fold: bool) -> Result<Cow<'_, Tensors>> {
    if !fold {
        return Ok(Cow::Borrowed(&contents.tensors));
    }
    let (graph, mut all) = (&contents.graph, Tensors::new());
    for group in groups(graph, Walk::Inference) {
        if FoldedNames::of(graph, &group).is_none() {
            let kept = |p: &Param| (p.name.clone(), contents.tensors[&p.name].clone());
            all.extend(own(graph, &group).map(kept));
            continue;
        }
        let layer = folded(graph, &group, &contents.tensors).expect("a layer");
        for (slot, values) in of_group(graph, &group).into_iter().zip([layer.weight, layer.bias]) {
            all.insert(slot.name, Tensor::f32(&slot.shape, values));
        }
    }
    finite(&all)?;
    Ok(Cow::Owned(all))
}

fn finite(tensors: &Tensors) -> Result<()> {
    let odd = tensors.iter().find_map(|(name, t)| {
        let values = t.as_f32().unwrap_or_default();
        values.iter().find(|v| !v.is_finite()).map(|v| (name, v))
    });
    match odd {
        None => Ok(()),
        Some((name, v)) => Err(Error::Integrity(format!(
            "tensor {name}: with the norm behind it folded in, a value is {v}, which is not finite: \
             look at the norm's running_var, or pack with norms kept"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_layers_have_a_bias_and_no_norm() {
        let graph = Graph::build("resnet18@0.125", 10, 32).expect("in the zoo");
        let names: Vec<String> = slots(&graph, true).into_iter().map(|s| s.name).collect();
        assert_eq!(names.len(), 21 * 2);
        assert!(names.contains(&"layer2.0.shortcut.0.bias".to_owned()));
        assert!(!names.iter().any(|n| n.contains("bn")));
        let kept: Vec<Slot> = slots(&graph, false);
        assert_eq!(kept.len(), graph.params().len());
        assert_eq!(kept.iter().filter(|s| s.weight).count(), 21);
    }
}
