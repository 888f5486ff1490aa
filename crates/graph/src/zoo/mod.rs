//! The networks by name. To add one: a file here, and its line in [`ALL`].

mod efficientnet_b0;
mod net10;
mod resnet18;
mod resnet_like;
mod vgg16;
mod vgg_lab;

use artifact::Result;

use crate::Graph;

/// What the zoo knows of a network.
pub(crate) struct Entry {
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Height and width of the images that it is published for, in pixels.
    pub side: usize,
    /// How its weights are drawn.
    pub start: Start,
    /// What torchvision calls the modules whose names differ there; None where it does not have the
    /// network.
    pub torchvision: Option<&'static [Renamed]>,
    /// Adds its nodes behind the input.
    pub build: fn(&mut Graph) -> Result<()>,
}

/// A module that another library calls otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Renamed {
    /// One segment of the module's path here.
    pub own: &'static str,
    /// The same segment there.
    pub other: &'static str,
}

/// How the weights of convolutions and linear layers are drawn before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Start {
    /// Uniform in `±1/sqrt(fan_in)`, biases too: the default of `nn.Conv2d` and `nn.Linear`.
    Modules,
    /// Convolutions normal with variance `2 / fan_out` (He et al. 2015), biases zero, as
    /// torchvision's networks; linear weights as said.
    FanOut(Linear),
}

/// How [`Start::FanOut`] draws linear weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Linear {
    /// Normal with this deviation.
    Normal(f64),
    /// Uniform in `±1/sqrt(outputs)`.
    ByOutputs,
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

pub(crate) fn entry(name: &str) -> &'static Entry {
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
    fn torchvision_has_names_of_its_own() {
        let check = |spec: &str, own: &str, expected: Option<&str>| {
            assert_eq!(usual(spec).torchvision(own).as_deref(), expected, "{spec}");
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
