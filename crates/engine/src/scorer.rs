//! A network made ready to answer: on the processor by the executor that packed files run on, on a GPU
//! by the forward walk of training with running statistics.

use anyhow::Result;
use artifact::tensors::Tensors;
use inference::{Checked, Network, Plan, Threads, Unknown, Use};

use crate::Net;
#[cfg(feature = "cuda")]
use crate::net::Stats;
#[cfg(feature = "cuda")]
use crate::{Batch, Mode};

/// Images that go through the plan together, and how many of more than so many pixels.
const BATCH: usize = 64;
const FEW: usize = 16;
const LARGE: usize = 64 * 64;

/// Images that a plan of `graph` takes together.
pub(crate) fn batch(graph: &graph::Graph) -> usize {
    if graph.images().pixels() > LARGE { FEW } else { BATCH }
}

/// A network that answers. It holds the values of the moment it was made; training further does not
/// change it.
pub struct Scorer<'a> {
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "a plan needs no network"))]
    net: &'a Net,
    how: How,
}

enum How {
    Plan(Box<Plan>),
    #[cfg(feature = "cuda")]
    Walk(Box<Walk>),
}

/// A forward walk with these running statistics.
#[cfg(feature = "cuda")]
struct Walk {
    stats: Stats,
    /// The network with other values than its own, where these are asked for.
    other: Option<Net>,
}

impl Net {
    /// Makes the network ready to answer. Norms are folded into weights and channels without use taken
    /// out, as [`inference::Model`] does; exact zeros are skipped where that was measured to be faster.
    pub fn scorer(&self) -> Result<Scorer<'_>> {
        #[cfg(feature = "cuda")]
        if !self.device().is_cpu() {
            return self.walker(None);
        }
        self.scorer_of(&self.tensors()?)
    }

    /// As [`Self::scorer`], of these values.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(clippy::unnecessary_wraps, reason = "copying values to a GPU can fail")
    )]
    pub(crate) fn scorer_of(&self, tensors: &Tensors) -> Result<Scorer<'_>> {
        #[cfg(feature = "cuda")]
        if !self.device().is_cpu() {
            let is_own = *tensors == self.tensors()?;
            return self.walker(Some(tensors).filter(|_| !is_own));
        }
        Ok(self.planned(tensors, batch(self.graph())))
    }

    /// As [`Self::scorer`], for batches of `images` images.
    pub(crate) fn scorer_for(&self, images: usize) -> Result<Scorer<'_>> {
        if self.device().is_cpu() {
            Ok(self.planned(&self.tensors()?, images))
        } else {
            self.scorer()
        }
    }

    /// Makes `tensors` ready for batches of `batch` images on the processor.
    fn planned(&self, tensors: &Tensors, batch: usize) -> Scorer<'_> {
        let values = Checked { graph: self.graph(), tensors };
        let (network, _) = Network::new(self.graph(), &values).without_dead_channels();
        let (unknown, threads) = (Unknown::Measure, Threads::Any);
        let plan = Plan::new(&network, Use { batch, skip: true, unknown, threads });
        Scorer { net: self, how: How::Plan(Box::new(plan)) }
    }

    /// The scorer of `other` values, or of its own, on a GPU. Its own are read where they lie: training on
    /// changes what it answers.
    #[cfg(feature = "cuda")]
    fn walker(&self, other: Option<&Tensors>) -> Result<Scorer<'_>> {
        let load = |tensors| Self::load(self.graph().clone(), tensors, self.device());
        let other = other.map(load).transpose()?;
        let stats = other.as_ref().unwrap_or(self).stats()?;
        Ok(Scorer { net: self, how: How::Walk(Box::new(Walk { stats, other })) })
    }
}

impl Scorer<'_> {
    /// The logits, images x classes, of the images of `batch`, which are normalised and lie one after
    /// the other.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(clippy::needless_pass_by_value, reason = "a batch for a GPU takes the labels over")
    )]
    pub fn rows(&self, batch: cifar::Batch) -> Result<Vec<f32>> {
        match &self.how {
            How::Plan(plan) => Ok(plan.logits(&batch.images)),
            #[cfg(feature = "cuda")]
            How::Walk(_) => self.walk(&Batch::new(batch, self.net.device())?),
        }
    }

    /// The logits, images x classes, of a batch that lies on the GPU.
    #[cfg(feature = "cuda")]
    pub(crate) fn walk(&self, batch: &Batch) -> Result<Vec<f32>> {
        let How::Walk(walk) = &self.how else { unreachable!("a plan takes images as they are") };
        let net = walk.other.as_ref().unwrap_or(self.net);
        let tape = net.forward(batch, Mode::Score(&walk.stats))?;
        let rows = tape.logits().host()?;
        net.recycle(tape)?;
        Ok(rows)
    }
}
