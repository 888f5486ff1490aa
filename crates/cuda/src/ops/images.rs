//! Batches of images.

use artifact::Result;
use cudarc::driver::DeviceRepr;
use kernels::Size;

use crate::buffer::bytes_of;
use crate::compile::Source;
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

/// Images of one shape as bytes, (images, channels, height, width), and the normalised values of these.
#[derive(Debug, Clone, Copy)]
pub struct Pictures<'a> {
    /// All images.
    pub bytes: &'a [u8],
    /// Channels of each.
    pub channels: usize,
    /// Height and width of each.
    pub size: Size,
    /// The value of each byte, channel by channel.
    pub table: &'a [[f32; 256]],
}

/// How images are resized: for each output along an axis its first input, and the weights from there.
#[derive(Debug, Clone)]
pub struct Resized {
    /// Down.
    pub down: Vec<(usize, Vec<f32>)>,
    /// Across.
    pub across: Vec<(usize, Vec<f32>)>,
}

/// All images of a set on a device.
pub struct Images {
    bytes: Buffer,
    /// The normalised value of each byte, channel by channel.
    table: Buffer,
    channels: usize,
    size: Size,
    /// Down and across.
    taps: Option<[Taps; 2]>,
}

/// How an axis is resized.
struct Taps {
    first: Buffer,
    weights: Buffer,
    most: usize,
    size: usize,
}

/// [`Images`] as the kernels declare them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct ImagesThere {
    bytes: u64,
    table: u64,
    channels: i32,
    h: i32,
    w: i32,
    padding: i32,
}

/// [`Taps`] as the kernels declare them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct TapsThere {
    first: u64,
    weights: u64,
    most: i32,
    size: i32,
}

// SAFETY: addresses and 32-bit integers, as the kernels declare them.
unsafe impl DeviceRepr for ImagesThere {}
// SAFETY: likewise.
unsafe impl DeviceRepr for TapsThere {}

impl Images {
    /// `all` on the device, to be drawn as they are or `resized`.
    pub fn new(gpu: &Gpu, all: Pictures, resized: Option<&Resized>) -> Result<Self> {
        let Pictures { bytes, channels, size, table } = all;
        let fits = bytes.len().is_multiple_of(channels * size.pixels());
        assert!(fits && table.len() == channels, "images of {channels} channels");
        let taps = |r: &Resized| Ok([Taps::new(gpu, &r.down)?, Taps::new(gpu, &r.across)?]);
        let taps = resized.map(taps).transpose()?;
        let (bytes, table) = (gpu.upload_bytes(bytes)?, gpu.upload(table.as_flattened())?);
        Ok(Self { bytes, table, channels, size, taps })
    }

    /// Height and width of what is drawn.
    fn drawn(&self) -> Size {
        let resized = |[down, across]: &[Taps; 2]| Size { h: down.size, w: across.size };
        self.taps.as_ref().map_or(self.size, resized)
    }

    /// How many there are.
    fn count(&self) -> usize {
        self.bytes.len() / (self.channels * self.size.pixels())
    }

    fn there(&self, padding: usize) -> ImagesThere {
        let sizes = [self.channels, self.size.h, self.size.w, padding].map(|v| v as i32);
        let ([channels, h, w, padding], bytes) = (sizes, self.bytes.address());
        ImagesThere { bytes, table: self.table.address(), channels, h, w, padding }
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
        Ok(Self { first, weights, most, size: taps.len() })
    }

    fn there(&self) -> TapsThere {
        let (first, weights) = (self.first.address(), self.weights.address());
        TapsThere { first, weights, most: self.most as i32, size: self.size as i32 }
    }
}

impl Gpu {
    /// `x` (images, height, width, channels) = for each of `draws` its image of `all`, cropped out of a
    /// black border of `padding`. Channels that the images do not have are zero.
    pub fn draw(&self, all: &Images, draws: &[Draw], padding: usize, x: &Buffer) -> Result<()> {
        let (known, count) = (all.count(), draws.len() * all.drawn().pixels());
        assert!(draws.iter().all(|d| (d.image as usize) < known), "images of {known}");
        assert!(x.len().is_multiple_of(count) && x.len() >= count * all.channels, "sizes");
        let (channels, there) = ((x.len() / count) as i32, all.there(padding));
        let draws = self.upload_bytes(bytes_of(draws))?;
        let (draws, to, grid) = (draws.address(), x.address(), line(count));
        let kernel = |name| Source::Images.narrow(name, x.kind());
        if let Some([down, across]) = &all.taps {
            let (down, across) = (down.there(), across.there());
            let kernel = kernel("draw_resized");
            launch!(self, kernel, grid, there, down, across, draws, to, count, channels);
        } else {
            launch!(self, kernel("draw"), grid, there, draws, to, count, channels);
        }
        Ok(())
    }

    /// `x` (images, pixels, channels) = the f32 images (images, `real`, pixels) of the host; channels
    /// beyond the real ones are zero.
    pub fn unplane(&self, images: &[f32], pixels: usize, real: usize, x: &Buffer) -> Result<()> {
        let count = images.len() / real;
        assert!(images.len() == count * real && count.is_multiple_of(pixels), "images");
        assert!(x.len().is_multiple_of(count) && x.len() >= images.len(), "sizes");
        let sizes = [pixels, real, x.len() / count].map(|v| v as i32);
        let ([pixels, real, channels], from) = (sizes, self.upload(images)?);
        let (kernel, grid) = (Source::Images.narrow("unplane", x.kind()), line(count));
        launch!(self, kernel, grid, from.address(), x.address(), count, pixels, real, channels);
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
