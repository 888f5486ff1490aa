//! What is run, in which order, on which buffers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kernels::integer::{Instructions, Layout, Maps, Rounding, Value, round_images};
use kernels::{Buffer, Lanes};

use super::layer::{IntegerLayer, Operands, Target};
use crate::buffers::{self, Buffers};
use crate::{LayerPlan, Network, Unknown, awake};

/// What the integers of each layer's output stand for; of the last, which gives the logits, it is not used.
pub type Roundings = Vec<Rounding>;

/// Images that are run together.
const TOGETHER: usize = 64;

/// How a network in integers is run.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Which instructions multiply.
    pub instructions: Instructions,
    /// Whether quads of weights that are all zero may be skipped.
    pub skip: bool,
    /// What to do where nothing is known of a layer's speed.
    pub unknown: Unknown,
    /// Whether images are run one by one, each cut into tiles; else many at a time, as lanes.
    pub tiles: bool,
}

/// A network in integers, ready to run.
pub struct IntegerPlan {
    steps: Vec<Step>,
    /// Nanoseconds that each layer has taken.
    spent: Vec<AtomicU64>,
    roundings: Roundings,
    /// In words of a block.
    buffers: Buffers,
    /// Shape of each layer's output for one image.
    shapes: Vec<graph::Shape>,
    classes: usize,
    tiles: bool,
}

struct Step {
    name: String,
    inputs: Vec<usize>,
    add: Option<usize>,
    ready: IntegerLayer,
}

impl IntegerPlan {
    /// Makes `network` ready, whose layers' outputs are rounded as `roundings` say.
    ///
    /// # Panics
    /// If it is not one that [`check`](super::check) accepts.
    pub fn new(network: &Network, roundings: Roundings, how: How) -> Self {
        let layers = &network.layers;
        assert_eq!(roundings.len(), layers.len(), "a rounding for each layer");
        let mut steps = vec![];
        for (n, layer) in layers.iter().enumerate() {
            let ready = IntegerLayer::new(network, n, &roundings, how);
            let (name, inputs) = (layer.name.clone(), layer.inputs.clone());
            steps.push(Step { name, inputs, add: layer.add, ready });
        }
        let count = layers.len();
        let readers = |n: usize| -> Vec<usize> {
            (0..count).filter(|m| layers[*m].reads().any(|read| read == n)).collect()
        };
        let block = if how.tiles { Layout::Tiles } else { Layout::Images(Lanes::of(1)) };
        let words = |layer: &crate::Layer| block.words(layer.shape.c, layer.shape.size());
        let words: Vec<usize> = layers.iter().map(words).collect();
        let buffers = buffers::assign(&words, &(0..count).map(readers).collect::<Vec<_>>());
        let shapes: Vec<graph::Shape> = layers.iter().map(|l| l.shape).collect();
        let classes = shapes[count - 1].count();
        let spent = (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { steps, spent, roundings, buffers, shapes, classes, tiles: how.tiles }
    }

    /// The logits `(n, classes)` of `images`, which are `(n, channels, rows, columns)`.
    ///
    /// # Panics
    /// If `images` holds a part of an image.
    pub fn logits(&self, images: &[f32]) -> Vec<f32> {
        let each = self.shapes[0].count();
        assert!(images.len().is_multiple_of(each), "whole images");
        let together = if self.tiles { 1 } else { TOGETHER };
        let mut logits = vec![0.0; images.len() / each * self.classes];
        let batches = images.chunks(together * each);
        let mut run = || {
            for (images, y) in batches.clone().zip(logits.chunks_mut(together * self.classes)) {
                let lanes = Lanes::of(images.len() / each);
                self.batch(
                    images,
                    if self.tiles { Layout::Tiles } else { Layout::Images(lanes) },
                    y,
                );
            }
        };
        // On a thread of the pool: entered from outside, each layer would wait for a thread to wake up.
        rayon::scope(|_| if self.tiles { awake::with(run) } else { run() });
        logits
    }

    fn batch(&self, images: &[f32], layout: Layout, logits: &mut [f32]) {
        let make = |len: &usize| Buffer::new(layout.blocks() * len);
        let mut arena: Vec<Buffer> = self.buffers.lens.iter().map(make).collect();
        let last = self.steps.len() - 1;
        let mut logits = Some(logits);
        for (n, step) in self.steps.iter().enumerate() {
            let start = Instant::now();
            let mut y = std::mem::replace(&mut arena[self.buffers.of[n]], Buffer::new(0));
            let (maps, rounding) = (self.maps(n, layout), self.roundings[n]);
            let words = &mut y.words_mut()[..maps.words()];
            let to = match logits.take_if(|_| n == last) {
                Some(logits) => Target::Logits(logits),
                None => Target::Words(maps, rounding, words),
            };
            let read = |n: usize| {
                let maps = self.maps(n, layout);
                let words = &arena[self.buffers.of[n]].words()[..maps.words()];
                Value { maps, rounding: self.roundings[n], words }
            };
            match (&step.ready, to) {
                (IntegerLayer::Input, Target::Words(maps, rounding, words)) => {
                    round_images(images, maps, rounding, words);
                }
                (ready, to) => {
                    let inputs: Vec<Value> = step.inputs.iter().map(|n| read(*n)).collect();
                    ready.run(Operands { inputs: &inputs, add: step.add.map(read), to });
                }
            }
            arena[self.buffers.of[n]] = y;
            let nanos = start.elapsed().as_nanos() as u64;
            self.spent[n].fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// How each layer is run, the input first.
    pub fn layers(&self) -> Vec<LayerPlan> {
        let plan = |s: &Step| LayerPlan {
            name: s.name.clone(),
            kernel: s.ready.kernel(),
            bytes: s.ready.instructions(),
        };
        self.steps.iter().map(plan).collect()
    }

    /// Seconds that each layer has taken since this was last asked, in wall-clock time.
    pub fn take_spent(&self) -> Vec<f64> {
        let take = |nanos: &AtomicU64| nanos.swap(0, Ordering::Relaxed) as f64 * 1e-9;
        self.spent.iter().map(take).collect()
    }

    /// Bytes of the activations of a batch of `images`.
    pub fn activation_bytes(&self, images: usize) -> usize {
        let together = Layout::Images(Lanes::of(images.min(TOGETHER)));
        let blocks = if self.tiles { 1 } else { together.blocks() };
        4 * blocks * self.buffers.lens.iter().sum::<usize>()
    }

    /// The output of layer `n`.
    fn maps(&self, n: usize, layout: Layout) -> Maps {
        Maps { layout, channels: self.shapes[n].c, size: self.shapes[n].size() }
    }
}
