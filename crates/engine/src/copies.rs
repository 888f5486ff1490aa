//! What a GPU's kernels read instead of weights: these rounded to activations, those of the first
//! layer with rows as long as the images' channels. Whatever changes the weights writes the copies.

use anyhow::Result;
use cuda::{Fused, Parameter};
use graph::{Graph, Op, Param, Role};

use crate::layout::Order;
use crate::{Device, Tensor, batch};

/// A copy for each parameter of the table that has one.
pub(crate) struct Copies {
    all: Vec<Option<Tensor>>,
    fused: Fused,
}

impl Copies {
    pub(crate) fn new(graph: &Graph, values: &[Tensor], device: &Device) -> Result<Self> {
        let one = |param: &Param| room(graph, param, device);
        let all = graph.params().iter().map(one).collect::<Result<_>>()?;
        let copies = Self { all, fused: Fused::default() };
        copies.refresh(graph, values, device)?;
        Ok(copies)
    }

    /// That of parameter `index`.
    pub(crate) fn of(&self, index: usize) -> Option<&Tensor> {
        self.all[index].as_ref()
    }

    /// Writes the copies of `values`.
    pub(crate) fn refresh(&self, graph: &Graph, values: &[Tensor], device: &Device) -> Result<()> {
        let Device::Cuda(gpu, _) = device else { return Ok(()) };
        let each = graph.params().iter().zip(values).zip(&self.all);
        let parameters: Vec<Parameter> = each
            .filter_map(|((param, value), copy)| {
                let row = Order::of(graph, param, device).row(param.count());
                let (weight, copy) = (value.buffer(), Some(copy.as_ref()?.buffer()));
                Some(Parameter { weight, states: [None; 2], grad: None, mask: None, copy, row })
            })
            .collect();
        Ok(self.fused.copy((gpu, device.kind()), &parameters)?)
    }
}

/// Room for the copy of `param`, zeros where nothing will be written.
fn room(graph: &Graph, param: &Param, device: &Device) -> Result<Option<Tensor>> {
    let Device::Cuda(gpu, _) = device else { return Ok(None) };
    if param.role != Role::Weight {
        return Ok(None);
    }
    let row = Order::of(graph, param, device).row(param.count());
    let node = &graph.nodes()[param.node];
    let reads_images = matches!(node.op, Op::Conv(v) if v.groups == 1) && node.inputs[0] == 0;
    let padded = if reads_images { batch::channels(graph, device) } else { row };
    if device.kind() == cuda::Kind::F32 && padded == row {
        return Ok(None);
    }
    let count = param.count() / row * padded;
    let buffer = gpu.zeros(device.kind(), count)?;
    Ok(Some(Tensor::on_gpu(gpu, buffer, &[count / padded, padded])))
}
