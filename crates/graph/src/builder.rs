//! The one way to a graph: nodes are added one by one, and each must fit those that it reads.

use std::collections::BTreeSet;

use artifact::{Error, Result};

use crate::{Graph, Init, Node, Op, Role, Shape};

/// The most nodes of a network.
const MOST_NODES: usize = 1 << 16;
/// The most values of one image's activation, and of one tensor: no product of sizes overflows.
const MOST_VALUES: u128 = 1 << 40;
/// The most classes: labels are 16 bits, and 65,535 of them are counted from 0.
pub(crate) const MOST_CLASSES: usize = 65_535;

/// A network in the making.
///
/// ```
/// # use graph::{Builder, Conv, Linear, Op, AdaptiveAverage, Activation, Shape};
/// # use geometry::Window;
/// let mut net = Builder::new("tiny", Shape::new(1, 28, 28))?;
/// let window = Window::square(3, 2, 1);
/// let conv = Conv { inputs: 1, outputs: 8, window, groups: 1, bias: true };
/// let x = net.push("conv", Op::Conv(conv), &[0])?;
/// let x = net.push("relu", Op::Activation(Activation::Relu), &[x])?;
/// let x = net.push("average", Op::AdaptiveAverage(AdaptiveAverage::GLOBAL), &[x])?;
/// net.push("fc", Op::Linear(Linear { inputs: 8, outputs: 10, bias: true }), &[x])?;
/// assert_eq!(net.finish()?.classes(), 10);
/// # Ok::<(), artifact::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    name: String,
    init: Init,
    nodes: Vec<Node>,
    names: BTreeSet<String>,
    /// Names of tensors, those included that folding a norm gives to a layer without bias.
    tensors: BTreeSet<String>,
}

impl Builder {
    /// A network called `name`, of images of this shape, whose node is called `input`.
    ///
    /// # Errors
    /// [`Error::Config`] where the shape has no values, or too many.
    pub fn new(name: &str, images: Shape) -> Result<Self> {
        Self::named(name, "input", images)
    }

    /// As [`Self::new`], with another name of the input's node.
    pub(crate) fn named(name: &str, input: &str, images: Shape) -> Result<Self> {
        check_shape(images)
            .and_then(|()| check_name(input))
            .map_err(|what| Error::Config(format!("network {name}: images {images}: {what}")))?;
        let node = Node { name: input.to_owned(), op: Op::Input, inputs: vec![], shape: images };
        Ok(Self {
            name: name.to_owned(),
            init: Init::default(),
            nodes: vec![node],
            names: BTreeSet::from([input.to_owned()]),
            tensors: BTreeSet::new(),
        })
    }

    /// Draws initial values in this way.
    #[must_use]
    pub fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    /// Adds a node that reads the nodes `inputs` and returns its index.
    ///
    /// # Errors
    /// [`Error::Config`], naming the node, where sizes do not fit or the name is taken.
    ///
    /// # Panics
    /// If there is no node of one of these indices.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[usize]) -> Result<usize> {
        let added = self.add(name, op, inputs);
        added.map_err(|what| Error::Config(format!("node {name}: {what}")))
    }

    /// As [`Self::push`]; what does not fit, without the node's name.
    pub(crate) fn add(&mut self, name: &str, op: Op, inputs: &[usize]) -> Result<usize, String> {
        check_name(name)?;
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.nodes[i].shape).collect();
        let shape = op.shape(&shapes)?;
        check_shape(shape)?;
        shapes.iter().try_for_each(|x| check_shape(op.padded(*x)))?;
        let slots = op.facts().slots(shape);
        if let Some(slot) = slots.iter().find(|s| product(&s.shape) > MOST_VALUES) {
            return Err(format!("a {} of shape {:?}; that is too large", slot.suffix, slot.shape));
        }
        let mut own: BTreeSet<String> = slots.iter().map(|slot| slot.named(name)).collect();
        if slots.iter().any(|slot| slot.role == Role::Weight) {
            own.insert(format!("{name}.bias"));
        }
        if let Some(tensor) = own.iter().find(|tensor| self.tensors.contains(*tensor)) {
            return Err(format!("its tensor {tensor} has the name of another node's"));
        }
        if self.nodes.len() == MOST_NODES {
            return Err(format!(
                "it is one more than the {MOST_NODES} nodes that a network may have"
            ));
        }
        if !self.names.insert(name.to_owned()) {
            return Err("the name is taken".into());
        }
        self.tensors.extend(own);
        self.nodes.push(Node { name: name.to_owned(), op, inputs: inputs.to_vec(), shape });
        Ok(self.nodes.len() - 1)
    }

    /// The nodes so far.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The shape of node `node`'s output.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn shape(&self, node: usize) -> Shape {
        self.nodes[node].shape
    }

    /// Whether a node has this name.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The network, whose last node gives the logits.
    ///
    /// # Errors
    /// [`Error::Config`] where these are no vector, or a node is read by none.
    pub fn finish(self) -> Result<Graph> {
        let bad = |what: String| Err(Error::Config(format!("network {}: {what}", self.name)));
        let last = &self.nodes[self.nodes.len() - 1];
        if self.nodes.len() == 1 {
            return bad("no operation; expected one that gives the logits".into());
        }
        if !last.shape.is_vector() || last.shape.c > MOST_CLASSES {
            return bad(format!(
                "its last node {} gives {}; expected a vector of 1 to {MOST_CLASSES} logits",
                last.name, last.shape
            ));
        }
        let mut read = vec![false; self.nodes.len()];
        self.nodes.iter().flat_map(|n| &n.inputs).for_each(|&i| read[i] = true);
        if let Some(node) = read[..read.len() - 1].iter().position(|read| !read) {
            let name = &self.nodes[node].name;
            return bad(format!("node {name} is read by no other; the last node alone may be"));
        }
        Ok(Graph::new(self.name, self.init, self.nodes))
    }
}

fn product(sizes: &[usize]) -> u128 {
    // Too large to count is too large.
    sizes.iter().fold(1, |product: u128, n| product.saturating_mul(*n as u128))
}

fn check_shape(shape: Shape) -> Result<(), String> {
    let values = product(&[shape.c, shape.h, shape.w]);
    if (1..=MOST_VALUES).contains(&values) {
        return Ok(());
    }
    Err(format!(
        "a map of {shape}, padding included, has {values} values; expected 1 to {MOST_VALUES}"
    ))
}

/// Names are words of a line of a graph's text, and of tensors; packed files put `:` behind these.
fn check_name(name: &str) -> Result<(), String> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "(),=#:".contains(c);
    match name.chars().find(|c| bad(*c)) {
        _ if name.is_empty() => Err("the name is empty".into()),
        _ if name.len() > 1024 => Err("the name is longer than 1024 bytes".into()),
        Some(c) => Err(format!("the name holds {c:?}; expected no spaces and none of (),=#:")),
        None => Ok(()),
    }
}
