//! How long each layer takes in each of the ways to run it: measured, and kept by `tuning`.
//!
//! The sparse kernels' time is a straight line in the density, so that two densities do for all.

use kernels::flat::{self, Map};
use kernels::{Buffer, LANES, Lanes, isa};
use rayon::prelude::*;
use tuning::{Table, seconds};

use crate::block::{self, BlockLayer, BlockOperands};
use crate::flat::{FlatLayer, FlatOperands};
use crate::{Conv, Kind, Layer, Network, Threads, Use, awake};

/// A way to run a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// One image, all threads in it.
    One,
    /// Images one at a time, each thread with its own.
    Images,
    /// Blocks of sixteen images, all threads in them.
    Blocks,
}

/// What to do where nothing is known of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Measure it, and remember.
    Measure,
    /// Take what is usually faster: for a single answer measuring would take longer than it saves.
    Guess,
}

/// Densities at which the sparse kernels are timed.
const DENSITIES: [f64; 2] = [0.05, 0.2];
/// The density below which skipping zeros is usually faster.
const USUAL: f64 = 0.3;
/// The density from which on zeros are never skipped: the line was not measured that far out.
pub(crate) const MOST: f64 = 0.6;
/// Images of the batch that [`Way::Blocks`] is measured with, and of large maps.
const BATCH: usize = 64;
const FEW: usize = 16;
/// Values of an image's activation from which on few are measured: more would not be near in any cache.
const LARGE: usize = 1 << 17;

/// How a layer is best run in one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best {
    /// Whether zeros are skipped.
    pub sparse: bool,
    /// Seconds an image; 0 where it was guessed, or nothing depends on it.
    pub seconds: f64,
}

/// Seconds an image, by what is run.
pub(crate) static TIMES: Table<f64> = Table::new(FILE);

/// How layer `n` is best run.
pub(crate) fn best(network: &Network, maps: &[Map], n: usize, (way, how): (Way, Use)) -> Best {
    let layer = &network.layers[n];
    let density = if let Kind::Conv(conv) = &layer.kind { conv.density() } else { 1.0 };
    let can_skip = how.skip && density < MOST && isa::plain() != Ok(true) && has_choice(layer, way);
    if !can_skip && way == Way::One {
        // A single image runs all its layers this way: there is nothing to decide.
        return Best { sparse: false, seconds: 0.0 };
    }
    let key = key(network, maps, n, (way, how.threads));
    let seconds = |density: Option<f64>| {
        let share = density.map_or_else(|| "all".into(), |d| format!("{:.0} %", d * 100.0));
        let key = format!("{key}, {share} kept");
        match how.unknown {
            Unknown::Measure => Some(TIMES.get(&key, || measure(network, maps, n, (way, density)))),
            Unknown::Guess => TIMES.peek(&key),
        }
    };
    let guess = Best { sparse: can_skip && density < USUAL, seconds: 0.0 };
    let Some(dense) = seconds(None) else { return guess };
    if !can_skip {
        return Best { sparse: false, seconds: dense };
    }
    let [Some(low), Some(high)] = DENSITIES.map(|density| seconds(Some(density))) else {
        return guess;
    };
    let sparse = on_line(DENSITIES, [low, high], density);
    let faster = sparse < dense;
    Best { sparse: faster, seconds: if faster { sparse } else { dense } }
}

/// The seconds at `density` on the line through those at two densities. Never 0, which stands for a guess,
/// however the two points lie.
pub(crate) fn on_line(densities: [f64; 2], seconds: [f64; 2], density: f64) -> f64 {
    let slope = (seconds[1] - seconds[0]).max(0.0) / (densities[1] - densities[0]);
    (seconds[0] + slope * (density - densities[0])).max(seconds[0] / 4.0)
}

/// Seconds an image that making blocks of values that lie as `map` takes; 0 where it was guessed.
pub(crate) fn conversion(map: Map, how: Use) -> f64 {
    let key = format!(
        "{}, {}: {}x{}x{} with {} around to blocks",
        machine(),
        words(how.threads),
        map.channels,
        map.h,
        map.w,
        map.pad
    );
    let seconds = match how.unknown {
        Unknown::Measure => Some(TIMES.get(&key, || converted(map))),
        Unknown::Guess => TIMES.peek(&key),
    };
    seconds.unwrap_or(0.0)
}

