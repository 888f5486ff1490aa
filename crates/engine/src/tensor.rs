//! Values on a device: candle's tensors on the processor, buffers on a GPU.

#[cfg(feature = "cuda")]
use std::rc::Rc;

use anyhow::Result;
use candle_core::DType;

use crate::Device;

/// Values of a shape on a device. Clones share them.
#[derive(Clone)]
pub enum Tensor {
    /// On the processor, f32.
    Cpu(candle_core::Tensor),
    /// On a GPU, f32 or activations.
    #[cfg(feature = "cuda")]
    Cuda(OnGpu),
}

/// Values on a GPU.
#[cfg(feature = "cuda")]
#[derive(Clone)]
pub struct OnGpu {
    pub(crate) gpu: Rc<cuda::Gpu>,
    pub(crate) buffer: Rc<cuda::Buffer>,
    shape: Vec<usize>,
}

impl Tensor {
    /// f32 `values` of `shape` on `device`.
    pub fn new(values: Vec<f32>, shape: &[usize], device: &Device) -> Result<Self> {
        match device {
            Device::Cpu => Ok(Self::Cpu(candle_core::Tensor::from_vec(
                values,
                shape,
                &candle_core::Device::Cpu,
            )?)),
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu, _) => Ok(Self::on_gpu(gpu, gpu.upload(&values)?, shape)),
        }
    }

    /// f32 zeros.
    pub fn zeros(shape: &[usize], device: &Device) -> Result<Self> {
        match device {
            Device::Cpu => {
                let device = &candle_core::Device::Cpu;
                Ok(Self::Cpu(candle_core::Tensor::zeros(shape, DType::F32, device)?))
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu, _) => {
                let buffer = gpu.zeros(cuda::Kind::F32, shape.iter().product())?;
                Ok(Self::on_gpu(gpu, buffer, shape))
            }
        }
    }

    #[cfg(feature = "cuda")]
    pub(crate) fn on_gpu(gpu: &Rc<cuda::Gpu>, buffer: cuda::Buffer, shape: &[usize]) -> Self {
        let (gpu, buffer) = (Rc::clone(gpu), Rc::new(buffer));
        Self::Cuda(OnGpu { gpu, buffer, shape: shape.to_vec() })
    }

    /// Its sizes.
    pub fn dims(&self) -> &[usize] {
        match self {
            Self::Cpu(tensor) => tensor.dims(),
            #[cfg(feature = "cuda")]
            Self::Cuda(on) => &on.shape,
        }
    }

    /// Number of values.
    pub fn elem_count(&self) -> usize {
        self.dims().iter().product()
    }

    /// Bytes of a value.
    pub(crate) fn value_bytes(&self) -> usize {
        match self {
            Self::Cpu(_) => size_of::<f32>(),
            #[cfg(feature = "cuda")]
            Self::Cuda(on) => on.buffer.kind().size(),
        }
    }

    /// The same values in another shape of as many.
    pub(crate) fn reshape(self, shape: &[usize]) -> Result<Self> {
        match self {
            Self::Cpu(tensor) => Ok(Self::Cpu(tensor.reshape(shape)?)),
            #[cfg(feature = "cuda")]
            Self::Cuda(on) => {
                assert_eq!(on.buffer.len(), shape.iter().product::<usize>(), "as many values");
                Ok(Self::Cuda(OnGpu { shape: shape.to_vec(), ..on }))
            }
        }
    }

    /// Values of its own.
    pub(crate) fn copy(&self) -> Result<Self> {
        match self {
            Self::Cpu(tensor) => Ok(Self::Cpu(tensor.copy()?)),
            #[cfg(feature = "cuda")]
            Self::Cuda(on) => Ok(Self::on_gpu(&on.gpu, on.gpu.copied(&on.buffer)?, &on.shape)),
        }
    }

    /// The values on the host, as f32, in the device's order.
    pub fn host(&self) -> Result<Vec<f32>> {
        match self {
            Self::Cpu(tensor) => Ok(tensor.flatten_all()?.to_vec1()?),
            #[cfg(feature = "cuda")]
            Self::Cuda(on) => Ok(on.gpu.download(&on.buffer)?),
        }
    }

    /// candle's tensor of values on the processor.
    ///
    /// # Panics
    /// If they are on a GPU: a network's tensors are all on its device.
    pub(crate) fn candle(&self) -> &candle_core::Tensor {
        match self {
            Self::Cpu(tensor) => tensor,
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => panic!("a tensor of a GPU among those of the processor"),
        }
    }

    /// The buffer of values on a GPU.
    ///
    /// # Panics
    /// If they are on the processor: a network's tensors are all on its device.
    #[cfg(feature = "cuda")]
    pub(crate) fn buffer(&self) -> &cuda::Buffer {
        match self {
            Self::Cpu(_) => panic!("a tensor of the processor among those of a GPU"),
            Self::Cuda(on) => &on.buffer,
        }
    }
}
