//! Sums over all rows (images and pixels) of each channel: gradients of what a channel has one of.

use artifact::Result;

use super::elementwise;
use crate::launch::{address_of, columns, launch, line};
use crate::{Buffer, Gpu, Kind};

impl Gpu {
    /// The sum of each channel of `dy`: the gradient of a bias.
    pub fn bias_grad(&self, dy: &Buffer, out: &Buffer) -> Result<()> {
        self.row_sums(dy, None, out)
    }

    /// The sum of each channel of `dy * x`: the gradient of the factors that multiplied `x`.
    pub fn scale_channels_grad(&self, dy: &Buffer, x: &Buffer, out: &Buffer) -> Result<()> {
        self.row_sums(dy, Some(x), out)
    }

    fn row_sums(&self, dy: &Buffer, factor: Option<&Buffer>, out: &Buffer) -> Result<()> {
        let count = out.len();
        assert!(out.kind() == Kind::F32 && dy.len().is_multiple_of(count), "a sum a channel");
        assert!(factor.is_none_or(|f| f.kind() == dy.kind() && f.len() == dy.len()), "factors");
        let (kernel, rows) = (elementwise("row_sums", dy, count), dy.len() / count);
        let grid = columns(rows, count / kernel.vector());
        let partial = self.partial(grid.grid_dim.0 as usize * count)?;
        let (from, factor) = (dy.address(), address_of(factor));
        launch!(self, kernel, grid, from, factor, rows, count as i32, partial);
        self.add_partial(partial, grid.grid_dim.0, out)
    }

    /// Adds up the sums of `blocks`, each of as many values as `out`.
    pub(super) fn add_partial(&self, partial: u64, blocks: u32, out: &Buffer) -> Result<()> {
        let kernel = super::Source::Elementwise.narrow("sum_partial", out.kind());
        let (blocks, count) = (blocks as i32, out.len());
        launch!(self, kernel, line(count), partial, blocks, count, out.address());
        Ok(())
    }
}
