//! The networks by name. To add one: a file here, and its line in [`ALL`].

mod efficientnet_b0;
mod net10;
mod resnet18;
mod resnet_like;
mod vgg16;
mod vgg_lab;

use artifact::{Error, Result};
use geometry::Window;

use crate::builder::MOST_CLASSES;
use crate::op::{AdaptiveAverage, BatchNorm, MaxPool};
use crate::{Activation, Builder, Conv, Graph, Init, Linear, Op, Shape, Spec};

/// What the zoo knows of a network.
pub(crate) struct Entry {
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Height and width of the images that it is published for, in pixels.
    pub side: usize,
    /// How its weights are drawn.
    pub init: Init,
    /// What torchvision calls the modules whose names differ there; None where it does not have the
    /// network.
    pub torchvision: Option<&'static [Renamed]>,
    /// Adds its nodes behind the input.
    pub build: fn(&mut Maker) -> Result<()>,
}

/// A module that another library calls otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Renamed {
    /// One segment of the module's path here.
    pub own: &'static str,
    /// The same segment there.
    pub other: &'static str,
}

/// Every network.
const ALL: [&Entry; 6] = [
    &vgg_lab::ENTRY,
    &resnet_like::ENTRY,
    &resnet18::ENTRY,
    &net10::ENTRY,
    &vgg16::ENTRY,
    &efficientnet_b0::ENTRY,
];

/// Every network's name.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|e| e.name)
}

/// One line about the network `name`.
///
/// # Panics
/// If there is none of this name.
pub fn about(name: &str) -> &'static str {
    entry(name).about
}

/// Height and width in pixels of the images that the network `name` is published for.
///
/// # Panics
/// If there is none of this name.
pub fn usual_side(name: &str) -> usize {
    entry(name).side
}

/// A network of the zoo in the making, at its width.
pub(crate) struct Maker {
    builder: Builder,
    pub spec: Spec,
    pub classes: usize,
}

/// A square convolution with "same" padding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Square {
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
}

impl Maker {
    /// Adds a node that reads the nodes `inputs` and returns its index.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[usize]) -> Result<usize> {
        self.builder.push(name, op, inputs)
    }

    /// The channels of node `x`.
    pub fn channels(&self, x: usize) -> usize {
        self.builder.shape(x).c
    }

    /// A convolution of node `x`, without bias, of one group.
    pub fn square(&self, x: usize, sizes: Square) -> Conv {
        let Square { outputs, kernel, stride } = sizes;
        let window = Window::square(kernel, stride, kernel / 2);
        Conv { inputs: self.channels(x), outputs, window, groups: 1, bias: false }
    }

    pub fn batch_norm(&mut self, name: &str, x: usize) -> Result<usize> {
        self.push(name, Op::BatchNorm(BatchNorm::default()), &[x])
    }

    pub fn relu(&mut self, name: &str, x: usize) -> Result<usize> {
        self.push(name, Op::Activation(Activation::Relu), &[x])
    }

    /// Adds the convolution [`Self::square`] and the norm behind it, of these names.
    pub fn conv_norm(&mut self, names: [&str; 2], x: usize, sizes: Square) -> Result<usize> {
        let y = self.push(names[0], Op::Conv(self.square(x, sizes)), &[x])?;
        self.batch_norm(names[1], y)
    }

    /// Adds [`Self::conv_norm`] and an activation; `names` are those of the three.
    pub fn conv_norm_relu(&mut self, names: [&str; 3], x: usize, sizes: Square) -> Result<usize> {
        let y = self.conv_norm([names[0], names[1]], x, sizes)?;
        self.relu(names[2], y)
    }

    /// Adds a max-pooling of square windows that touch.
    pub fn max_pool(&mut self, name: &str, x: usize, side: usize) -> Result<usize> {
        let window = Window::square(side, side, 0);
        self.push(name, Op::MaxPool(MaxPool { window, ceil: false }), &[x])
    }

    /// Adds the mean over all pixels.
    pub fn average(&mut self, name: &str, x: usize) -> Result<usize> {
        self.push(name, Op::AdaptiveAverage(AdaptiveAverage::GLOBAL), &[x])
    }

    /// Adds a global average and the linear classifier `name`, reading node `x`.
    pub fn classify(&mut self, name: &str, x: usize) -> Result<usize> {
        let average = self.average("average", x)?;
        self.linear(name, average, self.classes)
    }

    /// Adds a linear layer with bias of all values of node `x`.
    pub fn linear(&mut self, name: &str, x: usize, outputs: usize) -> Result<usize> {
        let x = match self.builder.shape(x) {
            shape if shape.is_vector() => x,
            _ => self.push(&format!("{name}.flatten"), Op::Flatten, &[x])?,
        };
        let inputs = self.channels(x);
        self.push(name, Op::Linear(Linear { inputs, outputs, bias: true }), &[x])
    }
}