fn converted(map: Map) -> f64 {
    let batch = batch(map.channels * map.h * map.w);
    let images = Buffer::zeros(batch * map.len());
    let block = map.channels * map.h * map.w * LANES;
    let mut y = Buffer::zeros(batch / LANES * block);
    let run = || {
        let blocks = y.par_chunks_mut(block).zip(images.par_chunks(LANES * map.len()));
        blocks.for_each(|(y, x)| {
            let images: Vec<&[f32]> = x.chunks_exact(map.len()).collect();
            flat::to_block(map, &images, y);
        });
    };
    seconds(run) / batch as f64
}

/// Images that are measured together where the largest activation has `values` an image.
pub(crate) fn batch(values: usize) -> usize {
    if values < LARGE { BATCH } else { FEW }
}

/// Whether a layer has a dense and a sparse kernel.
fn has_choice(layer: &Layer, way: Way) -> bool {
    let Kind::Conv(conv) = &layer.kind else { return false };
    conv.groups == 1 || way != Way::Blocks
}

/// The kernels' version, which is to be raised when they become faster.
pub(crate) const VERSION: u32 = 7;
/// Times of one version: a file of many would be read whole by every program that answers.
const FILE: &str = "layers-7.yaml";

/// What the kernels' speed depends on beside processor and shape: their instructions, whether
/// algorithms were forced, and their version.
fn machine() -> String {
    let plain = if isa::plain() == Ok(true) { " plain" } else { "" };
    format!("kernels {VERSION}, {}{plain}", isa::name().unwrap_or("unknown"))
}

/// The number of threads that a time is kept for.
fn words(threads: Threads) -> String {
    match threads {
        Threads::Present => format!("{} threads", rayon::current_num_threads()),
        Threads::Any => "any threads".into(),
    }
}

fn key(network: &Network, maps: &[Map], n: usize, (way, threads): (Way, Threads)) -> String {
    let layer = &network.layers[n];
    let y = layer.shape;
    let what = match &layer.kind {
        Kind::Conv(c) => format!(
            "conv {}, groups {}, {}",
            c.window,
            c.groups,
            layer.activation.map_or("no activation", |a| graph::Op::Activation(a).keyword())
        ),
        kind => format!("{}, {:?}", words_of(kind), layer.activation),
    };
    let inputs: Vec<String> =
        layer.inputs.iter().map(|n| network.layers[*n].shape.to_string()).collect();
    let x = inputs.join(" and ");
    let way = match way {
        Way::Blocks => "blocks".to_owned(),
        way => {
            let pads = (maps[layer.inputs[0]].pad, maps[n].pad);
            format!("{} {pads:?}", if way == Way::One { "one" } else { "images" })
        }
    };
    format!("{}, {}, {way}: {what}, {x} -> {y}", machine(), words(threads))
}

/// The sizes of a layer, without its values.
fn words_of(kind: &Kind) -> String {
    match kind {
        Kind::LayerNorm(_) => "layer norm".into(),
        // Where channels come from hardly changes how long they take.
        Kind::Gather(_) => "gather".into(),
        other => format!("{other:?}"),
    }
}

/// Seconds an image of layer `n` with a share of its weights kept, sparse; dense with all of them.
fn measure(network: &Network, maps: &[Map], n: usize, (way, density): (Way, Option<f64>)) -> f64 {
    let (alone, maps) = alone(network, maps, n, density);
    match way {
        Way::Blocks => blocks(&alone, density.is_some()),
        Way::Images => images(&alone, &maps, density.is_some()),
        Way::One => one(&alone, &maps, density.is_some()),
    }
}

/// Layer `n` by itself, with other weights: a share of them kept, anywhere. What it reads are the layers
/// before it.
fn alone(network: &Network, maps: &[Map], n: usize, density: Option<f64>) -> (Network, Vec<Map>) {
    let mut layer = network.layers[n].clone();
    let reads = std::mem::take(&mut layer.inputs);
    layer.inputs = (0..reads.len()).collect();
    layer.add = None;
    if let Kind::Conv(conv) = &mut layer.kind {
        refill(conv, density.unwrap_or(1.0));
    }
    let input = |of: &usize| Layer {
        kind: Kind::Input,
        inputs: vec![],
        add: None,
        activation: None,
        ..network.layers[*of].clone()
    };
    let maps = reads.iter().chain([&n]).map(|n| maps[*n]).collect();
    let layers = reads.iter().map(input).chain([layer]).collect();
    (Network { layers }, maps)
}

