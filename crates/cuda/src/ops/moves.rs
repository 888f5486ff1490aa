//! Values in another place: channels out of and into others, zeros around maps, vectors of maps.

use artifact::Result;
use cudarc::driver::DeviceRepr;
use kernels::border::Border;
use kernels::channels::{Shuffle, Span};

use crate::compile::{Kernel, Source};
use crate::launch::{launch, line};
use crate::{Buffer, Gpu};

/// Some channels of an activation.
#[derive(Clone, Copy)]
struct Channels<'a> {
    of: &'a Buffer,
    /// The first of them.
    start: usize,
    /// All channels of a row.
    row: usize,
}

/// [`Border`] as the kernels declare it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct BorderThere {
    h: i32,
    w: i32,
    top: i32,
    left: i32,
    outer_h: i32,
    outer_w: i32,
}

// SAFETY: six 32-bit integers, as the kernels declare it.
unsafe impl DeviceRepr for BorderThere {}

impl BorderThere {
    fn new(border: Border) -> Self {
        let (inner, outer, sides) = (border.size, border.output(), border.sides);
        let all = [inner.h, inner.w, sides.top, sides.left, outer.h, outer.w];
        let [h, w, top, left, outer_h, outer_w] = all.map(|v| v as i32);
        Self { h, w, top, left, outer_h, outer_w }
    }
}

/// The kernel that moves so many channels at a time as all of `sizes` allow.
fn kernel(name: &'static str, like: &Buffer, sizes: &[usize]) -> Kernel {
    let wide = sizes.iter().all(|size| size.is_multiple_of(16 / like.kind().size()));
    Kernel { wide, ..Source::Moves.narrow(name, like.kind()) }
}

impl Gpu {
    /// `y` = the channels of all `parts`, each of which has as many as `channels` says.
    pub fn concat(&self, parts: &[&Buffer], channels: &[usize], y: &Buffer) -> Result<()> {
        assert_eq!(parts.len(), channels.len(), "parts");
        let (row, mut start) = (channels.iter().sum(), 0);
        for (part, &count) in parts.iter().zip(channels) {
            let from = Channels { of: part, start: 0, row: count };
            self.move_channels(count, from, Channels { of: y, start, row })?;
            start += count;
        }
        Ok(())
    }

    /// `y` = the channels of `span` of `x`.
    pub fn slice_channels(&self, span: Span, x: &Buffer, y: &Buffer) -> Result<()> {
        let count = span.end - span.start;
        let from = Channels { of: x, start: span.start, row: span.channels };
        self.move_channels(count, from, Channels { of: y, start: 0, row: count })
    }

    fn move_channels(&self, count: usize, from: Channels, to: Channels) -> Result<()> {
        let (x, y) = (from.of, to.of);
        assert!(x.kind() == y.kind() && x.len() / from.row == y.len() / to.row, "as many rows");
        assert!(x.len().is_multiple_of(from.row) && y.len().is_multiple_of(to.row), "rows");
        assert!(from.start + count <= from.row && to.start + count <= to.row, "channels");
        let sizes = [count, from.start, from.row, to.start, to.row];
        let kernel = kernel("move_channels", x, &sizes);
        let packs = x.len() / from.row * count / kernel.vector();
        let [count, start, wide, to, tall] = sizes.map(|v| v as i32);
        let (x, y, grid) = (x.address(), y.address(), line(packs));
        launch!(self, kernel, grid, x, y, packs, count, start, wide, to, tall);
        Ok(())
    }

