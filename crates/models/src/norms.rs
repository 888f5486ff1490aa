//! Inserts batch norms into a network whose own were folded away, without changing its outputs.

use std::path::Path;

use anyhow::Result;
use artifact::Error;
use artifact::tensors::{Tensor, Tensors};
use cifar::Dataset;
use engine::{Calibration, Net, device};
use graph::{Graph, Normed, Op};

use crate::foreign::Found;

/// Training images that statistics are measured on, where there are as many.
const IMAGES: usize = 512;

/// `found` with a batch norm inserted after every convolution without one. The norm's statistics are those of
/// the convolution's outputs on training images of the dataset at `data`, drawn by `seed`; its weight and
/// bias undo the normalisation, so that the network's outputs do not change and training goes on as if the
/// norms had never been folded.
///
/// # Errors
/// As [`Dataset::open`]; `Config` where the images have another number of channels or every convolution has a
/// norm already, `Integrity` where a statistic is not finite.
pub fn insert(found: Found, data: &Path, seed: u64) -> Result<Found> {
    let dataset = Dataset::open(data)?;
    engine::check_channels(&found.graph, dataset.info.shape, data)?;
    let (dataset, whose) = match &found.normalisation {
        Some(own) => (dataset.normalised_by(own), "the network's mean and std"),
        None => (dataset, "the dataset's mean and std, since the network states none"),
    };
    let normed = found.graph.normed()?;
    if normed.norms.is_empty() {
        let what = "--insert-norms: has no effect; every convolution has a batch norm already";
        return Err(Error::Config(what.into()).into());
    }
    let tensors = calibrated(&normed, found.tensors, &dataset, seed)?;
    sparsity::check_sound(&normed.graph, &tensors, data)?;
    let mut notes = found.notes;
    notes.push(format!(
        "batch norms inserted after convolutions: {}, calibrated on {} images, normalised with {whose}",
        normed.norms.len(),
        dataset.train.len().min(IMAGES)
    ));
    Ok(Found { graph: normed.graph, tensors, notes, ..found })
}

/// The tensors of the network `normed`, of which `tensors` are those that it had without its norms.
fn calibrated(normed: &Normed, mut tensors: Tensors, data: &Dataset, seed: u64) -> Result<Tensors> {
    let Normed { graph, norms } = normed;
    tensors.extend(norms.iter().flat_map(|norm| identity(graph, *norm)));
    let net = Net::load(graph.clone(), &tensors, &device::cpu()?)?;
    Calibration { norms, images: IMAGES, seed }.apply(&net, data)?;
    let measured = net.tensors()?;
    tensors.extend(norms.iter().flat_map(|norm| undoing(graph, *norm, &measured)));
    Ok(tensors)
}

/// Tensors of the batch norm `node` with which it does nothing.
fn identity(graph: &Graph, node: usize) -> Tensors {
    let channels = graph.nodes()[node].shape.c;
    of_norm(graph, node, &vec![0.0; channels], &vec![1.0 - eps(graph, node); channels])
}

/// Tensors of the batch norm `node` with the statistics of `measured`, with which it does nothing in
/// inference.
fn undoing(graph: &Graph, node: usize, measured: &Tensors) -> Tensors {
    let of = |suffix: &str| {
        let tensor = measured.get(&format!("{}.{suffix}", graph.nodes()[node].name));
        tensor.and_then(Tensor::as_f32).expect("every batch norm has statistics")
    };
    of_norm(graph, node, of("running_mean"), of("running_var"))
}

/// Tensors of the batch norm `node` with this mean and variance, which scales and shifts back what it has
/// normalised.
fn of_norm(graph: &Graph, node: usize, mean: &[f32], variance: &[f32]) -> Tensors {
    let name = &graph.nodes()[node].name;
    let deviation = variance.iter().map(|v| (v + eps(graph, node)).sqrt()).collect();
    let all = [
        ("weight", deviation),
        ("bias", mean.to_vec()),
        ("running_mean", mean.to_vec()),
        ("running_var", variance.to_vec()),
    ];
    let of = |(suffix, values): (&str, Vec<f32>)| {
        (format!("{name}.{suffix}"), Tensor::f32(&[values.len()], values))
    };
    all.into_iter().map(of).collect()
}

