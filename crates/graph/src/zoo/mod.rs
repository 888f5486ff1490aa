//! The networks by name. To add one: a file here, a line in [`NAMES`] and one in [`build`].

mod resnet18;
mod vgg_lab;

use artifact::Result;

use crate::Graph;

/// Every network's name.
pub const NAMES: [&str; 2] = ["vgg-lab", "resnet18"];

/// One line about the network `name`.
pub fn about(name: &str) -> &'static str {
    match name {
        "vgg-lab" => "8 convolutions in a row, batch norm, 4 max-pools, linear head",
        _ => "residual network of 18 layers for 32x32 images (3x3 stem, no max-pool)",
    }
}

pub(crate) fn build(graph: &mut Graph) -> Result<()> {
    match graph.spec().name.as_str() {
        "vgg-lab" => vgg_lab::build(graph),
        "resnet18" => resnet18::build(graph),
        other => unreachable!("Spec::parse knows {other} and the zoo does not"),
    }
}

#[cfg(test)]
mod tests {
    use crate::Graph;

    #[test]
    fn parameters_and_macs_are_the_published_ones() {
        let check = |spec: &str, parameters: u64, macs: u64| {
            let graph = Graph::build(spec, 10, 32).expect("in the zoo");
            assert_eq!((graph.parameters(), graph.macs()), (parameters, macs), "{spec}");
        };
        check("vgg-lab", 9_228_362, 605_754_368);
        check("resnet18", 11_173_962, 555_422_720);
    }

    #[test]
    fn names_are_those_of_pytorch() {
        let has = |spec: &str, name: &str, shape: &[usize]| {
            let graph = Graph::build(spec, 10, 32).expect("in the zoo");
            assert_eq!(graph.param(name).expect(name).shape, shape);
        };
        has("vgg-lab", "backbone.conv7.weight", &[512, 512, 3, 3]);
        has("vgg-lab", "backbone.bn0.running_var", &[64]);
        has("resnet18", "layer2.0.shortcut.0.weight", &[128, 64, 1, 1]);
        has("resnet18", "linear.bias", &[10]);
        has("resnet18@0.25", "layer4.1.conv2.weight", &[128, 128, 3, 3]);
    }
}
