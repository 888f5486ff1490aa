//! Max and average pooling.

use artifact::Result;
use cudarc::driver::DeviceRepr;
use kernels::Size;
use kernels::pool::{Average, Pooling};

use crate::compile::Source;
use crate::launch::{groups, launch, line};
use crate::{Axis, Buffer, Gpu};

/// [`Pooling`] as the kernels declare it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Sizes {
    h: i32,
    w: i32,
    oh: i32,
    ow: i32,
    channels: i32,
    down: Axis,
    across: Axis,
}

/// A grid of windows as the kernels declare it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Grid {
    h: i32,
    w: i32,
    tall: i32,
    wide: i32,
    channels: i32,
}

// SAFETY: fifteen 32-bit integers, as the kernels declare it.
unsafe impl DeviceRepr for Sizes {}
// SAFETY: five 32-bit integers, as the kernels declare it.
unsafe impl DeviceRepr for Grid {}

impl Sizes {
    fn new(p: &Pooling, channels: usize) -> Self {
        let (size, output) = (p.size, p.output());
        let all = [size.h, size.w, output.h, output.w, channels].map(|v| v as i32);
        let ([h, w, oh, ow, channels], [down, across]) = (all, Axis::both(&p.window));
        Self { h, w, oh, ow, channels, down, across }
    }
}

impl Grid {
    fn new(input: Size, output: Size, channels: usize) -> Self {
        let all = [input.h, input.w, output.h, output.w, channels].map(|v| v as i32);
        let [h, w, tall, wide, channels] = all;
        Self { h, w, tall, wide, channels }
    }
}

impl Gpu {
    /// `y` = the maximum over each window of `x`, of `channels`.
    pub fn max_pool(&self, p: Pooling, x: &Buffer, y: &Buffer, channels: usize) -> Result<()> {
        check([p.size, p.output()], x, y, channels);
        let (kernel, sizes) =
            (Source::Pool.kernel("max_pool", x.kind(), channels), Sizes::new(&p, channels));
        let packs = y.len() / kernel.vector();
        launch!(self, kernel, line(packs), x.address(), y.address(), packs, sizes);
        Ok(())
    }

    /// `dx` = for each pixel the sum of `dy` over the windows whose maximum it is: the first of equal
    /// ones, the last NaN.
    pub fn max_pool_grad(
        &self,
        p: Pooling,
        (x, dy): (&Buffer, &Buffer),
        dx: &Buffer,
        channels: usize,
    ) -> Result<()> {
        check([p.size, p.output()], x, dy, channels);
        assert!(dx.len() == x.len() && dx.kind() == x.kind(), "gradient of the input");
        let kernel = Source::Pool.kernel("max_pool_grad", x.kind(), channels);
        let (packs, sizes) = (x.len() / kernel.vector(), Sizes::new(&p, channels));
        let grid = line(packs);
        launch!(self, kernel, grid, x.address(), dy.address(), dx.address(), packs, sizes);
        Ok(())
    }

    /// `y` = the mean over each window of `x`, of `channels`.
    pub fn average(&self, of: Average, x: &Buffer, y: &Buffer, channels: usize) -> Result<()> {
        let images = check([of.input(), of.output()], x, y, channels);
        match of {
            Average::Windows { pooling, count_padding } => {
                let kernel = Source::Pool.kernel("average_windows", x.kind(), channels);
                let (packs, sizes) = (y.len() / kernel.vector(), Sizes::new(&pooling, channels));
                let (x, y, padded) = (x.address(), y.address(), i32::from(count_padding));
                launch!(self, kernel, line(packs), x, y, packs, sizes, padded);
            }
            Average::Grid { input, output } => {
                let kernel = Source::Pool.kernel("average", x.kind(), channels);
                let windows = groups(images * output.pixels(), channels / kernel.vector());
                let grid = Grid::new(input, output, channels);
                launch!(self, kernel, windows, x.address(), y.address(), grid);
            }
        }
        Ok(())
    }

    /// `dx` = for each pixel the sum over the windows that hold it of its share of their `dy`.
    pub fn average_grad(
        &self,
        of: Average,
        dy: &Buffer,
        dx: &Buffer,
        channels: usize,
    ) -> Result<()> {
        check([of.input(), of.output()], dx, dy, channels);
        let kernel = |name| Source::Pool.kernel(name, dx.kind(), channels);
        let (from, to) = (dy.address(), dx.address());
        match of {
            Average::Windows { pooling, count_padding } => {
                let kernel = kernel("average_windows_grad");
                let (packs, sizes) = (dx.len() / kernel.vector(), Sizes::new(&pooling, channels));
                let padded = i32::from(count_padding);
                launch!(self, kernel, line(packs), from, to, packs, sizes, padded);
            }
            Average::Grid { input, output } => {
                let kernel = kernel("average_grad");
                let packs = dx.len() / kernel.vector();
                let grid = Grid::new(input, output, channels);
                launch!(self, kernel, line(packs), from, to, packs, grid);
            }
        }
        Ok(())
    }
}

/// The number of images of which `x` are the pixels and `y` the windows.
fn check([input, output]: [Size; 2], x: &Buffer, y: &Buffer, channels: usize) -> usize {
    let images = x.len() / (input.pixels() * channels);
    assert_eq!(x.len(), images * input.pixels() * channels, "pixels");
    assert_eq!(y.len(), images * output.pixels() * channels, "windows");
    assert_eq!(x.kind(), y.kind(), "activations alike");
    images
}