fn eps(graph: &Graph, node: usize) -> f32 {
    let Op::BatchNorm(norm) = graph.nodes()[node].op else {
        unreachable!("a batch norm was put in")
    };
    norm.eps
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::record::{self, ImageShape, Parts};
    use cifar::{Images, Normalise, Part, View};
    use engine::Recalibration;
    use inference::{Checked, Network, Plan, Threads, Unknown, Use};

    /// The second channel of `a` is always -0.25.
    const TEXT: &str = "secateur-graph 1\nimage = input channels=3 height=8 width=8\n\
        a = conv(image) outputs=4 kernel=3 padding=1\nr = relu(a)\n\
        b = conv(r) outputs=6 kernel=3 stride=2 bias=false\nb_norm = batch-norm(b)\n\
        c = conv(b_norm) outputs=5 kernel=3\nm = adaptive-average(c)\nl = linear(m) outputs=3\n";
    const COUNT: usize = 96;

    fn values(graph: &Graph) -> Tensors {
        let drawn = graph.params().iter().zip(graph::initial(graph, 3));
        let mut all: Tensors =
            drawn.map(|(p, v)| (p.name.clone(), Tensor::f32(&p.shape, v))).collect();
        let mut of = |name: &str, change: fn(&mut [f32])| {
            let tensor = all.get_mut(name).expect("in the table");
            let mut values = tensor.as_f32().expect("floats").to_vec();
            change(&mut values);
            *tensor = Tensor::f32(&tensor.shape.clone(), values);
        };
        of("a.weight", |w| w[27..54].fill(0.0));
        of("a.bias", |b| b[1] = -0.25);
        of("b_norm.running_mean", |m| m.fill(0.125));
        of("b_norm.running_var", |v| v.fill(0.5));
        all
    }

    fn images() -> Dataset {
        let shape = ImageShape::square(8);
        let byte = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8;
        let pixels: Vec<u8> = (0..COUNT * shape.values()).map(byte).collect();
        let part = Part::whole(Images { pixels: pixels.into(), labels: vec![0; COUNT] }, shape);
        let info = record::Dataset {
            source: "test".into(),
            classes: vec!["a".into()],
            shape,
            counts: vec![],
            images: Parts { train: COUNT, validation: 0, test: 0 },
            validation: 0.0,
            split_seed: 1,
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
            passed_over: vec![],
        };
        Dataset { info, train: part.clone(), validation: part.clone(), test: part }
    }

    fn logits(graph: &Graph, tensors: &Tensors) -> Vec<f32> {
        let images: Vec<f32> = (0..16 * 192).map(|i| (i * 7 % 31) as f32 / 15.0 - 1.0).collect();
        answers(graph, tensors, &images)
    }

    fn answers(graph: &Graph, tensors: &Tensors, images: &[f32]) -> Vec<f32> {
        let network = Network::new(graph, &Checked { graph, tensors });
        let how = Use { batch: 1, skip: false, unknown: Unknown::Guess, threads: Threads::Any };
        Plan::new(&network, how).logits(images)
    }

    fn close(found: &[f32], expected: &[f32], allowed: f32) {
        let most = expected.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= allowed * most, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn the_network_computes_what_it_did_and_training_finds_its_statistics() {
        let graph = Graph::parse(TEXT, "test", "test").expect("a graph");
        let (tensors, data) = (values(&graph), images());
        let normed = graph.normed().expect("fits");
        let found = calibrated(&normed, tensors.clone(), &data, 1).expect("runs");
        close(&logits(&normed.graph, &found), &logits(&graph, &tensors), 1e-5);
        let of = |name: &str| found[name].as_f32().expect("floats").to_vec();
        // What always is the same has no variance, and stays what it is.
        assert_eq!((of("a_norm.running_var")[1], of("a_norm.running_mean")[1]), (0.0, -0.25));
        assert!(
            found.values().all(|t| t.as_f32().is_some_and(|v| v.iter().all(|v| v.is_finite())))
        );
        // A norm that was there is as it was.
        for name in ["running_mean", "running_var", "weight", "bias"].map(|s| format!("b_norm.{s}"))
        {
            assert_eq!(found[&name], tensors[&name], "{name}");
        }
        // Behind the norm that was there, which worked by its own statistics meanwhile: the mean of `c` as the
        // network computes it.
        let until = TEXT.split("l = linear").next().expect("lines before");
        let head = Graph::parse(until, "test", "test").expect("a graph");
        let own = tensors.iter().filter(|(name, _)| head.param(name).is_some());
        let own: Tensors = own.map(|(n, t)| (n.clone(), t.clone())).collect();
        let normalise = &Normalise::from(&data.info);
        let view = View { normalise, size: cifar::Size::square(8), augmented: None };
        let all: Vec<usize> = (0..COUNT).collect();
        let shown = cifar::batch(&data.train, &all, &view).expect("reads").images;
        let means = answers(&head, &own, &shown);
        let channels = head.classes();
        let mean = |c: usize| {
            means.iter().skip(c).step_by(channels).sum::<f32>() / (means.len() / channels) as f32
        };
        close(&of("c_norm.running_mean"), &(0..channels).map(mean).collect::<Vec<_>>(), 1e-4);
        // Measured in training's mode, by batches of another size: as far as they are not behind the norm that
        // was there, statistics are those that were found.
        let net = Net::load(normed.graph, &found, &device::cpu().expect("there")).expect("fits");
        let augment = &engine::AugmentFlags {
            crop_padding: 0,
            no_flip: true,
            cutout: 0,
            random_erasing: 0.0,
        };
        let again = Recalibration { images: COUNT, augment, seed: 2 };
        again.apply(&net, &data).expect("runs");
        let moved = net.tensors().expect("reads");
        for name in ["a_norm.running_mean", "a_norm.running_var"] {
            close(moved[name].as_f32().expect("floats"), &of(name), 0.01);
        }
    }
}
