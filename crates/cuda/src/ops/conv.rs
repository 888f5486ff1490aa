//! Convolutions: depthwise by our own kernels, others by cuDNN, and by plain loops what it refuses.

use artifact::Result;

use crate::compile::Source;
use crate::dnn::Direction;
use crate::launch::{columns, launch, line};
use crate::{Buffer, Convolution, Gpu};

/// Parts that the images are split into for the sums of a plain weight gradient.
const PARTS: usize = 32;

impl Gpu {
    /// `y = conv(x, weight)`, all of one kind.
    pub fn conv(&self, v: &Convolution, x: &Buffer, weight: &Buffer, y: &Buffer) -> Result<()> {
        if v.is_depthwise() {
            return self.depthwise("depthwise", v, (x, weight), y);
        }
        if self.by_library(Direction::Forward, v, [x, weight, y])? {
            return Ok(());
        }
        self.plain("direct", v, (x, weight), y)
    }

    /// `dx` = the gradient of the input, given that of the output.
    pub fn conv_input_grad(
        &self,
        v: &Convolution,
        dy: &Buffer,
        weight: &Buffer,
        dx: &Buffer,
    ) -> Result<()> {
        if v.is_depthwise() {
            return self.depthwise("depthwise_input_grad", v, (dy, weight), dx);
        }
        if self.by_library(Direction::InputGrad, v, [dx, weight, dy])? {
            return Ok(());
        }
        self.plain("direct_input_grad", v, (dy, weight), dx)
    }

    /// `dw` = the gradient of the weight, given that of the output.
    pub fn conv_weight_grad(
        &self,
        v: &Convolution,
        dy: &Buffer,
        x: &Buffer,
        dw: &Buffer,
    ) -> Result<()> {
        if v.is_depthwise() {
            return self.depthwise_weight_grad(v, dy, x, dw);
        }
        if self.by_library(Direction::WeightGrad, v, [x, dw, dy])? {
            return Ok(());
        }
        let kernel = Source::Conv.narrow("direct_weight_grad", x.kind());
        let (count, parts) = (dw.len(), PARTS.min(v.n as usize));
        let partial = self.partial(count * parts)?;
        let mut grid = line(count);
        grid.grid_dim.1 = parts as u32;
        launch!(self, kernel, grid, dy.address(), x.address(), partial, count, *v);
        self.add_partial(partial, parts as u32, dw)
    }

    /// Computes `direction` by cuDNN, as [`Self::by_cudnn`]. What one of two opposite sides has more of
    /// padding is put around the input first, and taken off its gradient.
    fn by_library(
        &self,
        direction: Direction,
        v: &Convolution,
        [x, weight, y]: [&Buffer; 3],
    ) -> Result<bool> {
        let Some((even, border)) = v.evened() else {
            return self.by_cudnn(direction, v, [x, weight, y]);
        };
        let (wide, channels) = (self.room(x.kind(), even.input_len())?, v.c as usize);
        if direction != Direction::InputGrad {
            self.pad_borders(border, x, &wide, channels)?;
        }
        let done = self.by_cudnn(direction, &even, [&wide, weight, y])?;
        if done && direction == Direction::InputGrad {
            self.crop_borders(border, &wide, x, channels)?;
        }
        Ok(done)
    }

    fn depthwise(
        &self,
        name: &'static str,
        v: &Convolution,
        (from, weight): (&Buffer, &Buffer),
        to: &Buffer,
    ) -> Result<()> {
        check(v, [from, weight, to]);
        let kernel = Source::Conv.kernel(name, from.kind(), v.c as usize);
        let packs = to.len() / kernel.vector();
        let (from, weight, to) = (from.address(), weight.address(), to.address());
        launch!(self, kernel, line(packs), from, weight, to, packs, *v);
        Ok(())
    }

    fn depthwise_weight_grad(
        &self,
        v: &Convolution,
        dy: &Buffer,
        x: &Buffer,
        dw: &Buffer,
    ) -> Result<()> {
        check(v, [dy, dw, x]);
        let kernel = Source::Conv.kernel("depthwise_weight_grad", x.kind(), v.c as usize);
        let rows = dy.len() / v.c as usize;
        let mut grid = columns(rows, v.c as usize / kernel.vector());
        let blocks = grid.grid_dim.0;
        grid.grid_dim.2 = v.down.kernel as u32;
        let partial = self.partial(blocks as usize * dw.len())?;
        launch!(self, kernel, grid, dy.address(), x.address(), partial, *v);
        self.add_partial(partial, blocks, dw)
    }

    fn plain(
        &self,
        name: &'static str,
        v: &Convolution,
        (from, weight): (&Buffer, &Buffer),
        to: &Buffer,
    ) -> Result<()> {
        check(v, [from, weight, to]);
        let kernel = Source::Conv.narrow(name, from.kind());
        let count = to.len();
        let (from, weight, to) = (from.address(), weight.address(), to.address());
        launch!(self, kernel, line(count), from, weight, to, count, *v);
        Ok(())
    }
}

/// Input, weight and output, whichever way round the first and last are.
fn check(v: &Convolution, [from, weight, to]: [&Buffer; 3]) {
    let (found, all) = ([from.len(), to.len()], [v.input_len(), v.output_len()]);
    assert!(found == all || found == [all[1], all[0]], "activations of {v:?}");
    assert_eq!(weight.len(), v.weight_len(), "weight of {v:?}");
    assert!(from.kind() == to.kind() && weight.kind() == to.kind(), "activations of one kind");
}
