//! Small networks made by hand.

use geometry::{Size, Window};
use graph::{Activation, Shape};
use inference::{Conv, Kind, Layer, Network, Weight};
use seed::{Stream, stream};

use super::zoo;

/// Height and width of every map but those that a test makes smaller.
pub const SIDE: usize = 5;

/// Layers so far.
pub struct Builder {
    layers: Vec<Layer>,
    random: Stream,
}

/// Kernel side and groups of a convolution.
#[derive(Clone, Copy)]
pub struct Grouping {
    pub kernel: usize,
    pub groups: usize,
}

/// An image of this many channels.
pub fn start(channels: usize) -> Builder {
    let mut builder = Builder { layers: vec![], random: stream(7, "test/layers", 0) };
    builder.push(Kind::Input, &[], Shape::new(channels, SIDE, SIDE));
    builder
}

impl Builder {
    /// Adds a layer.
    pub fn push(&mut self, kind: Kind, inputs: &[usize], shape: Shape) -> usize {
        let name = format!("layer{}", self.layers.len());
        let inputs = inputs.to_vec();
        self.layers.push(Layer { name, kind, inputs, add: None, activation: None, shape });
        self.layers.len() - 1
    }

    /// Adds a layer that leaves shapes as they are.
    pub fn same(&mut self, kind: Kind, inputs: &[usize]) -> usize {
        self.push(kind, inputs, self.layers[inputs[0]].shape)
    }

    /// Adds an activation by itself.
    pub fn activation(&mut self, activation: Activation, x: usize) -> usize {
        let y = self.same(Kind::Copy, &[x]);
        self.layers[y].activation = Some(activation);
        y
    }

    /// Adds a convolution of stride 1, its values normal, that keeps height and width.
    pub fn conv(&mut self, x: usize, outputs: usize, kernel: usize) -> usize {
        self.grouped(x, outputs, Grouping { kernel, groups: 1 })
    }

    /// As [`Builder::conv`], in groups.
    pub fn grouped(&mut self, x: usize, outputs: usize, grouping: Grouping) -> usize {
        let Grouping { kernel, groups } = grouping;
        let shape = self.layers[x].shape;
        let row = shape.c / groups * kernel * kernel;
        let weight = self.normal(outputs * row);
        let bias = self.normal(outputs);
        let window = Window::square(kernel, 1, kernel / 2);
        let conv = Conv { window, groups, weight: Weight::Floats(weight), bias };
        self.push(Kind::Conv(conv), &[x], Shape { c: outputs, ..shape })
    }

    /// Adds a linear layer of three logits, and that is all.
    pub fn finish(mut self, x: usize) -> Network {
        let Shape { c, h, w } = self.layers[x].shape;
        let (weight, bias) = (self.normal(3 * c * h * w), self.normal(3));
        let window = Window { kernel: Size { h, w }, ..Window::square(1, 1, 0) };
        let conv = Conv { window, groups: 1, weight: Weight::Floats(weight), bias };
        self.push(Kind::Conv(conv), &[x], Shape::new(3, 1, 1));
        Network { layers: self.layers }
    }

    /// The layer `i`.
    pub fn layer(&mut self, i: usize) -> &mut Layer {
        &mut self.layers[i]
    }

    /// The convolution of layer `i`.
    pub fn weights(&mut self, i: usize) -> &mut Conv {
        let Kind::Conv(conv) = &mut self.layers[i].kind else { panic!("layer {i} has no weights") };
        conv
    }

    /// Makes output `o` of layer `i` the constant `value`, before what is added.
    pub fn fix(&mut self, i: usize, o: usize, value: f32) {
        let conv = self.weights(i);
        zoo::clear_row(conv, o);
        conv.bias[o] = value;
    }

    /// Several times [`Builder::fix`].
    pub fn fix_all(&mut self, i: usize, values: &[(usize, f32)]) {
        for (o, value) in values {
            self.fix(i, *o, *value);
        }
    }

    fn normal(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.random.normal() as f32).collect()
    }
}
