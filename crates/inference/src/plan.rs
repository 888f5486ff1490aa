//! What is run, in which order, on which buffers.
//!
//! The first layers of a network have the large maps. They are run image by image, each image
//! through all of them before the next, so that its activations stay near; the rest is run on
//! blocks of sixteen images, layer by layer. Where the one ends and the other begins is measured.

use std::sync::atomic::AtomicU64;

use kernels::LANES;
use kernels::flat::Map;
use kernels::integer::Instructions;

use crate::Network;
use crate::block::BlockLayer;
use crate::buffers::{self, Buffers};
use crate::flat::{FlatLayer, maps};
use crate::run::Rooms;
use crate::times::{Best, Unknown, Way, best, conversion};

/// Images that go through the blocks' part together.
const TOGETHER: usize = 64;

/// How a network is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Images that come at the same time, about.
    pub batch: usize,
    /// Whether zeros may be skipped; without, it is the dense network's plan.
    pub skip: bool,
    /// What to do where nothing is known of a layer's speed.
    pub unknown: Unknown,
    /// For which number of threads the fastest way is taken.
    pub threads: Threads,
}

/// For which number of threads a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// That of the pool it is made in.
    Present,
    /// Any: what was measured first on this machine is taken, so that the answers, which kernels round
    /// differently, do not depend on it.
    Any,
}

/// A network that is ready to run, on several threads at the same time if need be.
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) maps: Vec<Map>,
    /// Layers up to here, this one included, are run image by image.
    pub(crate) split: usize,
    /// Layers up to the split that later ones read, and the last: the values that leave it.
    pub(crate) crossing: Vec<usize>,
    /// Of the values up to the split, for one image.
    pub(crate) flat: Buffers,
    /// Values of the room that a layer needs for a while.
    pub(crate) room: usize,
    /// Of the values that cross and those behind the split, in pixels of one image.
    pub(crate) blocks: Buffers,
    /// Images that go through the blocks' part together.
    pub(crate) together: usize,
    pub(crate) classes: usize,
    pub(crate) rooms: Rooms,
    /// Nanoseconds that each layer has taken.
    pub(crate) spent: Vec<AtomicU64>,
}

/// A layer with what it reads.
pub(crate) struct Step {
    pub name: String,
    pub inputs: Vec<usize>,
    pub add: Option<usize>,
    pub ready: Ready,
}

pub(crate) enum Ready {
    Input,
    Flat(FlatLayer),
    Block(BlockLayer),
}

/// How one layer is run, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    /// Name of the first of the graph's nodes that it computes.
    pub name: String,
    /// Its kernel: dense or sparse, image by image or by blocks of sixteen.
    pub kernel: &'static str,
    /// What multiplies its bytes; none where it computes with floats.
    pub bytes: Option<Instructions>,
}

/// Parts that a layer of a single image is split into.
pub(crate) fn tasks() -> usize {
    match rayon::current_num_threads() {
        1 => 1,
        threads => 4 * threads,
    }
}

impl Plan {
    /// Makes `network` ready.
    pub fn new(network: &Network, how: Use) -> Self {
        let maps = maps(network);
        let count = network.layers.len();
        let of = |way| -> Vec<Best> {
            let best = |n| best(network, &maps, n, (way, how));
            (1..count).map(best).collect()
        };
        let alone = how.batch < LANES;
        let images = of(if alone { Way::One } else { Way::Images });
        let blocks = if alone { vec![] } else { of(Way::Blocks) };
        let split = if alone { count - 1 } else { split(network, &maps, (&images, &blocks), how) };
        let skips = |n: usize| if n <= split { images[n - 1].sparse } else { blocks[n - 1].sparse };
        Self::with(network, maps, (split, how.batch), skips)
    }

    /// The plan that runs the layers up to `split` image by image and the rest in blocks, batches of
    /// up to `batch` images together, and skips zeros everywhere or nowhere. [`Plan::new`] finds out
    /// what is fastest; this is for holding all that it may choose to the same answers.
    ///
    /// # Panics
    /// If there is no layer `split`.
    pub fn fixed(network: &Network, (split, batch): (usize, usize), skip: bool) -> Self {
        assert!(split < network.layers.len(), "a layer of the network");
        Self::with(network, maps(network), (split, batch), |_| skip)
    }

