//! The forward walk of training: every activation that the way back needs is kept.

use anyhow::Result;
use graph::group::Group;
use graph::{Node, Op, Role};
use kernels::Lanes;

use crate::net::Stats;
use crate::noise::plane;
use crate::ops::{
    Activate, ActivateInPlace, Add, AveragePool, Concat, Conv, Copy, Drop, Flatten, GroupedConv,
    LayerNormForward, MaxPool, Multiply, NormApply, NormForward, NormTail, PadBorders, PadChannels,
    Scale, ScaleChannels, ShiftChannels, ShuffleChannels, SliceChannels, SparseConv, apply,
    apply_all,
};
use crate::{Batch, Net, Noise, Tensor, sizes};

/// How batch norms behave and what is kept.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    /// The batch's statistics, which also move the running ones; activations are kept. Dropout and
    /// stochastic depth draw from the noise; without it they leave everything as it is.
    Train(Option<Noise>),
    /// As `Train(None)` but with this weight of the batch in the running statistics, keeping nothing.
    Recalibrate(f32),
    /// With these statistics, keeping nothing.
    Score(&'a Stats),
    /// As `Score`, and moves running statistics of some norms.
    Measure(Measured<'a>),
}

/// Batch norms whose input statistics are measured, while every norm normalises with fixed ones.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    /// Those norms, as nodes of the graph.
    pub norms: &'a [usize],
    /// The statistics with which every norm of the network normalises.
    pub stats: &'a Stats,
    /// The weight of the batch in the running statistics.
    pub weight: f32,
}

impl<'a> Mode<'a> {
    fn noise(self) -> Option<Noise> {
        match self {
            Self::Train(noise) => noise,
            Self::Recalibrate(_) | Self::Score(_) | Self::Measure(_) => None,
        }
    }

    /// The weight of the batch in the running statistics of the norm `node`, whose own is `momentum`; None
    /// where these stay.
    fn moves(self, node: usize, momentum: f32) -> Option<f32> {
        match self {
            Self::Train(_) => Some(momentum),
            Self::Recalibrate(weight) => Some(weight),
            Self::Measure(m) => m.norms.contains(&node).then_some(m.weight),
            Self::Score(_) => None,
        }
    }

    /// The statistics with which norms normalise, where they are not the batch's own.
    fn stats(self) -> Option<&'a Stats> {
        match self {
            Self::Train(_) | Self::Recalibrate(_) => None,
            Self::Measure(m) => Some(m.stats),
            Self::Score(stats) => Some(stats),
        }
    }

    /// Whether activations are kept for a backward pass.
    fn keeps(self) -> bool {
        match self {
            Self::Train(_) => true,
            Self::Recalibrate(_) | Self::Score(_) | Self::Measure(_) => false,
        }
    }
}

/// What a forward walk leaves behind.
pub struct Tape {
    /// Output of each node, where it is still needed.
    pub(crate) outputs: Vec<Option<Tensor>>,
    /// Batch statistics of each batch norm.
    pub(crate) stats: Vec<Option<Tensor>>,
    /// What dropout and stochastic depth multiplied with.
    pub(crate) factors: Vec<Option<Tensor>>,
    /// The batch.
    pub(crate) lanes: Lanes,
}

impl Tape {
    /// The last node's output: logits `(blocks, classes, 1, 1, 16)`, on a GPU `(images, 1, 1, classes)`.
    ///
    /// # Panics
    /// Never: the last node's output is always kept.
    pub fn logits(&self) -> &Tensor {
        self.outputs.last().and_then(Option::as_ref).expect("the last output is kept")
    }

    pub(crate) fn output(&self, node: usize) -> &Tensor {
        self.outputs[node].as_ref().expect("read before its last reader")
    }
}

impl Net {
    /// Runs `batch` through the network.
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<Tape> {
        let count = self.graph().nodes().len();
        let mut tape = Tape {
            outputs: vec![None; count],
            stats: vec![None; count],
            factors: vec![None; count],
            lanes: batch.lanes,
        };
        let images = self.images(batch)?;
        if mode.keeps() {
            // In place: the batch's images are read by nothing else.
            self.round_output(0, &images)?;
        }
        tape.outputs[0] = Some(images);
        self.workspace().begin(self.batch_size(batch.lanes));
        self.refresh()?;
        let mut unread: Vec<usize> = (0..count).map(|n| self.readers(n)).collect();
        for group in self.groups() {
            self.group(group, &mut tape, mode)?;
            if mode.keeps() {
                self.round_output(group.head, tape.output(group.head))?;
            } else {
                self.forget(group, &mut tape, &mut unread)?;
            }
        }
        Ok(tape)
    }

