//! The operations of forward and backward, each a type that knows its kernel on every device.
//!
//! An operation is applied to destination tensors and reads its sources, all on one device.

mod channels;
mod conv;
mod elementwise;
mod norm;
mod optimiser;
mod pool;
mod rounding;

pub(crate) use channels::{
    Concat, CropBorders, Flatten, PadBorders, PadChannels, ScaleChannels, ScaleChannelsGrad,
    ShiftChannels, ShiftChannelsGrad, ShuffleChannels, SliceChannels, Unflatten,
};
pub(crate) use conv::{
    BiasGrad, Conv, GroupedConv, GroupedInputGrad, GroupedWeightGrad, InputGrad, SparseConv,
    SparseInputGrad, SparseWeightGrad, WeightGrad,
};
pub(crate) use elementwise::{
    Activate, ActivateInPlace, ActivationGrad, Add, Copy, Drop, Multiply, Pack, Products, Scale,
};
pub(crate) use norm::{
    LayerNormForward, LayerNormGrad, NormApply, NormForward, NormGrad, NormTail,
};
pub(crate) use optimiser::{AdamStep, Average, Clamp, Norm, Rescale, SgdStep};
pub(crate) use pool::{AveragePool, AveragePoolGrad, MaxPool, MaxPoolGrad};
pub(crate) use rounding::{RoundRows, RoundValues, StopSaturated};

use std::cell::RefCell;
use std::time::Instant;

use anyhow::{Result, bail};
use candle_core::{CpuStorage, InplaceOp1, Layout, Storage};
#[cfg(feature = "cuda")]
use cuda::{Buffer, Gpu};

use crate::Tensor;

/// An operation that writes (or updates) `outs` from `sources`, all contiguous.
pub(crate) trait Op {
    /// The name in error messages.
    const NAME: &'static str;

    /// The kernel on the processor.
    fn cpu(&self, outs: &mut [&mut [f32]], sources: &[&[f32]]);

    /// The kernels on a GPU. What one does by other means (it skips no zeros, and steps over all
    /// parameters at once) has none.
    #[cfg(feature = "cuda")]
    fn cuda(&self, _: &Gpu, _: &[&Buffer], _: &[&Buffer]) -> artifact::Result<()> {
        unreachable!("{} is not asked of a GPU", Self::NAME)
    }
}

/// Applies `op` to `out`, reading `sources`. None of these may share storage with `out`.
pub(crate) fn apply<O: Op>(op: &O, out: &Tensor, sources: &[&Tensor]) -> Result<()> {
    apply_all(op, &[out], sources)
}

/// Applies `op` to `outs`, reading `sources`. No two of all these may share storage.
pub(crate) fn apply_all<O: Op>(op: &O, outs: &[&Tensor], sources: &[&Tensor]) -> Result<()> {
    match outs {
        [] => bail!("{}: no destination", O::NAME),
        [Tensor::Cpu(first), rest @ ..] => cpu(op, (first, rest), sources),
        #[cfg(feature = "cuda")]
        [Tensor::Cuda(on), ..] => {
            let outs: Vec<&Buffer> = outs.iter().map(|t| t.buffer()).collect();
            let sources: Vec<&Buffer> = sources.iter().map(|t| t.buffer()).collect();
            let all = || outs.iter().chain(&sources);
            if outs.iter().any(|o| all().filter(|b| std::ptr::eq(**b, *o)).count() > 1) {
                bail!("{}: an operand is a destination too", O::NAME);
            }
            Ok(op.cuda(&on.gpu, &outs, &sources)?)
        }
    }
}

fn cpu<'a, O: Op>(
    op: &O,
    (first, rest): (&'a candle_core::Tensor, &[&'a Tensor]),
    sources: &[&'a Tensor],
) -> Result<()> {
    let candles = |all: &[&'a Tensor]| all.iter().map(|t| t.candle()).collect::<Vec<_>>();
    let (rest, sources) = (candles(rest), candles(sources));
    let outs = || [first].into_iter().chain(rest.iter().copied());
    let all = || outs().chain(sources.iter().copied());
    if outs().any(|o| all().filter(|t| t.id() == o.id()).count() > 1) {
        bail!("{}: an operand is a destination too", O::NAME);
    }
    let start = Instant::now();
    first.inplace_op1(&Call { op, rest: &rest, sources: &sources, outs: RefCell::default() })?;
    tracing::trace!(
        "{:>8.3} ms  {} {:?}",
        start.elapsed().as_secs_f64() * 1e3,
        O::NAME,
        first.dims()
    );
    Ok(())
}

/// candle lends one destination at a time: each call holds those of the calls around it, and the
/// innermost runs the kernel.
struct Call<'a, 'b, O> {
    op: &'a O,
    rest: &'a [&'a candle_core::Tensor],
    sources: &'a [&'a candle_core::Tensor],
    outs: RefCell<Vec<&'b mut [f32]>>,
}

impl<O: Op> InplaceOp1 for Call<'_, '_, O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, out: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (start, end) = offsets(O::NAME, layout)?;
        let CpuStorage::F32(out) = out else {
            candle_core::bail!("{}: a destination is not f32", O::NAME)
        };
        let mut outs: Vec<&mut [f32]> = self.outs.take();
        outs.push(&mut out[start..end]);
        if let [next, rest @ ..] = self.rest {
            let (op, sources, outs) = (self.op, self.sources, RefCell::new(outs));
            return next.inplace_op1(&Call { op, rest, sources, outs });
        }
        let guards: Vec<_> = self.sources.iter().map(|s| s.storage_and_layout()).collect();
        let sources: Vec<&[f32]> = guards
            .iter()
            .map(|(storage, layout)| match &**storage {
                Storage::Cpu(cpu) => contiguous(O::NAME, cpu.as_slice()?, layout),
                _ => candle_core::bail!("{}: operands on different devices", O::NAME),
            })
            .collect::<Result<_, _>>()?;
        self.op.cpu(&mut outs, &sources);
        Ok(())
    }
}

fn contiguous<'a>(name: &str, all: &'a [f32], layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let (start, end) = offsets(name, layout)?;
    Ok(&all[start..end])
}

fn offsets(name: &str, layout: &Layout) -> candle_core::Result<(usize, usize)> {
    match layout.contiguous_offsets() {
        Some(offsets) => Ok(offsets),
        None => candle_core::bail!("{name}: an operand is not contiguous"),
    }
}
