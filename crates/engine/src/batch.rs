//! Images on a device, in the layout of the kernels.

use candle_core::{DType, Device, Result, Tensor};
use kernels::{LANES, Lanes};

use crate::ops::{Pack, apply};

/// Images `(blocks, 3, side, side, 16)` and their labels.
pub struct Batch {
    /// The images.
    pub images: Tensor,
    /// The class of each real image.
    pub labels: Vec<u8>,
    /// How many images are real.
    pub lanes: Lanes,
}

impl Batch {
    /// Puts a loaded batch on `device`.
    pub fn new(loaded: cifar::Batch, device: &Device) -> Result<Self> {
        let lanes = Lanes::of(loaded.labels.len());
        let (side, values) = (loaded.side, 3 * loaded.side * loaded.side);
        let flat = Tensor::from_vec(loaded.images, (lanes.images(), values), device)?;
        let images = Tensor::zeros((lanes.blocks(), 3, side, side, LANES), DType::F32, device)?;
        apply(&Pack { lanes, values }, &images, &[&flat])?;
        Ok(Self { images, labels: loaded.labels, lanes })
    }
}
