//! Scores of weights that are measured on images: sums over batches, resumed where they were.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use artifact::tensors::{self, Tensor as Stored, Tensors};
use artifact::{Error, Named, file, names};
use cifar::{Dataset, Normalise};
use graph::{Graph, Param};
use kernels::Lanes;
use kernels::loss::Target;
use serde::{Deserialize, Serialize};
use sparsity::score;
use sparsity::{Checkpoint, Score};
use stage::{Job, Progress, interrupt};

use crate::loader::{self, Source};
use crate::{Batch, Device, Mode, Net};

/// What is measured, and on what.
#[derive(Debug, Clone, Copy)]
pub struct Importance {
    /// The score: one that needs images.
    pub score: Score,
    /// Training images, shown as they are; all where there are fewer.
    pub images: usize,
    /// Images whose mean loss gives one gradient.
    pub batch: usize,
    /// Seed of their choice.
    pub seed: u64,
}

/// Time between two saves.
const APART: Duration = Duration::from_secs(10);

/// Images of a forward pass where no gradients are asked for.
const BATCH: usize = 64;

/// Where an interrupted measurement stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// Batches that are in the sums.
    batches: usize,
}

/// Sums by the names of prunable weights: one a weight or, of squared inputs, one an input channel and position.
type Sums = BTreeMap<String, Vec<f64>>;

impl Importance {
    /// The score of each prunable weight of `checkpoint`, whose images `data` has. Norms keep their running statistics, as
    /// when the network answers. The state lies in the folder of `job`.
    ///
    /// # Errors
    /// `Interrupted` after a saved state; `Diverged` where a sum is not finite.
    pub fn measure(
        &self,
        checkpoint: &Checkpoint,
        data: &Dataset,
        device: &Device,
        job: &Job,
    ) -> Result<Tensors> {
        let fixed = checkpoint.graph.with_fixed_norms(&checkpoint.tensors)?;
        let net = Net::load(fixed.graph, &fixed.tensors, device)?;
        let mut order = seed::permutation(self.seed, "scores", 0, data.train.len());
        order.truncate(self.images);
        let size = if self.score.source() == score::Source::Gradients { self.batch } else { BATCH };
        let (mut sums, mut done) = self.restored(&net, job)?;
        let (count, normalise) = (order.len().div_ceil(size), Normalise::from(&data.info));
        let progress = Progress::new(self.score.name(), "batches", count as u64);
        progress.advance(done as u64, "");
        let mut saved = Instant::now();
        thread::scope(|scope| -> Result<()> {
            let source = Source::new(&net, &data.train, &normalise);
            for loaded in loader::load(scope, source, &order.chunks(size).skip(done))? {
                let asked = interrupt::asked();
                if asked || saved.elapsed() > APART {
                    save(&sums, done, job)?;
                    saved = Instant::now();
                }
                if asked {
                    let what = format!("interrupted after {done} of {count} batches");
                    return Err(Error::Interrupted(format!("{what}; run again to go on")).into());
                }
                let batch = Batch::fresh(&net, &source, loaded?, None)?;
                if self.score.source() == score::Source::Gradients {
                    self.add_gradients((&net, &fixed.tensors), &batch, &mut sums)?;
                } else {
                    add_inputs(&net, &batch, &mut sums)?;
                }
                done += 1;
                progress.advance(1, "");
            }
            Ok(())
        })?;
        drop(progress);
        if let Some((name, _)) = sums.iter().find(|(_, s)| s.iter().any(|v| !v.is_finite())) {
            let what = format!("{name}: a sum of the {} scores is not finite", self.score.name());
            return Err(Error::Diverged(what).into());
        }
        let of = |p: &Param| {
            let (values, sums) = (checkpoint.values(&p.name), &sums[&p.name]);
            let place = places(&checkpoint.graph, p, self.score);
            let score =
                |(i, w): (usize, &f32)| self.score.measured(*w, sums[place(i)], order.len());
            let scores = values.iter().enumerate().map(score).collect();
            (p.name.clone(), Stored::f32(&p.shape, scores))
        };
        Ok(checkpoint.graph.prunable().map(of).collect())
    }

    /// The sums of an interrupted measurement and the batches in them, or zeros.
    fn restored(&self, net: &Net, job: &Job) -> Result<(Sums, usize)> {
        let length = |p: &Param| match self.score.source() {
            score::Source::Inputs => input_sums(net.graph(), p),
            score::Source::Gradients | score::Source::Weights => p.count(),
        };
        let zeros = |p: &Param| (p.name.clone(), vec![0.0; length(p)]);
        let mut sums: Sums = net.graph().prunable().map(zeros).collect();
        let path = job.path(names::STATE);
        if !file::exists(&path)? {
            return Ok((sums, 0));
        }
        let (all, note) = tensors::read_sealed(&path)?;
        let damaged = |what: &str| Error::Integrity(format!("{}: {what}", path.display()));
        for (name, sums) in &mut sums {
            let bytes = all.get(name).and_then(Stored::as_u8).filter(|b| b.len() == sums.len() * 8);
            let bytes =
                bytes.ok_or_else(|| damaged(&format!("the sums of {name} are not whole")))?;
            for (sum, bytes) in sums.iter_mut().zip(bytes.chunks_exact(8)) {
                *sum = f64::from_le_bytes(bytes.try_into().expect("eight"));
            }
        }
        let position: Position =
            serde_json::from_str(&note).map_err(|e| damaged(&format!("position: {e}")))?;
        tracing::info!("going on after {} batches", position.batches);
        Ok((sums, position.batches))
    }

