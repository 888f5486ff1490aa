//! Small networks: logits, loss, gradients and what a training makes of the weights.

use anyhow::Result;
use graph::{Graph, Shape};
use kernels::loss::Target;
use sparsity::{Mask, Masks};

use super::optimiser::parts;
use super::place::Place;
use super::{Case, Kind};
use crate::{Batch, Clip, Mode, Net, Noise, Optimiser, OptimiserKind, Sgd, Step};

const IMAGES: usize = 19;

/// A network with every operation, windows of all kinds among them.
const EVERY: &str = include_str!("../../../graph/src/text/every.net");

/// A network, by what the zoo calls it or as `every`, and the shape of its images.
#[derive(Clone, Copy)]
struct Subject {
    spec: &'static str,
    images: Shape,
}

pub(super) fn cases() -> Vec<Case> {
    let square = |(spec, side)| Subject { spec, images: Shape::new(3, side, side) };
    let zoo = [
        ("vgg-lab@0.125", 32),
        ("resnet18@0.125", 32),
        ("resnet18@0.07", 33),
        ("resnet-like@0.1", 32),
        ("net10@0.1", 32),
        ("vgg16@0.05", 64),
        ("efficientnet-b0@0.25", 65),
    ]
    .map(square);
    let wide = Subject { spec: "resnet18@0.07", images: Shape::new(1, 24, 37) };
    let every = Subject { spec: "every", images: Shape::new(4, 12, 9) };
    let all = zoo.into_iter().chain([wide, every]);
    let mut cases: Vec<Case> = all.flat_map(|of| [answers(of), loss(of)]).collect();
    cases.extend([zoo[0], zoo[1], wide, every].map(gradients));
    cases.extend([averaged(zoo[0]), masked(zoo[1])]);
    cases.extend([zoo[0], wide].map(gradients_of_pruned));
    cases
}

impl Subject {
    fn graph(self) -> Result<Graph> {
        match self.spec {
            // With small weights in its last layers all images would have the same loss.
            "every" => {
                let text = EVERY.replace("linear-deviation=0.01", "linear-deviation=1");
                Ok(Graph::parse(&text, "every", "every.net")?)
            }
            spec => Ok(Graph::build(spec, 10, self.images)?),
        }
    }

    fn network(self, place: &Place) -> Result<Net> {
        Net::initial(self.graph()?, 3, &place.device)
    }

    fn images(self, place: &Place) -> Result<cifar::Batch> {
        let Shape { c: channels, h: height, w: width } = self.images;
        let images = place.random("images", IMAGES * self.images.count());
        let classes = self.graph()?.classes();
        let labels = (0..IMAGES).map(|i| (i % classes) as u16).collect();
        Ok(cifar::Batch { images, labels, shape: cifar::ImageShape { channels, height, width } })
    }

    fn batch(self, place: &Place) -> Result<Batch> {
        Batch::new(self.images(place)?, &place.device)
    }

    /// The name of a case with this network.
    fn name(self, what: &str) -> String {
        format!("{what} of {} for {}", self.spec, self.images)
    }
}

fn target(labels: &[u16], classes: usize) -> Target<'_> {
    Target { labels, classes, smoothing: 0.0 }
}

/// The logits of inference, after a batch that moved the running statistics.
fn answers(of: Subject) -> Case {
    Case::new(of.name("logits"), Kind::Network, move |place| {
        let (net, batch) = (of.network(place)?, of.batch(place)?);
        net.recycle(net.forward(&batch, Mode::Recalibrate(1.0))?)?;
        net.scorer()?.rows(of.images(place)?)
    })
}

/// The logits by other values than the network's own, as those of an average are.
fn averaged(of: Subject) -> Case {
    Case::new(of.name("other logits"), Kind::Network, move |place| {
        let (net, batch) = (of.network(place)?, of.batch(place)?);
        net.recycle(net.forward(&batch, Mode::Recalibrate(1.0))?)?;
        let mut tensors = net.tensors()?;
        for tensor in tensors.values_mut() {
            let values = tensor.as_f32().expect("f32").iter().map(|v| v * 0.9 + 0.01);
            *tensor = artifact::tensors::Tensor::f32(&tensor.shape.clone(), values.collect());
        }
        net.scorer_of(&tensors)?.rows(of.images(place)?)
    })
}

/// The loss of training, dropout and stochastic depth included.
fn loss(of: Subject) -> Case {
    Case::new(of.name("loss"), Kind::Network, move |place| {
        let (net, batch) = (of.network(place)?, of.batch(place)?);
        let tape = net.forward(&batch, Mode::Train(Some(Noise { seed: 1, step: 2 })))?;
        let target = target(&batch.labels, net.graph().classes());
        let (_, outcome) = net.loss(&tape, target.into())?;
        Ok(vec![outcome.read()?.loss as f32])
    })
}

