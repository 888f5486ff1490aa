//! The operations of forward and backward, each a type that knows its kernel on every device.
//!
//! candle's device dispatch is the backend switch: an operation is applied to a destination tensor
//! and reads its sources, whatever device they live on.

mod conv;
mod elementwise;
mod norm;
mod optimiser;
mod pool;

pub(crate) use conv::{BiasGrad, Conv, ConvBias, InputGrad, WeightGrad};
pub(crate) use elementwise::{Add, AveragePool, AveragePoolGrad, Column, Pack, Relu, ReluGrad};
pub(crate) use norm::{Norm, NormGrad, NormGradSums, RunningUpdate, Statistics};
pub(crate) use optimiser::{Step, Velocity};
pub(crate) use pool::{MaxPool, MaxPoolGrad};

use candle_core::{CpuStorage, InplaceOp1, Layout, Storage, Tensor, bail};

/// An operation that writes (or updates) `out` from `sources`, all contiguous f32.
pub(crate) trait Op {
    /// The name in error messages.
    const NAME: &'static str;

    /// The kernel on the processor.
    fn cpu(&self, out: &mut [f32], sources: &[&[f32]]);
}

/// Applies `op` to `out`, reading `sources`. None of these may share storage with `out`.
pub(crate) fn apply<O: Op>(op: &O, out: &Tensor, sources: &[&Tensor]) -> candle_core::Result<()> {
    if sources.iter().any(|s| s.id() == out.id()) {
        bail!("{}: a source is the destination", O::NAME);
    }
    out.inplace_op1(&Call { op, sources })
}

struct Call<'a, O> {
    op: &'a O,
    sources: &'a [&'a Tensor],
}

impl<O: Op> InplaceOp1 for Call<'_, O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, out: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let guards: Vec<_> = self.sources.iter().map(|s| s.storage_and_layout()).collect();
        let sources: Vec<&[f32]> = guards
            .iter()
            .map(|(storage, layout)| match &**storage {
                Storage::Cpu(cpu) => contiguous(O::NAME, cpu.as_slice()?, layout),
                _ => bail!("{}: operands on different devices", O::NAME),
            })
            .collect::<Result<_, _>>()?;
        let (start, end) = offsets(O::NAME, layout)?;
        let CpuStorage::F32(out) = out else { bail!("{}: the output is not f32", O::NAME) };
        self.op.cpu(&mut out[start..end], &sources);
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
        None => bail!("{name}: an operand is not contiguous"),
    }
}
