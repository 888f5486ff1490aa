//! Inference: norms are folded into the weights, and each group is one pass over its output.

use anyhow::Result;
use artifact::tensors::Tensors;
#[cfg(feature = "cuda")]
use std::rc::Rc;

use graph::fold::{self, Folded};
use graph::group::{self, Group, Walk};
use graph::{BATCH_NORM_EPS, Op};
use kernels::pack;

use crate::ops::{
    Add, ConvTail, Copy, NormApply, NormTail, Ready, ReadyConv, Relu, Scale, Sigmoid, Silu, apply,
};
use crate::{Batch, Device, Net, Tensor, choice};

/// A network whose weights are arranged to be read many times. It holds those of the moment it was
/// made; training further does not change it.
pub struct Inference<'a> {
    net: &'a Net,
    groups: Vec<Group>,
    /// For each group what its convolution or linear layer multiplies with and adds.
    layers: Vec<Option<Layer>>,
}

enum Layer {
    /// A convolution or linear layer, its norm folded.
    Conv { ready: Ready, bias: Tensor },
    /// A norm that follows none: mean and variance interleaved, weight, bias.
    Norm([Tensor; 3]),
}

impl Net {
    /// Arranges the weights; exact zeros are skipped where that was measured to be faster.
    pub fn inference(&self) -> Result<Inference<'_>> {
        self.inference_of(&self.tensors()?)
    }

    /// As [`Self::inference`], of these values.
    pub(crate) fn inference_of(&self, tensors: &Tensors) -> Result<Inference<'_>> {
        let groups = group::groups(self.graph(), Walk::Inference);
        let layers = groups.iter().map(|g| self.layer(g, tensors)).collect::<Result<_>>()?;
        Ok(Inference { net: self, groups, layers })
    }

    fn layer(&self, group: &Group, tensors: &Tensors) -> Result<Option<Layer>> {
        let node = &self.graph().nodes()[group.core];
        match node.op {
            Op::Conv(_) | Op::Linear(_) => {}
            Op::BatchNorm => return Ok(Some(self.norm_layer(group.core, tensors)?)),
            _ => return Ok(None),
        }
        let conv = self.conv(group.core, choice::measured());
        let Folded { weight, bias } = fold::folded(self.graph(), group, tensors);
        let grouped = self.grouped(group.core, conv.lanes);
        let ready = match (self.device(), grouped) {
            (Device::Cpu, Some(grouped)) => Ready::Grouped(grouped, weight),
            (Device::Cpu, None) => Ready::new(&conv, &weight),
            #[cfg(feature = "cuda")]
            (Device::Cuda(gpu, _), _) => {
                Ready::OnGpu(grouped, self.arranged(gpu, group.core, weight)?)
            }
        };
        let bias = Tensor::new(bias, &[conv.outputs], self.device())?;
        Ok(Some(Layer::Conv { ready, bias }))
    }

    fn norm_layer(&self, node: usize, tensors: &Tensors) -> Result<Layer> {
        let of = |k: usize| {
            let param = &self.graph().params()[self.first_param(node) + k];
            tensors[&param.name].as_f32().expect("a checkpoint's").to_vec()
        };
        let [weight, bias, mean, variance] = [0, 1, 2, 3].map(of);
        let stats = mean.into_iter().zip(variance).flat_map(|(m, v)| [m, v]).collect();
        let put = |values: Vec<f32>| {
            let len = values.len();
            Tensor::new(values, &[len], self.device())
        };
        Ok(Layer::Norm([put(stats)?, put(weight)?, put(bias)?]))
    }
}

#[cfg(feature = "cuda")]
impl Net {
    /// The values `weight` of the table as kernels read node `node`'s.
    fn arranged(&self, gpu: &Rc<cuda::Gpu>, node: usize, weight: Vec<f32>) -> Result<Tensor> {
        let index = self.first_param(node);
        let param = &self.graph().params()[index];
        let weight = self.imported(param, weight)?;
        let Some(like) = self.copy_of(index) else { return Ok(weight) };
        let [rows, padded] = *like.dims() else { unreachable!("copies have rows") };
        let copy = gpu.room(self.device().kind(), rows * padded)?;
        gpu.narrow(weight.buffer(), &copy, (param.count() / rows, padded))?;
        Ok(Tensor::on_gpu(gpu, copy, &[rows, padded]))
    }
}