fn refill(conv: &mut Conv, density: f64) {
    let mut stream = seed::stream(0, "measure", 0);
    for weight in conv.weight.floats_mut() {
        *weight = if stream.unit() < density { 0.5 } else { 0.0 };
    }
}

fn blocks(alone: &Network, sparse: bool) -> f64 {
    let largest = alone.layers.iter().map(|l| l.shape.count()).max().unwrap_or(0);
    let lanes = Lanes::of(batch(largest));
    let mut rooms: Vec<Buffer> =
        alone.layers.iter().map(|l| Buffer::zeros(block::len(l.shape, lanes))).collect();
    let mut y = rooms.pop().expect("the layer itself");
    let inputs: Vec<&[f32]> = rooms.iter().map(|b| &b[..]).collect();
    let layer = BlockLayer::new(alone, alone.layers.len() - 1, sparse);
    let run = || layer.run(BlockOperands { lanes, inputs: &inputs, add: &[], y: &mut y });
    seconds(run) / lanes.images() as f64
}

/// Up to eight copies of a layer's weights, which are used in turn: in a network other layers' weights come between
/// two uses of a layer's, and it finds them in no core's own cache.
pub(crate) struct Turns<T> {
    all: Vec<T>,
    next: usize,
}

impl<T> Turns<T> {
    /// For weights that take `bytes`; those that exceed a core's own cache need no copies.
    pub fn new(bytes: usize, make: impl Fn() -> T) -> Self {
        /// Bytes beyond any core's own cache.
        const LARGE: usize = 8 << 20;
        const MOST: usize = 8;
        let count = LARGE.div_ceil(bytes.max(1)).min(MOST);
        Self { all: (0..count).map(|_| make()).collect(), next: 0 }
    }

    /// The copy whose turn it is.
    pub fn next(&mut self) -> &T {
        self.next = (self.next + 1) % self.all.len();
        &self.all[self.next]
    }
}

/// What a thread needs to run a layer on one image at a time.
struct Alone {
    layers: Turns<FlatLayer>,
    inputs: Vec<Buffer>,
    room: Buffer,
    y: Buffer,
}

impl Alone {
    /// With weights that take so many `bytes`.
    fn new(alone: &Network, maps: &[Map], sparse: bool, bytes: usize) -> Self {
        let make = || FlatLayer::new(alone, maps, alone.layers.len() - 1, sparse);
        let mut layers = Turns::new(bytes, make);
        let mut inputs: Vec<Buffer> = maps.iter().map(|m| Buffer::zeros(m.len())).collect();
        let y = inputs.pop().expect("the layer itself");
        let room = Buffer::zeros(layers.next().room);
        Self { layers, inputs, room, y }
    }

    fn run(&mut self, tasks: usize) {
        let inputs: Vec<&[f32]> = self.inputs.iter().map(|b| &b[..]).collect();
        let (room, y) = (&mut self.room, &mut self.y);
        self.layers.next().run(FlatOperands { inputs: &inputs, add: &[], room, y, tasks });
    }
}

fn one(alone: &Network, maps: &[Map], sparse: bool) -> f64 {
    let kept = match &alone.layers[alone.layers.len() - 1].kind {
        // A place and a value each.
        Kind::Conv(conv) if sparse => 2 * conv.weight.kept(),
        Kind::Conv(conv) => conv.weight.len(),
        // There is nothing to read by turns.
        _ => usize::MAX / size_of::<f32>(),
    };
    let mut all = Alone::new(alone, maps, sparse, kept * size_of::<f32>());
    let tasks = crate::plan::tasks();
    rayon::scope(|_| awake::with(|| seconds(|| all.run(tasks))))
}

fn images(alone: &Network, maps: &[Map], sparse: bool) -> f64 {
    /// Images that a thread runs one after the other, so that threads need not wait often.
    const EACH: usize = 4;
    let threads = rayon::current_num_threads();
    let mut all: Vec<Alone> =
        (0..threads).map(|_| Alone::new(alone, maps, sparse, usize::MAX)).collect();
    let run = || all.par_iter_mut().for_each(|own| (0..EACH).for_each(|_| own.run(1)));
    seconds(run) / (threads * EACH) as f64
}
