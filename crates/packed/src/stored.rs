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

/// What is left of a group: weight and bias of a layer, factor and summand of a norm that is behind
/// none, and any other operation's parameters as they are.
fn of_group(graph: &Graph, group: &Group) -> Vec<Slot> {
    let Some(names) = FoldedNames::of(graph, group) else {
        return of_core(graph, group).map(slot).collect();
    };
    let channels = vec![graph.nodes()[group.core].shape.c];
    let weight = match graph.index_of(group.core, Role::Weight) {
        Some(index) => slot(&graph.params()[index]),
        None => Slot { name: names.weight, shape: channels.clone(), weight: false },
    };
    vec![weight, Slot { name: names.bias, shape: channels, weight: false }]
}

fn of_core<'a>(graph: &'a Graph, group: &Group) -> impl Iterator<Item = &'a Param> + use<'a> {
    let core = group.core;
    graph.params().iter().filter(move |p| p.node == core)
}

/// The names of the two tensors that a group folds into.
pub(crate) struct FoldedNames {
    pub weight: String,
    /// Of the summand, which the network need not have before folding.
    pub bias: String,
}

impl FoldedNames {
    /// Those of `group`; None where there is nothing to fold.
    pub fn of(graph: &Graph, group: &Group) -> Option<Self> {
        let name = &graph.nodes()[group.core].name;
        let named = |weight: &str, bias: &str| {
            Some(Self { weight: format!("{name}.{weight}"), bias: format!("{name}.{bias}") })
        };
        match (graph.index_of(group.core, Role::Weight), group.norms.first()) {
            (Some(_), _) => named("weight", "bias"),
            (None, Some(_)) => named("factor", "summand"),
            (None, None) => None,
        }
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
        if let Some(layer) = folded(graph, &group, &contents.tensors) {
            let slots = of_group(graph, &group);
            for (slot, values) in slots.into_iter().zip([layer.weight, layer.bias]) {
                all.insert(slot.name, Tensor::f32(&slot.shape, values));
            }
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
