//! 2-d convolution: forward, and the gradients of input, weight and bias.
//!
//! Nothing the size of a batch's patches ever exists. A linear layer is the 1x1 convolution of
//! one pixel.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod correlate;
mod dense;
pub mod depthwise;
pub(crate) mod direct;
pub(crate) mod epilogue;
pub mod grouped;
pub(crate) mod micro;
pub(crate) mod segment;
mod sparse;
pub(crate) mod stencil;
pub(crate) mod tiling;
pub(crate) mod transpose;
pub(crate) mod winograd;

use rayon::prelude::*;

pub use dense::Dense;
use dense::InputGrad;
pub use epilogue::Epilogue;
pub use sparse::Sparse;

use crate::{LANES, Lanes, Size, Window, lanes};

/// Which threads compute a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crew {
    /// All of the pool.
    Pool,
    /// The caller's alone.
    Caller,
}

impl Crew {
    /// The threads that each convolution gets when `tasks` of them are computed at the same time.
    pub(crate) fn of_each(tasks: usize) -> Self {
        if tasks >= rayon::current_num_threads() { Self::Caller } else { Self::Pool }
    }

    /// The threads of one convolution that is split into `tasks` tasks.
    pub(crate) fn of(tasks: usize) -> Self {
        if tasks > 1 { Self::Pool } else { Self::Caller }
    }

    /// Calls `f` with `0..count`.
    pub(crate) fn each(self, count: usize, f: impl Fn(usize) + Send + Sync) {
        match self {
            Self::Pool => (0..count).into_par_iter().for_each(f),
            Self::Caller => (0..count).for_each(f),
        }
    }
}

/// Sizes of a convolution over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// The batch.
    pub lanes: Lanes,
    /// Input channels.
    pub inputs: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Output channels.
    pub outputs: usize,
    /// What each output reads.
    pub window: Window,
}

impl Conv {
    /// Input height and width.
    pub fn input(&self) -> Size {
        Size { h: self.h, w: self.w }
    }

    /// Output height and width.
    pub fn output(&self) -> Size {
        crate::count(&self.window, self.input())
    }

    /// Output height.
    pub fn oh(&self) -> usize {
        self.output().h
    }

    /// Output width.
    pub fn ow(&self) -> usize {
        self.output().w
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.lanes.blocks() * self.inputs * self.h * self.w * LANES
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        self.lanes.blocks() * self.outputs * self.output().pixels() * LANES
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.outputs * self.row()
    }

    /// Refuses operands of other lengths, and a convolution of nothing.
    fn check(&self, (input, weight, output): (usize, usize, usize)) {
        assert!(weight > 0 && weight == self.weight_len(), "weight");
        assert!(self.window.dilation.pixels() > 0, "dilation");
        assert!(input == self.input_len() && output == self.output_len(), "sizes");
    }

    /// Weights of one output channel.
    fn row(&self) -> usize {
        self.inputs * self.taps()
    }

    /// Weights of one (output, input) pair.
    fn taps(&self) -> usize {
        self.window.kernel.pixels()
    }
}

/// `y[n, o] = bias[o] + sum over (i, ky, kx) of weight[o, i, ky, kx] * x[n, i, ..]`.
///
/// `bias` is empty where there is none.
pub fn forward(conv: &Conv, x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    Dense::new(conv, weight).forward(conv, x, &Epilogue { bias, ..Epilogue::default() }, y);
}

/// Whether the dense kernels compute `conv` by Winograd's algorithm.
pub fn transforms(conv: &Conv) -> bool {
    winograd::fits(conv)
}

/// `dx[n, i] = sum over (o, ky, kx) of weight[o, i, ky, kx] * dy[n, o, ..]`.
pub fn input_grad(conv: &Conv, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    InputGrad::new(conv, weight).run(dy, dx, Crew::Pool);
}

/// `dw[o, i, ky, kx] = sum over images and pixels of dy[n, o, y, x] * x[n, i, ..]`.
///
/// Lanes without an image must be zero in `dy` and finite in `x`.
pub fn weight_grad(conv: &Conv, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    conv.check((x.len(), dw.len(), dy.len()));
    if winograd::fits(conv) {
        return winograd::weight_grad(conv, dy, x, dw);
    }
    correlate::weight_grad(conv, dy, x, dw);
}

/// `db[o] = sum over images and pixels of dy[n, o, y, x]`.
///
/// Lanes without an image must be zero in `dy`.
pub fn bias_grad(conv: &Conv, dy: &[f32], db: &mut [f32]) {
    assert!(dy.len() == conv.output_len() && db.len() == conv.outputs, "sizes");
    let plane = conv.output().pixels() * LANES;
    db.par_iter_mut().enumerate().for_each(|(o, sum)| {
        let planes =
            (0..conv.lanes.blocks()).map(|b| &dy[(b * conv.outputs + o) * plane..][..plane]);
        let values = planes.flat_map(|p| lanes::vectors(p).iter().flatten());
        *sum = values.map(|v| f64::from(*v)).sum::<f64>() as f32;
    });
}
