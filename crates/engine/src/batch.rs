//! Images on a device, in the layout of its kernels.

use anyhow::Result;
use cifar::{ImageShape, Mixed};
use kernels::{LANES, Lanes};

use crate::loader::{Fresh, Source};
use crate::ops::{Pack, apply};
use crate::{Device, Net, Tensor};

/// Images and their labels: on the processor `(blocks, channels, height, width, 16)`, on a GPU `(images,
/// height, width, channels)` with as many channels as its kernels like, those beyond the third zero.
pub struct Batch {
    /// The images.
    pub images: Tensor,
    /// The class of each real image.
    pub labels: Vec<u16>,
    /// How many images are real.
    pub lanes: Lanes,
}

impl Batch {
    /// Puts a loaded batch on `device`.
    pub fn new(loaded: cifar::Batch, device: &Device) -> Result<Self> {
        let lanes = Lanes::of(loaded.labels.len());
        let (shape, labels) = (loaded.shape, loaded.labels);
        let images = match device {
            Device::Cpu => {
                let values = shape.values();
                let flat = Tensor::new(loaded.images, &[lanes.images(), values], device)?;
                let ImageShape { channels, height, width } = shape;
                let images = [lanes.blocks(), channels, height, width, LANES];
                let images = Tensor::zeros(&images, device)?;
                apply(&Pack { lanes, values }, &images, &[&flat])?;
                images
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu, _) => {
                // Networks take squares in colour (`loader::side`).
                let images = Self::room(gpu, device, (lanes.images(), shape.height))?;
                gpu.unplane(&loaded.images, shape.pixels(), images.buffer())?;
                images
            }
        };
        Ok(Self { images, labels, lanes })
    }

    /// Puts what a thread made of `source` on the device of `net`, mixed as `mixed` says.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "of images on a GPU"))]
    pub(crate) fn fresh(
        net: &Net,
        source: &Source,
        fresh: Fresh,
        mixed: Option<&Mixed>,
    ) -> Result<Self> {
        match (fresh, net.device()) {
            (Fresh::Images(mut loaded), device) => {
                if let Some(mixed) = mixed {
                    mixed.apply(&mut loaded);
                }
                Self::new(loaded, device)
            }
            #[cfg(feature = "cuda")]
            (Fresh::Shown(shown, labels), device @ Device::Cuda(gpu, _)) => {
                let size = (shown.len(), source.side);
                let mut images = Self::room(gpu, device, size)?;
                let resident = net.resident(gpu, source.part, source.normalise)?;
                resident.draw(gpu, &shown, images.buffer())?;
                if let Some(Mixed { share, others }) = mixed {
                    let mix = Self::room(gpu, device, size)?;
                    gpu.mix(images.buffer(), others, *share, mix.buffer())?;
                    images = mix;
                }
                Ok(Self { images, labels, lanes: Lanes::of(size.0) })
            }
            #[cfg(feature = "cuda")]
            (Fresh::Shown(..), Device::Cpu) => unreachable!("the processor draws no images"),
        }
    }

    /// Room for `images` of `side` pixels a side.
    #[cfg(feature = "cuda")]
    pub(crate) fn room(
        gpu: &std::rc::Rc<cuda::Gpu>,
        device: &Device,
        (images, side): (usize, usize),
    ) -> Result<Tensor> {
        let shape = [images, side, side, channels(device)];
        let buffer = gpu.room(device.kind(), shape.iter().product())?;
        Ok(Tensor::on_gpu(gpu, buffer, &shape))
    }
}

/// Channels that images have on a GPU: 16 bytes of them, which is what its convolutions load at a
/// time.
#[cfg(feature = "cuda")]
pub(crate) fn channels(device: &Device) -> usize {
    16 / device.kind().size()
}
