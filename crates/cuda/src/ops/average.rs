//! Average pooling over a grid of windows that cover a channel.

use artifact::Result;
use kernels::average::Grid;

use crate::compile::Source;
use crate::launch::{groups, launch, line};
use crate::{Buffer, Gpu};

impl Gpu {
    /// `y` = the mean over each window of `x`, of `channels`.
    pub fn average(&self, grid: Grid, x: &Buffer, y: &Buffer, channels: usize) -> Result<()> {
        let images = check(grid, x, y, channels);
        let kernel = Source::Pool.kernel("average", x.kind(), channels);
        let windows = groups(images * grid.side * grid.side, channels / kernel.vector());
        let [h, w, channels, side] = [grid.h, grid.w, channels, grid.side].map(|v| v as i32);
        launch!(self, kernel, windows, x.address(), y.address(), h, w, channels, side);
        Ok(())
    }

    /// `dx` = for each pixel the sum over the windows that hold it of their `dy` over their pixels.
    pub fn average_grad(&self, grid: Grid, dy: &Buffer, dx: &Buffer, count: usize) -> Result<()> {
        check(grid, dx, dy, count);
        let kernel = Source::Pool.kernel("average_grad", dx.kind(), count);
        let packs = dx.len() / kernel.vector();
        let [h, w, count, side] = [grid.h, grid.w, count, grid.side].map(|v| v as i32);
        launch!(self, kernel, line(packs), dy.address(), dx.address(), packs, h, w, count, side);
        Ok(())
    }
}

/// The number of images of which `x` are the pixels and `y` the windows.
fn check(grid: Grid, x: &Buffer, y: &Buffer, channels: usize) -> usize {
    let images = x.len() / (grid.h * grid.w * channels);
    assert_eq!(x.len(), images * grid.h * grid.w * channels, "pixels");
    assert_eq!(y.len(), images * grid.side * grid.side * channels, "windows");
    assert_eq!(x.kind(), y.kind(), "activations alike");
    images
}
