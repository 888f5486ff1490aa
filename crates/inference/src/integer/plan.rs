//! What is run, in which order, on which buffers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kernels::conv::depthwise;
use kernels::integer::{
    Depthwise, Ending, Instructions, Method, Output, Rounding, Summand, Weights, Word, from_floats,
    quads, to_floats,
};
use kernels::{Activation, Buffer, LANES, Lanes, pack};
use rayon::prelude::*;

use super::{Integers, integers};
use crate::block::{BlockLayer, BlockOperands};
use crate::buffers::{self, Buffers};
use crate::{Conv, Kind, LayerPlan, Network, sizes};

/// What the integers of each layer's output stand for; of the last, which gives the logits, it is not used.
pub type Roundings = Vec<Rounding>;

/// Images that are run together.
const TOGETHER: usize = 64;
/// The share of quads of weights that are not zero from which on all are walked.
const DENSE: f64 = 0.5;

/// How a network in integers is run.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Which instructions multiply.
    pub instructions: Instructions,
    /// Whether quads of weights that are all zero are skipped.
    pub skip: bool,
}

/// A network in integers, ready to run.
pub struct IntegerPlan {
    steps: Vec<Step>,
    /// Nanoseconds that each layer has taken.
    spent: Vec<AtomicU64>,
    roundings: Roundings,
    buffers: Buffers,
    /// Values of each layer's output for one image, channels by themselves.
    shapes: Vec<graph::Shape>,
    classes: usize,
}

struct Step {
    name: String,
    inputs: Vec<usize>,
    add: Option<usize>,
    ready: Ready,
}

enum Ready {
    Input,
    Conv(Convolution),
    /// Computed from the values that the integers stand for.
    Floats(BlockLayer),
}

/// A convolution with what follows its sums.
struct Convolution {
    kernel: Products,
    factors: Vec<f32>,
    bias: Vec<f32>,
    activation: Option<Activation>,
}

enum Products {
    Full { each: kernels::conv::Conv, weights: Weights, sparse: bool },
    Depthwise(depthwise::Depthwise, Depthwise),
}

