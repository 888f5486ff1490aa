//! Max pooling.

use artifact::Result;
use kernels::pool::Pooling;

use crate::compile::Source;
use crate::launch::{launch, line};
use crate::{Buffer, Gpu};

/// [`Pooling`] as the kernels declare it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Sizes {
    h: i32,
    w: i32,
    oh: i32,
    ow: i32,
    channels: i32,
    kernel: i32,
    stride: i32,
    padding: i32,
}

// SAFETY: eight 32-bit integers, as the kernels declare it.
unsafe impl cudarc::driver::DeviceRepr for Sizes {}

impl Gpu {
    /// `y` = the maximum over each window of `x`, of `channels`.
    pub fn max_pool(&self, p: Pooling, x: &Buffer, y: &Buffer, channels: usize) -> Result<()> {
        let sizes = check(p, x, y, channels);
        let kernel = Source::Pool.kernel("max_pool", x.kind(), channels);
        let packs = y.len() / kernel.vector();
        launch!(self, kernel, line(packs), x.address(), y.address(), packs, sizes);
        Ok(())
    }

    /// `dx` = for each pixel the sum of `dy` over the windows whose first maximum it is.
    pub fn max_pool_grad(
        &self,
        p: Pooling,
        (x, dy): (&Buffer, &Buffer),
        dx: &Buffer,
        channels: usize,
    ) -> Result<()> {
        let sizes = check(p, x, dy, channels);
        assert!(dx.len() == x.len() && dx.kind() == x.kind(), "gradient of the input");
        let kernel = Source::Pool.kernel("max_pool_grad", x.kind(), channels);
        let packs = x.len() / kernel.vector();
        let grid = line(packs);
        launch!(self, kernel, grid, x.address(), dy.address(), dx.address(), packs, sizes);
        Ok(())
    }
}

fn check(p: Pooling, x: &Buffer, y: &Buffer, channels: usize) -> Sizes {
    let images = x.len() / (p.h * p.w * channels);
    assert_eq!(x.len(), images * p.h * p.w * channels, "pixels");
    assert_eq!(y.len(), images * p.oh() * p.ow() * channels, "windows");
    assert_eq!(x.kind(), y.kind(), "activations alike");
    let all = [p.h, p.w, p.oh(), p.ow(), channels, p.kernel, p.stride, p.padding];
    let [h, w, oh, ow, channels, kernel, stride, padding] = all.map(|v| v as i32);
    Sizes { h, w, oh, ow, channels, kernel, stride, padding }
}
