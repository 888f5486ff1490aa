//! Training that rounds weights and activations in the forward pass, as a network in integers does, and takes
//! gradients straight through (Jacob et al. 2018, "Quantization and training of neural networks for efficient
//! integer-arithmetic-only inference", section 3).
//!
//! Saturated activations pass no gradient. Where the derivative of an activation function is taken at its output, it is taken
//! at the rounded output: a small positive value that a rectifier gave and that was rounded to 0 passes none either.

use std::collections::BTreeMap;

use anyhow::Result;
use artifact::tensors::{self, Tensors};
use graph::Op;
use graph::group::{self, Walk};
use kernels::integer::{Rounding, round_rows};

use crate::ops::{RoundRows, RoundValues, StopSaturated, apply};
use crate::{Net, Tensor};

/// What is rounded.
pub(crate) struct Rounded {
    /// Rounded weights of each convolution and linear layer.
    weights: Vec<Option<Tensor>>,
    /// What the output of each node is rounded to.
    outputs: Vec<Option<Rounding>>,
}

impl Net {
    /// Rounds the weights of convolutions and linear layers in every later forward pass and, where training keeps
    /// activations, the outputs of those layers of [`inference::Network`] that `roundings` names. None ends it.
    ///
    /// # Panics
    /// If there are some and the network is not on the processor.
    pub fn set_roundings(&mut self, roundings: Option<&BTreeMap<String, Rounding>>) -> Result<()> {
        assert!(roundings.is_none() || self.device().is_cpu(), "a network on the processor");
        let rounded = roundings.map(|roundings| self.rounded(roundings)).transpose()?;
        self.rounded = rounded;
        Ok(())
    }

    fn rounded(&self, roundings: &BTreeMap<String, Rounding>) -> Result<Rounded> {
        let nodes = self.graph().nodes();
        let mut outputs = vec![None; nodes.len()];
        outputs[0] = roundings.get(&nodes[0].name).copied();
        for group in group::groups(self.graph(), Walk::Inference) {
            let Some(rounding) = roundings.get(&nodes[group.core].name) else { continue };
            // Dropout and the like act in training alone and rescale the layer's output: round what they read.
            let mut node = group.head;
            while matches!(nodes[node].op, Op::Dropout(_) | Op::StochasticDepth(_) | Op::Flatten) {
                node = nodes[node].inputs[0];
            }
            outputs[node] = Some(*rounding);
        }
        let copy = |node: usize| match nodes[node].op {
            Op::Conv(_) | Op::Linear(_) => self.copied(self.param(node, 0)).map(Some),
            _ => Ok(None),
        };
        Ok(Rounded { weights: (0..nodes.len()).map(copy).collect::<Result<_>>()?, outputs })
    }

    /// The rounded weight of node `node`, if weights are rounded.
    pub(crate) fn rounded_weight(&self, node: usize) -> Option<&Tensor> {
        self.rounded.as_ref()?.weights[node].as_ref()
    }

    /// Rounds the present weights.
    pub(crate) fn round_weights(&self) -> Result<()> {
        let Some(rounded) = &self.rounded else { return Ok(()) };
        for (node, copy) in rounded.weights.iter().enumerate() {
            let Some(copy) = copy else { continue };
            let weight = self.param(node, 0);
            let row = weight.elem_count() / self.graph().nodes()[node].shape.c;
            apply(&RoundRows { row }, copy, &[weight])?;
        }
        Ok(())
    }

    /// `tensors`, a checkpoint of this network, with its weights rounded; None where none are.
    pub(crate) fn with_rounded_weights(&self, tensors: &Tensors) -> Option<Tensors> {
        let rounded = self.rounded.as_ref()?;
        let mut all = tensors.clone();
        let nodes = rounded.weights.iter().enumerate().filter(|(_, weights)| weights.is_some());
        for (node, _) in nodes {
            let param = &self.graph().params()[self.first_param(node)];
            let tensor = all.get_mut(&param.name).expect("checked against the table");
            let weights = tensor.as_f32().expect("checked against the table");
            let mut own = vec![0.0; weights.len()];
            round_rows(weights, weights.len() / param.shape[0], &mut own);
            *tensor = tensors::Tensor::f32(&param.shape, own);
        }
        Some(all)
    }

