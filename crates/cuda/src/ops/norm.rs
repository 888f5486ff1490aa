//! Batch normalisation with the sum and activation behind it.

use artifact::Result;
use kernels::Activation;

use super::activation::numbers;
use crate::compile::{Kernel, Source};
use crate::launch::{address_of, channels, columns, launch};
use crate::{Buffer, Gpu, Kind};

/// Sizes of a batch norm, and what follows it.
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f32,
    /// The activation that follows: `ReLU`, `ReLU6` or leaky `ReLU` of a slope above 0.
    pub activation: Option<Activation>,
}

/// Its parameters, each of f32 values a channel.
#[derive(Clone, Copy)]
pub struct NormParams<'a> {
    /// Multiplied with.
    pub weight: &'a Buffer,
    /// Added.
    pub bias: &'a Buffer,
}

impl Norm {
    fn rows(&self, x: &Buffer) -> usize {
        assert!(x.len().is_multiple_of(self.channels), "rows of {}", self.channels);
        x.len() / self.channels
    }

    fn kernel(&self, name: &'static str, x: &Buffer) -> Kernel {
        Source::Norm.kernel(name, x.kind(), self.channels)
    }

    fn check(&self, params: NormParams, stats: &Buffer) {
        let each = [(params.weight, 1), (params.bias, 1), (stats, 2)];
        for (buffer, values) in each {
            let sized = buffer.len() == values * self.channels && buffer.kind() == Kind::F32;
            assert!(sized, "{values} f32 a channel");
        }
        let known = match self.activation {
            None | Some(Activation::Relu | Activation::Relu6) => true,
            Some(Activation::LeakyRelu { slope }) => slope > 0.0,
            Some(_) => false,
        };
        assert!(known, "{:?} is an operation of its own", self.activation);
    }
}

impl Gpu {
    /// Writes mean and variance of each channel of `x` to `stats`, interleaved, and moves the running
    /// mean and variance towards them.
    pub fn norm_stats(
        &self,
        norm: Norm,
        (x, stats): (&Buffer, &Buffer),
        (mean, variance): (&Buffer, &Buffer),
        momentum: f32,
    ) -> Result<()> {
        norm.check(NormParams { weight: mean, bias: variance }, stats);
        let (kernel, rows) = (norm.kernel("norm_sums", x), norm.rows(x));
        let count = norm.channels as i32;
        let grid = columns(rows, norm.channels / kernel.vector());
        let blocks = grid.grid_dim.0;
        let partial = self.partial(blocks as usize * norm.channels * 2)?;
        launch!(self, kernel, grid, x.address(), rows, count, partial);
        let kernel = Kernel { name: "norm_stats", ..kernel };
        launch!(
            self,
            kernel,
            channels(norm.channels),
            x.address(),
            partial,
            blocks as i32,
            rows,
            count,
            momentum,
            stats.address(),
            mean.address(),
            variance.address()
        );
        Ok(())
    }

    /// `y` = `x` normalised by `stats`, plus `add` if there is one, through the activation.
    pub fn norm_apply(
        &self,
        norm: Norm,
        (x, stats): (&Buffer, &Buffer),
        params: NormParams,
        (add, y): (Option<&Buffer>, &Buffer),
    ) -> Result<()> {
        norm.check(params, stats);
        let alike = |b: &Buffer| b.len() == x.len() && b.kind() == x.kind();
        assert!(alike(y) && add.is_none_or(alike), "activations alike");
        let (kernel, rows) = (norm.kernel("norm_apply", x), norm.rows(x));
        let (activation, slope) = numbers(norm.activation);
        launch!(
            self,
            kernel,
            columns(rows, norm.channels / kernel.vector()),
            x.address(),
            stats.address(),
            params.weight.address(),
            params.bias.address(),
            address_of(add),
            y.address(),
            rows,
            norm.channels as i32,
            norm.eps,
            activation,
            slope
        );
        Ok(())
    }

    /// The backward pass. `x` and `stats` are those of the forward pass; `y` is what came out of the sum and
    /// activation, where something was added: then `dy` becomes the summand's gradient. The gradients
    /// of weight and bias go to `dparams`, the input's to `dx`, or over `dy` without it.
    pub fn norm_grad(
        &self,
        norm: Norm,
        (dy, y, dx): (&Buffer, Option<&Buffer>, Option<&Buffer>),
        (x, stats): (&Buffer, &Buffer),
        (params, dparams): (NormParams, NormParams),
    ) -> Result<()> {
        norm.check(params, stats);
        norm.check(dparams, stats);
        let alike = |b: &Buffer| b.len() == x.len() && b.kind() == x.kind();
        assert!(alike(dy) && y.is_none_or(alike) && dx.is_none_or(alike), "activations alike");
        let (kernel, rows) = (norm.kernel("norm_grad_sums", x), norm.rows(x));
        let (count, (activation, slope)) = (norm.channels as i32, numbers(norm.activation));
        let grid = columns(rows, norm.channels / kernel.vector());
        let blocks = grid.grid_dim.0;
        let partial = self.partial(blocks as usize * norm.channels * 2)?;
        let (weight, bias) = (params.weight.address(), params.bias.address());
        launch!(
            self,
            kernel,
            grid,
            dy.address(),
            x.address(),
            stats.address(),
            weight,
            bias,
            address_of(y),
            rows,
            count,
            norm.eps,
            activation,
            slope,
            partial
        );
        let kernel = Kernel { name: "norm_grad_params", ..kernel };
        let (dweight, dbias) = (dparams.weight.address(), dparams.bias.address());
        launch!(
            self,
            kernel,
            channels(norm.channels),
            partial,
            blocks as i32,
            count,
            stats.address(),
            norm.eps,
            dweight,
            dbias
        );
        // With `y` the activation is undone in `dy` by now.
        let (activation, slope) = numbers(norm.activation.filter(|_| y.is_none()));
        let kernel = Kernel { name: "norm_grad_input", ..kernel };
        launch!(
            self,
            kernel,
            grid,
            dy.address(),
            x.address(),
            stats.address(),
            weight,
            bias,
            dweight,
            dbias,
            dx.unwrap_or(dy).address(),
            rows,
            count,
            norm.eps,
            activation,
            slope
        );
        Ok(())
    }
}