/// The network `spec`.
pub(crate) fn build(spec: &str, classes: usize, images: Shape) -> Result<Graph> {
    let spec = Spec::parse(spec)?;
    if !(1..=MOST_CLASSES).contains(&classes) {
        return Err(Error::Config(format!("{classes} classes; expected 1 to {MOST_CLASSES}")));
    }
    let entry = entry(&spec.name);
    let builder = Builder::new(&spec.to_string(), images)?.init(entry.init);
    let mut maker = Maker { builder, spec, classes };
    (entry.build)(&mut maker)?;
    maker.builder.finish()
}

/// What torchvision calls the parameters of a network that it has.
#[derive(Debug, Clone, Copy)]
pub struct TorchvisionNames(&'static [Renamed]);

impl TorchvisionNames {
    /// Its name of the parameter `name`.
    pub fn of(self, name: &str) -> String {
        let other = |part| self.0.iter().find(|r| r.own == part).map_or(part, |r| r.other);
        name.split('.').map(other).collect::<Vec<_>>().join(".")
    }
}

/// What torchvision calls the parameters of `graph`, if it is a network that it has.
pub(crate) fn torchvision(graph: &Graph) -> Option<TorchvisionNames> {
    let spec = Spec::parse(graph.name()).ok()?;
    let renamed = entry(&spec.name).torchvision?;
    let own = build(graph.name(), graph.classes(), graph.images()).ok()?;
    (own.nodes() == graph.nodes()).then_some(TorchvisionNames(renamed))
}

fn entry(name: &str) -> &'static Entry {
    ALL.into_iter().find(|e| e.name == name).expect("Spec::parse knows the names")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(spec: &str) -> Graph {
        let name = spec.split('@').next().expect("a name");
        Graph::build(spec, 10, usual_side(name)).expect("in the zoo")
    }

    #[test]
    fn parameters_and_macs_are_the_published_ones() {
        let check = |spec: &str, parameters: u64, macs: u64| {
            let graph = usual(spec);
            assert_eq!((graph.parameters(), graph.macs()), (parameters, macs), "{spec}");
        };
        check("vgg-lab", 9_228_362, 605_754_368);
        check("resnet-like", 20_145_738, 1_587_221_504);
        check("resnet18", 11_173_962, 555_422_720);
        check("net10", 26_793_994, 1_514_017_792);
        check("vgg16", 134_301_514, 432_775_168);
        check("efficientnet-b0", 4_020_358, 384_547_552);
    }

    #[test]
    fn names_are_those_of_pytorch() {
        let has = |spec: &str, name: &str, shape: &[usize]| {
            assert_eq!(usual(spec).param(name).expect(name).shape, shape);
        };
        has("vgg-lab", "backbone.conv7.weight", &[512, 512, 3, 3]);
        has("vgg-lab", "backbone.bn0.running_var", &[64]);
        has("resnet-like", "backbone.residual_block1.conv2.weight", &[256, 256, 3, 3]);
        has("resnet18", "layer2.0.shortcut.0.weight", &[128, 64, 1, 1]);
        has("resnet18", "linear.bias", &[10]);
        has("resnet18@0.25", "layer4.1.conv2.weight", &[128, 128, 3, 3]);
        has("net10", "res2.1.0.bias", &[1024]);
        has("net10", "classifier.3.weight", &[512, 1024]);
        has("vgg16", "features.28.weight", &[512, 512, 3, 3]);
        has("vgg16", "classifier.0.weight", &[4096, 25088]);
        has("efficientnet-b0", "features.4.1.block.1.0.weight", &[480, 1, 3, 3]);
        has("efficientnet-b0", "features.2.0.block.2.fc1.weight", &[4, 96, 1, 1]);
        has("efficientnet-b0@0.5", "classifier.1.weight", &[10, 640]);
    }

    #[test]
    fn another_network_of_that_name_has_no_other_names() {
        let graph = usual("resnet18@0.1");
        let text = graph.to_string().replace("linear(average)", "linear(average) bias=false");
        let other = Graph::parse(&text, "resnet18@0.1", "test").expect("a graph");
        assert_eq!(graph.torchvision().expect("it has it").of("linear.weight"), "fc.weight");
        assert!(other.torchvision().is_none());
    }

    #[test]
    fn torchvision_has_names_of_its_own() {
        let check = |spec: &str, own: &str, expected: Option<&str>| {
            let found = usual(spec).torchvision().map(|names| names.of(own));
            assert_eq!(found.as_deref(), expected, "{spec}");
        };
        let there = Some("layer2.0.downsample.1.running_var");
        check("resnet18", "layer2.0.shortcut.1.running_var", there);
        check("resnet18", "linear.bias", Some("fc.bias"));
        check("resnet18", "layer1.0.conv1.weight", Some("layer1.0.conv1.weight"));
        check("vgg16", "features.28.weight", Some("features.28.weight"));
        check("vgg-lab", "classifier.weight", None);
    }

    #[test]
    fn every_network_fits_small_images_and_widths() {
        for name in names() {
            let graph = Graph::build(&format!("{name}@0.1"), 7, 32).expect(name);
            assert_eq!(graph.nodes().last().map(|n| n.shape.count()), Some(7), "{name}");
        }
    }
}
