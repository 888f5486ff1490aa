//! Batches of images.

use artifact::Result;
use cudarc::driver::DeviceRepr;

use crate::buffer::bytes_of;
use crate::compile::{Kernel, Source};
use crate::launch::{launch, line};
use crate::{Buffer, Gpu};

/// How one image is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Draw {
    /// Which it is.
    pub image: u32,
    /// Row of the crop's corner in the bordered image.
    pub y: i32,
    /// Column of it.
    pub x: i32,
    /// 1 where the crop is flipped left to right.
    pub flip: i32,
    /// Rectangles set to zero: rows from, to, columns from, to.
    pub patches: [[i32; 4]; 2],
}

/// All images of a set on a device.
pub struct Images {
    bytes: Buffer,
    /// The normalised value of each byte, channel by channel.
    table: Buffer,
    side: usize,
    taps: Option<Taps>,
}

/// How a side is resized.
struct Taps {
    first: Buffer,
    weights: Buffer,
    most: usize,
    side: usize,
}

/// [`Images`] as the kernels declare them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct ImagesThere {
    bytes: u64,
    table: u64,
    side: i32,
    padding: i32,
}

/// [`Taps`] as the kernels declare them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct TapsThere {
    first: u64,
    weights: u64,
    most: i32,
    side: i32,
}

// SAFETY: addresses and 32-bit integers, as the kernels declare them.
unsafe impl DeviceRepr for ImagesThere {}
// SAFETY: likewise.
unsafe impl DeviceRepr for TapsThere {}

impl Images {
    /// The images `bytes` (n, 3, side, side), whose values are in `table` (3 x 256). With `taps` they
    /// are resized: for each output along a side its first input, and the weights from there.
    pub fn new(
        gpu: &Gpu,
        (bytes, side): (&[u8], usize),
        table: &[f32],
        taps: Option<&[(usize, Vec<f32>)]>,
    ) -> Result<Self> {
        assert!(table.len() == 3 * 256 && bytes.len().is_multiple_of(3 * side * side), "sizes");
        let taps = taps.map(|taps| Taps::new(gpu, taps)).transpose()?;
        let (bytes, table) = (gpu.upload_bytes(bytes)?, gpu.upload(table)?);
        Ok(Self { bytes, table, side, taps })
    }

    /// Height and width of what is drawn.
    fn drawn(&self) -> usize {
        self.taps.as_ref().map_or(self.side, |taps| taps.side)
    }
}

impl Taps {
    fn new(gpu: &Gpu, taps: &[(usize, Vec<f32>)]) -> Result<Self> {
        let most = taps.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0);
        let first: Vec<i32> = taps.iter().map(|(first, _)| *first as i32).collect();
        let padded = |weights: &Vec<f32>| {
            let mut weights = weights.clone();
            weights.resize(most, 0.0);
            weights
        };
        let weights: Vec<f32> = taps.iter().flat_map(|(_, weights)| padded(weights)).collect();
        let (first, weights) = (gpu.upload_bytes(bytes_of(&first))?, gpu.upload(&weights)?);
        Ok(Self { first, weights, most, side: taps.len() })
    }
}

impl Gpu {
    /// `x` (images, side, side, channels) = for each of `draws` its image of `all`, cropped out of a
    /// black border of `padding`. Channels beyond the third are zero.
    pub fn draw(&self, all: &Images, draws: &[Draw], padding: usize, x: &Buffer) -> Result<()> {
        let (side, known) = (all.drawn(), all.bytes.len() / (3 * all.side * all.side));
        let count = draws.len() * side * side;
        assert!(draws.iter().all(|d| (d.image as usize) < known), "images of {known}");
        assert!(x.len().is_multiple_of(count), "sizes");
        let channels = (x.len() / count) as i32;
        let there = ImagesThere {
            bytes: all.bytes.address(),
            table: all.table.address(),
            side: all.side as i32,
            padding: padding as i32,
        };
        let draws = self.upload_bytes(bytes_of(draws))?;
        let (draws, x_there, grid) = (draws.address(), x.address(), line(count));
        let kernel = |name| Kernel { wide: false, ..Source::Images.kernel(name, x.kind(), 1) };
        if let Some(taps) = &all.taps {
            let (first, weights) = (taps.first.address(), taps.weights.address());
            let (most, side) = (taps.most as i32, taps.side as i32);
            let taps = TapsThere { first, weights, most, side };
            let kernel = kernel("draw_resized");
            launch!(self, kernel, grid, there, taps, draws, x_there, count, channels);
        } else {
            launch!(self, kernel("draw"), grid, there, draws, x_there, count, channels);
        }
        Ok(())
    }

    /// `x` (images, pixels, channels) = the f32 images (images, 3, pixels) of the host; channels
    /// beyond the third are zero.
    pub fn unplane(&self, images: &[f32], pixels: usize, x: &Buffer) -> Result<()> {
        let count = images.len() / 3;
        assert!(count.is_multiple_of(pixels) && x.len().is_multiple_of(count), "sizes");
        let (channels, pixels) = ((x.len() / count) as i32, pixels as i32);
        let kernel = Kernel { wide: false, ..Source::Images.kernel("unplane", x.kind(), 1) };
        let from = self.upload(images)?;
        let grid = line(count);
        launch!(self, kernel, grid, from.address(), x.address(), count, pixels, channels);
        Ok(())
    }

    /// `y` = `share` of each image of `x` and for the rest the image that `others` names.
    pub fn mix(&self, x: &Buffer, others: &[usize], share: f32, y: &Buffer) -> Result<()> {
        let images = others.len();
        assert!(x.len() == y.len() && x.kind() == y.kind(), "activations alike");
        assert!(others.iter().all(|o| *o < images) && x.len().is_multiple_of(images), "images");
        let each = x.len() / images;
        let kernel = Source::Images.kernel("mix", x.kind(), each);
        let (packs, image) = (x.len() / kernel.vector(), each / kernel.vector());
        let others: Vec<i32> = others.iter().map(|o| *o as i32).collect();
        let others = self.upload_bytes(bytes_of(&others))?;
        let grid = line(packs);
        let (x, others, y) = (x.address(), others.address(), y.address());
        launch!(self, kernel, grid, x, others, y, packs, image, share);
        Ok(())
    }
}
