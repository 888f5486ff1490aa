//! Weights at the 36 points, in panels of eight outputs.
#![allow(unsafe_code, reason = "points of one panel are strided, disjoint parts of one buffer")]

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::direct::Order;
use super::super::micro::{ROWS, load, store};
use super::{POINTS, transform};
use crate::isa;
use crate::scratch::Buffer;
use crate::shared::Shared;

/// The weights as `(point, panel of eight outputs, channel, 8)`, zeros behind the last output;
/// `turned` by half a turn for the input's gradient. `channels` are read and `outputs` written.
pub(crate) fn transform(
    (channels, outputs): (usize, usize),
    weight: &[f32],
    order: Order,
    turned: bool,
) -> Buffer {
    let panels = outputs.div_ceil(ROWS);
    let mut points = Buffer::new(POINTS * panels * channels * ROWS);
    let out = Shared::new(&mut points);
    (0..panels).into_par_iter().for_each(|panel| {
        isa::dispatch(Task { channels, outputs, weight, order, turned, panel, out: &out });
    });
    points
}

struct Task<'a> {
    channels: usize,
    outputs: usize,
    weight: &'a [f32],
    order: Order,
    turned: bool,
    panel: usize,
    out: &'a Shared<'a>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { channels, outputs, order, panel, .. } = self;
        let (panels, rows) = (outputs.div_ceil(ROWS), channels * ROWS);
        // One channel more than a panel: registers may be wider than eight outputs.
        let mut taps = [[0.0; 2 * ROWS]; 9];
        for channel in 0..channels {
            for r in 0..ROWS.min(outputs - panel * ROWS) {
                let at = (panel * ROWS + r) * order.output + channel * order.channel;
                for (k, value) in self.weight[at..at + 9].iter().enumerate() {
                    taps[if self.turned { 8 - k } else { k }][r] = *value;
                }
            }
            let points = points(simd, &taps);
            for (p, values) in points.iter().enumerate() {
                let at = (p * panels + panel) * rows + channel * ROWS;
                // SAFETY: a panel's part of each point belongs to this task alone.
                unsafe { self.out.part(at, ROWS) }.copy_from_slice(&values[..ROWS]);
            }
        }
    }
}

/// The 36 points of eight outputs.
#[inline(always)]
fn points<S: Simd>(simd: S, taps: &[[f32; 2 * ROWS]; 9]) -> [[f32; 2 * ROWS]; POINTS] {
    let mut out = [[0.0; 2 * ROWS]; POINTS];
    for lane in (0..ROWS).step_by(S::F32_LANES) {
        let mut square = [[simd.splat_f32s(0.0); 3]; 3];
        for (k, taps) in taps.iter().enumerate() {
            // SAFETY: a register is at most sixteen values and `lane` a multiple of it below 8.
            square[k / 3][k % 3] = unsafe { load::<S>(taps[lane..].as_ptr()) };
        }
        let square = transform::weight_square(simd, &square);
        for (p, out) in out.iter_mut().enumerate() {
            // SAFETY: as above.
            unsafe { store::<S>(out[lane..].as_mut_ptr(), square[p / 6][p % 6]) };
        }
    }
    out
}
