//! The backward walk: the gradient of every trainable parameter.

use anyhow::Result;
use graph::group::Group;
use graph::{Node, Op};

use crate::noise::plane;
use crate::ops::{
    ActivationGrad, Add, AveragePoolGrad, BiasGrad, CropBorders, Drop, GroupedInputGrad,
    GroupedWeightGrad, InputGrad, LayerNormGrad, MaxPoolGrad, Multiply, NormGrad, NormTail,
    PadChannels, Products, Scale, ScaleChannels, ScaleChannelsGrad, ShiftChannelsGrad,
    ShuffleChannels, SliceChannels, SparseInputGrad, SparseWeightGrad, Unflatten, WeightGrad,
    apply, apply_all,
};
use crate::{Net, Tape, Tensor, sizes};

/// Gradients so far.
struct Walk<'a> {
    net: &'a Net,
    tape: &'a Tape,
    /// Gradient of each node's output, as far as its readers have been visited.
    outputs: Vec<Option<Tensor>>,
    /// Gradient of each parameter; none for running statistics.
    params: Vec<Option<Tensor>>,
    /// Whether pruned weights have gradients too.
    dense: bool,
}

impl Net {
    /// The gradient of each parameter (in the order of the table; `None` for what is not trained),
    /// given that of the logits. The tape must come from a walk in [`crate::Mode::Train`]. Gradients of pruned weights may
    /// be anything.
    pub fn backward(&self, tape: &Tape, logits: &Tensor) -> Result<Vec<Option<Tensor>>> {
        self.walk_back(tape, logits, false)
    }

    /// As [`Self::backward`], with the gradients of pruned weights.
    pub fn backward_dense(&self, tape: &Tape, logits: &Tensor) -> Result<Vec<Option<Tensor>>> {
        self.walk_back(tape, logits, true)
    }

    fn walk_back(&self, tape: &Tape, logits: &Tensor, dense: bool) -> Result<Vec<Option<Tensor>>> {
        let count = self.graph().nodes().len();
        let mut walk = Walk {
            net: self,
            tape,
            outputs: vec![None; count],
            params: vec![None; self.values().len()],
            dense,
        };
        walk.outputs[count - 1] = Some(self.copied(logits)?);
        for group in self.groups().iter().rev() {
            let grad = walk.outputs[group.head].take();
            let grad = grad.expect("every node but the last is read");
            self.through_rounding(group.head, &grad, tape.output(group.head))?;
            walk.group(group, grad)?;
        }
        Ok(walk.params)
    }
}

