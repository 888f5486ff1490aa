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
}

impl Workspace {
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

    /// Bytes of all tensors made so far.
    pub(crate) fn bytes(&self) -> usize {
        self.values.get() * size_of::<f32>()
    }
}
