//! The backward walk: the gradient of every trainable parameter.

use candle_core::{DType, Result, Tensor};
use graph::{BATCH_NORM_EPS, Op};

use crate::ops::{
    Add, AveragePoolGrad, BiasGrad, Column, InputGrad, MaxPoolGrad, NormGrad, NormGradSums,
    ReluGrad, WeightGrad, apply,
};
use crate::{Net, Tape};

/// Gradients on their way back.
struct Walk<'a> {
    net: &'a Net,
    tape: &'a Tape,
    /// Gradient of each node's output, as far as its readers have been visited.
    outputs: Vec<Option<Tensor>>,
    /// Gradient of each parameter; none for running statistics.
    params: Vec<Option<Tensor>>,
}

impl Net {
    /// The gradient of each parameter (in the order of the table; `None` for running statistics),
    /// given that of the logits. The tape must come from a walk in [`crate::Mode::Train`].
    pub fn backward(&self, tape: &Tape, logits: Tensor) -> Result<Vec<Option<Tensor>>> {
        let count = self.graph().nodes().len();
        let mut walk = Walk {
            net: self,
            tape,
            outputs: vec![None; count],
            params: vec![None; self.values().len()],
        };
        walk.outputs[count - 1] = Some(logits);
        for node in (1..count).rev() {
            // A node that nobody reads has no gradient; the zoo has none, the last one aside.
            if let Some(grad) = walk.outputs[node].take() {
                walk.node(node, grad)?;
            }
        }
        Ok(walk.params)
    }
}

impl Walk<'_> {
    fn node(&mut self, index: usize, grad: Tensor) -> Result<()> {
        let node = &self.net.graph().nodes()[index];
        let input = node.inputs[0];
        match node.op {
            Op::Input => unreachable!("the walk ends before the input"),
            Op::Conv(graph::Conv { bias, .. }) | Op::Linear(graph::Linear { bias, .. }) => {
                self.weighted(index, &grad, bias)
            }
            Op::BatchNorm => self.norm(index, grad),
            Op::Relu => {
                apply(&ReluGrad, &grad, &[self.tape_output(index)])?;
                self.give(input, grad)
            }
            Op::MaxPool(pool) => {
                let dx = self.net.activation(input, self.tape.lanes)?;
                let op = MaxPoolGrad(self.net.pooling(index, pool));
                apply(&op, &dx, &[self.tape_output(input), &grad])?;
                self.give(input, dx)
            }
            Op::GlobalAverage => {
                let dx = self.net.activation(input, self.tape.lanes)?;
                let pixels = self.net.graph().nodes()[input].shape.pixels();
                apply(&AveragePoolGrad { pixels }, &dx, &[&grad])?;
                self.give(input, dx)
            }
            Op::Add => {
                // Gradients are overwritten further down, so each summand needs its own.
                let copy = grad.copy()?;
                self.give(node.inputs[1], copy)?;
                self.give(input, grad)
            }
        }
    }

    fn weighted(&mut self, index: usize, grad: &Tensor, bias: bool) -> Result<()> {
        let net = self.net;
        let (conv, input) =
            (net.conv(index, self.tape.lanes), net.graph().nodes()[index].inputs[0]);
        let (first, weight) = (net.first_param(index), net.param(index, 0));
        let dw = weight.zeros_like()?;
        apply(&WeightGrad(conv), &dw, &[grad, self.tape_output(input)])?;
        self.params[first] = Some(dw);
        if bias {
            let db = net.param(index, 1).zeros_like()?;
            apply(&BiasGrad(conv), &db, &[grad])?;
            self.params[first + 1] = Some(db);
        }
        // The images' own gradient has no reader.
        if input == 0 {
            return Ok(());
        }
        let dx = net.activation(input, self.tape.lanes)?;
        apply(&InputGrad(conv), &dx, &[grad, weight])?;
        self.give(input, dx)
    }

    fn norm(&mut self, index: usize, grad: Tensor) -> Result<()> {
        let net = self.net;
        let (plane, input) =
            (net.plane(index, self.tape.lanes), net.graph().nodes()[index].inputs[0]);
        let (x, weight) = (self.tape_output(input), net.param(index, 0));
        let stats = self.tape.stats[index].as_ref().expect("kept in training mode");
        let sums = Tensor::zeros((plane.channels, 2), DType::F32, net.device())?;
        apply(&NormGradSums { plane, eps: BATCH_NORM_EPS }, &sums, &[x, &grad, stats, weight])?;
        apply(&NormGrad { plane, eps: BATCH_NORM_EPS }, &grad, &[x, &sums, stats, weight])?;
        for (param, column) in [(0, 1), (1, 0)] {
            let out = Tensor::zeros(plane.channels, DType::F32, net.device())?;
            apply(&Column(column), &out, &[&sums])?;
            self.params[net.first_param(index) + param] = Some(out);
        }
        self.give(input, grad)
    }

    fn tape_output(&self, node: usize) -> &Tensor {
        self.tape.outputs[node].as_ref().expect("kept in training mode")
    }

    /// Adds `grad` to what node `node` has received so far.
    fn give(&mut self, node: usize, grad: Tensor) -> Result<()> {
        if let Some(sum) = &self.outputs[node] {
            return apply(&Add, sum, &[&grad]);
        }
        self.outputs[node] = Some(grad);
        Ok(())
    }
}
