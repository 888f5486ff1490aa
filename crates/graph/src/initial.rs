//! Values before training, distributed as `PyTorch`'s modules initialise theirs.

use crate::{Graph, Param, Role};

/// Values of every parameter in the order of [`Graph::params`].
///
/// Weights and biases of convolutions and linear layers are uniform in `±1/sqrt(fan_in)` (Kaiming
/// uniform with `a = sqrt(5)`, the default of `nn.Conv2d` and `nn.Linear`); norms start as the
/// identity. Each tensor has a random stream of its own, named by the tensor.
pub fn initial(graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    graph.params().iter().map(|p| values(graph, p, seed)).collect()
}

fn values(graph: &Graph, param: &Param, seed: u64) -> Vec<f32> {
    match param.role {
        Role::NormWeight | Role::RunningVar => vec![1.0; param.count()],
        Role::NormBias | Role::RunningMean => vec![0.0; param.count()],
        Role::Weight | Role::Bias => {
            let bound = 1.0 / (fan_in(graph, param) as f64).sqrt();
            let mut stream = seed::stream(seed, &format!("initial/{}", param.name), 0);
            (0..param.count()).map(|_| stream.range(-bound, bound) as f32).collect()
        }
    }
}

/// Fan-in of the weight of `param`'s node: a bias is bounded as the weight beside it.
fn fan_in(graph: &Graph, param: &Param) -> usize {
    let weight = graph.prunable().find(|p| p.node == param.node);
    weight.expect("where a bias is, a weight is").fan_in()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_their_bounds_and_follow_the_seed() {
        let graph = Graph::build("vgg-lab@0.25", 10, 32).expect("in the zoo");
        let values = initial(&graph, 1);
        assert_eq!(values, initial(&graph, 1));
        assert_ne!(values, initial(&graph, 2));
        let check = |name: &str, fan_in: f32, filled: f32| {
            let at = graph.params().iter().position(|p| p.name == name).expect("in the table");
            let bound = 1.0 / fan_in.sqrt();
            let largest = values[at].iter().fold(0.0_f32, |m, w| m.max(w.abs()));
            assert!(largest <= bound && largest > filled * bound, "{name}: {largest} of {bound}");
        };
        check("backbone.conv1.weight", 16.0 * 9.0, 0.99);
        check("classifier.weight", 128.0, 0.99);
        // Ten values: they need not come near the bound.
        check("classifier.bias", 128.0, 0.5);
    }
}