    /// Rounds `y`, the output of node `node`.
    pub(crate) fn round_output(&self, node: usize, y: &Tensor) -> Result<()> {
        match self.rounding(node) {
            Some(rounding) => apply(&RoundValues(rounding), y, &[]),
            None => Ok(()),
        }
    }

    /// Takes the gradient of the rounded output `y` of node `node` through its rounding.
    pub(crate) fn through_rounding(&self, node: usize, grad: &Tensor, y: &Tensor) -> Result<()> {
        match self.rounding(node) {
            Some(rounding) => apply(&StopSaturated(rounding), grad, &[y]),
            None => Ok(()),
        }
    }

    fn rounding(&self, node: usize) -> Option<Rounding> {
        self.rounded.as_ref()?.outputs[node]
    }
}

#[cfg(test)]
mod tests {
    use graph::Graph;

    use super::*;
    use crate::{Batch, Device, Mode};

    const IMAGES: usize = 5;
    const SIDE: usize = 16;

    fn network() -> Net {
        let graph = Graph::build("resnet-like@0.04", 10, SIDE).expect("in the zoo");
        Net::initial(graph, 1, &Device::Cpu).expect("fits")
    }

    fn batch() -> Batch {
        let mut stream = seed::stream(1, "test/images", 0);
        let images = (0..IMAGES * 3 * SIDE * SIDE).map(|_| stream.normal() as f32).collect();
        let shape = cifar::ImageShape::square(SIDE);
        let images = cifar::Batch { images, labels: vec![0; IMAGES], shape };
        Batch::new(images, &Device::Cpu).expect("fits")
    }

    /// The same rounding of every layer of `net` but the last.
    fn everywhere(net: &Net, rounding: Rounding) -> BTreeMap<String, Rounding> {
        let (_, nodes) = net.graph().nodes().split_last().expect("nodes");
        nodes.iter().map(|node| (node.name.clone(), rounding)).collect()
    }

    /// Logits and gradients of a training step; every logit has the gradient 1.
    fn step(net: &Net) -> (Vec<f32>, Vec<Vec<f32>>) {
        let tape = net.forward(&batch(), Mode::Train(None)).expect("runs");
        let ones = vec![1.0; tape.logits().elem_count()];
        let ones = Tensor::new(ones, tape.logits().dims(), net.device()).expect("fits");
        let gradients = net.backward(&tape, &ones).expect("runs");
        let host = |tensor: &Tensor| tensor.host().expect("reads");
        (host(tape.logits()), gradients.iter().flatten().map(host).collect())
    }

    #[test]
    fn outputs_of_layers_are_rounded_but_for_the_logits() {
        let mut net = network();
        let rounding = Rounding { scale: 0.05, zero: 100 };
        net.set_roundings(Some(&everywhere(&net, rounding))).expect("fits");
        let tape = net.forward(&batch(), Mode::Train(None)).expect("runs");
        let is_rounded = |node: usize| {
            let values = tape.output(node).host().expect("reads");
            values.iter().all(|v| *v == rounding.value(rounding.rounded(*v)))
        };
        let last = net.graph().nodes().len() - 1;
        for group in net.groups() {
            assert_eq!(is_rounded(group.head), group.head != last, "node {}", group.head);
        }
        assert!(is_rounded(0), "the images");
    }

