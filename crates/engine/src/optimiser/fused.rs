//! The steps on a GPU: one launch over all parameters.

use std::rc::Rc;

use anyhow::{Result, bail};
use cuda::{Gpu, Parameter};
use graph::Param;

use super::{Clip, Optimiser, Slot, Step};
use crate::layout::Order;
use crate::{Net, Tensor};

impl Optimiser {
    pub(super) fn all_at_once(
        &self,
        gpu: &Gpu,
        net: &Net,
        grads: &[Option<Tensor>],
        (clip, step): (Clip, Step),
    ) -> Result<()> {
        let each = self.slots.iter().zip(grads).enumerate();
        let parameters: Vec<Parameter> = each
            .filter_map(|(k, (slot, grad))| Some(slot.as_ref()?.parameter(net, k, grad.as_ref()?)))
            .collect();
        let limits = (clip.value.map(|v| v as f32), clip.norm.map(|v| v as f32));
        let on = (gpu, net.device().kind());
        match (step, self.states.len()) {
            (Step::Sgd(sgd), 1) => Ok(self.fused.sgd(on, &parameters, sgd, limits)?),
            (Step::Adam(adam), 2) => Ok(self.fused.adam(on, &parameters, adam, limits)?),
            _ => bail!("a step of another optimiser than the state's"),
        }
    }
}

impl Slot {
    /// Parameter `index` with what goes with it.
    fn parameter<'a>(&'a self, net: &'a Net, index: usize, grad: &'a Tensor) -> Parameter<'a> {
        let param = &net.graph().params()[index];
        let state = |k: usize| self.states.get(k).map(Tensor::buffer);
        Parameter {
            weight: net.values()[index].buffer(),
            states: [state(0), state(1)],
            grad: Some(grad.buffer()),
            mask: self.mask.as_ref().map(Tensor::buffer),
            copy: net.copy_of(index).map(Tensor::buffer),
            row: Order::of(net.graph(), param, net.device()).row(param.count()),
        }
    }
}

/// A byte a weight of `param`: 1 where it is kept.
pub(super) fn mask(gpu: &Rc<Gpu>, net: &Net, (param, kept): (&Param, &[bool])) -> Result<Tensor> {
    let order = Order::of(net.graph(), param, net.device());
    let bytes = order.to_device(kept.iter().map(|k| u8::from(*k)).collect());
    Ok(Tensor::on_gpu(gpu, gpu.upload_bytes(&bytes)?, &param.shape))
}
