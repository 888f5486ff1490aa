//! The backward walk: the gradient of every trainable parameter.

use anyhow::Result;
use graph::group::Group;
use graph::{BATCH_NORM_EPS, Op};

use crate::noise::plane;
use crate::ops::{
    Add, AveragePoolGrad, BiasGrad, Drop, GroupedInputGrad, GroupedWeightGrad, InputGrad,
    MaxPoolGrad, NormGrad, NormTail, Products, ReluGrad, Scale, SigmoidGrad, SiluGrad,
    SparseInputGrad, SparseWeightGrad, WeightGrad, apply, apply_all,
};
use crate::{Net, Tape, Tensor};

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
    pub fn backward(&self, tape: &Tape, logits: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let count = self.graph().nodes().len();
        let mut walk = Walk {
            net: self,
            tape,
            outputs: vec![None; count],
            params: vec![None; self.values().len()],
        };
        walk.outputs[count - 1] = Some(self.copied(logits)?);
        for group in self.groups().iter().rev() {
            // A node that nobody reads has no gradient; the zoo has none, the last one aside.
            if let Some(grad) = walk.outputs[group.head].take() {
                walk.group(group, grad)?;
            }
        }
        Ok(walk.params)
    }
}

impl Walk<'_> {
    fn group(&mut self, group: &Group, grad: Tensor) -> Result<()> {
        if let Some(norm) = group.norm {
            let grad = self.norm(group, norm, grad)?;
            return self.core(group.core, grad);
        }
        if group.relu {
            apply(&ReluGrad, &grad, &[self.tape.output(group.head)])?;
        }
        if let Some(add) = group.add {
            self.give(add, self.net.copied(&grad)?)?;
        }
        self.core(group.core, grad)
    }

    /// Takes the gradient of node `index`'s output to its inputs.
    fn core(&mut self, index: usize, grad: Tensor) -> Result<()> {
        let node = &self.net.graph().nodes()[index];
        let input = node.inputs[0];
        match node.op {
            Op::Input => unreachable!("the walk ends before the input"),
            Op::Conv(_) | Op::Linear(_) => self.weighted(index, grad),
            // The norm's own gradient was taken with the group.
            Op::BatchNorm => self.give(input, grad),
            Op::Relu => {
                apply(&ReluGrad, &grad, &[self.tape.output(index)])?;
                self.give(input, grad)
            }
            Op::MaxPool(pool) => {
                let dx = self.net.activation(input, self.tape.lanes)?;
                let channels = node.shape.c;
                let op = MaxPoolGrad { pooling: self.net.pooling(index, pool), channels };
                apply(&op, &dx, &[self.tape.output(input), &grad])?;
                self.net.workspace().give(grad)?;
                self.give(input, dx)
            }
            Op::Silu => {
                apply(&SiluGrad, &grad, &[self.tape.output(input)])?;
                self.give(input, grad)
            }
            Op::Sigmoid => {
                apply(&SigmoidGrad, &grad, &[self.tape.output(index)])?;
                self.give(input, grad)
            }
            Op::Scale => {
                let factor = node.inputs[1];
                let (pixels, channels) = (node.shape.pixels(), node.shape.c);
                let df = self.net.activation(factor, self.tape.lanes)?;
                let products = Products { pixels, channels };
                apply(&products, &df, &[&grad, self.tape.output(input)])?;
                self.give(factor, df)?;
                apply(&Scale { pixels, channels }, &grad, &[self.tape.output(factor)])?;
                self.give(input, grad)
            }
            Op::Dropout(_) | Op::StochasticDepth(_) => {
                if let Some(factors) = &self.tape.factors[index] {
                    apply(&Drop { pixels: plane(node) }, &grad, &[factors])?;
                }
                self.give(input, grad)
            }
            Op::Average(side) => {
                let dx = self.net.activation(input, self.tape.lanes)?;
                let (grid, channels) = (self.net.grid(input, side), node.shape.c);
                apply(&AveragePoolGrad { grid, channels }, &dx, &[&grad])?;
                self.net.workspace().give(grad)?;
                self.give(input, dx)
            }
            Op::Add => {
                // Gradients are overwritten further down, so each summand needs its own.
                self.give(node.inputs[1], self.net.copied(&grad)?)?;
                self.give(input, grad)
            }
        }
    }

    fn weighted(&mut self, index: usize, grad: Tensor) -> Result<()> {
        let net = self.net;
        let (conv, input) =
            (net.conv(index, self.tape.lanes), net.graph().nodes()[index].inputs[0]);
        let (first, weight) = (net.first_param(index), net.weight(index));
        let sparse = net.sparse(index);
        let x = self.tape.output(input);
        let dw = net.workspace().gradient(first, weight, net.device())?;
        let grouped = net.grouped(index, self.tape.lanes);
        match (&sparse, grouped) {
            (_, Some(grouped)) => apply(&GroupedWeightGrad(grouped), &dw, &[&grad, x])?,
            (Some(layer), _) if layer.choice.weight_grad => {
                apply(&SparseWeightGrad { conv, sparse: &layer.sparse }, &dw, &[&grad, x])?;
            }
            _ => apply(&WeightGrad(conv), &dw, &[&grad, x])?,
        }
        self.params[first] = Some(dw);
        if net.biased(index) {
            let bias = net.param(index, 1);
            let db = net.workspace().gradient(first + 1, bias, net.device())?;
            apply(&BiasGrad(conv), &db, &[&grad])?;
            self.params[first + 1] = Some(db);
        }
        // The images' own gradient has no reader.
        if input != 0 {
            let dx = net.activation(input, self.tape.lanes)?;
            match (&sparse, grouped) {
                (_, Some(grouped)) => {
                    apply(&GroupedInputGrad(grouped), &dx, &[&grad, weight])?;
                }
                (Some(layer), _) if layer.choice.input_grad => {
                    apply(&SparseInputGrad { conv, sparse: &layer.sparse }, &dx, &[&grad])?;
                }
                _ => apply(&InputGrad(conv), &dx, &[&grad, weight])?,
            }
            self.give(input, dx)?;
        }
        net.workspace().give(grad)
    }

    /// Takes `grad` through activation, sum and norm; returns that of the norm's input.
    fn norm(&mut self, group: &Group, norm: usize, grad: Tensor) -> Result<Tensor> {
        let net = self.net;
        let plane = net.plane(norm, self.tape.lanes);
        let x = self.tape.output(net.graph().nodes()[norm].inputs[0]);
        let stats = self.tape.stats[norm].as_ref().expect("kept in training mode");
        let first = net.first_param(norm);
        let sums = |k| net.workspace().gradient(first + k, net.param(norm, k), net.device());
        let (dweight, dbias) = (sums(0)?, sums(1)?);
        let tail = NormTail { add: group.add.is_some(), relu: group.relu };
        let op = NormGrad { plane, eps: BATCH_NORM_EPS, tail };
        let mut sources = vec![x, stats, net.param(norm, 0), net.param(norm, 1)];
        let dx = if let Some(add) = group.add {
            sources.push(self.tape.output(group.head));
            let dx = net.workspace().like(&grad, net.device())?;
            apply_all(&op, &[&grad, &dweight, &dbias, &dx], &sources)?;
            self.give(add, grad)?;
            dx
        } else {
            apply_all(&op, &[&grad, &dweight, &dbias], &sources)?;
            grad
        };
        (self.params[first], self.params[first + 1]) = (Some(dweight), Some(dbias));
        Ok(dx)
    }

    /// Adds `grad` to what node `node` has received so far.
    fn give(&mut self, node: usize, grad: Tensor) -> Result<()> {
        if let Some(sum) = &self.outputs[node] {
            apply(&Add, sum, &[&grad])?;
            return self.net.workspace().give(grad);
        }
        self.outputs[node] = Some(grad);
        Ok(())
    }
}
