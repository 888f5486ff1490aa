//! How many weights of each layer go: all are ranked together, or each layer has its share.
//!
//! Each allocation is a file. Each says what it chose of each layer, and by which numbers.

mod budget;
mod erk;
mod global;
mod lamp;
mod uniform;

use artifact::{Named, Result};

pub use lamp::lamp;

use crate::select::Candidates;
use crate::{Mask, Score, Structure, schedule, weights};

/// How layers share what is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// The weights of all layers are ranked together.
    Global,
    /// Each layer loses the same share.
    Uniform,
    /// All are ranked together by [`lamp()`] scores.
    Lamp,
    /// Layers with fewer weights between their channels keep more of them: Erdős–Rényi-Kernel densities.
    Erk,
}

impl Named for Allocation {
    const WHAT: &'static str = "allocation";
    const ALL: &'static [Self] = &[Self::Global, Self::Uniform, Self::Lamp, Self::Erk];

    fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Uniform => "uniform",
            Self::Lamp => "lamp",
            Self::Erk => "erk",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Global => "The smallest scores of all layers together",
            Self::Uniform => "The same share of each layer",
            Self::Lamp => {
                "The smallest LAMP scores of all layers together: a weight's square over the sum of squares of the weights of \
                 its layer that are no smaller (Lee et al. 2021)"
            }
            Self::Erk => {
                "Erdős-Rényi-Kernel densities: the more weights a layer has, the sparser it becomes (Evci et al. 2020)"
            }
        }
    }
}

/// A layer that may be pruned.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Its units, with their scores.
    pub candidates: Candidates<'a>,
    /// The shape of its weight, `outputs x inputs/groups x kernel`.
    pub shape: &'a [usize],
}

impl Layer<'_> {
    fn pruned(&self) -> u64 {
        self.candidates.pruned()
    }

    fn total(&self) -> u64 {
        self.candidates.scores.len() as u64
    }
}

/// A sparsity and how to get there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Share of the units that is pruned at the end.
    pub sparsity: f64,
    /// Share of what remains that this round prunes; all at once without.
    pub rate: Option<f64>,
}

impl Target {
    /// How many of `total` units are to be pruned now, where `pruned` are.
    pub fn of(&self, pruned: u64, total: u64) -> u64 {
        match self.rate {
            None => weights(self.sparsity, total),
            Some(rate) => schedule::next_target(pruned, total, rate, self.sparsity),
        }
    }

    /// The round of a schedule that starts where `pruned` of `total` units are pruned; `None` without one.
    pub fn round(&self, pruned: u64, total: u64) -> Option<usize> {
        self.rate.map(|rate| schedule::round(pruned, total, rate, self.sparsity))
    }
}

/// What is to be pruned.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// Units of all layers together that are pruned afterwards; [`Allocation::Uniform`] takes `target` instead.
    pub pruned: u64,
    /// How sparse each layer becomes where it is taken by itself.
    pub target: Target,
    /// What the scores are.
    pub score: Score,
    /// What the units are.
    pub structure: Structure,
    /// Whether there are other layers, which stay as they are.
    pub excludes: bool,
}

/// What was chosen of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Its units that are kept.
    pub mask: Mask,
    /// Why, in words and numbers.
    pub reason: String,
}

impl Allocation {
    /// Prunes `layers` to `goal`. What is pruned already stays so.
    ///
    /// # Errors
    /// [`artifact::Error::Config`] where a score is NaN, or what is pruned already or floors make the goal impossible.
    pub fn choose(self, layers: &[Layer], goal: &Goal) -> Result<Vec<Chosen>> {
        match self {
            Self::Global => global::choose(layers, goal),
            Self::Uniform => uniform::choose(layers, goal),
            Self::Lamp => lamp::choose(layers, goal),
            Self::Erk => erk::choose(layers, goal),
        }
    }
}

/// The pruned share of `masks`, of which `total` are all.
fn share<'a>(masks: impl Iterator<Item = &'a Mask>) -> f64 {
    let (pruned, total) =
        masks.fold((0, 0), |sum, mask| (sum.0 + mask.pruned(), sum.1 + mask.len() as u64));
    pruned as f64 / total.max(1) as f64
}

/// What is said of a layer whose floor held.
fn floor(layer: &Layer, mask: &Mask) -> &'static str {
    let held = layer.candidates.most < layer.total() && mask.pruned() >= layer.candidates.most;
    if held { ", held by its floor" } else { "" }
}

/// `93.1 %`, and `90 %` where the decimal is 0.
fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
