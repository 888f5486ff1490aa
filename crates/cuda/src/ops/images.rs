//! Batches of images.

use artifact::Result;

use crate::buffer::bytes_of;
use crate::compile::{Kernel, Source};
use crate::launch::{launch, line};
use crate::{Buffer, Gpu, Kind};

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

impl Gpu {
    /// `x` (images, side, side, channels) = for each of `draws` its image of `bytes` (all images, 3,
    /// side, side), cropped out of a black border of `padding`; `table` holds the normalised value
    /// of each byte, channel by channel. Channels beyond the third are zero.
    pub fn draw(
        &self,
        (bytes, table): (&Buffer, &Buffer),
        draws: &[Draw],
        (side, padding): (usize, usize),
        x: &Buffer,
    ) -> Result<()> {
        let (count, image) = (draws.len() * side * side, 3 * side * side);
        let known = bytes.len() / image;
        assert!(bytes.kind() == Kind::U8 && table.kind() == Kind::F32, "bytes and their values");
        assert!(draws.iter().all(|d| (d.image as usize) < known), "images of {known}");
        assert!(table.len() == 3 * 256 && x.len().is_multiple_of(count), "sizes");
        let channels = (x.len() / count) as i32;
        let kernel = Kernel { wide: false, ..Source::Images.kernel("draw", x.kind(), 1) };
        let draws = self.upload_bytes(bytes_of(draws))?;
        let (bytes, draws, table) = (bytes.address(), draws.address(), table.address());
        let (side, padding) = (side as i32, padding as i32);
        let grid = line(count);
        launch!(
            self,
            kernel,
            grid,
            bytes,
            draws,
            table,
            x.address(),
            count,
            side,
            padding,
            channels
        );
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
