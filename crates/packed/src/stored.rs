//! Which tensors a packed file holds: the parameter table, or what is left of it after folding.

use std::borrow::Cow;

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result};
use graph::fold::folded;
use graph::group::{Group, Walk, groups};
use graph::{Graph, Op, Param, Role};

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

/// Weight and bias of a layer; a norm without one stays as it is.
fn of_group(graph: &Graph, group: &Group) -> Vec<Slot> {
    let mut all: Vec<Slot> = of_core(graph, group).map(slot).collect();
    if has_weight(graph, group) && all.len() == 1 {
        let shape = vec![all[0].shape[0]];
        all.push(Slot { name: bias_of(graph, group), shape, weight: false });
    }
    all
}

fn of_core<'a>(graph: &'a Graph, group: &Group) -> impl Iterator<Item = &'a Param> + use<'a> {
    let core = group.core;
    graph.params().iter().filter(move |p| p.node == core)
}

/// Whether the group is a convolution or linear layer.
pub(crate) fn has_weight(graph: &Graph, group: &Group) -> bool {
    matches!(graph.nodes()[group.core].op, Op::Conv(_) | Op::Linear(_))
}

/// The name of the weight of the layer `group`.
pub(crate) fn weight_of(graph: &Graph, group: &Group) -> String {
    format!("{}.weight", graph.nodes()[group.core].name)
}

/// The name of the bias of the layer `group`, which the network need not have before folding.
pub(crate) fn bias_of(graph: &Graph, group: &Group) -> String {
    format!("{}.bias", graph.nodes()[group.core].name)
}

/// The tensors of [`slots`].
///
/// # Errors
/// [`Error::Integrity`] where a norm folds into no number.
pub(crate) fn tensors(contents: &Contents, fold: bool) -> Result<Cow<'_, Tensors>> {
    if !fold {
        return Ok(Cow::Borrowed(&contents.tensors));
    }
    let (graph, mut all) = (&contents.graph, Tensors::new());
    for group in groups(graph, Walk::Inference) {
        if has_weight(graph, &group) {
            let layer = folded(graph, &group, &contents.tensors);
            let shape = &graph.param(&weight_of(graph, &group)).expect("a layer has one").shape;
            let bias = Tensor::f32(&shape[..1], layer.bias);
            all.insert(weight_of(graph, &group), Tensor::f32(shape, layer.weight));
            all.insert(bias_of(graph, &group), bias);
        } else {
            let kept = |p: &Param| (p.name.clone(), contents.tensors[&p.name].clone());
            all.extend(of_core(graph, &group).map(kept));
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
            "tensor {name}: with the norm behind it folded in, a value is {v}; expected a number: \
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
