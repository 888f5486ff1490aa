//! Activations that are used again, step after step: fresh ones would cost a page fault each 4 KiB.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Shape, Tensor};

/// Values of a cache line.
const LINE: usize = 16;

/// Tensors that nobody uses at present, by their number of values.
#[derive(Default)]
pub(crate) struct Workspace {
    free: RefCell<BTreeMap<usize, Vec<Tensor>>>,
    values: Cell<usize>,
    blocks: Cell<usize>,
}

impl Workspace {
    /// Begins a walk over batches of `blocks`. Tensors of other batches' sizes would lie unused
    /// beside those of this one: they are dropped.
    pub(crate) fn begin(&self, blocks: usize) {
        if self.blocks.replace(blocks) != blocks {
            let unused: usize =
                self.free.take().iter().map(|(len, tensors)| len * tensors.len()).sum();
            self.values.set(self.values.get().saturating_sub(unused));
        }
    }

    /// A tensor that holds anything, on the processor at the start of a cache line.
    pub(crate) fn take(&self, shape: impl Into<Shape>, device: &Device) -> Result<Tensor> {
        let shape = shape.into();
        let len = shape.elem_count();
        let free = self.free.borrow_mut().get_mut(&len).and_then(Vec::pop);
        let flat = match free {
            Some(tensor) => tensor,
            None => self.fresh(len, device)?,
        };
        flat.reshape(shape)
    }

    fn fresh(&self, len: usize, device: &Device) -> Result<Tensor> {
        self.values.set(self.values.get() + len);
        if !device.is_cpu() {
            return Tensor::zeros(len, DType::F32, device);
        }
        let values = vec![0.0_f32; len + LINE];
        let first = values.as_ptr().align_offset(LINE * size_of::<f32>());
        Tensor::from_vec(values, len + LINE, device)?.narrow(0, first, len)
    }

    /// Takes back a tensor that nobody reads any more.
    pub(crate) fn give(&self, tensor: Tensor) -> Result<()> {
        let flat = tensor.flatten_all()?;
        drop(tensor);
        self.free.borrow_mut().entry(flat.elem_count()).or_default().push(flat);
        Ok(())
    }

    /// Bytes of all tensors, those in use and those that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.values.get() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_batch_cannot_use_is_dropped() -> Result<()> {
        let workspace = Workspace::default();
        workspace.begin(2);
        let (a, b) = (workspace.take(32, &Device::Cpu)?, workspace.take(16, &Device::Cpu)?);
        assert_eq!(workspace.bytes(), 48 * 4);
        workspace.give(a)?;
        workspace.begin(2);
        assert_eq!(workspace.bytes(), 48 * 4, "the same size: kept");
        workspace.begin(1);
        assert_eq!(workspace.bytes(), 16 * 4, "the one in use is left");
        workspace.give(b)?;
        workspace.take(16, &Device::Cpu)?;
        assert_eq!(workspace.bytes(), 16 * 4, "used again");
        Ok(())
    }
}
