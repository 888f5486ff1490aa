//! Accuracy on a part of a dataset.

use std::thread;

use anyhow::{Context as _, Result};
use artifact::Error;
use artifact::record::{Score, Scores};
use cifar::{Dataset, Normalise, Part};
use kernels::loss::{Outcome, Target, cross_entropy};
use kernels::{LANES, Lanes, pack};
use stage::interrupt;

#[cfg(feature = "cuda")]
use crate::Batch;
use crate::loader::{self, Fresh, Source};
use crate::{Net, Scorer};

/// Pixels and images of one forward pass of an evaluation, at most and at least: logits do not
/// depend on the batch that an image is in, memory does.
const BATCH: usize = 128;
const PIXELS: usize = BATCH * 32 * 32;
const LEAST: usize = 32;
/// How many times as many a GPU takes.
const ON_GPU: usize = 8;

/// The score of `net` on every image of `part`.
///
/// # Errors
/// `Interrupted` where a stop was asked for, `Integrity` where a logit is not finite: an accuracy of
/// such answers would mean nothing.
pub fn evaluate(net: &Net, part: &Part, normalise: &Normalise) -> Result<Score> {
    evaluate_as(Views::Plain, net, part, normalise)
}

/// Which views of an image are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// It alone.
    Plain,
    /// It and its mirror image; the mean of their logits counts.
    Mirrored,
}

/// As [`evaluate`], by these `views` of each image.
pub fn evaluate_as(views: Views, net: &Net, part: &Part, normalise: &Normalise) -> Result<Score> {
    let scored = score(&Answers { net, scorer: net.scorer()?, views }, part, normalise)?;
    scored.not_finite.map_or(Ok(scored.score), |i| Err(not_finite(i)))
}

/// A score, and whether it means anything.
pub(crate) struct Scored {
    pub score: Score,
    /// The first image with a logit that is not finite, counted from 0.
    pub not_finite: Option<usize>,
}

fn not_finite(image: usize) -> anyhow::Error {
    let what = "its logits are not finite: the weights are too large for f32, or damaged";
    Error::Integrity(format!("image {image} (counted from 0): {what}")).into()
}

/// A network that answers, by some views of each image.
pub(crate) struct Answers<'a> {
    pub net: &'a Net,
    pub scorer: Scorer<'a>,
    pub views: Views,
}

/// As [`evaluate_as`].
pub(crate) fn score(answers: &Answers, part: &Part, normalise: &Normalise) -> Result<Scored> {
    let (mut sum, classes) = (Outcome::default(), answers.net.graph().classes());
    let not_finite = walk(answers, part, normalise, |labels, logits| {
        let (target, lanes) = (Target { labels, classes, smoothing: 0.0 }, Lanes::of(labels.len()));
        let mut blocks = vec![0.0; lanes.blocks() * LANES * classes];
        pack::to_blocks(logits, classes, lanes, &mut blocks);
        sum.add(cross_entropy(target, &blocks, None));
    })?;
    let images = part.len();
    let over = images.max(1) as f64;
    let accuracy = sum.correct as f64 / over;
    let score = Score { loss: sum.loss / over, accuracy, correct: sum.correct, images };
    Ok(Scored { score, not_finite })
}

/// The logits of every image of `part`, images x classes.
///
/// # Errors
/// As [`evaluate`].
pub fn predict(net: &Net, part: &Part, normalise: &Normalise) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    let answers = Answers { net, scorer: net.scorer()?, views: Views::Plain };
    let keep = |_: &[_], logits: &[f32]| all.extend(logits);
    let bad = walk(&answers, part, normalise, keep)?;
    bad.map_or(Ok(all), |i| Err(not_finite(i)))
}

/// Shows `each` the labels and the logits, images x classes, of batch after batch; gives the first
/// image with a logit that is not finite.
fn walk(
    answers: &Answers,
    part: &Part,
    normalise: &Normalise,
    mut each: impl FnMut(&[u16], &[f32]),
) -> Result<Option<usize>> {
    let net = answers.net;
    let (classes, mut seen, mut bad) = (net.graph().classes(), 0, None);
    let all: Vec<usize> = (0..part.len()).collect();
    thread::scope(|scope| {
        let source = Source::new(net, part, normalise);
        let pixels = net.graph().images().pixels();
        let batch = if net.device().is_cpu() {
            (PIXELS / pixels).clamp(LEAST, BATCH)
        } else {
            (ON_GPU * PIXELS / pixels).clamp(LEAST, ON_GPU * BATCH)
        };
        for loaded in loader::load(scope, source, &all.chunks(batch))? {
            if interrupt::asked() {
                let what = "interrupted while scoring; run the same command again to go on";
                return Err(Error::Interrupted(what.into()).into());
            }
            let loaded = loaded?;
            let labels = loaded.labels().to_vec();
            let logits = answers.logits(&source, loaded)?;
            let first = logits.iter().position(|v| !v.is_finite());
            bad = bad.or(first.map(|at| seen + at / classes));
            seen += labels.len();
            each(&labels, &logits);
        }
        Ok(bad)
    })
}

