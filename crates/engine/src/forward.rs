//! The forward walk.

use candle_core::{DType, Result, Tensor};
use graph::{BATCH_NORM_EPS, BATCH_NORM_MOMENTUM, Op};
use kernels::Lanes;

use crate::ops::{
    Add, AveragePool, Conv, ConvBias, MaxPool, Norm, Relu, RunningUpdate, Statistics, apply,
};
use crate::{Batch, Net};

/// How batch norms behave and what is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Running statistics; activations are dropped as soon as nobody reads them.
    Evaluate,
    /// The batch's statistics, which also move the running ones; activations are kept.
    Train,
    /// As `Train` but with this weight of the batch in the running statistics, keeping nothing.
    Recalibrate(f32),
}

impl Mode {
    fn momentum(self) -> Option<f32> {
        match self {
            Self::Evaluate => None,
            Self::Train => Some(BATCH_NORM_MOMENTUM),
            Self::Recalibrate(momentum) => Some(momentum),
        }
    }
}

/// What a forward walk leaves behind.
pub struct Tape {
    /// Output of each node, where it is still needed.
    pub(crate) outputs: Vec<Option<Tensor>>,
    /// Batch statistics of each batch norm.
    pub(crate) stats: Vec<Option<Tensor>>,
    /// The batch.
    pub(crate) lanes: Lanes,
}

impl Tape {
    /// The last node's output: logits `(blocks, classes, 1, 1, 16)`.
    ///
    /// # Panics
    /// Never: the last node's output is always kept.
    pub fn logits(&self) -> &Tensor {
        self.outputs.last().and_then(Option::as_ref).expect("the last output is kept")
    }

    fn output(&self, node: usize) -> &Tensor {
        self.outputs[node].as_ref().expect("read before its last reader")
    }
}

impl Net {
    /// Runs `batch` through the network.
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<Tape> {
        let count = self.graph().nodes().len();
        let mut tape =
            Tape { outputs: vec![None; count], stats: vec![None; count], lanes: batch.lanes };
        tape.outputs[0] = Some(batch.images.clone());
        let mut unread: Vec<usize> = (0..count).map(|n| self.readers(n)).collect();
        for node in 1..count {
            let output = self.node(node, &mut tape, mode)?;
            tape.outputs[node] = Some(output);
            for &input in &self.graph().nodes()[node].inputs {
                unread[input] -= 1;
                if mode != Mode::Train && unread[input] == 0 {
                    tape.outputs[input] = None;
                }
            }
        }
        Ok(tape)
    }

    fn node(&self, index: usize, tape: &mut Tape, mode: Mode) -> Result<Tensor> {
        let node = &self.graph().nodes()[index];
        let lanes = tape.lanes;
        match node.op {
            Op::Input => unreachable!("the walk begins behind the input"),
            Op::Conv(graph::Conv { bias, .. }) | Op::Linear(graph::Linear { bias, .. }) => {
                let (conv, y) = (self.conv(index, lanes), self.activation(index, lanes)?);
                let (x, weight) = (tape.output(node.inputs[0]), self.param(index, 0));
                if bias {
                    apply(&ConvBias(conv), &y, &[x, weight, self.param(index, 1)])?;
                } else {
                    apply(&Conv(conv), &y, &[x, weight])?;
                }
                Ok(y)
            }
            Op::BatchNorm => self.norm(index, tape, mode),
            Op::Relu => {
                let y = self.own(node.inputs[0], tape)?;
                apply(&Relu, &y, &[])?;
                Ok(y)
            }
            Op::MaxPool(pool) => {
                let y = self.activation(index, lanes)?;
                apply(&MaxPool(self.pooling(index, pool)), &y, &[tape.output(node.inputs[0])])?;
                Ok(y)
            }
            Op::GlobalAverage => {
                let y = self.activation(index, lanes)?;
                let pixels = self.graph().nodes()[node.inputs[0]].shape.pixels();
                apply(&AveragePool { pixels }, &y, &[tape.output(node.inputs[0])])?;
                Ok(y)
            }
            Op::Add => {
                let y = self.own(node.inputs[0], tape)?;
                apply(&Add, &y, &[tape.output(node.inputs[1])])?;
                Ok(y)
            }
        }
    }

    fn norm(&self, index: usize, tape: &mut Tape, mode: Mode) -> Result<Tensor> {
        let (plane, x) = (self.plane(index, tape.lanes), self.graph().nodes()[index].inputs[0]);
        let stats = match mode.momentum() {
            None => {
                Tensor::stack(&[self.param(index, 2), self.param(index, 3)], 1)?.contiguous()?
            }
            Some(momentum) => {
                let stats = Tensor::zeros((plane.channels, 2), DType::F32, self.device())?;
                apply(&Statistics(plane), &stats, &[tape.output(x)])?;
                for part in [0, 1] {
                    let update = RunningUpdate { plane, momentum, part };
                    apply(&update, self.param(index, 2 + part), &[&stats])?;
                }
                stats
            }
        };
        let y = self.activation(index, tape.lanes)?;
        let sources = [tape.output(x), &stats, self.param(index, 0), self.param(index, 1)];
        apply(&Norm { plane, eps: BATCH_NORM_EPS }, &y, &sources)?;
        tape.stats[index] = Some(stats);
        Ok(y)
    }

    /// Node `input`'s output to be overwritten: taken where nobody else and no gradient reads it,
    /// else copied. A convolution's, norm's or sum's own gradient does not read its output.
    fn own(&self, input: usize, tape: &mut Tape) -> Result<Tensor> {
        let op = self.graph().nodes()[input].op;
        let free = matches!(op, Op::Conv(_) | Op::Linear(_) | Op::BatchNorm | Op::Add);
        if free && self.readers(input) == 1 {
            return Ok(tape.outputs[input].take().expect("read by one node, which is this"));
        }
        tape.output(input).copy()
    }
}
