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

/// The least and the largest value of a layer.
#[derive(Debug, Clone, Copy)]
struct Extent {
    low: f32,
    high: f32,
}

impl Extent {
    const NONE: Self = Self { low: 0.0, high: 0.0 };

    fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// Runs `network` on `batches`, each some normalised images `(n, channels, height, width)`, twice: for the
/// extent of each layer's values, and for how often values of each size occur.
///
/// # Errors
/// In words: there are no images, or a layer gives a value that is not finite.
pub fn calibrate<'a>(
    network: &Network,
    batches: impl Iterator<Item = &'a [f32]> + Clone,
    rule: Rule,
) -> Result<Calibration, String> {
    let layers = &network.layers;
    let ties = ties(network);
    let largest = batches.clone().map(<[f32]>::len).max().unwrap_or(0);
    if largest == 0 {
        return Err("there are no images to calibrate with".into());
    }
    let plan = Plan::fixed(network, (0, largest / layers[0].shape.count()), false);
    let mut extents = vec![Extent::NONE; layers.len()];
    let mut odd = None;
    for images in batches.clone() {
        plan.shown(images, |shown| {
            for value in shown.values() {
                if !value.is_finite() && odd.is_none() {
                    odd = Some((shown.layer, value));
                }
                let tied = &mut extents[ties[shown.layer]];
                *tied = tied.with(Extent { low: value, high: value });
            }
        });
    }
    if let Some((layer, value)) = odd {
        let name = &layers[layer].name;
        return Err(format!(
            "layer {name} gives {value} on a calibration image, a value that is not finite"
        ));
    }
    let mut histograms: Vec<Histogram> =
        extents.iter().map(|e| Histogram::new(e.low, e.high)).collect();
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
    Ok(Calibration { ranges: ties.iter().map(|first| ranges[*first]).collect(), means })
}

/// Adds the values of each channel to `sums`.
fn sum(shown: &Shown, sums: &mut [f64]) {
    for (channel, sum) in sums.iter_mut().enumerate() {
        *sum += shown.channel(channel).map(f64::from).sum::<f64>();
    }
}