impl Answers<'_> {
    /// The logits of each image of a batch of `source`.
    fn logits(&self, source: &Source, loaded: Fresh) -> Result<Vec<f32>> {
        let mirrored = (self.views == Views::Mirrored).then(|| loaded.mirrored());
        let mut logits = self.rows(source, loaded)?;
        if let Some(mirrored) = mirrored {
            let other = self.rows(source, mirrored)?;
            logits.iter_mut().zip(other).for_each(|(a, b)| *a = f32::midpoint(*a, b));
        }
        Ok(logits)
    }

    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "of images on a GPU"))]
    fn rows(&self, source: &Source, fresh: Fresh) -> Result<Vec<f32>> {
        match fresh {
            Fresh::Images(batch) => self.scorer.rows(batch),
            #[cfg(feature = "cuda")]
            shown @ Fresh::Shown(..) => {
                self.scorer.walk(&Batch::fresh(self.net, source, shown, None)?)
            }
        }
    }
}

/// The scores of `net` on the validation and the test images.
pub fn scores(net: &Net, data: &Dataset) -> Result<Scores> {
    scores_as(Views::Plain, net, data)
}

/// As [`scores`], by these `views` of each image.
pub fn scores_as(views: Views, net: &Net, data: &Dataset) -> Result<Scores> {
    let normalise = Normalise::from(&data.info);
    Ok(Scores {
        validation: evaluate_as(views, net, &data.validation, &normalise)
            .context("validation images")?,
        test: evaluate_as(views, net, &data.test, &normalise).context("test images")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use cifar::{ImageShape, Size, View};
    use graph::Graph;

    #[test]
    fn logits_that_are_not_finite_are_an_error_and_no_accuracy() {
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let net = Net::initial(graph, 1, &Device::Cpu).expect("fits");
        let image = |i: usize| (0..3 * 32 * 32).map(move |p| (p * (i + 3)) as u8);
        let images = cifar::Images {
            pixels: (0..3).flat_map(image).collect::<Vec<u8>>().into(),
            labels: vec![0; 3],
        };
        let part = Part::whole(images, ImageShape::square(32));
        let normalise = Normalise::new(&[0.5; 3], &[0.25; 3]);
        assert_eq!(evaluate(&net, &part, &normalise).expect("finite").images, 3);
        let mut tensors = net.tensors().expect("reads");
        for (name, value) in [("backbone.bn7.bias", 1e30), ("classifier.weight", 1e30)] {
            let tensor = tensors.get_mut(name).expect("in the table");
            let shape = tensor.shape.clone();
            let values = vec![value; shape.iter().product()];
            *tensor = artifact::tensors::Tensor::f32(&shape, values);
        }
        let net = Net::load(net.graph().clone(), &tensors, &Device::Cpu).expect("fits");
        let error = evaluate(&net, &part, &normalise).expect_err("sums overflow");
        assert!(error.to_string().starts_with("image 0 (counted from 0): its logits"), "{error}");
        assert!(predict(&net, &part, &normalise).is_err());
    }

    #[test]
    fn both_views_count_alike() {
        let graph = graph::Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let net = Net::initial(graph, 1, &Device::Cpu).expect("fits");
        let mut random = seed::stream(1, "test/views", 0);
        let pixels: Vec<u8> = (0..3 * 3 * 32 * 32).map(|_| random.below(256) as u8).collect();
        let images = cifar::Images { pixels: pixels.into(), labels: vec![0; 3] };
        let part = Part::whole(images, ImageShape::square(32));
        let normalise = Normalise::new(&[0.5; 3], &[0.25; 3]);
        let source = Source::new(&net, &part, &normalise);
        let of = |mirror: bool, views| {
            let view = View { normalise: &normalise, size: Size::square(32), augmented: None };
            let batch = cifar::batch(&part, &[0, 1, 2], &view).expect("in memory");
            let batch = if mirror { batch.mirrored() } else { batch };
            let answers = Answers { net: &net, scorer: net.scorer().expect("fits"), views };
            answers.logits(&source, Fresh::Images(batch)).expect("runs")
        };
        let (own, other) = (of(false, Views::Plain), of(true, Views::Plain));
        assert_ne!(own, other);
        let mean: Vec<f32> = own.iter().zip(&other).map(|(a, b)| (a + b) / 2.0).collect();
        assert_eq!(of(true, Views::Mirrored), mean);
        assert_eq!(of(false, Views::Mirrored), mean);
    }
}