impl IntegerPlan {
    /// Makes `network` ready, whose layers' outputs are rounded as `roundings` say.
    ///
    /// # Errors
    /// In words, where a sum could leave 32 bits.
    pub fn new(
        network: &Network,
        roundings: Roundings,
        how: How,
    ) -> Result<Self, String> {
        let layers = &network.layers;
        assert_eq!(roundings.len(), layers.len(), "a rounding for each layer");
        let mut steps = vec![];
        for (n, layer) in layers.iter().enumerate() {
            let ready = match &layer.kind {
                Kind::Input => Ready::Input,
                Kind::Conv(conv) => {
                    let from = roundings[layer.inputs[0]];
                    let made = convolution(network, n, (conv, from), how);
                    Ready::Conv(made.map_err(|what| format!("layer {}: {what}", layer.name))?)
                }
                _ => Ready::Floats(BlockLayer::new(network, n, false)),
            };
            let (name, inputs) = (layer.name.clone(), layer.inputs.clone());
            steps.push(Step { name, inputs, add: layer.add, ready });
        }
        let count = layers.len();
        let readers = |n: usize| -> Vec<usize> {
            (0..count).filter(|m| layers[*m].reads().any(|read| read == n)).collect()
        };
        let words: Vec<usize> =
            layers.iter().map(|l| quads(l.shape.c) * l.shape.pixels() * LANES).collect();
        let buffers = buffers::assign(&words, &(0..count).map(readers).collect::<Vec<_>>());
        let shapes: Vec<graph::Shape> = layers.iter().map(|l| l.shape).collect();
        let classes = shapes[count - 1].count();
        let spent = (0..count).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { steps, spent, roundings, buffers, shapes, classes })
    }

    /// The logits `(n, classes)` of `images`, which are `(n, channels, rows, columns)`.
    ///
    /// # Panics
    /// If `images` holds a part of an image.
    pub fn logits(&self, images: &[f32]) -> Vec<f32> {
        let each = self.shapes[0].count();
        assert!(images.len().is_multiple_of(each), "whole images");
        let mut logits = vec![0.0; images.len() / each * self.classes];
        let batches = images.chunks(TOGETHER * each);
        rayon::scope(|_| {
            for (images, y) in batches.zip(logits.chunks_mut(TOGETHER * self.classes)) {
                self.batch(images, Lanes::of(images.len() / each), y);
            }
        });
        logits
    }

    fn batch(&self, images: &[f32], lanes: Lanes, logits: &mut [f32]) {
        let blocks = lanes.blocks();
        let make = |len: &usize| vec![0; blocks * len];
        let mut arena: Vec<Vec<Word>> = self.buffers.lens.iter().map(make).collect();
        let last = self.steps.len() - 1;
        for (n, step) in self.steps.iter().enumerate() {
            let start = Instant::now();
            let mut y = std::mem::take(&mut arena[self.buffers.of[n]]);
            let read = |n: usize| &arena[self.buffers.of[n]][..self.words(n, blocks)];
            let to = self.roundings[n];
            let shape = self.shapes[n];
            let words = self.words(n, blocks);
            match &step.ready {
                Ready::Input => {
                    let mut floats = Buffer::zeros(blocks * shape.count() * LANES);
                    pack::to_blocks(images, shape.count(), lanes, &mut floats);
                    from_floats(&floats, shape.c, lanes, (&mut y[..words], to));
                }
                Ready::Conv(conv) => {
                    let x = (read(step.inputs[0]), self.roundings[step.inputs[0]]);
                    let add =
                        step.add.map(|n| Summand { words: read(n), rounding: self.roundings[n] });
                    let end = Ending {
                        factors: &conv.factors,
                        bias: &conv.bias,
                        add,
                        activation: conv.activation,
                    };
                    match &conv.kernel {
                        Products::Full { each, weights, .. } if n == last => {
                            let each = kernels::conv::Conv { lanes, ..*each };
                            let mut floats = Buffer::zeros(each.output_len());
                            weights.forward(&each, x, &end, Output::Floats(&mut floats));
                            pack::from_blocks(&floats, self.classes, lanes, logits);
                        }
                        Products::Full { each, weights, .. } => {
                            let each = kernels::conv::Conv { lanes, ..*each };
                            weights.forward(&each, x, &end, Output::Words(&mut y[..words], to));
                        }
                        Products::Depthwise(each, weights) => {
                            let each = depthwise::Depthwise { lanes, ..*each };
                            weights.forward(&each, x, &end, (&mut y[..words], to));
                        }
                    }
                }
                Ready::Floats(layer) => {
                    let floats = |n: usize| {
                        let mut values = Buffer::zeros(blocks * self.shapes[n].count() * LANES);
                        let words = (read(n), self.roundings[n]);
                        to_floats(words, self.shapes[n].c, lanes, &mut values);
                        values
                    };
                    let inputs: Vec<Buffer> = step.inputs.iter().map(|n| floats(*n)).collect();
                    let inputs: Vec<&[f32]> = inputs.iter().map(|b| &b[..]).collect();
                    let mut values = Buffer::zeros(blocks * shape.count() * LANES);
                    layer.run(BlockOperands { lanes, inputs: &inputs, add: &[], y: &mut values });
                    if n == last {
                        pack::from_blocks(&values, self.classes, lanes, logits);
                    } else {
                        from_floats(&values, shape.c, lanes, (&mut y[..words], to));
                    }
                }
            }
            arena[self.buffers.of[n]] = y;
            let nanos = start.elapsed().as_nanos() as u64;
            self.spent[n].fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// How each layer is run, the input first.
    pub fn layers(&self) -> Vec<LayerPlan> {
        let kernel = |step: &Step| match &step.ready {
            Ready::Input => "rounded",
            Ready::Conv(Convolution { kernel: Products::Full { sparse: true, .. }, .. }) => {
                "sparse, in integers"
            }
            Ready::Conv(Convolution { kernel: Products::Full { sparse: false, .. }, .. }) => {
                "dense, in integers"
            }
            Ready::Conv(Convolution { kernel: Products::Depthwise(..), .. }) => {
                "depthwise, in integers"
            }
            Ready::Floats(_) => "of floats",
        };
        self.steps.iter().map(|s| LayerPlan { name: s.name.clone(), kernel: kernel(s) }).collect()
    }

    /// Seconds that each layer has taken since this was last asked, by the clock on the wall.
    pub fn take_spent(&self) -> Vec<f64> {
        let take = |nanos: &AtomicU64| nanos.swap(0, Ordering::Relaxed) as f64 * 1e-9;
        self.spent.iter().map(take).collect()
    }

    /// Bytes of the activations of a batch of `images`.
    pub fn activation_bytes(&self, images: usize) -> usize {
        let blocks = images.min(TOGETHER).div_ceil(LANES);
        4 * blocks * self.buffers.lens.iter().sum::<usize>()
    }

    /// Words of the output of layer `n`.
    fn words(&self, n: usize, blocks: usize) -> usize {
        blocks * quads(self.shapes[n].c) * self.shapes[n].pixels() * LANES
    }
}

fn convolution(
    network: &Network,
    n: usize,
    (conv, from): (&Conv, Rounding),
    how: How,
) -> Result<Convolution, String> {
    let layer = &network.layers[n];
    let x = network.layers[layer.inputs[0]].shape;
    let Integers { weights, scales } = integers(conv);
    let factors = scales.iter().map(|scale| scale * from.scale).collect();
    let activation = layer.activation.map(sizes::activation);
    let last = n + 1 == network.layers.len();
    let kernel = if conv.groups == layer.shape.c && conv.groups == x.c && !last {
        let lanes = Lanes::of(1);
        let sizes =
            depthwise::Depthwise { lanes, channels: x.c, h: x.h, w: x.w, window: conv.window };
        Products::Depthwise(sizes, Depthwise::new(&sizes, &weights))
    } else {
        let full = kernels::conv::Conv {
            lanes: Lanes::of(1),
            inputs: x.c,
            h: x.h,
            w: x.w,
            outputs: layer.shape.c,
            window: conv.window,
        };
        if !Weights::fits(&full) {
            let terms = x.c * conv.window.taps();
            return Err(format!(
                "{terms} products in a sum, which may not fit 32 bits; pack it with --activations f32"
            ));
        }
        let whole = ungrouped(conv, &weights, x.c);
        let sparse = how.skip && density(&full, &whole) < DENSE;
        let method = if sparse { Method::Sparse } else { Method::Dense };
        Products::Full { each: full, weights: Weights::new(&full, &whole, method, how.instructions), sparse }
    };
    Ok(Convolution { kernel, factors, bias: conv.bias.clone(), activation })
}

/// The weights of a convolution in groups as those of one without, zero where outputs read nothing.
fn ungrouped(conv: &Conv, weights: &[i8], inputs: usize) -> Vec<i8> {
    if conv.groups == 1 {
        return weights.to_vec();
    }
    let taps = conv.taps();
    let (own, row) = (conv.row(), inputs * taps);
    let outputs = conv.bias.len();
    let mut whole = vec![0; outputs * row];
    for (o, weights) in weights.chunks_exact(own).enumerate() {
        let group = o / (outputs / conv.groups);
        whole[o * row + group * own..][..own].copy_from_slice(weights);
    }
    whole
}

/// The share of quads of which a weight is not zero.
fn density(conv: &kernels::conv::Conv, weights: &[i8]) -> f64 {
    let taps = conv.window.taps();
    let all = conv.outputs * quads(conv.inputs) * taps;
    let kept = |row: &[i8]| -> usize {
        let quads = row.chunks(4 * taps);
        quads
            .map(|q| (0..taps).filter(|t| q.iter().skip(*t).step_by(taps).any(|w| *w != 0)).count())
            .sum()
    };
    let kept: usize = weights.par_chunks_exact(conv.inputs * taps).map(kept).sum();
    kept as f64 / all as f64
}
