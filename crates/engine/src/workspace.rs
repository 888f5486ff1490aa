//! Activations that are used again, step after step: fresh ones would cost a page fault each 4 KiB.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use anyhow::Result;

use crate::{Device, Tensor};

/// Values of a cache line.
const LINE: usize = 16;

/// Bytes of a value, and number of values.
type Size = (usize, usize);

/// Tensors that nobody uses at present, by their size.
#[derive(Default)]
pub(crate) struct Workspace {
    free: RefCell<BTreeMap<Size, Vec<Tensor>>>,
    /// Gradients of parameters that nobody uses, by the parameter's index: each has a place of its own,
    /// so that a table of them on a device holds from step to step.
    gradients: RefCell<BTreeMap<usize, Tensor>>,
    bytes: Cell<usize>,
    batch: Cell<usize>,
}

impl Workspace {
    /// Begins a walk over batches of a size, in whatever activations come in. Tensors of other batches'
    /// sizes would lie unused beside those of this one: they are dropped.
    pub(crate) fn begin(&self, batch: usize) {
        if self.batch.replace(batch) != batch {
            let free = self.free.take();
            let unused: usize = free.iter().map(|((size, len), t)| size * len * t.len()).sum();
            self.bytes.set(self.bytes.get().saturating_sub(unused));
        }
    }

    /// An f32 tensor that holds anything, on the processor at the start of a cache line.
    pub(crate) fn take(&self, shape: &[usize], device: &Device) -> Result<Tensor> {
        self.sized(size_of::<f32>(), shape, device)
    }

    /// As [`Self::take`], of what activations are on the device.
    pub(crate) fn activation(&self, shape: &[usize], device: &Device) -> Result<Tensor> {
        self.sized(device.activation_bytes(), shape, device)
    }

    /// As [`Self::take`], of the shape and kind of `tensor`.
    pub(crate) fn like(&self, tensor: &Tensor, device: &Device) -> Result<Tensor> {
        self.sized(tensor.value_bytes(), tensor.dims(), device)
    }

    /// As [`Self::like`] of parameter `index`, for its gradient.
    pub(crate) fn gradient(&self, index: usize, like: &Tensor, device: &Device) -> Result<Tensor> {
        match self.gradients.borrow_mut().remove(&index) {
            Some(tensor) => Ok(tensor),
            None => {
                self.fresh((like.value_bytes(), like.elem_count()), device)?.reshape(like.dims())
            }
        }
    }

    /// Takes back the gradient of parameter `index`.
    pub(crate) fn give_gradient(&self, index: usize, gradient: Tensor) {
        self.gradients.borrow_mut().insert(index, gradient);
    }

    fn sized(&self, bytes: usize, shape: &[usize], device: &Device) -> Result<Tensor> {
        let len = shape.iter().product();
        let free = self.free.borrow_mut().get_mut(&(bytes, len)).and_then(Vec::pop);
        let flat = match free {
            Some(tensor) => tensor,
            None => self.fresh((bytes, len), device)?,
        };
        flat.reshape(shape)
    }

    fn fresh(&self, (bytes, len): Size, device: &Device) -> Result<Tensor> {
        let tensor = match device {
            Device::Cpu => {
                let values = vec![0.0_f32; len + LINE];
                let first = values.as_ptr().align_offset(LINE * size_of::<f32>());
                let cpu = &candle_core::Device::Cpu;
                let all = candle_core::Tensor::from_vec(values, len + LINE, cpu)?;
                Tensor::Cpu(all.narrow(0, first, len)?)
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu, _) => {
                let wide = bytes == size_of::<f32>();
                let kind = if wide { cuda::Kind::F32 } else { cuda::Kind::Bf16 };
                Tensor::on_gpu(gpu, gpu.room(kind, len)?, &[len])
            }
        };
        self.bytes.set(self.bytes.get() + bytes * len);
        Ok(tensor)
    }

    /// Takes back a tensor that nobody reads any more.
    pub(crate) fn give(&self, tensor: Tensor) -> Result<()> {
        let size = (tensor.value_bytes(), tensor.elem_count());
        let flat = tensor.reshape(&[size.1])?;
        self.free.borrow_mut().entry(size).or_default().push(flat);
        Ok(())
    }

    /// Bytes of all tensors, those in use and those that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_batch_cannot_use_is_dropped() -> Result<()> {
        let workspace = Workspace::default();
        workspace.begin(2);
        let (a, b) = (workspace.take(&[32], &Device::Cpu)?, workspace.take(&[16], &Device::Cpu)?);
        assert_eq!(workspace.bytes(), 48 * 4);
        workspace.give(a)?;
        workspace.begin(2);
        assert_eq!(workspace.bytes(), 48 * 4, "the same size: kept");
        workspace.begin(1);
        assert_eq!(workspace.bytes(), 16 * 4, "the one in use is left");
        workspace.give(b)?;
        workspace.take(&[16], &Device::Cpu)?;
        assert_eq!(workspace.bytes(), 16 * 4, "used again");
        Ok(())
    }
}
