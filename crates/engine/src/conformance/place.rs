//! Putting values on a device and getting them back, in the order of `PyTorch` on either side.

use anyhow::Result;
use kernels::{LANES, Lanes, pack};

use crate::layout::Order;
use crate::{Device, Precision, Tensor};

/// A device with the order that activations have there.
pub(super) struct Place {
    pub(super) device: Device,
    precision: Precision,
}

/// Channels, height and width of an activation.
pub(super) type Size = [usize; 3];

impl Place {
    pub(super) fn new(device: &Device, precision: Precision) -> Self {
        Self { device: device.clone(), precision }
    }

    /// Numbers around zero that follow from `name`, rounded as activations are, so that the
    /// processor begins with what a GPU begins with.
    pub(super) fn random(&self, name: &str, len: usize) -> Vec<f32> {
        let mut stream = seed::stream(7, &format!("conformance/{name}"), 0);
        (0..len).map(|_| self.rounded(stream.normal() as f32)).collect()
    }

    /// `value` as an activation holds it.
    pub(super) fn rounded(&self, value: f32) -> f32 {
        match self.precision {
            Precision::Bf16 => half::bf16::from_f32(value).to_f32(),
            _ => value,
        }
    }

    /// f32 values as they are.
    pub(super) fn plain(&self, values: Vec<f32>) -> Result<Tensor> {
        let len = values.len();
        Tensor::new(values, &[len], &self.device)
    }

    /// f32 room.
    pub(super) fn room(&self, len: usize) -> Result<Tensor> {
        Tensor::zeros(&[len], &self.device)
    }

    /// The activation `values` (images, channels, height, width).
    pub(super) fn activation(&self, values: &[f32], size: Size) -> Result<Tensor> {
        let [c, h, w] = size;
        let images = values.len() / (c * h * w);
        if self.device.is_cpu() {
            let lanes = Lanes::of(images);
            let mut blocks = vec![0.0; lanes.blocks() * LANES * c * h * w];
            pack::to_blocks(values, c * h * w, lanes, &mut blocks);
            return Tensor::new(blocks, &[lanes.blocks(), c, h, w, LANES], &self.device);
        }
        let order = Order::Last { rows: images, channels: c, pixels: h * w };
        self.narrow(&order.to_device(values.to_vec()), &[images, h, w, c])
    }

    /// An activation of anything.
    pub(super) fn activation_room(&self, images: usize, size: Size) -> Result<Tensor> {
        self.activation(&vec![f32::NAN; images * size.iter().product::<usize>()], size)
    }

    /// What [`Self::activation`] put there.
    pub(super) fn read(&self, tensor: &Tensor, images: usize, size: Size) -> Result<Vec<f32>> {
        let [c, h, w] = size;
        let values = tensor.host()?;
        if self.device.is_cpu() {
            let mut nchw = vec![0.0; images * c * h * w];
            pack::from_blocks(&values, c * h * w, Lanes::of(images), &mut nchw);
            return Ok(nchw);
        }
        Ok(Order::Last { rows: images, channels: c, pixels: h * w }.to_table(values))
    }

    /// The activation `tensor` as a GPU holds it, rounded: on the processor too.
    pub(super) fn held(&self, tensor: &Tensor, images: usize, size: Size) -> Result<Tensor> {
        let values = self.read(tensor, images, size)?;
        let rounded: Vec<f32> = values.into_iter().map(|v| self.rounded(v)).collect();
        self.activation(&rounded, size)
    }

    /// A weight `(rows, channels, pixels)` as kernels of this device read it.
    pub(super) fn weight(
        &self,
        values: Vec<f32>,
        channels: usize,
        pixels: usize,
    ) -> Result<Tensor> {
        if self.device.is_cpu() {
            return self.plain(values);
        }
        let rows = values.len() / (channels * pixels);
        let values = Order::Last { rows, channels, pixels }.to_device(values);
        self.narrow(&values, &[values.len()])
    }

    /// What is in the order of [`Self::weight`].
    pub(super) fn read_weight(
        &self,
        t: &Tensor,
        channels: usize,
        pixels: usize,
    ) -> Result<Vec<f32>> {
        let values = t.host()?;
        if self.device.is_cpu() {
            return Ok(values);
        }
        let rows = values.len() / (channels * pixels);
        Ok(Order::Last { rows, channels, pixels }.to_table(values))
    }

    /// Values as activations are on the device.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(clippy::unused_self, reason = "the other build's form")
    )]
    fn narrow(&self, values: &[f32], shape: &[usize]) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Device::Cuda(gpu, _) = &self.device {
            let (from, to) = (gpu.upload(values)?, gpu.room(self.device.kind(), values.len())?);
            gpu.narrow(&from, &to, (1, 1))?;
            return Ok(Tensor::on_gpu(gpu, to, shape));
        }
        unreachable!("{} values of {shape:?} for a GPU", values.len())
    }
}