    #[test]
    fn dropout_scales_what_was_rounded() {
        let graph = Graph::build("net10@0.03", 10, 32).expect("in the zoo");
        let dropout = graph.nodes().iter().position(|node| matches!(node.op, Op::Dropout(_)));
        let dropout = dropout.expect("the network has one");
        let mut net = Net::initial(graph, 1, &Device::Cpu).expect("fits");
        let roundings = everywhere(&net, Rounding { scale: 0.05, zero: 100 });
        net.set_roundings(Some(&roundings)).expect("fits");
        assert_eq!(net.rounding(dropout), None);
        assert!(net.rounding(net.graph().nodes()[dropout].inputs[0]).is_some());
    }

    #[test]
    fn what_is_scored_has_rounded_weights() {
        let mut net = network();
        let tensors = net.tensors().expect("reads");
        assert!(net.with_rounded_weights(&tensors).is_none());
        net.set_roundings(Some(&BTreeMap::new())).expect("fits");
        let rounded = net.with_rounded_weights(&tensors).expect("weights are rounded");
        net.set_roundings(None).expect("fits");
        let own = Net::load(net.graph().clone(), &rounded, &Device::Cpu).expect("fits");
        net.set_roundings(Some(&BTreeMap::new())).expect("fits");
        assert_eq!(step(&net), step(&own));
        assert_eq!(net.with_rounded_weights(&rounded).as_ref(), Some(&rounded), "once is enough");
    }

    #[test]
    fn only_training_rounds_outputs_and_nothing_does_afterwards() {
        let mut net = network();
        let before = step(&net);
        let roundings = everywhere(&net, Rounding { scale: 0.05, zero: 100 });
        net.set_roundings(Some(&roundings)).expect("fits");
        assert_ne!(step(&net), before);
        let tape = net.forward(&batch(), Mode::Recalibrate(0.0)).expect("runs");
        net.set_roundings(Some(&BTreeMap::new())).expect("fits");
        let weights_alone = net.forward(&batch(), Mode::Recalibrate(0.0)).expect("runs");
        let host = |tape: &crate::Tape| tape.logits().host().expect("reads");
        assert_eq!(host(&tape), host(&weights_alone));
        net.set_roundings(None).expect("fits");
        assert_eq!(step(&net), before);
    }

    #[test]
    fn a_step_is_that_of_the_rounded_weights() {
        let mut net = network();
        let mut values = net.tensors().expect("reads");
        for param in net.graph().params() {
            let op = net.graph().nodes()[param.node].op;
            if param.name.ends_with("weight") && matches!(op, Op::Conv(_) | Op::Linear(_)) {
                let tensor = values.get_mut(&param.name).expect("in the table");
                let mut weights = tensor.as_f32().expect("a parameter").to_vec();
                for row in weights.chunks_exact_mut(param.count() / param.shape[0]) {
                    let scale = row.iter().fold(0.0_f32, |most, w| most.max(w.abs())) / 127.0;
                    for weight in row {
                        *weight = (*weight / scale).round() * scale;
                    }
                }
                *tensor = tensors::Tensor::f32(&param.shape, weights);
            }
        }
        let rounded = Net::load(net.graph().clone(), &values, &Device::Cpu).expect("fits");
        net.set_roundings(Some(&BTreeMap::new())).expect("fits");
        assert_eq!(step(&net), step(&rounded));
        net.set_roundings(None).expect("fits");
        assert_ne!(step(&net), step(&rounded));
    }

    #[test]
    fn no_gradient_passes_where_a_layer_is_saturated() {
        let mut net = network();
        let core = net.groups()[0].core;
        let name = net.graph().nodes()[core].name.clone();
        let everything = |gradient: &[f32]| gradient.iter().all(|g| *g == 0.0);
        assert!(!everything(&step(&net).1[0]));
        // Every positive value is beyond its range; where its ReLU gives 0 nothing passes anyway.
        let narrow = BTreeMap::from([(name, Rounding { scale: 1e-9, zero: 0 })]);
        net.set_roundings(Some(&narrow)).expect("fits");
        assert!(everything(&step(&net).1[0]));
    }
}