impl Inference<'_> {
    /// The logits `(blocks, classes, 1, 1, 16)` of `batch`, on a GPU `(images, 1, 1, classes)`.
    pub fn logits(&self, batch: &Batch) -> Result<Tensor> {
        let net = self.net;
        let count = net.graph().nodes().len();
        net.workspace().begin(net.batch_size(batch.lanes));
        let mut outputs: Vec<Option<Tensor>> = vec![None; count];
        outputs[0] = Some(batch.images.clone());
        let mut unread: Vec<usize> = (0..count).map(|n| net.readers(n)).collect();
        for (group, layer) in self.groups.iter().zip(&self.layers) {
            let y = net.activation(group.head, batch.lanes)?;
            self.group(group, layer.as_ref(), (&outputs, &y), batch)?;
            outputs[group.head] = Some(y);
            for input in net.graph().nodes()[group.core].inputs.iter().copied().chain(group.add) {
                unread[input] -= 1;
                if unread[input] == 0
                    && input != 0
                    && let Some(output) = outputs[input].take()
                {
                    net.workspace().give(output)?;
                }
            }
        }
        let logits = outputs.pop().flatten().expect("the last output is nobody's input");
        // The caller's own: the next batch must not overwrite it.
        let own = logits.copy()?;
        net.workspace().give(logits)?;
        Ok(own)
    }

    /// The logits of `batch` on the host, images x classes.
    pub fn rows(&self, batch: &Batch) -> Result<Vec<f32>> {
        let (logits, classes) = (self.logits(batch)?.host()?, self.net.graph().classes());
        if !self.net.device().is_cpu() {
            return Ok(logits);
        }
        let mut rows = vec![0.0; batch.lanes.images() * classes];
        pack::from_blocks(&logits, classes, batch.lanes, &mut rows);
        Ok(rows)
    }

    fn group(
        &self,
        group: &Group,
        layer: Option<&Layer>,
        (outputs, y): (&[Option<Tensor>], &Tensor),
        batch: &Batch,
    ) -> Result<()> {
        let net = self.net;
        let node = &net.graph().nodes()[group.core];
        let output = |n: usize| outputs[n].as_ref().expect("read before its last reader");
        let x = output(node.inputs[0]);
        let add = group.add.map(output);
        match node.op {
            Op::Conv(_) | Op::Linear(_) => {
                let Some(Layer::Conv { ready, bias }) = layer else {
                    unreachable!("made for every convolution")
                };
                let conv = net.conv(group.core, batch.lanes);
                let tail = ConvTail { add: add.is_some(), relu: group.relu };
                let sources: Vec<&Tensor> = [x, bias].into_iter().chain(add).collect();
                return apply(&ReadyConv { conv, ready, tail }, y, &sources);
            }
            Op::BatchNorm => {
                let Some(Layer::Norm([stats, weight, bias])) = layer else {
                    unreachable!("made for every norm")
                };
                let plane = net.plane(group.core, batch.lanes);
                let tail = NormTail { add: add.is_some(), relu: group.relu };
                let sources: Vec<&Tensor> =
                    [x, stats, weight, bias].into_iter().chain(add).collect();
                return apply(&NormApply { plane, eps: BATCH_NORM_EPS, tail }, y, &sources);
            }
            Op::MaxPool(pool) => apply(&net.max_pool(group.core, pool), y, &[x])?,
            Op::Average(side) => apply(&net.average_pool(node.inputs[0], side), y, &[x])?,
            Op::Silu => apply(&Silu, y, &[x])?,
            Op::Sigmoid => apply(&Sigmoid, y, &[x])?,
            Op::Scale => {
                apply(&Copy, y, &[x])?;
                let (pixels, channels) = (node.shape.pixels(), node.shape.c);
                apply(&Scale { pixels, channels }, y, &[output(node.inputs[1])])?;
            }
            Op::Add => {
                apply(&Copy, y, &[x])?;
                apply(&Add, y, &[output(node.inputs[1])])?;
            }
            Op::Relu | Op::Dropout(_) | Op::StochasticDepth(_) => apply(&Copy, y, &[x])?,
            Op::Input => unreachable!("the input has no group"),
        }
        if group.relu || node.op == Op::Relu {
            apply(&Relu, y, &[])?;
        }
        Ok(())
    }
}
