//! The values of a network's layers on some images.

use inference::{Network, Plan, Shown};

use crate::histogram::Histogram;
use crate::range::{Range, Rule};
use crate::ties::ties;

/// What was found of each layer of a network, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The range of its output.
    pub ranges: Vec<Range>,
    /// The mean of each channel of its output.
    pub means: Vec<Vec<f64>>,
}

/// The least and the largest value of a channel, 0 among them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extent {
    /// At most 0.
    pub low: f32,
    /// At least 0.
    pub high: f32,
}

impl Extent {
    /// Of no values but 0.
    pub const NONE: Self = Self { low: 0.0, high: 0.0 };

    /// Of both.
    pub fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Of values multiplied by `factor`, which is positive.
    pub fn times(self, factor: f32) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }
}

/// The extent of each channel's values on some images.
#[derive(Debug, Clone, PartialEq)]
pub struct Extents {
    /// By layer and channel.
    pub(crate) of: Vec<Vec<Extent>>,
}

/// A plan that shows each layer of `network`, for the largest of `batches`; `None` where there are no images.
fn plan<'a>(network: &Network, batches: impl Iterator<Item = &'a [f32]>) -> Option<Plan> {
    let largest = batches.map(<[f32]>::len).max().unwrap_or(0);
    let images = largest / network.layers[0].shape.count();
    (images > 0).then(|| Plan::fixed(network, (0, images), false))
}

/// Runs `network` on `batches`, each some normalised images `(n, channels, height, width)`, for the extent of
/// each channel's values.
///
/// # Errors
/// In words: there are no images, or a layer gives a value that is not finite.
pub fn extents<'a>(
    network: &Network,
    batches: impl Iterator<Item = &'a [f32]> + Clone,
) -> Result<Extents, String> {
    let layers = &network.layers;
    let Some(plan) = plan(network, batches.clone()) else {
        return Err("there are no images to calibrate with".into());
    };
    let mut of: Vec<_> = layers.iter().map(|l| vec![Extent::NONE; l.shape.c]).collect();
    let mut odd = None;
    for images in batches {
        plan.shown(images, |shown| {
            for (channel, extent) in of[shown.layer].iter_mut().enumerate() {
                for value in shown.channel(channel) {
                    if !value.is_finite() && odd.is_none() {
                        odd = Some((shown.layer, value));
                    }
                    *extent = extent.with(Extent { low: value.min(0.0), high: value.max(0.0) });
                }
            }
        });
    }
    if let Some((layer, value)) = odd {
        let name = &layers[layer].name;
        return Err(format!(
            "layer {name} gives {value} on a calibration image, a value that is not finite"
        ));
    }
    Ok(Extents { of })
}

/// Runs `network` on the `batches` that `extents` are of: how often values of each size occur says which range of
/// them the integers should stand for.
///
/// # Panics
/// If there are no images, or the extents are those of another network.
pub fn calibrate<'a>(
    network: &Network,
    extents: &Extents,
    batches: impl Iterator<Item = &'a [f32]> + Clone,
    rule: Rule,
) -> Calibration {
    let layers = &network.layers;
    assert_eq!(extents.of.len(), layers.len(), "extents of this network");
    let ties = ties(network);
    let plan = plan(network, batches.clone()).expect("images that extents are of");
    let mut tied = vec![Extent::NONE; layers.len()];
    for (first, channels) in ties.iter().zip(&extents.of) {
        tied[*first] = channels.iter().fold(tied[*first], |all, own| all.with(*own));
    }
    let mut histograms: Vec<Histogram> =
        tied.iter().map(|e| Histogram::new(e.low, e.high)).collect();
    let mut means: Vec<Vec<f64>> = layers.iter().map(|l| vec![0.0; l.shape.c]).collect();
    let mut images = 0;
    for batch in batches {
        images += batch.len() / layers[0].shape.count();
        plan.shown(batch, |shown| {
            histograms[ties[shown.layer]].add(shown.values());
            sum(&shown, &mut means[shown.layer]);
        });
    }
    for (means, layer) in means.iter_mut().zip(layers) {
        let count = (images * layer.shape.pixels()) as f64;
        for mean in means {
            *mean /= count;
        }
    }
    let ranges: Vec<Range> = histograms.iter().map(|h| Range::new(h, rule)).collect();
    Calibration { ranges: ties.iter().map(|first| ranges[*first]).collect(), means }
}

/// Adds the values of each channel to `sums`.
fn sum(shown: &Shown, sums: &mut [f64]) {
    for (channel, sum) in sums.iter_mut().enumerate() {
        *sum += shown.channel(channel).map(f64::from).sum::<f64>();
    }
}
