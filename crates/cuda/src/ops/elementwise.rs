//! Activations, sums, products and changes of type.

use artifact::Result;

use super::elementwise;
use crate::compile::Kernel;
use crate::launch::{address_of, columns, groups, launch, line};
use crate::{Buffer, Gpu, Kind};

/// Values are multiplied with their channel's factor of their image.
const CHANNELS: &str = "channels of each image";

impl Gpu {
    /// `x = max(x, 0)`.
    pub fn relu(&self, x: &Buffer) -> Result<()> {
        let kernel = elementwise("relu", x, x.len());
        let packs = x.len() / kernel.vector();
        launch!(self, kernel, line(packs), x.address(), packs);
        Ok(())
    }

    /// `dy = 0` where `y`, what came out of the activation, is not positive.
    pub fn relu_grad(&self, dy: &Buffer, y: &Buffer) -> Result<()> {
        self.pair("relu_grad", dy, y)
    }

    /// `y = x * sigmoid(x)`.
    pub fn silu(&self, x: &Buffer, y: &Buffer) -> Result<()> {
        self.pair("silu", x, y)
    }

    /// Takes `dy` through that, in place; `x` is what went in.
    pub fn silu_grad(&self, dy: &Buffer, x: &Buffer) -> Result<()> {
        self.pair("silu_grad", dy, x)
    }

    /// `y = 1 / (1 + exp(-x))`.
    pub fn sigmoid(&self, x: &Buffer, y: &Buffer) -> Result<()> {
        self.pair("sigmoid", x, y)
    }

    /// Takes `dy` through that, in place; `y` is what came out.
    pub fn sigmoid_grad(&self, dy: &Buffer, y: &Buffer) -> Result<()> {
        self.pair("sigmoid_grad", dy, y)
    }

    /// `out += x`.
    pub fn add(&self, out: &Buffer, x: &Buffer) -> Result<()> {
        self.pair("add", out, x)
    }

    fn pair(&self, name: &'static str, a: &Buffer, b: &Buffer) -> Result<()> {
        assert!(a.kind() == b.kind() && a.len() == b.len(), "{name}: operands alike");
        let kernel = elementwise(name, a, a.len());
        let packs = a.len() / kernel.vector();
        launch!(self, kernel, line(packs), a.address(), b.address(), packs);
        Ok(())
    }

    /// `x[n, p, c] *= factor[n, c]` for `pixels` of each image.
    pub fn scale(&self, x: &Buffer, factor: &Buffer, pixels: usize, channels: usize) -> Result<()> {
        assert_eq!(x.len(), factor.len() * pixels, "{CHANNELS}");
        assert!(x.kind() == factor.kind() && factor.len().is_multiple_of(channels), "{CHANNELS}");
        let kernel = elementwise("scale", x, channels);
        let packs = x.len() / kernel.vector();
        let (pixels, channels) = (pixels as i32, channels as i32);
        launch!(self, kernel, line(packs), x.address(), factor.address(), packs, pixels, channels);
        Ok(())
    }

    /// Multiplies each value with its f32 factor, or each of the images with its own.
    pub fn drop_out(&self, x: &Buffer, factor: &Buffer) -> Result<()> {
        assert!(factor.kind() == Kind::F32 && x.len().is_multiple_of(factor.len()), "factors");
        let kernel = Kernel { wide: false, ..elementwise("drop", x, x.len()) };
        let (count, image) = (x.len(), x.len() / factor.len());
        let whole = i32::from(image > 1);
        let (x, factor) = (x.address(), factor.address());
        launch!(self, kernel, line(count), x, factor, count, image, whole);
        Ok(())
    }

    /// `out[n, c]` = the sum over pixels of `a[n, p, c] * b[n, p, c]`.
    pub fn products(&self, a: &Buffer, b: &Buffer, out: &Buffer, count: usize) -> Result<()> {
        assert!(a.kind() == b.kind() && a.len() == b.len() && out.kind() == a.kind(), "factors");
        assert!(a.len().is_multiple_of(out.len()) && out.len().is_multiple_of(count), "{CHANNELS}");
        let kernel = elementwise("products", a, count);
        let grid = groups(out.len() / count, count / kernel.vector());
        let (pixels, count) = ((a.len() / out.len()) as i32, count as i32);
        launch!(self, kernel, grid, a.address(), b.address(), out.address(), pixels, count);
        Ok(())
    }

    /// What follows a convolution of inference, in place: its bias, a summand, the activation.
    pub fn epilogue(
        &self,
        y: &Buffer,
        bias: &Buffer,
        add: Option<&Buffer>,
        relu: bool,
    ) -> Result<()> {
        let count = bias.len();
        assert!(bias.kind() == Kind::F32 && y.len().is_multiple_of(count), "a bias a channel");
        assert!(add.is_none_or(|a| a.len() == y.len() && a.kind() == y.kind()), "summand");
        let kernel = elementwise("epilogue", y, count);
        let rows = y.len() / count;
        launch!(
            self,
            kernel,
            columns(rows, count / kernel.vector()),
            y.address(),
            bias.address(),
            address_of(add),
            rows,
            count as i32,
            i32::from(relu)
        );
        Ok(())
    }

    /// The sum over rows (images and pixels) of each channel of `dy`: the gradient of a bias.
    pub fn bias_grad(&self, dy: &Buffer, out: &Buffer) -> Result<()> {
        let count = out.len();
        assert!(out.kind() == Kind::F32 && dy.len().is_multiple_of(count), "a sum a channel");
        let kernel = elementwise("row_sums", dy, count);
        let rows = dy.len() / count;
        let grid = columns(rows, count / kernel.vector());
        let partial = self.partial(grid.grid_dim.0 as usize * count)?;
        launch!(self, kernel, grid, dy.address(), rows, count as i32, partial);
        self.add_partial(partial, grid.grid_dim.0, out)
    }

    /// Adds up the sums of `blocks`, each of as many values as `out`.
    pub(super) fn add_partial(&self, partial: u64, blocks: u32, out: &Buffer) -> Result<()> {
        let kernel = Kernel { wide: false, ..elementwise("sum_partial", out, out.len()) };
        let (blocks, count) = (blocks as i32, out.len());
        launch!(self, kernel, line(count), partial, blocks, count, out.address());
        Ok(())
    }

    /// f32 values as activations: rows of `from` of them as rows of `to`, zeros behind.
    pub fn narrow(&self, x: &Buffer, y: &Buffer, (from, to): (usize, usize)) -> Result<()> {
        let rows = x.len() / from;
        assert!(x.kind() == Kind::F32 && x.len() == rows * from, "rows of {from}");
        assert!(y.len() == rows * to && to >= from, "rows of {to}");
        let kernel = Kernel { wide: false, ..elementwise("narrow", y, y.len()) };
        let (grid, from, to) = (line(y.len()), from as i32, to as i32);
        launch!(self, kernel, grid, x.address(), y.address(), rows, from, to);
        Ok(())
    }
}