/// How each weight moves by a step without momentum: its gradient.
fn gradients(of: Subject) -> Case {
    Case::of_parts(of.name("gradients"), Kind::Gradients, move |place| {
        let net = of.network(place)?;
        let before = net.tensors()?;
        train(&net, &of.batch(place)?, (&Masks::default(), 1, 1.0))?;
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
fn masked(of: Subject) -> Case {
    Case::of_parts(of.name("masked training"), Kind::Gradients, move |place| {
        let net = of.network(place)?;
        let mut masks = Masks::default();
        for param in net.graph().prunable() {
            masks.insert(&param.name, Mask::new((0..param.count()).map(|i| i % 4 == 0).collect()));
        }
        let mut tensors = net.tensors()?;
        masks.apply(&mut tensors);
        let net = Net::load(net.graph().clone(), &tensors, &place.device)?;
        train(&net, &of.batch(place)?, (&masks, 3, 0.01))?;
        let after = net.tensors()?;
        Ok([parts(&after), vec![vec![masks.revived(&after) as f32]]].concat())
    })
}

/// The gradients of a network of which most is pruned, pruned weights included.
fn gradients_of_pruned(of: Subject) -> Case {
    Case::of_parts(of.name("gradients under masks"), Kind::Gradients, move |place| {
        let (net, batch) = (pruned(&of.network(place)?, place)?, of.batch(place)?);
        gradients_of(&net, &batch)
    })
}

/// The network of `net` under masks that keep a twentieth, skipped where that is faster.
fn pruned(net: &Net, place: &Place) -> Result<Net> {
    let mut masks = Masks::default();
    for param in net.graph().prunable() {
        masks.insert(&param.name, Mask::new((0..param.count()).map(|i| i % 20 == 0).collect()));
    }
    let mut tensors = net.tensors()?;
    masks.apply(&mut tensors);
    let mut net = Net::load(net.graph().clone(), &tensors, &place.device)?;
    net.set_masks(&masks);
    Ok(net)
}

/// The gradient of each prunable weight, pruned ones included.
fn gradients_of(net: &Net, batch: &Batch) -> Result<Vec<Vec<f32>>> {
    // Sparse kernels read their weights from lists that a forward walk fills.
    let tape = net.forward(batch, Mode::Train(Some(Noise { seed: 1, step: 0 })))?;
    let (grad, _) = net.loss(&tape, target(&batch.labels, net.graph().classes()).into())?;
    let grads = net.backward_dense(&tape, &grad)?;
    let prunable = net.graph().params().iter().zip(&grads).enumerate();
    let own = prunable.filter(|(_, (param, _))| net.graph().prunable().any(|p| p == *param));
    own.map(|(i, (_, grad))| net.gradient_values(i, grad.as_ref().expect("trained"))).collect()
}

/// So many steps under `masks` at a learning rate.
fn train(net: &Net, batch: &Batch, (masks, steps, lr): (&Masks, u64, f32)) -> Result<()> {
    let mut optimiser = Optimiser::new(net, masks, OptimiserKind::Sgd)?;
    let sgd = Sgd { lr, momentum: 0.9, weight_decay: 5e-4, nesterov: false };
    for step in 0..steps {
        let tape = net.forward(batch, Mode::Train(Some(Noise { seed: 1, step })))?;
        let (grad, _) = net.loss(&tape, target(&batch.labels, net.graph().classes()).into())?;
        let grads = net.backward(&tape, &grad)?;
        optimiser.step(net, &grads, (Clip::default(), Step::Sgd(sgd)))?;
        net.recycle(tape)?;
        net.recycle_gradients(grads);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    /// Whatever is skipped, the gradients of pruned weights are those of a network that skips nothing.
    #[test]
    fn pruned_weights_have_their_gradients() {
        let place = Place::new(&Device::Cpu, crate::Precision::F32);
        let of = Subject { spec: "vgg-lab@0.25", images: Shape::new(3, 32, 32) };
        let sparse = pruned(&of.network(&place).expect("in the zoo"), &place).expect("loads");
        let tensors = sparse.tensors().expect("reads");
        let dense = Net::load(sparse.graph().clone(), &tensors, &place.device).expect("loads");
        let batch = of.batch(&place).expect("images");
        let [found, expected] =
            [&sparse, &dense].map(|net| gradients_of(net, &batch).expect("runs"));
        for (found, expected) in found.iter().zip(&expected) {
            // Of pruned weights alone; where an activation is near zero, rounding decides on which side.
            let pruned = || found.iter().zip(expected).enumerate().filter(|(i, _)| i % 20 != 0);
            let norm = pruned().map(|(_, (_, b))| b * b).sum::<f32>().sqrt();
            let off = pruned().map(|(_, (a, b))| (a - b).powi(2)).sum::<f32>().sqrt();
            assert!(norm > 0.0 && off < 0.05 * norm, "{off} of {norm}");
        }
        // Some layer skips: this would be the same otherwise.
        assert!((0..sparse.graph().nodes().len()).any(|node| sparse.sparse(node).is_some()));
    }
}