    fn add_gradients(
        &self,
        (net, tensors): (&Net, &Tensors),
        batch: &Batch,
        sums: &mut Sums,
    ) -> Result<()> {
        let graph = net.graph();
        let tape = net.forward(batch, Mode::Train(None))?;
        let target = Target { labels: &batch.labels, classes: graph.classes(), smoothing: 0.0 };
        let (grad, _) = net.loss(&tape, target.into())?;
        let grads = net.backward(&tape, &grad)?;
        for (index, param) in graph.params().iter().enumerate() {
            let (Some(sums), Some(grad)) = (sums.get_mut(&param.name), &grads[index]) else {
                continue;
            };
            let weights = tensors[&param.name].as_f32().expect("checked against the table");
            let gradient = net.gradient_values(index, grad)?;
            self.score.add_gradient(sums, weights, &gradient, batch.labels.len());
        }
        net.recycle(tape)?;
        net.recycle_gradients(grads);
        net.recycle_loss(grad)
    }
}

fn save(sums: &Sums, batches: usize, job: &Job) -> Result<()> {
    let bytes = |v: &Vec<f64>| v.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>();
    let of = |(name, v): (&String, &Vec<f64>)| (name.clone(), Stored::u8(&[v.len() * 8], bytes(v)));
    let all: Tensors = sums.iter().map(of).collect();
    let note = serde_json::to_string(&Position { batches })?;
    Ok(tensors::write_sealed(&job.path(names::STATE), &all, &note)?)
}

/// How many sums of squared inputs a weight has: one a channel (of all groups) and position of the kernel.
fn input_sums(graph: &Graph, param: &Param) -> usize {
    let inputs = graph.nodes()[graph.nodes()[param.node].inputs[0]].shape.c;
    inputs * param.shape.iter().skip(2).product::<usize>()
}

/// Which sum each weight of `param` has.
fn places(graph: &Graph, param: &Param, score: Score) -> impl Fn(usize) -> usize {
    let taps: usize = param.shape.iter().skip(2).product();
    let (outputs, row) = (param.shape[0], param.count() / param.shape[0] / taps);
    let inputs = input_sums(graph, param) / taps;
    // Outputs of one group read the same channels.
    let each = outputs / (inputs / row).max(1);
    let by_input = score.source() == score::Source::Inputs;
    move |i: usize| {
        if !by_input {
            return i;
        }
        let (output, input, tap) = (i / taps / row, i / taps % row, i % taps);
        (output / each.max(1) * row + input) * taps + tap
    }
}

/// Adds the squares of what each input channel gives to each position of the kernel, over all windows.
fn add_inputs(net: &Net, batch: &Batch, sums: &mut Sums) -> Result<()> {
    let (graph, lanes) = (net.graph(), batch.lanes);
    let tape = net.forward(batch, Mode::Train(None))?;
    for param in graph.prunable() {
        let sums = sums.get_mut(&param.name).expect("of every prunable weight");
        let input = graph.nodes()[param.node].inputs[0];
        let x = tape.output(input).host()?;
        let window = Windows::of(net, param.node, lanes);
        let shape = graph.nodes()[input].shape;
        let pixels = shape.pixels() * kernels::LANES;
        for (plane, x) in x.chunks_exact(pixels).enumerate() {
            let (block, channel) = (plane / shape.c, plane % shape.c);
            let real = kernels::LANES.min(lanes.images() - block * kernels::LANES);
            let squares: Vec<f64> = x
                .chunks_exact(kernels::LANES)
                .map(|lanes| lanes[..real].iter().map(|v| f64::from(*v).powi(2)).sum())
                .collect();
            let taps = window.taps();
            window.add(&squares, &mut sums[channel * taps..(channel + 1) * taps]);
        }
    }
    net.recycle(tape)
}

/// The windows of a layer over a map.
struct Windows {
    /// Height, then width.
    sides: [Side; 2],
    width: usize,
}

/// The windows along one side.
#[derive(Clone, Copy)]
struct Side {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
}

impl Windows {
    fn of(net: &Net, node: usize, lanes: Lanes) -> Self {
        let conv = net.conv(node, lanes);
        let (w, output) = (conv.window, conv.output());
        let side = |input, output, kernel, stride, dilation, before| Side {
            input,
            output,
            kernel,
            stride,
            dilation,
            before,
        };
        let high = side(conv.h, output.h, w.kernel.h, w.stride.h, w.dilation.h, w.padding.top);
        let wide = side(conv.w, output.w, w.kernel.w, w.stride.w, w.dilation.w, w.padding.left);
        Self { sides: [high, wide], width: conv.w }
    }

    fn taps(&self) -> usize {
        self.sides[0].kernel * self.sides[1].kernel
    }

    /// Adds to the sum of each position the values of the map `squares` that it meets.
    fn add(&self, squares: &[f64], sums: &mut [f64]) {
        let [high, wide] = self.sides;
        for (tap, sum) in sums.iter_mut().enumerate() {
            for y in high.met_by(tap / wide.kernel) {
                for x in wide.met_by(tap % wide.kernel) {
                    *sum += squares[y * self.width + x];
                }
            }
        }
    }
}

impl Side {
    /// The places that position `tap` of the kernel meets, padding left out.
    fn met_by(self, tap: usize) -> impl Iterator<Item = usize> {
        let at = move |window: usize| {
            (window * self.stride + tap * self.dilation).checked_sub(self.before)
        };
        (0..self.output).filter_map(at).filter(move |place| *place < self.input)
    }
}