impl Walk<'_> {
    fn group(&mut self, group: &Group, grad: Tensor) -> Result<()> {
        if let Some(&norm) = group.norms.first() {
            let grad = self.norm(group, norm, grad)?;
            if norm == group.core {
                return self.give(self.net.graph().nodes()[norm].inputs[0], grad);
            }
            return self.core(group.core, grad);
        }
        if let Some(activation) = group.activation {
            let output = self.tape.output(group.head);
            apply(&ActivationGrad(sizes::activation(activation)), &grad, &[output])?;
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
            Op::Conv(_) | Op::Linear(_) => self.weighted(index, grad),
            Op::LayerNorm(norm) => self.layer_norm(index, norm.eps, grad),
            Op::Scale(_) => self.scale(index, &grad),
            Op::Shift(_) => self.shift(index, grad),
            Op::Activation(activation) => {
                let activation = sizes::activation(activation);
                let saved = if activation.saves_output() { index } else { input };
                apply(&ActivationGrad(activation), &grad, &[self.tape.output(saved)])?;
                self.give(input, grad)
            }
            Op::Multiply => self.multiply(node, grad),
            Op::Dropout(_) | Op::StochasticDepth(_) => {
                if let Some(factors) = &self.tape.factors[index] {
                    apply(&Drop { pixels: plane(node) }, &grad, &[factors])?;
                }
                self.give(input, grad)
            }
            Op::Add => {
                // Gradients are overwritten further down, so each summand needs its own.
                self.give(node.inputs[1], self.net.copied(&grad)?)?;
                self.give(input, grad)
            }
            Op::Concat => self.concat(node, grad),
            Op::MaxPool(_)
            | Op::AveragePool(_)
            | Op::AdaptiveAverage(_)
            | Op::Slice(_)
            | Op::Shuffle(_)
            | Op::PadChannels(_)
            | Op::PadBorders(_)
            | Op::Flatten => self.reshaped(node, grad),
            Op::Input | Op::BatchNorm(_) => unreachable!("{}: done before", node.name),
        }
    }

    /// Takes the gradient of an operation without parameters to its one input, of another shape.
    fn reshaped(&mut self, node: &Node, grad: Tensor) -> Result<()> {
        let input = node.inputs[0];
        let dx = self.net.activation(input, self.tape.lanes)?;
        let from = self.net.graph().nodes()[input].shape;
        let channels = from.c;
        match node.op {
            Op::MaxPool(pool) => {
                let op = MaxPoolGrad { pooling: sizes::max_pool(from, pool), channels };
                apply(&op, &dx, &[self.tape.output(input), &grad])?;
            }
            Op::AveragePool(pool) => {
                let average = sizes::average_pool(from, pool);
                apply(&AveragePoolGrad { average, channels }, &dx, &[&grad])?;
            }
            Op::AdaptiveAverage(pool) => {
                let average = sizes::adaptive_average(from, pool);
                apply(&AveragePoolGrad { average, channels }, &dx, &[&grad])?;
            }
            Op::Slice(slice) => apply(&PadChannels(sizes::slice(from, slice)), &dx, &[&grad])?,
            Op::Shuffle(shuffle) => {
                let inverse = sizes::shuffle(from, shuffle).inverse();
                apply(&ShuffleChannels(inverse), &dx, &[&grad])?;
            }
            Op::PadChannels(pad) => {
                apply(&SliceChannels(sizes::pad_channels(from, pad)), &dx, &[&grad])?;
            }
            Op::PadBorders(pad) => {
                let border = sizes::border(from, pad);
                apply(&CropBorders { border, channels }, &dx, &[&grad])?;
            }
            Op::Flatten => apply(&Unflatten { pixels: from.pixels(), channels }, &dx, &[&grad])?,
            _ => unreachable!("{}: it has a way of its own", node.name),
        }
        self.net.workspace().give(grad)?;
        self.give(input, dx)
    }

    fn concat(&mut self, node: &Node, grad: Tensor) -> Result<()> {
        let mut start = 0;
        for &input in &node.inputs {
            let part = self.net.graph().nodes()[input].shape;
            let dx = self.net.activation(input, self.tape.lanes)?;
            let slice = graph::op::Slice { start, end: start + part.c };
            apply(&SliceChannels(sizes::slice(node.shape, slice)), &dx, &[&grad])?;
            self.give(input, dx)?;
            start += part.c;
        }
        self.net.workspace().give(grad)
    }

    fn multiply(&mut self, node: &Node, grad: Tensor) -> Result<()> {
        let [input, factor] = node.inputs[..] else { unreachable!("two factors") };
        let df = self.net.activation(factor, self.tape.lanes)?;
        let (x, f) = (self.tape.output(input), self.tape.output(factor));
        if self.net.graph().nodes()[factor].shape == node.shape {
            let dx = self.net.activation(input, self.tape.lanes)?;
            apply(&Multiply, &df, &[&grad, x])?;
            apply(&Multiply, &dx, &[&grad, f])?;
            self.net.workspace().give(grad)?;
            self.give(factor, df)?;
            return self.give(input, dx);
        }
        let (pixels, channels) = (node.shape.pixels(), node.shape.c);
        apply(&Products { pixels, channels }, &df, &[&grad, x])?;
        self.give(factor, df)?;
        apply(&Scale { pixels, channels }, &grad, &[f])?;
        self.give(input, grad)
    }

    /// Room for the gradient of the `k`-th parameter of node `index`.
    fn gradient(&self, index: usize, k: usize) -> Result<Tensor> {
        let net = self.net;
        net.workspace().gradient(net.first_param(index) + k, net.param(index, k), net.device())
    }

    fn scale(&mut self, index: usize, grad: &Tensor) -> Result<()> {
        let (net, input) = (self.net, self.net.graph().nodes()[index].inputs[0]);
        let plane = net.plane(index, self.tape.lanes);
        if net.is_trained(index, 0) {
            let df = self.gradient(index, 0)?;
            apply(&ScaleChannelsGrad(plane), &df, &[grad, self.tape.output(input)])?;
            self.params[net.first_param(index)] = Some(df);
        }
        let dx = net.activation(input, self.tape.lanes)?;
        apply(&ScaleChannels(plane), &dx, &[grad, net.param(index, 0)])?;
        net.workspace().give(grad.clone())?;
        self.give(input, dx)
    }

    fn shift(&mut self, index: usize, grad: Tensor) -> Result<()> {
        let net = self.net;
        if net.is_trained(index, 0) {
            let db = self.gradient(index, 0)?;
            apply(&ShiftChannelsGrad(net.plane(index, self.tape.lanes)), &db, &[&grad])?;
            self.params[net.first_param(index)] = Some(db);
        }
        self.give(net.graph().nodes()[index].inputs[0], grad)
    }

    fn layer_norm(&mut self, index: usize, eps: f32, grad: Tensor) -> Result<()> {
        let (net, input) = (self.net, self.net.graph().nodes()[index].inputs[0]);
        let op = LayerNormGrad { plane: net.plane(index, self.tape.lanes), eps };
        let params: Vec<&Tensor> = net.affine(index).collect();
        let grads: Vec<Tensor> =
            (0..params.len()).map(|k| self.gradient(index, k)).collect::<Result<_>>()?;
        let outs: Vec<&Tensor> = [&grad].into_iter().chain(&grads).collect();
        let sources: Vec<&Tensor> = [self.tape.output(input)].into_iter().chain(params).collect();
        apply_all(&op, &outs, &sources)?;
        for (k, grad) in grads.into_iter().enumerate() {
            self.params[net.first_param(index) + k] = Some(grad);
        }
        self.give(input, grad)
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
            (Some(layer), _) if layer.choice.weight_grad && !self.dense => {
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
        let node = &net.graph().nodes()[norm];
        let Op::BatchNorm(own) = node.op else { unreachable!("{}: a batch norm", node.name) };
        let plane = net.plane(norm, self.tape.lanes);
        let x = self.tape.output(node.inputs[0]);
        let stats = self.tape.stats[norm].as_ref().expect("kept in training mode");
        let [weight, bias] = net.affine_or_identity(norm);
        let room = |k| {
            if own.affine {
                self.gradient(norm, k)
            } else {
                // Written all the same, and nobody's.
                net.workspace().like(weight, net.device())
            }
        };
        let (dweight, dbias) = (room(0)?, room(1)?);
        let activation = group.activation.map(sizes::activation);
        let tail = NormTail { add: group.add.is_some(), activation };
        let op = NormGrad { plane, eps: own.eps, tail };
        let mut sources = vec![x, stats, weight, bias];
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
        if own.affine {
            let first = net.first_param(norm);
            (self.params[first], self.params[first + 1]) = (Some(dweight), Some(dbias));
        } else {
            net.workspace().give(dweight)?;
            net.workspace().give(dbias)?;
        }
        Ok(dx)
    }

    /// Adds `grad` to what node `node` has received so far.
    fn give(&mut self, node: usize, grad: Tensor) -> Result<()> {
        if node == 0 {
            // Nobody asks for that of the images.
            return self.net.workspace().give(grad);
        }
        if let Some(sum) = &self.outputs[node] {
            apply(&Add, sum, &[&grad])?;
            return self.net.workspace().give(grad);
        }
        self.outputs[node] = Some(grad);
        Ok(())
    }
}
