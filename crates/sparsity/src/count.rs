//! What is left of a network, counted and not assumed.

use artifact::record::{Layer, Sparsity};
use artifact::tensors::{Tensor, Tensors};
use graph::{Graph, Param};

use crate::Masks;

/// Counts the zeros of `tensors` and the work that `masks` leave.
///
/// A parameter that is zero by chance counts in `of_all` and `nonzero`; `pruned`, `of_prunable`
/// and `macs_sparse` are of the masks alone.
pub fn count(graph: &Graph, tensors: &Tensors, masks: &Masks) -> Sparsity {
    let parameters = graph.parameters();
    let prunable: u64 = graph.prunable().map(|p| p.count() as u64).sum();
    let pruned_weights: u64 = graph.prunable().map(|p| masks.pruned_of(&p.name)).sum();
    let trainable = graph.params().iter().filter(|p| p.trainable());
    let nonzero = trainable.map(|p| nonzero(tensors.get(&p.name))).sum();
    Sparsity {
        parameters,
        prunable,
        pruned: masks.pruned(),
        of_prunable: ratio(pruned_weights, prunable),
        of_all: ratio(parameters - nonzero, parameters),
        nonzero,
        macs_dense: graph.macs(),
        macs_sparse: graph.prunable().map(|p| graph.macs_of(p, kept(p, masks))).sum(),
    }
}

/// Every prunable layer in the network's order; `reason` says why each is as sparse as it is.
pub fn layers(graph: &Graph, masks: &Masks, reason: impl Fn(&Param) -> String) -> Vec<Layer> {
    let left = graph.parameters() - masks.pruned();
    let layer = |p: &Param| {
        let (weights, kept) = (p.count() as u64, kept(p, masks));
        Layer {
            name: p.name.clone(),
            shape: p.shape.clone(),
            weights,
            kept,
            pruned: weights - kept,
            sparsity: ratio(weights - kept, weights),
            share: ratio(kept, left),
            macs_dense: graph.macs_of(p, weights),
            macs_sparse: graph.macs_of(p, kept),
            reason: reason(p),
        }
    };
    graph.prunable().map(layer).collect()
}

fn kept(param: &Param, masks: &Masks) -> u64 {
    param.count() as u64 - masks.pruned_of(&param.name)
}

fn nonzero(tensor: Option<&Tensor>) -> u64 {
    let values = tensor.and_then(Tensor::as_f32).unwrap_or_default();
    values.iter().filter(|v| **v != 0.0).count() as u64
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mask;

    /// Two channels (`conv0` 2x3x3x3, then 4, 8, 8, 15, ...), all parameters 1 but one norm bias.
    fn case() -> (Graph, Tensors, Masks) {
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let ones = |p: &Param| (p.name.clone(), Tensor::f32(&p.shape, vec![1.0; p.count()]));
        let mut tensors: Tensors = graph.params().iter().map(ones).collect();
        tensors.insert("backbone.bn0.bias".into(), Tensor::f32(&[2], vec![0.0, 1.0]));
        let mut masks = Masks::default();
        masks.insert("backbone.conv0.weight", Mask::new((0..54).map(|i| i >= 20).collect()));
        masks.insert("classifier.bias", Mask::new((0..10).map(|i| i >= 3).collect()));
        masks.apply(&mut tensors);
        (graph, tensors, masks)
    }

    #[test]
    fn zeros_are_counted_apart_from_masks() {
        let (graph, tensors, masks) = case();
        let s = count(&graph, &tensors, &masks);
        assert_eq!((s.pruned, s.parameters - s.nonzero), (23, 24));
        assert_eq!(s.of_prunable, 20.0 / s.prunable as f64);
        assert_eq!(s.of_all, 24.0 / s.parameters as f64);
        assert_eq!(s.macs_dense - s.macs_sparse, 20 * 32 * 32);
    }

    #[test]
    fn layers_share_what_is_left() {
        let (graph, _, masks) = case();
        let all = layers(&graph, &masks, |p| format!("why {}", p.name));
        let first = &all[0];
        assert_eq!((first.weights, first.kept, first.pruned), (54, 34, 20));
        assert_eq!(first.share, 34.0 / (graph.parameters() - 23) as f64);
        assert_eq!(first.reason, "why backbone.conv0.weight");
        assert_eq!((all.len(), all[1].sparsity), (9, 0.0));
    }
}
