//! Activations, sums, products and changes of type.

use artifact::Result;

use super::elementwise;
use crate::compile::Kernel;
use crate::launch::{address_of, columns, groups, launch, line};
use crate::{Buffer, Gpu, Kind};

/// Values are multiplied with their channel's factor of their image.
const CHANNELS: &str = "channels of each image";

impl Gpu {
    /// `out += x`.
    pub fn add(&self, out: &Buffer, x: &Buffer) -> Result<()> {
        assert!(out.kind() == x.kind() && out.len() == x.len(), "summands alike");
        let kernel = elementwise("add", out, out.len());
        let packs = out.len() / kernel.vector();
        launch!(self, kernel, line(packs), out.address(), x.address(), packs);
        Ok(())
    }

    /// `y = a * b`.
    pub fn multiply(&self, a: &Buffer, b: &Buffer, y: &Buffer) -> Result<()> {
        let alike = |other: &Buffer| other.kind() == y.kind() && other.len() == y.len();
        assert!(alike(a) && alike(b), "factors alike");
        let kernel = elementwise("multiply", y, y.len());
        let packs = y.len() / kernel.vector();
        launch!(self, kernel, line(packs), a.address(), b.address(), y.address(), packs);
        Ok(())
    }

    /// `y` = each channel of `x` times its f32 factor.
    pub fn scale_channels(&self, x: &Buffer, factors: &Buffer, y: &Buffer) -> Result<()> {
        self.affine(x, Some(factors), None, y)
    }

    /// `y` = each channel of `x` plus its f32 summand.
    pub fn shift_channels(&self, x: &Buffer, summands: &Buffer, y: &Buffer) -> Result<()> {
        self.affine(x, None, Some(summands), y)
    }

    /// Adds an f32 summand to each channel of `y`.
    pub fn add_bias(&self, y: &Buffer, bias: &Buffer) -> Result<()> {
        self.affine(y, None, Some(bias), y)
    }

    fn affine(
        &self,
        x: &Buffer,
        factor: Option<&Buffer>,
        shift: Option<&Buffer>,
        y: &Buffer,
    ) -> Result<()> {
        let each = factor.or(shift).expect("one of both");
        let count = each.len();
        assert!(each.kind() == Kind::F32, "f32 a channel");
        assert!(x.len() == y.len() && x.kind() == y.kind(), "activations alike");
        assert!(x.len().is_multiple_of(count), "a value a channel");
        let (kernel, rows) = (elementwise("affine", x, count), x.len() / count);
        let grid = columns(rows, count / kernel.vector());
        let (factor, shift) = (address_of(factor), address_of(shift));
        launch!(self, kernel, grid, x.address(), factor, shift, y.address(), rows, count as i32);
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
