//! Layer normalisation over the channels of each pixel.

use artifact::Result;

use super::NormParams;
use crate::compile::{Kernel, Source};
use crate::launch::{columns, launch, warps};
use crate::{Buffer, Gpu, Kind};

/// Sizes of a layer norm, and its parameters.
#[derive(Clone, Copy)]
pub struct LayerNorm<'a> {
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f32,
    /// Scale and shift, if it has them.
    pub params: Option<NormParams<'a>>,
}

/// What the backward pass reads beside the gradient.
struct Saved<'a> {
    x: &'a Buffer,
    /// Mean and inverse deviation of each row, interleaved.
    stats: &'a Buffer,
}

impl LayerNorm<'_> {
    fn check(&self, x: &Buffer, y: &Buffer) {
        assert!(x.kind() == y.kind() && x.len() == y.len(), "activations alike");
        assert!(x.len().is_multiple_of(self.channels), "rows of {}", self.channels);
        self.check_params(self.params);
    }

    fn check_params(&self, params: Option<NormParams>) {
        for buffer in params.iter().flat_map(|p| [p.weight, p.bias]) {
            assert!(buffer.kind() == Kind::F32 && buffer.len() == self.channels, "f32 a channel");
        }
    }

    fn kernel(&self, name: &'static str, x: &Buffer) -> Kernel {
        Source::LayerNorm.kernel(name, x.kind(), self.channels)
    }

    /// The addresses of scale and shift.
    fn addresses(&self) -> [u64; 2] {
        self.params.map_or([0; 2], |p| [p.weight.address(), p.bias.address()])
    }
}

impl Gpu {
    /// `y` = `x` normalised over the channels of each pixel.
    pub fn layer_norm(&self, norm: &LayerNorm, x: &Buffer, y: &Buffer) -> Result<()> {
        norm.check(x, y);
        let (rows, [weight, bias]) = (x.len() / norm.channels, norm.addresses());
        let (kernel, count) = (norm.kernel("layer_norm", x), norm.channels as i32);
        let (x, y, grid) = (x.address(), y.address(), warps(rows));
        launch!(self, kernel, grid, x, weight, bias, y, rows, count, norm.eps);
        Ok(())
    }

    /// The backward pass: turns `dy` into the gradient of `x`, in place, and writes the gradients of
    /// scale and shift to `grads`, if there are any.
    pub fn layer_norm_grad(
        &self,
        norm: &LayerNorm,
        x: &Buffer,
        dy: &Buffer,
        grads: Option<NormParams>,
    ) -> Result<()> {
        norm.check(x, dy);
        norm.check_params(grads);
        let (rows, [weight, _]) = (x.len() / norm.channels, norm.addresses());
        let (count, of_rows) = (norm.channels as i32, self.room(Kind::F32, 2 * rows)?);
        let (from, to, stats) = (x.address(), dy.address(), of_rows.address());
        let (kernel, grid) = (norm.kernel("layer_norm_stats", x), warps(rows));
        launch!(self, kernel, grid, from, stats, rows, count, norm.eps);
        if let Some(grads) = grads {
            let saved = Saved { x, stats: &of_rows };
            self.layer_norm_params(norm, &saved, dy, grads)?;
        }
        let kernel = norm.kernel("layer_norm_grad", x);
        launch!(self, kernel, grid, to, from, weight, stats, rows, count);
        Ok(())
    }

    fn layer_norm_params(
        &self,
        norm: &LayerNorm,
        saved: &Saved,
        dy: &Buffer,
        grads: NormParams,
    ) -> Result<()> {
        let (rows, count) = (dy.len() / norm.channels, norm.channels);
        let kernel = norm.kernel("layer_norm_grad_sums", dy);
        let grid = columns(rows, count / kernel.vector());
        let blocks = grid.grid_dim.0;
        let half = blocks as usize * count;
        let partial = self.partial(2 * half)?;
        let (x, stats, dy) = (saved.x.address(), saved.stats.address(), dy.address());
        launch!(self, kernel, grid, dy, x, stats, rows, count as i32, partial);
        self.add_partial(partial, blocks, grads.bias)?;
        self.add_partial(partial + (half * Kind::F32.size()) as u64, blocks, grads.weight)
    }
}
