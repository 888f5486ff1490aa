//! Depthwise convolution of one image: each output reads one channel.
#![allow(unsafe_code, reason = "operands are read through pointers at computed offsets")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::reader::Reader;
use super::sparse::{MOST, by_count};
use super::split::worthwhile;
use super::{Conv, parts};
use crate::conv::Epilogue;
use crate::conv::epilogue::activate;
use crate::conv::micro::{load, store};
use crate::shared::Shared;
use crate::{LANES, isa, scratch};

/// The weights of a depthwise convolution.
pub struct Depthwise {
    conv: Conv,
    /// `(output, tap)`.
    weights: Vec<f32>,
    /// Where each tap reads, from the window's first.
    taps: Vec<usize>,
    reader: Reader,
    tiles: [Tiles; 2],
    keep: Vec<f32>,
}

/// Equal parts of a channel, one behind the other.
#[derive(Clone, Copy)]
struct Tiles {
    /// Where the first begins, in registers.
    start: usize,
    /// Registers of each.
    each: usize,
    count: usize,
}

impl Tiles {
    /// As many registers at a time as there are for sums, about; in the last tile what is left.
    fn of(registers: usize) -> [Self; 2] {
        // Half of what there are: AVX2 has 16, the others 32.
        let most = if isa::width() == 8 { MOST / 2 } else { MOST };
        let each = registers.div_ceil(registers.div_ceil(most));
        let count = registers / each;
        let rest = registers % each;
        let last = Self { start: count * each, each: rest, count: usize::from(rest > 0) };
        [Self { start: 0, each, count }, last]
    }
}

impl Depthwise {
    /// Whether each output reads one channel.
    pub fn fits(conv: &Conv) -> bool {
        conv.groups > 1 && conv.groups == conv.input.channels
    }

    /// Takes `weight`, `outputs x 1 x kernel`.
    ///
    /// # Panics
    /// If the convolution does not [fit](Self::fits).
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        assert!(Self::fits(conv), "a channel an output");
        let tiles = Tiles::of(conv.output.vectors() * LANES / isa::width());
        let keep = conv.output.keep();
        let (weights, taps) = (weight.to_vec(), conv.taps());
        Self { conv: *conv, weights, taps, reader: Reader::new(conv), tiles, keep }
    }

    /// `y = end(conv(x))`, split into at most `tasks` parts for several threads.
    pub fn forward(&self, x: &[f32], end: &Epilogue, y: &mut [f32], tasks: usize) {
        let conv = &self.conv;
        conv.check((x.len(), 0, y.len()));
        conv.check_epilogue(end);
        let (out, tasks) = (&Shared::new(y), worthwhile(conv, WORK, tasks));
        parts(conv.groups, tasks, |channels| {
            scratch::with(conv.copied(1), |room| {
                isa::dispatch(Task { depthwise: self, x, end, channels, room, out });
            });
        });
    }
}

/// Multiply-adds of a task that make the time to hand it to another thread negligible.
const WORK: usize = 50_000;
/// Values of channels that are computed together: 16 KiB.
const NEAR: usize = 4 << 10;

struct Task<'a> {
    depthwise: &'a Depthwise,
    x: &'a [f32],
    end: &'a Epilogue<'a>,
    channels: Range<usize>,
    room: &'a mut [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { depthwise, x, end, channels, room, out } = self;
        let Conv { input, output, groups, .. } = depthwise.conv;
        let each = output.channels / groups;
        let first = depthwise.reader.layout.first;
        for o in channels.start * each..channels.end * each {
            // SAFETY: this output belongs to this task alone.
            unsafe { output.clear_margins(o, out) };
        }
        // Tiles of several channels one after the other, where these are few: the next tile reads what is
        // still near.
        let near = (NEAR / input.plane()).clamp(1, channels.len());
        let together = if depthwise.reader.copies() { 1 } else { near };
        for start in channels.clone().step_by(together) {
            let channels = start..channels.end.min(start + together);
            let outputs = channels.start * each..channels.end * each;
            let x = &depthwise.reader.source_of(x, channels, room)[first..];
            Part { depthwise, x, end, outputs, out }.run(simd);
        }
    }
}

