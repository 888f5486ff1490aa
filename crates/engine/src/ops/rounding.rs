//! Rounding to what integers stand for; on the processor alone.

use kernels::integer::{Rounding, round_rows, round_values, stop_saturated};

use super::Op;

/// The rounded weights of the source, of which an output has `row`.
pub(crate) struct RoundRows {
    pub row: usize,
}
/// Rounds activations in place; no source.
pub(crate) struct RoundValues(pub Rounding);
/// Stops a gradient, in place, where the source, a rounded activation, is saturated.
pub(crate) struct StopSaturated(pub Rounding);

impl Op for RoundRows {
    const NAME: &'static str = "round-rows";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        round_rows(s[0], self.row, outs[0]);
    }
}

impl Op for RoundValues {
    const NAME: &'static str = "round-values";

    fn cpu(&self, outs: &mut [&mut [f32]], _: &[&[f32]]) {
        round_values(outs[0], self.0);
    }
}

impl Op for StopSaturated {
    const NAME: &'static str = "stop-saturated";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        stop_saturated(s[0], self.0, outs[0]);
    }
}
