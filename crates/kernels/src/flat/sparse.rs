//! Convolution of one image that visits only the kept weights.
#![allow(unsafe_code, reason = "operands are read through pointers at computed offsets")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{Conv, Ends, parts};
use crate::conv::micro::{load, store};
use crate::shared::Shared;
use crate::{LANES, isa};

/// A kept weight.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Where it reads, from where the window stands.
    at: u32,
    value: f32,
}

/// The kept weights of a convolution, by output.
///
/// Up to sixteen vectors of an output stay in registers while its list is walked: one broadcast a
/// weight, and a multiply-add a vector whose operand comes straight from the cache. Every second
/// output walks backwards, so that it begins with what the one before it has read last.
#[derive(Debug, Clone)]
pub struct Sparse {
    conv: Conv,
    entries: Vec<Entry>,
    /// Where the entries of each output begin; one more than there are.
    starts: Vec<u32>,
    keep: Vec<f32>,
}

impl Sparse {
    /// Arranges the weights that are not zero of `weight`,
    /// `outputs x inputs/groups x kernel x kernel`.
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        let (taps, channel) = (conv.taps(), conv.channel());
        let (mut entries, mut starts) = (Vec::new(), vec![0]);
        for (o, row) in weight.chunks_exact(conv.row()).enumerate() {
            let first = conv.first_input(o);
            for (i, &value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                let at = (first + i / taps.len()) * channel + taps[i % taps.len()];
                let at = u32::try_from(at).expect("an image has fewer than 2^32 values");
                entries.push(Entry { at, value });
            }
            starts.push(entries.len() as u32);
        }
        Self { conv: *conv, entries, starts, keep: conv.output.keep() }
    }

    /// Weights kept.
    pub fn kept(&self) -> usize {
        self.entries.len()
    }

    /// `y = end(conv(x))`, split into at most `tasks` parts for several threads; `room` holds
    /// [`Conv::room`] values of any content.
    pub fn forward(
        &self,
        (x, room): (&[f32], &mut [f32]),
        end: &Ends,
        y: &mut [f32],
        tasks: usize,
    ) {
        let conv = &self.conv;
        conv.check((x.len(), room.len(), y.len()));
        end.check(conv);
        let source = conv.source(x, room, tasks);
        let out = Shared::new(y);
        parts(conv.output.channels, tasks, |outputs| {
            isa::dispatch(Task { sparse: self, source, end, outputs, out: &out });
        });
    }

    fn of(&self, output: usize) -> &[Entry] {
        &self.entries[self.starts[output] as usize..self.starts[output + 1] as usize]
    }
}

struct Task<'a> {
    sparse: &'a Sparse,
    source: &'a [f32],
    end: &'a Ends<'a>,
    outputs: Range<usize>,
    out: &'a Shared<'a>,
}

/// Calls `tile` for `$n` registers.
macro_rules! by_count {
    ($n:expr, $S:ident, $arguments:tt, [$($count:literal)*]) => {
        match $n {
            $($count => tile::<$S, $count> $arguments,)*
            other => unreachable!("no tile has {other} registers"),
        }
    };
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { sparse, source, end, outputs, out } = self;
        let (conv, map) = (&sparse.conv, sparse.conv.output);
        for o in outputs.clone() {
            // SAFETY: this output belongs to this task alone.
            map.clear_margins(unsafe { out.part(o * map.plane(), map.plane()) });
        }
        let registers = map.vectors() * LANES / S::F32_LANES;
        // Half of what there are: AVX2 has 16, the others 32.
        let most = if S::F32_LANES == 8 { 8 } else { 16 };
        let tiles = registers.div_ceil(most);
        for t in 0..tiles {
            let (first, last) = (t * registers / tiles, (t + 1) * registers / tiles);
            let at = first * S::F32_LANES;
            let len = (last - first) * S::F32_LANES;
            for o in outputs.clone() {
                let (entries, backwards) = (sparse.of(o), o % 2 == 1);
                let x = source[conv.first() + at..].as_ptr();
                let to = o * map.plane() + map.lead() + at;
                let tail = Tail {
                    add: end.add.get(to..to + len).map_or(std::ptr::null(), <[f32]>::as_ptr),
                    keep: sparse.keep[at..at + len].as_ptr(),
                    relu: end.relu,
                };
                let y = out.pointer(to, len);
                let sum = (entries, end.bias_of(o), backwards);
                // SAFETY: entries reach no farther than `source` has been checked to; these
                // vectors of this output belong to this task alone.
                unsafe {
                    by_count!(last - first, S, (simd, sum, (x, y), tail),
                        [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]);
                }
            }
        }
    }
}

/// What is done to complete sums, and where its operands for them begin.
#[derive(Clone, Copy)]
struct Tail {
    add: *const f32,
    keep: *const f32,
    relu: bool,
}

/// # Safety
/// `N` registers must be readable at `tail.keep`, at `tail.add` unless it is null, and at each
/// entry's distance from `x`; and writable at `y` by this thread alone.
#[inline(always)]
unsafe fn tile<S: Simd, const N: usize>(
    simd: S,
    (entries, start, backwards): (&[Entry], f32, bool),
    (x, y): (*const f32, *mut f32),
    tail: Tail,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [simd.splat_f32s(start); N];
        for k in 0..entries.len() {
            let entry = entries[if backwards { entries.len() - 1 - k } else { k }];
            let (value, x) = (simd.splat_f32s(entry.value), x.add(entry.at as usize));
            for i in 0..N {
                let x = load::<S>(x.add(i * S::F32_LANES));
                sums[i] = simd.mul_add_f32s(value, x, sums[i]);
            }
        }
        for i in 0..N {
            store::<S>(y.add(i * S::F32_LANES), sums[i]);
        }
        // As in `Finish`: with more to do in it, the loop above would keep the sums in memory.
        for i in 0..N {
            let at = i * S::F32_LANES;
            let mut value = load::<S>(y.add(at));
            if !tail.add.is_null() {
                value = simd.add_f32s(value, load::<S>(tail.add.add(at)));
            }
            if tail.relu {
                let zero = simd.splat_f32s(0.0);
                value = simd.select_f32s(simd.less_than_f32s(value, zero), zero, value);
            }
            store::<S>(y.add(at), simd.and_f32s(value, load::<S>(tail.keep.add(at))));
        }
    }
}