/// Some outputs; `x` begins where the first of them reads.
struct Part<'a> {
    depthwise: &'a Depthwise,
    x: &'a [f32],
    end: &'a Epilogue<'a>,
    outputs: Range<usize>,
    out: &'a Shared<'a>,
}

impl Part<'_> {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S) {
        for tiles in self.depthwise.tiles.into_iter().filter(|tiles| tiles.count > 0) {
            // SAFETY: taps reach no farther than the source has been checked to; these registers of these
            // outputs belong to this task alone.
            unsafe {
                by_count!(tiles.each, S, columns, (self, simd, tiles),
                    [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]);
            }
        }
    }
}

/// Tiles of `N` registers of each output.
///
/// # Safety
/// The registers must be readable where taps read, and no other thread may touch them in the outputs.
#[inline(always)]
unsafe fn columns<S: Simd, const N: usize>(part: &Part, simd: S, tiles: Tiles) {
    let Part { depthwise, x, end, outputs, out } = part;
    let Depthwise { conv, weights, taps, keep, .. } = depthwise;
    let (len, start) = (N * S::F32_LANES, tiles.start * S::F32_LANES);
    let all = tiles.count * len;
    let (keep, rectifier) = (&keep[start..start + all], end.rectifier());
    // Sizes of maps take some divisions.
    let each = conv.output.channels / conv.groups;
    let (from, plane, first) =
        (conv.input.plane(), conv.output.plane(), conv.output.lead() + start);
    for (i, o) in outputs.clone().enumerate() {
        let weights = &weights[o * taps.len()..][..taps.len()];
        let channel = if each == 1 { i } else { i / each };
        let (x, to) = (&x[channel * from + start..], o * plane + first);
        let (y, bias) = (out.pointer(to, all), end.bias_of(o));
        let add = end.add.get(to..to + all).map_or(std::ptr::null(), <[f32]>::as_ptr);
        for at in (0..tiles.count).map(|tile| tile * len) {
            // SAFETY: the caller's promise.
            unsafe {
                let (x, y, keep) = (x.as_ptr().add(at), y.add(at), keep.as_ptr().add(at));
                let mut sums = [simd.splat_f32s(bias); N];
                for (tap, weight) in taps.iter().zip(weights) {
                    let (weight, x) = (simd.splat_f32s(*weight), x.add(*tap));
                    for i in 0..N {
                        let x = load::<S>(x.add(i * S::F32_LANES));
                        sums[i] = simd.mul_add_f32s(weight, x, sums[i]);
                    }
                }
                for i in 0..N {
                    store::<S>(y.add(i * S::F32_LANES), sums[i]);
                }
                // Finished once they are written: with more to do in it, the loop above would keep the sums
                // in memory.
                for i in (0..N).map(|i| i * S::F32_LANES) {
                    let mut value = load::<S>(y.add(i));
                    if !add.is_null() {
                        value = simd.add_f32s(value, load::<S>(add.add(at + i)));
                    }
                    value = rectifier.of(simd, value);
                    store::<S>(y.add(i), simd.and_f32s(value, load::<S>(keep.add(i))));
                }
            }
        }
        if let Some(activation) = end.curve() {
            // SAFETY: as above.
            let y = unsafe { out.part(to, all) };
            activate(simd, activation, y);
            // Not every activation of zero is zero.
            for (y, keep) in y.chunks_exact_mut(len).zip(keep.chunks_exact(len)) {
                for i in (0..N).map(|i| i * S::F32_LANES) {
                    let (y, keep) = (y[i..].as_mut_ptr(), keep[i..].as_ptr());
                    // SAFETY: `len` is `N` registers.
                    unsafe { store::<S>(y, simd.and_f32s(load::<S>(y), load::<S>(keep))) };
                }
            }
        }
    }
}
