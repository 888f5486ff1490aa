//! Values before training, distributed as `PyTorch` and torchvision initialise theirs.

use crate::{Graph, Init, LinearInit, Op, Param, Role};

/// Values of every parameter in the order of [`Graph::params`].
///
/// Norms, scales and shifts start as the identity, weights and biases of convolutions and linear layers
/// as the graph says ([`Graph::init`]). Each tensor has a random stream of its own, named by the tensor.
pub fn initial(graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    graph.params().iter().map(|p| initial_of(graph, p, seed)).collect()
}

/// How one tensor is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Draw {
    Constant(f32),
    /// Uniform from minus this to this.
    Uniform(f64),
    /// Normal with this deviation.
    Normal(f64),
}

/// As [`initial`], of the one parameter `param` of `graph`.
pub fn initial_of(graph: &Graph, param: &Param, seed: u64) -> Vec<f32> {
    let mut stream = seed::stream(seed, &format!("initial/{}", param.name), 0);
    let mut one = |draw: Draw| match draw {
        Draw::Constant(value) => value,
        Draw::Uniform(bound) => stream.range(-bound, bound) as f32,
        Draw::Normal(deviation) => (deviation * stream.normal()) as f32,
    };
    let draw = draw(graph, param);
    (0..param.count()).map(|_| one(draw)).collect()
}

fn draw(graph: &Graph, param: &Param) -> Draw {
    let weight = graph.prunable().find(|p| p.node == param.node);
    let weight = || weight.expect("where a bias is, a weight is");
    let op = graph.nodes()[param.node].op;
    match (param.role, graph.init()) {
        (Role::NormWeight | Role::RunningVar, _) => Draw::Constant(1.0),
        (Role::NormBias | Role::RunningMean, _) | (Role::Bias, Init::FanOut(_)) => {
            Draw::Constant(0.0)
        }
        (Role::Constant, _) => Draw::Constant(if matches!(op, Op::Scale(_)) { 1.0 } else { 0.0 }),
        // A bias is bounded as the weight beside it.
        (Role::Weight | Role::Bias, Init::Modules) => {
            Draw::Uniform(1.0 / (weight().fan_in() as f64).sqrt())
        }
        (Role::Weight, Init::FanOut(linear)) => match op {
            // As `kaiming_normal_(mode="fan_out")` counts it, groups or not.
            Op::Conv(c) => Draw::Normal((2.0 / (c.outputs * c.window.taps()) as f64).sqrt()),
            _ => linear_draw(linear, param.shape[0]),
        },
    }
}

fn linear_draw(linear: LinearInit, outputs: usize) -> Draw {
    match linear {
        LinearInit::Normal(deviation) => Draw::Normal(deviation),
        LinearInit::ByOutputs => Draw::Uniform(1.0 / (outputs as f64).sqrt()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(graph: &Graph, all: &[Vec<f32>], name: &str) -> Vec<f32> {
        let at = graph.params().iter().position(|p| p.name == name).expect("in the table");
        all[at].clone()
    }

    #[test]
    fn values_fill_their_bounds_and_follow_the_seed() {
        let graph = Graph::build("vgg-lab@0.25", 10, 32).expect("in the zoo");
        let values = initial(&graph, 1);
        assert_eq!(values, initial(&graph, 1));
        assert_ne!(values, initial(&graph, 2));
        let check = |name: &str, fan_in: f32, filled: f32| {
            let bound = 1.0 / fan_in.sqrt();
            let largest = named(&graph, &values, name).iter().fold(0.0_f32, |m, w| m.max(w.abs()));
            assert!(largest <= bound && largest > filled * bound, "{name}: {largest} of {bound}");
        };
        check("backbone.conv1.weight", 16.0 * 9.0, 0.99);
        check("classifier.weight", 128.0, 0.99);
        // Ten values: they need not come near the bound.
        check("classifier.bias", 128.0, 0.5);
    }

    #[test]
    fn deviations_are_torchvisions() {
        let check = |spec: &str, name: &str, deviation: f64| {
            let graph = Graph::build(spec, 10, 32).expect("in the zoo");
            let values = named(&graph, &initial(&graph, 1), name);
            let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
            let found = (squares / values.len() as f64).sqrt();
            let off = (found - deviation).abs();
            assert!(off <= 0.1 * deviation, "{name}: {found}, expected {deviation}");
        };
        check("vgg16@0.25", "features.5.weight", (2.0_f64 / (32.0 * 9.0)).sqrt());
        check("vgg16@0.25", "classifier.3.weight", 0.01);
        check("vgg16@0.25", "features.5.bias", 0.0);
        let depthwise = (2.0_f64 / (96.0 * 9.0)).sqrt();
        check("efficientnet-b0", "features.2.0.block.1.0.weight", depthwise);
        check("efficientnet-b0", "classifier.1.weight", 1.0 / 30.0_f64.sqrt());
    }
}
