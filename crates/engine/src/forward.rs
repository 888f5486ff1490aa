//! The forward walk of training: every activation that the way back needs is kept.

use anyhow::Result;
use graph::group::Group;
use graph::{BATCH_NORM_EPS, BATCH_NORM_MOMENTUM, Op};
use kernels::Lanes;

use crate::noise::plane;
use crate::ops::{
    Add, AveragePool, Conv, Copy, Drop, GroupedConv, MaxPool, NormForward, NormTail, Relu, Scale,
    Sigmoid, Silu, SparseConv, apply, apply_all,
};
use crate::{Batch, Net, Noise, Tensor};

/// How batch norms behave and what is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// The batch's statistics, which also move the running ones; activations are kept. Dropout and
    /// stochastic depth draw from the noise; without it they leave everything as it is.
    Train(Option<Noise>),
    /// As `Train(None)` but with this weight of the batch in the running statistics, keeping nothing.
    Recalibrate(f32),
}

impl Mode {
    fn noise(self) -> Option<Noise> {
        match self {
            Self::Train(noise) => noise,
            Self::Recalibrate(_) => None,
        }
    }

    fn momentum(self) -> f32 {
        match self {
            Self::Train(_) => BATCH_NORM_MOMENTUM,
            Self::Recalibrate(momentum) => momentum,
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
        tape.outputs[0] = Some(batch.images.clone());
        self.workspace().begin(self.batch_size(batch.lanes));
        self.refresh()?;
        let mut unread: Vec<usize> = (0..count).map(|n| self.readers(n)).collect();
        for group in self.groups() {
            self.group(group, &mut tape, mode)?;
            if matches!(mode, Mode::Recalibrate(_)) {
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
        let input = core.inputs[0];
        if let Some(norm) = group.norm {
            if norm != group.core {
                let y = self.activation(group.core, tape.lanes)?;
                self.convolve(group.core, (tape.output(input), tape.lanes), &y)?;
                tape.outputs[group.core] = Some(y);
            }
            return self.norm(group, norm, tape, mode);
        }
        let y = self.activation(head, tape.lanes)?;
        let x = tape.output(input);
        match core.op {
            Op::Conv(_) | Op::Linear(_) => {
                self.convolve(group.core, (x, tape.lanes), &y)?;
                if let Some(add) = group.add {
                    apply(&Add, &y, &[tape.output(add)])?;
                }
            }
            Op::MaxPool(pool) => apply(&self.max_pool(group.core, pool), &y, &[x])?,
            Op::Average(side) => apply(&self.average_pool(input, side), &y, &[x])?,
            Op::Add => {
                apply(&Copy, &y, &[x])?;
                apply(&Add, &y, &[tape.output(core.inputs[1])])?;
            }
            Op::Relu => apply(&Copy, &y, &[x])?,
            Op::Silu => apply(&Silu, &y, &[x])?,
            Op::Sigmoid => apply(&Sigmoid, &y, &[x])?,
            Op::Scale => {
                apply(&Copy, &y, &[x])?;
                let (pixels, channels) = (core.shape.pixels(), core.shape.c);
                apply(&Scale { pixels, channels }, &y, &[tape.output(core.inputs[1])])?;
            }
            Op::Dropout(_) | Op::StochasticDepth(_) => {
                apply(&Copy, &y, &[x])?;
                if let Some(noise) = mode.noise() {
                    let factors = noise.factors(core, tape.lanes, self.device())?;
                    apply(&Drop { pixels: plane(core) }, &y, &[&factors])?;
                    tape.factors[group.core] = Some(factors);
                }
            }
            Op::Input | Op::BatchNorm => unreachable!("the input has no group, a norm is one"),
        }
        if group.relu || core.op == Op::Relu {
            apply(&Relu, &y, &[])?;
        }
        tape.outputs[head] = Some(y);
        Ok(())
    }

    /// The max pooling `node`.
    pub(crate) fn max_pool(&self, node: usize, pool: graph::Pool) -> MaxPool {
        MaxPool { pooling: self.pooling(node, pool), channels: self.graph().nodes()[node].shape.c }
    }

    /// An average pooling of node `input`.
    pub(crate) fn average_pool(&self, input: usize, side: usize) -> AveragePool {
        let channels = self.graph().nodes()[input].shape.c;
        AveragePool { grid: self.grid(input, side), channels }
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
        let plane = self.plane(norm, tape.lanes);
        let stats = self.workspace().take(&[plane.channels, 2], self.device())?;
        let y = self.activation(group.head, tape.lanes)?;
        let x = tape.output(self.graph().nodes()[norm].inputs[0]);
        let tail = NormTail { add: group.add.is_some(), relu: group.relu };
        let [weight, bias, mean, variance] = [0, 1, 2, 3].map(|k| self.param(norm, k));
        let mut sources = vec![x, weight, bias];
        sources.extend(group.add.map(|add| tape.output(add)));
        let momentum = mode.momentum();
        let op = NormForward { plane, eps: BATCH_NORM_EPS, momentum, tail };
        apply_all(&op, &[&y, &stats, mean, variance], &sources)?;
        tape.stats[norm] = Some(stats);
        tape.outputs[group.head] = Some(y);
        Ok(())
    }
}
