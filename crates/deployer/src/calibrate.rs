//! What the integers of a network's activations stand for, found on training images.

use artifact::{Error, Result};
use cifar::{Normalise, Part};
use clap::{Args, ValueEnum};
use inference::{Checked, Kind, Network};
use packed::{Contents, Integers, Range};
use quantise::{Rule, batches, calibrate, equalise, extents, without_shift};
use serde::Serialize;

/// How activations are computed.
#[derive(Debug, Clone, Copy, Args, Serialize)]
pub struct Flags {
    /// What activations are when the file is run
    #[arg(long, value_enum, default_value_t = Activations::F32)]
    pub activations: Activations,
    /// Training images that ranges of activations are found on, spread over all
    #[arg(long, value_name = "N", default_value_t = 512,
          value_parser = clap::value_parser!(u32).range(1..))]
    calibration_images: u32,
    /// Which range of values the integers stand for
    #[arg(long, value_enum, default_value_t = Ranges::SquaredError)]
    ranges: Ranges,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activations {
    /// 32 bit floats
    F32,
    /// 8 bit integers with a scale a layer, of int8 values and folded norms
    Int8,
}

impl Activations {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Ranges {
    /// The one with the least squared error
    SquaredError,
    /// All but one value in ten thousand
    Percentile,
}

/// The share of values that [`Ranges::Percentile`] leaves out.
const OUTSIDE: f64 = 1e-4;

impl Ranges {
    fn rule(self) -> Rule {
        match self {
            Self::SquaredError => Rule::SquaredError,
            Self::Percentile => Rule::Percentile { outside: OUTSIDE },
        }
    }

    fn words(self) -> String {
        match self {
            Self::SquaredError => "squared-error".into(),
            Self::Percentile => format!("percentile, {OUTSIDE} outside"),
        }
    }
}

impl Flags {
    /// Whether activations are f32; the other flags then have no effect.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub fn is_floats(&self) -> bool {
        self.activations == Activations::F32
    }

    /// What the integers of `contents` stand for, as the images of `part` have it.
    ///
    /// # Errors
    /// [`Error::Config`] where there are no images, or a layer gives values that are not finite; what reading
    /// images does.
    pub fn integers(self, contents: &Contents, part: &Part) -> Result<Integers> {
        let graph = &contents.graph;
        let mut network = Network::new(graph, &Checked { graph, tensors: &contents.tensors });
        let normalise = Normalise::new(&contents.info.mean, &contents.info.std);
        let batches = batches(part, &normalise, graph.images(), self.calibration_images as usize)?;
        let count = part.len().min(self.calibration_images as usize);
        let shown = batches.iter().map(Vec::as_slice);
        let mut extents = extents(&network, shown.clone()).map_err(Error::Config)?;
        let equalised = equalise(&mut network, &mut extents);
        let found = calibrate(&network, &extents, shown, self.ranges.rule());
        let corrected = without_shift(network, &found.means);
        let layers = || corrected.layers.iter();
        let range = |range: &quantise::Range| Range {
            scale: range.rounding.scale,
            zero: range.rounding.zero,
            saturated: range.saturated,
            error: range.error,
        };
        let ranges = layers().zip(&found.ranges).map(|(l, r)| (l.name.clone(), range(r))).collect();
        let biases = layers().filter_map(|layer| match &layer.kind {
            Kind::Conv(conv) if packed::has_weight(graph, &layer.name) => {
                Some((layer.name.clone(), conv.bias.clone()))
            }
            _ => None,
        });
        let name = |layer: usize| corrected.layers[layer].name.clone();
        let equalised = equalised.into_iter().map(|own| {
            let reader = name(own.reader);
            (name(own.layer), packed::Equalised { reader, exponents: own.exponents })
        });
        let equalised = equalised.collect();
        let calibration = packed::Calibration { images: count, rule: self.ranges.words() };
        Ok(Integers { calibration, ranges, equalised, biases: biases.collect() })
    }
}