    /// Gives the walk's tensors back, to be used again.
    pub fn recycle(&self, tape: Tape) -> Result<()> {
        // The first is the batch's own.
        let outputs = tape.outputs.into_iter().skip(1);
        outputs.chain(tape.stats).flatten().try_for_each(|t| self.workspace().give(t))
    }

    /// Gives the gradients of a backward walk back, to be used again.
    pub fn recycle_gradients(&self, grads: Vec<Option<Tensor>>) {
        let each = grads.into_iter().enumerate().filter_map(|(index, grad)| Some((index, grad?)));
        each.for_each(|(index, grad)| self.workspace().give_gradient(index, grad));
    }

    /// Gives back what no later group reads.
    fn forget(&self, group: &Group, tape: &mut Tape, unread: &mut [usize]) -> Result<()> {
        if group.core != group.head
            && let Some(inner) = tape.outputs[group.core].take()
        {
            self.workspace().give(inner)?;
        }
        let inputs = self.graph().nodes()[group.core].inputs.iter().copied();
        for input in inputs.chain(group.add) {
            unread[input] -= 1;
            if unread[input] == 0
                && input != 0
                && let Some(output) = tape.outputs[input].take()
            {
                self.workspace().give(output)?;
            }
        }
        Ok(())
    }

    fn group(&self, group: &Group, tape: &mut Tape, mode: Mode) -> Result<()> {
        let (core, head) = (&self.graph().nodes()[group.core], group.head);
        if let Some(&norm) = group.norms.first() {
            if norm != group.core {
                let y = self.activation(group.core, tape.lanes)?;
                self.convolve(group.core, (tape.output(core.inputs[0]), tape.lanes), &y)?;
                tape.outputs[group.core] = Some(y);
            }
            return self.norm(group, norm, tape, mode);
        }
        let y = self.activation(head, tape.lanes)?;
        match core.op {
            Op::Dropout(_) | Op::StochasticDepth(_) => {
                apply(&Copy, &y, &[tape.output(core.inputs[0])])?;
                if let Some(noise) = mode.noise() {
                    let factors = noise.factors(core, tape.lanes, self.device())?;
                    apply(&Drop { pixels: plane(core) }, &y, &[&factors])?;
                    tape.factors[group.core] = Some(factors);
                }
            }
            _ => self.core(group.core, tape, &y)?,
        }
        if let Some(add) = group.add {
            apply(&Add, &y, &[tape.output(add)])?;
        }
        if let Some(activation) = group.activation {
            apply(&ActivateInPlace(sizes::activation(activation)), &y, &[])?;
        }
        tape.outputs[head] = Some(y);
        Ok(())
    }

    /// Writes the output of node `index`, which draws no noise and is no batch norm, to `y`.
    fn core(&self, index: usize, tape: &Tape, y: &Tensor) -> Result<()> {
        let node = &self.graph().nodes()[index];
        let x = tape.output(node.inputs[0]);
        let from = self.graph().nodes()[node.inputs[0]].shape;
        let (shape, plane) = (node.shape, self.plane(index, tape.lanes));
        match node.op {
            Op::Conv(_) | Op::Linear(_) => self.convolve(index, (x, tape.lanes), y),
            Op::LayerNorm(norm) => {
                let sources = [x].into_iter().chain(self.affine(index));
                let sources: Vec<&Tensor> = sources.collect();
                apply(&LayerNormForward { plane, eps: norm.eps }, y, &sources)
            }
            Op::Scale(_) => apply(&ScaleChannels(plane), y, &[x, self.param(index, 0)]),
            Op::Shift(_) => apply(&ShiftChannels(plane), y, &[x, self.param(index, 0)]),
            Op::Activation(activation) => apply(&Activate(sizes::activation(activation)), y, &[x]),
            Op::MaxPool(pool) => {
                let pooling = sizes::max_pool(from, pool);
                apply(&MaxPool { pooling, channels: shape.c }, y, &[x])
            }
            Op::AveragePool(pool) => {
                let average = sizes::average_pool(from, pool);
                apply(&AveragePool { average, channels: shape.c }, y, &[x])
            }
            Op::AdaptiveAverage(pool) => {
                let average = sizes::adaptive_average(from, pool);
                apply(&AveragePool { average, channels: shape.c }, y, &[x])
            }
            Op::Add => {
                apply(&Copy, y, &[x])?;
                apply(&Add, y, &[tape.output(node.inputs[1])])
            }
            Op::Multiply => self.multiply(node, tape, y),
            Op::Concat => {
                let channels =
                    node.inputs.iter().map(|&n| self.graph().nodes()[n].shape.c).collect();
                let sources: Vec<&Tensor> = node.inputs.iter().map(|&n| tape.output(n)).collect();
                apply(&Concat { channels, pixels: shape.pixels() }, y, &sources)
            }
            Op::Slice(slice) => apply(&SliceChannels(sizes::slice(from, slice)), y, &[x]),
            Op::Shuffle(shuffle) => apply(&ShuffleChannels(sizes::shuffle(from, shuffle)), y, &[x]),
            Op::PadChannels(pad) => apply(&PadChannels(sizes::pad_channels(from, pad)), y, &[x]),
            Op::PadBorders(pad) => {
                let border = sizes::border(from, pad);
                apply(&PadBorders { border, channels: shape.c }, y, &[x])
            }
            Op::Flatten => apply(&Flatten { pixels: from.pixels(), channels: from.c }, y, &[x]),
            Op::Input | Op::BatchNorm(_) | Op::Dropout(_) | Op::StochasticDepth(_) => {
                unreachable!("{}: computed elsewhere", node.name)
            }
        }
    }

