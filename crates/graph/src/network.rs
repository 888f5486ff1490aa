//! The graph: what a [`crate::Builder`] has finished.

use std::fmt;

use artifact::manifest::Network;
use artifact::{Error, Result, digest};

use crate::zoo::{self, TorchvisionNames};
use crate::{Init, Node, Param, Role, Shape, format1, params, text};

/// A network: nodes in topological order, the first of which is the input and the last the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    name: String,
    init: Init,
    nodes: Vec<Node>,
    params: Vec<Param>,
}

impl Graph {
    pub(crate) fn new(name: String, init: Init, nodes: Vec<Node>) -> Self {
        let params = params::table(&nodes);
        Self { name, init, nodes, params }
    }

    /// Builds the network that `spec` (such as `resnet18@0.25`) names, for `classes` classes and
    /// images of this shape; a side alone stands for square RGB images.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no such network, or it does not fit the images.
    pub fn build(spec: &str, classes: usize, images: impl Into<Shape>) -> Result<Self> {
        zoo::build(spec, classes, images.into())
    }

    /// The network of a manifest.
    ///
    /// # Errors
    /// [`Error::Integrity`] where its text is not the one that its digest is of. Manifests without a
    /// text, of earlier versions, name a network of the zoo, which must be the same as then.
    pub fn of(network: &Network) -> Result<Self> {
        let bad = |what: String| Err(Error::Integrity(format!("network {}: {what}", network.spec)));
        let Some(text) = &network.graph else {
            return format1::build(network);
        };
        let graph = Self::parse(text, &network.spec, &format!("network {}", network.spec))
            .map_err(|e| Error::Integrity(e.to_string()))?;
        if graph.digest() != network.digest {
            let (found, digest) = (graph.digest(), &network.digest);
            return bad(format!("its graph has digest {found}, the manifest says {digest}"));
        }
        if graph.classes() != network.classes {
            let (found, said) = (graph.classes(), network.classes);
            return bad(format!("its graph has {found} classes, the manifest says {said}"));
        }
        Ok(graph)
    }

    /// What a manifest says of this network; a graph does not know the names of its classes.
    pub fn network(&self) -> Network {
        Network {
            spec: self.name.clone(),
            classes: self.classes(),
            side: None,
            digest: self.digest(),
            class_names: vec![],
            normalisation: None,
            graph: Some(self.to_string()),
        }
    }

    /// The nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Every parameter and norm statistic, in the order of nodes.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The weights that pruning may touch: those of convolutions and linear layers.
    pub fn prunable(&self) -> impl Iterator<Item = &Param> {
        self.params.iter().filter(|p| p.prunable())
    }

    /// The parameter `name`.
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// The index of the parameter of node `node` that has this role.
    pub fn index_of(&self, node: usize, role: Role) -> Option<usize> {
        // In the order of nodes, so that a few behind the first are all to look at.
        let first = self.params.partition_point(|p| p.node < node);
        let own = self.params[first..].iter().take_while(|p| p.node == node);
        own.into_iter().position(|p| p.role == role).map(|at| first + at)
    }

    /// What torchvision calls this network's parameters; None where it does not have the network.
    pub fn torchvision(&self) -> Option<TorchvisionNames> {
        zoo::torchvision(self)
    }

    /// The parameter table as `(name, shape)`.
    pub fn table(&self) -> Vec<(&str, &[usize])> {
        self.params.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect()
    }

    /// What people call it: for a network of the zoo name and width.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its weights are drawn before training.
    pub fn init(&self) -> Init {
        self.init
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.nodes[self.nodes.len() - 1].shape.c
    }

    /// The shape of the images.
    pub fn images(&self) -> Shape {
        self.nodes[0].shape
    }

    /// Trainable parameters (norm statistics are none).
    pub fn parameters(&self) -> u64 {
        self.params.iter().filter(|p| p.trainable()).map(|p| p.count() as u64).sum()
    }

    /// SHA-256 of its canonical text. The name is no part of it.
    pub fn digest(&self) -> String {
        digest::of_bytes(self.to_string().as_bytes())
    }
}

/// The canonical text, which [`Graph::parse`] reads.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&text::print(self.init, &self.nodes))
    }
}