    fn with(
        network: &Network,
        maps: Vec<Map>,
        (split, batch): (usize, usize),
        skips: impl Fn(usize) -> bool,
    ) -> Self {
        let step = |n: usize| {
            let layer = &network.layers[n];
            let ready = match n {
                0 => Ready::Input,
                _ if n <= split => Ready::Flat(FlatLayer::new(network, &maps, n, skips(n))),
                _ => Ready::Block(BlockLayer::new(network, n, skips(n))),
            };
            let (name, inputs) = (layer.name.clone(), layer.inputs.clone());
            Step { name, inputs, add: layer.add, ready }
        };
        let steps: Vec<Step> = (0..network.layers.len()).map(step).collect();
        let together = batch.clamp(1, TOGETHER).next_multiple_of(LANES);
        Self::on_buffers(network, maps, (split, together), steps)
    }

    /// How each layer is run, the input first.
    pub fn layers(&self) -> Vec<LayerPlan> {
        let kernel = |step: &Step| match &step.ready {
            Ready::Input => "copy",
            Ready::Flat(layer) => layer.kernel(),
            Ready::Block(layer) => layer.kernel(),
        };
        let layer = |s: &Step| LayerPlan { name: s.name.clone(), kernel: kernel(s), bytes: None };
        self.steps.iter().map(layer).collect()
    }

    /// Bytes of the activations of a batch (and of one image up to where batches begin).
    pub fn activation_bytes(&self) -> usize {
        let flat = self.flat.lens.iter().sum::<usize>() + self.room;
        let blocks: usize = self.blocks.lens.iter().sum();
        4 * if self.split + 1 == self.steps.len() { flat } else { flat + blocks * self.together }
    }

    fn on_buffers(
        network: &Network,
        maps: Vec<Map>,
        (split, together): (usize, usize),
        steps: Vec<Step>,
    ) -> Self {
        let count = steps.len();
        let readers = |n: usize| -> Vec<usize> {
            let reads = |m: &usize| network.layers[*m].reads().any(|r| r == n);
            (0..count).filter(reads).collect()
        };
        let readers: Vec<Vec<usize>> = (0..count).map(readers).collect();
        let crossing = crossing(network, split);
        // A value that becomes blocks is kept until then: nothing of its own part is its last reader.
        let kept = |n: usize| if crossing.contains(&n) { vec![] } else { readers[n].clone() };
        let lens: Vec<usize> = maps[..=split].iter().map(Map::len).collect();
        let flat = buffers::assign(&lens, &(0..=split).map(kept).collect::<Vec<_>>());
        // The blocks' values: those that cross, then those that are computed.
        let order: Vec<usize> = crossing.iter().copied().chain(split + 1..count).collect();
        let place = |n: usize| order.iter().position(|o| *o == n);
        let lens = order.iter().map(|n| network.layers[*n].shape.count()).collect::<Vec<_>>();
        let reads = order.iter().map(|n| readers[*n].iter().filter_map(|r| place(*r)).collect());
        let blocks = buffers::assign(&lens, &reads.collect::<Vec<_>>());
        let room = steps.iter().map(|s| if let Ready::Flat(f) = &s.ready { f.room } else { 0 });
        Self {
            room: room.max().unwrap_or(0),
            classes: network.layers[count - 1].shape.count(),
            spent: (0..count).map(|_| AtomicU64::new(0)).collect(),
            rooms: Rooms::default(),
            together,
            steps,
            maps,
            split,
            crossing,
            flat,
            blocks,
        }
    }
}

/// The layer that the images are best run up to one by one: what each layer takes on its side, and
/// what making blocks there takes, is least together. Of equals the latest, since maps shrink on the
/// way.
fn split(network: &Network, maps: &[Map], (images, blocks): (&[Best], &[Best]), how: Use) -> usize {
    let count = network.layers.len();
    let conversions: Vec<f64> = maps.iter().map(|map| conversion(*map, how)).collect();
    if images.iter().chain(blocks).any(|best| best.seconds == 0.0) || conversions.contains(&0.0) {
        // Something was guessed. Large maps are usually faster image by image.
        let large = |n: &usize| network.layers[*n].shape.w >= LANES;
        return (1..count).rev().find(large).unwrap_or(0);
    }
    let seconds = |all: &[Best]| all.iter().map(|b| b.seconds).sum::<f64>();
    let total = |split: usize| {
        let cross = if split + 1 == count { vec![] } else { crossing(network, split) };
        let made: f64 = cross.iter().map(|n| conversions[*n]).sum();
        seconds(&images[..split]) + made + seconds(&blocks[split..])
    };
    let best = (0..count).rev().min_by(|a, b| total(*a).total_cmp(&total(*b)));
    best.expect("there is at least one way")
}

/// The layers up to `split` that later ones read, and the last of all.
fn crossing(network: &Network, split: usize) -> Vec<usize> {
    let later = || network.layers[split + 1..].iter();
    let last = network.layers.len() - 1;
    let crosses = |n: &usize| *n == last || later().any(|l| l.reads().any(|r| r == *n));
    (0..=split).filter(crosses).collect()
}