    /// `y` = `x` as the channels of `span`, and zeros as its others.
    pub fn pad_channels(&self, span: Span, x: &Buffer, y: &Buffer) -> Result<()> {
        let Span { channels, start, end, .. } = span;
        assert!(start < end && end <= channels, "channels {start} to {end} of {channels}");
        let count = end - start;
        assert!(x.kind() == y.kind() && y.len().is_multiple_of(channels), "rows of {channels}");
        assert_eq!(x.len(), y.len() / channels * count, "rows of {count}");
        let kernel = kernel("pad_channels", x, &[count, start, channels]);
        let packs = y.len() / kernel.vector();
        let [count, start, channels] = [count, start, channels].map(|v| v as i32);
        let (x, y, grid) = (x.address(), y.address(), line(packs));
        launch!(self, kernel, grid, x, y, packs, count, start, channels);
        Ok(())
    }

    /// `y` = the channels of `x` in the order of `shuffle`.
    pub fn shuffle_channels(&self, shuffle: Shuffle, x: &Buffer, y: &Buffer) -> Result<()> {
        let Shuffle { channels, groups, .. } = shuffle;
        assert!(x.kind() == y.kind() && x.len() == y.len(), "activations alike");
        assert!(x.len().is_multiple_of(channels) && channels.is_multiple_of(groups), "groups");
        let (kernel, count) = (kernel("shuffle_channels", x, &[1]), x.len());
        let (channels, groups) = (channels as i32, groups as i32);
        launch!(self, kernel, line(count), x.address(), y.address(), count, channels, groups);
        Ok(())
    }

    /// `y` = `x`, of `channels`, with zeros around each map.
    pub fn pad_borders(
        &self,
        border: Border,
        x: &Buffer,
        y: &Buffer,
        channels: usize,
    ) -> Result<()> {
        check_maps(border, x, y, channels);
        let kernel = kernel("pad_borders", x, &[channels]);
        let (packs, there) = (y.len() / kernel.vector(), BorderThere::new(border));
        let grid = line(packs);
        launch!(self, kernel, grid, x.address(), y.address(), packs, channels as i32, there);
        Ok(())
    }

    /// `y` = each map of `x`, of `channels`, without what is around it.
    pub fn crop_borders(
        &self,
        border: Border,
        x: &Buffer,
        y: &Buffer,
        channels: usize,
    ) -> Result<()> {
        check_maps(border, y, x, channels);
        let kernel = kernel("crop_borders", x, &[channels]);
        let (packs, there) = (y.len() / kernel.vector(), BorderThere::new(border));
        let grid = line(packs);
        launch!(self, kernel, grid, x.address(), y.address(), packs, channels as i32, there);
        Ok(())
    }

    /// `y` = the values of each image of `x` in the order (channel, pixel).
    pub fn flatten(&self, x: &Buffer, y: &Buffer, pixels: usize, channels: usize) -> Result<()> {
        self.transpose(x, y, pixels, channels)
    }

    /// Undoes [`Self::flatten`].
    pub fn unflatten(&self, x: &Buffer, y: &Buffer, pixels: usize, channels: usize) -> Result<()> {
        self.transpose(x, y, channels, pixels)
    }

    fn transpose(&self, x: &Buffer, y: &Buffer, rows: usize, columns: usize) -> Result<()> {
        assert!(x.kind() == y.kind() && x.len() == y.len(), "activations alike");
        assert!(x.len().is_multiple_of(rows * columns), "images of {rows} by {columns}");
        if rows == 1 || columns == 1 {
            return self.copy(x, y);
        }
        let (kernel, count) = (kernel("transpose", x, &[1]), x.len());
        let (rows, columns) = (rows as i32, columns as i32);
        launch!(self, kernel, line(count), x.address(), y.address(), count, rows, columns);
        Ok(())
    }
}

/// Refuses buffers that do not hold the maps of as many images, without and with a border.
fn check_maps(border: Border, inner: &Buffer, outer: &Buffer, channels: usize) {
    let [small, large] = [border.size, border.output()].map(|size| size.pixels() * channels);
    let images = inner.len() / small;
    assert!(inner.len() == images * small && outer.len() == images * large, "maps");
    assert_eq!(inner.kind(), outer.kind(), "activations alike");
}
