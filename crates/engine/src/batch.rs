//! Images on a device, in the layout of its kernels.

use anyhow::Result;
use cifar::{ImageShape, Mixed};
#[cfg(feature = "cuda")]
use graph::{Graph, Node, Op};
#[cfg(feature = "cuda")]
use kernels::channels::Span;
use kernels::{LANES, Lanes};

use crate::loader::{Fresh, Source};
#[cfg(feature = "cuda")]
use crate::ops::SliceChannels;
use crate::ops::{Pack, apply};
use crate::{Device, Net, Tensor};

/// Images and their labels: on the processor `(blocks, channels, height, width, 16)`, on a GPU `(images,
/// height, width, channels)` with as many channels as its convolutions load at a time, or a multiple of
/// that: those that the images do not have are zero.
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
                let images = Self::room(gpu, device, lanes.images(), shape)?;
                let (pixels, channels) = (shape.pixels(), shape.channels);
                gpu.unplane(&loaded.images, pixels, channels, images.buffer())?;
                images
            }
        };
        Ok(Self { images, labels, lanes })
    }

    /// Puts what a thread made of `source` on the device of `net`. Images that lie there are mixed there, as `mixed` says;
    /// others were ([`Fresh::mixed`]).
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "of images on a GPU"))]
    pub(crate) fn fresh(
        net: &Net,
        source: &Source,
        fresh: Fresh,
        mixed: Option<&Mixed>,
    ) -> Result<Self> {
        match (fresh, net.device()) {
            (Fresh::Images(loaded), device) => Self::new(loaded, device),
            #[cfg(feature = "cuda")]
            (Fresh::Shown(shown, labels), device @ Device::Cuda(gpu, _)) => {
                let (height, width) = (source.size.height, source.size.width);
                let shape = ImageShape { height, width, ..source.part.shape() };
                let count = shown.len();
                let mut images = Self::room(gpu, device, count, shape)?;
                let resident = net.resident(gpu, source.part, source.normalise)?;
                resident.draw(gpu, &shown, images.buffer())?;
                if let Some(Mixed { share, others }) = mixed {
                    let mix = Self::room(gpu, device, count, shape)?;
                    gpu.mix(images.buffer(), others, *share, mix.buffer())?;
                    images = mix;
                }
                Ok(Self { images, labels, lanes: Lanes::of(count) })
            }
            #[cfg(feature = "cuda")]
            (Fresh::Shown(..), Device::Cpu) => unreachable!("the processor draws no images"),
        }
    }

    /// Room for `images` of a shape.
    #[cfg(feature = "cuda")]
    pub(crate) fn room(
        gpu: &std::rc::Rc<cuda::Gpu>,
        device: &Device,
        images: usize,
        shape: ImageShape,
    ) -> Result<Tensor> {
        let ImageShape { channels, height, width } = shape;
        let shape = [images, height, width, padded(channels, device)];
        let buffer = gpu.room(device.kind(), shape.iter().product())?;
        Ok(Tensor::on_gpu(gpu, buffer, &shape))
    }
}

/// Channels that images of `channels` have in a batch on a GPU: a multiple of 16 bytes, which is what
/// its convolutions load at a time.
#[cfg(feature = "cuda")]
pub(crate) fn padded(channels: usize, device: &Device) -> usize {
    channels.next_multiple_of(16 / device.kind().size())
}

/// Channels of the images as the network's operations read them on a GPU: those of a batch where all
/// of them are convolutions in one group, whose weights have as many; else those that there are.
#[cfg(feature = "cuda")]
pub(crate) fn channels(graph: &Graph, device: &Device) -> usize {
    let mut readers = graph.nodes().iter().filter(|node| node.inputs.contains(&0));
    let takes = |node: &Node| matches!(node.op, Op::Conv(conv) if conv.groups == 1);
    let own = graph.images().c;
    if readers.all(takes) { padded(own, device) } else { own }
}

impl Net {
    /// The images of `batch` as the network's operations read them.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(clippy::unnecessary_wraps, reason = "copying them on a GPU can fail")
    )]
    pub(crate) fn images(&self, batch: &Batch) -> Result<Tensor> {
        match self.device() {
            Device::Cpu => Ok(batch.images.clone()),
            #[cfg(feature = "cuda")]
            device @ Device::Cuda(gpu, _) => {
                let own = channels(self.graph(), device);
                let [images, h, w, all] = *batch.images.dims() else { unreachable!("a batch") };
                if own == all {
                    return Ok(batch.images.clone());
                }
                let span = Span { channels: all, start: 0, end: own, pixels: h * w };
                let shape = [images, h, w, own];
                let buffer = gpu.room(device.kind(), shape.iter().product())?;
                let own = Tensor::on_gpu(gpu, buffer, &shape);
                apply(&SliceChannels(span), &own, &[&batch.images])?;
                Ok(own)
            }
        }
    }
}
