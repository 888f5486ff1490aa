//! Steps of the optimisers under masks, and moving averages.

use anyhow::Result;
use artifact::tensors::Tensors;
use graph::{Graph, Param};
use sparsity::{Mask, Masks};

use super::place::Place;
use super::{Case, Kind};
use crate::fit::Average;
use crate::{Adam, Clip, Net, Optimiser, OptimiserKind, Sgd, Step, Tensor};

pub(super) fn cases() -> Vec<Case> {
    let none = Clip::default();
    let both = Clip { value: Some(0.5), norm: Some(2.0) };
    vec![
        steps("sgd", OptimiserKind::Sgd, none),
        steps("sgd clipped", OptimiserKind::Sgd, both),
        steps("adam", OptimiserKind::Adam, none),
        steps("adamw clipped", OptimiserKind::AdamW, both),
        average(),
    ]
}

fn network(place: &Place) -> Result<(Net, Masks)> {
    let graph = Graph::build("net10@0.05", 10, 32)?;
    let mut masks = Masks::default();
    for param in graph.prunable() {
        masks.insert(&param.name, Mask::new((0..param.count()).map(|i| i % 3 == 0).collect()));
    }
    let net = Net::initial(graph, 1, &place.device)?;
    let mut tensors = net.tensors()?;
    masks.apply(&mut tensors);
    Ok((Net::load(net.graph().clone(), &tensors, &place.device)?, masks))
}

fn gradients(place: &Place, net: &Net, step: u32) -> Result<Vec<Option<Tensor>>> {
    let one = |param: &Param| {
        let values = || place.random(&format!("{step}/{}", param.name), param.count());
        param.trainable().then(|| net.imported(param, values())).transpose()
    };
    net.graph().params().iter().map(one).collect()
}

fn constants(kind: OptimiserKind, step: u32) -> Step {
    let weight_decay = 0.01;
    match kind {
        OptimiserKind::Sgd => {
            Step::Sgd(Sgd { lr: 0.1, momentum: 0.9, weight_decay, nesterov: step == 2 })
        }
        _ => Step::Adam(Adam {
            lr: 0.01,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay,
            decoupled: kind == OptimiserKind::AdamW,
            step,
        }),
    }
}

/// The values of each tensor.
pub(super) fn parts(all: &Tensors) -> Vec<Vec<f32>> {
    all.values().map(|t| t.as_f32().expect("f32").to_vec()).collect()
}

/// Three steps: what became of weights and states, and how many masked weights are alive.
fn steps(name: &str, kind: OptimiserKind, clip: Clip) -> Case {
    Case::of_parts(name, Kind::Operation, move |place| {
        let (net, masks) = network(place)?;
        let mut optimiser = Optimiser::new(&net, &masks, kind)?;
        for step in 1..=3 {
            let grads = gradients(place, &net, step)?;
            optimiser.step(&net, &grads, (clip, constants(kind, step)))?;
        }
        let (weights, states) = (net.tensors()?, optimiser.tensors(&net)?);
        Ok([parts(&weights), parts(&states), vec![vec![masks.revived(&weights) as f32]]].concat())
    })
}

fn average() -> Case {
    Case::of_parts("moving-average", Kind::Operation, |place| {
        let (mut net, _) = network(place)?;
        let mut average = Average::new(&net, 0.9)?.expect("a decay");
        for number in 1..=3 {
            let mut tensors = net.tensors()?;
            for tensor in tensors.values_mut() {
                let values = tensor.as_f32().expect("f32").iter().map(|v| v * 0.7 + 0.1);
                *tensor = artifact::tensors::Tensor::f32(&tensor.shape.clone(), values.collect());
            }
            net.set(&tensors)?;
            average.follow(&net, number)?;
        }
        Ok(parts(&average.tensors(&net)?))
    })
}