    fn multiply(&self, node: &Node, tape: &Tape, y: &Tensor) -> Result<()> {
        let [x, factor] = [0, 1].map(|k| tape.output(node.inputs[k]));
        if self.graph().nodes()[node.inputs[1]].shape == node.shape {
            return apply(&Multiply, y, &[x, factor]);
        }
        apply(&Copy, y, &[x])?;
        let (pixels, channels) = (node.shape.pixels(), node.shape.c);
        apply(&Scale { pixels, channels }, y, &[factor])
    }

    /// Writes the output of the convolution or linear layer `node`, its bias included, to `y`.
    fn convolve(&self, node: usize, (x, lanes): (&Tensor, Lanes), y: &Tensor) -> Result<()> {
        let conv = self.conv(node, lanes);
        let weight = self.weight(node);
        let bias = self.biased(node).then(|| self.param(node, 1));
        if let Some(grouped) = self.grouped(node, lanes) {
            let sources: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
            return apply(&GroupedConv(grouped), y, &sources);
        }
        let sparse = self.sparse(node);
        match &sparse {
            Some(layer) if layer.choice.forward => {
                let sources: Vec<&Tensor> = [x].into_iter().chain(bias).collect();
                apply(&SparseConv { conv, sparse: &layer.sparse }, y, &sources)
            }
            _ => {
                let sources: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
                apply(&Conv(conv), y, &sources)
            }
        }
    }

    fn norm(&self, group: &Group, norm: usize, tape: &mut Tape, mode: Mode) -> Result<()> {
        let node = &self.graph().nodes()[norm];
        let Op::BatchNorm(own) = node.op else { unreachable!("{}: a batch norm", node.name) };
        let plane = self.plane(norm, tape.lanes);
        let y = self.activation(group.head, tape.lanes)?;
        let x = tape.output(node.inputs[0]);
        let activation = group.activation.map(sizes::activation);
        let tail = NormTail { add: group.add.is_some(), activation };
        let [weight, bias] = self.affine_or_identity(norm);
        let add = group.add.map(|add| tape.output(add));
        let mut found = None;
        if let Some(momentum) = mode.moves(norm, own.momentum) {
            let stats = self.workspace().take(&[plane.channels, 2], self.device())?;
            let of = |role| self.of_role(norm, role).expect("every batch norm has statistics");
            let (mean, variance) = (of(Role::RunningMean), of(Role::RunningVar));
            let sources: Vec<&Tensor> = [x, weight, bias].into_iter().chain(add).collect();
            let op = NormForward { plane, eps: own.eps, momentum, tail };
            apply_all(&op, &[&y, &stats, mean, variance], &sources)?;
            found = Some(stats);
        }
        if let Some(stats) = mode.stats() {
            let stats = stats.of(norm);
            let sources: Vec<&Tensor> = [x, stats, weight, bias].into_iter().chain(add).collect();
            apply(&NormApply { plane, eps: own.eps, tail }, &y, &sources)?;
        }
        tape.stats[norm] = found;
        tape.outputs[group.head] = Some(y);
        Ok(())
    }
}
