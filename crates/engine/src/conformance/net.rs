//! Small networks: logits, loss, gradients and what a training makes of the weights.

use anyhow::Result;
use graph::Graph;
use kernels::loss::Target;
use sparsity::{Mask, Masks};

use super::optimiser::parts;
use super::place::Place;
use super::{Case, Kind};
use crate::{Batch, Clip, Mode, Net, Noise, Optimiser, OptimiserKind, Sgd, Step};

const IMAGES: usize = 19;

pub(super) fn cases() -> Vec<Case> {
    let of = |(spec, side)| [answers(spec, side), loss(spec, side)];
    let zoo = [
        ("vgg-lab@0.125", 32),
        ("resnet18@0.125", 32),
        ("resnet18@0.07", 33),
        ("resnet-like@0.1", 32),
        ("net10@0.1", 32),
        ("vgg16@0.05", 64),
        ("efficientnet-b0@0.25", 65),
    ];
    let all = zoo.into_iter().flat_map(of);
    all.chain([gradients("vgg-lab@0.125", 32), gradients("resnet18@0.125", 32), masked()]).collect()
}

fn network(spec: &str, side: usize, place: &Place) -> Result<Net> {
    Net::initial(Graph::build(spec, 10, side)?, 3, &place.device)
}

fn images(side: usize, place: &Place) -> cifar::Batch {
    let images = place.random("images", IMAGES * 3 * side * side);
    let labels = (0..IMAGES).map(|i| (i % 10) as u16).collect();
    cifar::Batch { images, labels, shape: cifar::ImageShape::square(side) }
}

fn batch(side: usize, place: &Place) -> Result<Batch> {
    Batch::new(images(side, place), &place.device)
}

fn target(labels: &[u16]) -> Target<'_> {
    Target { labels, classes: 10, smoothing: 0.0 }
}

/// The logits of inference, after a batch that moved the running statistics.
fn answers(spec: &'static str, side: usize) -> Case {
    Case::new(format!("logits of {spec}"), Kind::Network, move |place| {
        let (net, batch) = (network(spec, side, place)?, batch(side, place)?);
        net.recycle(net.forward(&batch, Mode::Recalibrate(1.0))?)?;
        net.scorer()?.rows(images(side, place))
    })
}

/// The loss of training, dropout and stochastic depth included.
fn loss(spec: &'static str, side: usize) -> Case {
    Case::new(format!("loss of {spec}"), Kind::Network, move |place| {
        let (net, batch) = (network(spec, side, place)?, batch(side, place)?);
        let tape = net.forward(&batch, Mode::Train(Some(Noise { seed: 1, step: 2 })))?;
        let (_, outcome) = net.loss(&tape, target(&batch.labels), None)?;
        Ok(vec![outcome.read()?.loss as f32])
    })
}

/// How each weight moves by a step without momentum: its gradient.
fn gradients(spec: &'static str, side: usize) -> Case {
    Case::of_parts(format!("gradients of {spec}"), Kind::Gradients, move |place| {
        let net = network(spec, side, place)?;
        let before = net.tensors()?;
        train(&net, side, place, (&Masks::default(), 1, 1.0))?;
        let after = net.tensors()?;
        let pairs = before.values().zip(after.values());
        let moves = pairs.map(|(a, b)| {
            let (a, b) = (a.as_f32().expect("f32"), b.as_f32().expect("f32"));
            a.iter().zip(b).map(|(a, b)| b - a).collect()
        });
        Ok(moves.collect())
    })
}

/// Masked training: the weights it leaves, and how many pruned ones are alive.
fn masked() -> Case {
    Case::of_parts("masked training", Kind::Gradients, |place| {
        let net = network("resnet18@0.125", 32, place)?;
        let mut masks = Masks::default();
        for param in net.graph().prunable() {
            masks.insert(&param.name, Mask::new((0..param.count()).map(|i| i % 4 == 0).collect()));
        }
        let mut tensors = net.tensors()?;
        masks.apply(&mut tensors);
        let net = Net::load(net.graph().clone(), &tensors, &place.device)?;
        train(&net, 32, place, (&masks, 3, 0.01))?;
        let after = net.tensors()?;
        Ok([parts(&after), vec![vec![masks.revived(&after) as f32]]].concat())
    })
}

/// So many steps under `masks` at a learning rate.
fn train(
    net: &Net,
    side: usize,
    place: &Place,
    (masks, steps, lr): (&Masks, u64, f32),
) -> Result<()> {
    let batch = batch(side, place)?;
    let mut optimiser = Optimiser::new(net, masks, OptimiserKind::Sgd)?;
    let sgd = Sgd { lr, momentum: 0.9, weight_decay: 5e-4, nesterov: false };
    for step in 0..steps {
        let tape = net.forward(&batch, Mode::Train(Some(Noise { seed: 1, step })))?;
        let (grad, _) = net.loss(&tape, target(&batch.labels), None)?;
        let grads = net.backward(&tape, &grad)?;
        optimiser.step(net, &grads, (Clip::default(), Step::Sgd(sgd)))?;
        net.recycle(tape)?;
        net.recycle_gradients(grads);
    }
    Ok(())
}
