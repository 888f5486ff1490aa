//! Convolution of one image that visits only the kept weights.
#![allow(unsafe_code, reason = "operands are read through pointers at computed offsets")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::reader::Reader;
use super::{Conv, Map, parts};
use crate::conv::Epilogue;
use crate::conv::epilogue::{Rectifier, activate};
use crate::conv::micro::{load, store};
use crate::shared::Shared;
use crate::{LANES, isa};

/// A kept weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Where it reads, from where the window stands.
    pub at: u32,
    /// Its value.
    pub value: f32,
}

impl Entry {
    /// A weight that reads `at`.
    pub(super) fn new(at: usize, value: f32) -> Self {
        let at = u32::try_from(at).expect("an image has fewer than 2^32 values");
        Self { at, value }
    }
}

/// Bytes of source that the lists of one chunk of channels read: they stay in the first-level cache
/// while all outputs are computed.
const NEAR: usize = 24 << 10;

/// The kept weights of a convolution of one group, by chunk of input channels, then by output.
///
/// Up to sixteen vectors of an output stay in registers while its list is walked: one broadcast a
/// weight, and a multiply-add a vector whose operand comes straight from the cache.
#[derive(Debug, Clone)]
pub struct Sparse {
    conv: Conv,
    entries: Vec<Entry>,
    /// Where the entries of each (chunk, output) begin; one more than there are.
    starts: Vec<u32>,
    chunks: usize,
    reader: Reader,
    tiles: Vec<Range<usize>>,
    keep: Vec<f32>,
}

impl Sparse {
    /// Arranges the weights that are not zero of `weight`, `outputs x inputs x kernel`.
    ///
    /// # Panics
    /// If the convolution has groups: these are [`super::Grouped`]'s.
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        assert_eq!(conv.groups, 1, "a convolution of one group");
        let (taps, reader) = (conv.taps(), Reader::new(conv));
        let each = channels_of_chunk(conv);
        let chunks = conv.input.channels.div_ceil(each);
        let (mut entries, mut starts) = (Vec::new(), vec![0]);
        for chunk in 0..chunks {
            for row in weight.chunks_exact(conv.row()) {
                for c in chunk * each..conv.input.channels.min((chunk + 1) * each) {
                    let values = &row[c * taps.len()..][..taps.len()];
                    for (tap, &value) in taps.iter().zip(values).filter(|(_, v)| **v != 0.0) {
                        entries.push(Entry::new(c * reader.layout.channel + tap, value));
                    }
                }
                starts.push(entries.len() as u32);
            }
        }
        let (tiles, keep) = (tiles(conv.output), conv.output.keep());
        Self { conv: *conv, entries, starts, chunks, reader, tiles, keep }
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
        end: &Epilogue,
        y: &mut [f32],
        tasks: usize,
    ) {
        let conv = &self.conv;
        conv.check((x.len(), room.len(), y.len()));
        conv.check_epilogue(end);
        let source = self.reader.source(x, room, tasks);
        let out = Shared::new(y);
        parts(conv.output.channels, tasks, |outputs| {
            isa::dispatch(Task { sparse: self, source, end, outputs, out: &out });
        });
    }

    fn entries(&self, chunk: usize, output: usize) -> &[Entry] {
        let i = chunk * self.conv.output.channels + output;
        &self.entries[self.starts[i] as usize..self.starts[i + 1] as usize]
    }
}

/// Most registers of a tile.
pub(super) const MOST: usize = 16;

/// Input channels of which a tile's windows read about [`NEAR`] bytes.
fn channels_of_chunk(conv: &Conv) -> usize {
    let vectors = conv.output.vectors();
    let tile = vectors.div_ceil(vectors.div_ceil(MOST)) * LANES;
    (NEAR / (conv.source_layout().read(tile) * size_of::<f32>())).max(1)
}

struct Task<'a> {
    sparse: &'a Sparse,
    source: &'a [f32],
    end: &'a Epilogue<'a>,
    outputs: Range<usize>,
    out: &'a Shared<'a>,
}

/// Calls `$f` for `$n` registers.
macro_rules! by_count {
    ($n:expr, $S:ident, $f:ident, $arguments:tt, [$($count:literal)*]) => {
        match $n {
            $($count => $f::<$S, $count> $arguments,)*
            other => unreachable!("no tile has {other} registers"),
        }
    };
}
pub(super) use by_count;

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { sparse, source, end, outputs, out } = self;
        let map = sparse.conv.output;
        let source = &source[sparse.reader.layout.first..];
        let sums = Sums { map, keep: &sparse.keep, source, end, out };
        for o in outputs.clone() {
            // SAFETY: this output belongs to this task alone.
            unsafe { map.clear_margins(o, out) };
        }
        for tile in &sparse.tiles {
            for chunk in 0..sparse.chunks {
                let (begins, ends) = (chunk == 0, chunk + 1 == sparse.chunks);
                for o in outputs.clone() {
                    let entries = sparse.entries(chunk, o);
                    if entries.is_empty() && !begins && !ends {
                        continue;
                    }
                    // SAFETY: entries reach no farther than `source` has been checked to; these
                    // registers of this output belong to this task alone.
                    unsafe { sums.add(simd, o, tile.clone(), Stretch { entries, begins, ends }) };
                }
            }
        }
    }
}

/// Registers of a channel that are computed together, one range after the other.
pub(super) fn tiles(map: Map) -> Vec<Range<usize>> {
    let registers = map.vectors() * LANES / isa::width();
    // Half of what there are: AVX2 has 16, the others 32.
    let tiles = registers.div_ceil(if isa::width() == 8 { MOST / 2 } else { MOST });
    (0..tiles).map(|t| t * registers / tiles..(t + 1) * registers / tiles).collect()
}

/// What sums along lists are computed from, and where they go.
pub(super) struct Sums<'a> {
    /// Where the outputs lie.
    pub map: Map,
    /// As [`Map::keep`] has it.
    pub keep: &'a [f32],
    /// What the first window's first tap reads, and all behind it.
    pub source: &'a [f32],
    pub end: &'a Epilogue<'a>,
    pub out: &'a Shared<'a>,
}

/// A part of an output's list.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'a> {
    pub entries: &'a [Entry],
    /// Whether it is the first; else it is added to what is there.
    pub begins: bool,
    /// Whether it is the last, behind which sums are complete.
    pub ends: bool,
}

impl Sums<'_> {
    /// Adds a stretch to some registers of output `o`.
    ///
    /// # Safety
    /// For these registers every entry must read inside the source, and no other thread may touch them.
    #[inline(always)]
    pub(super) unsafe fn add<S: Simd>(
        &self,
        simd: S,
        o: usize,
        registers: Range<usize>,
        stretch: Stretch,
    ) {
        let Self { map, keep, source, end, out } = *self;
        let at = registers.start * S::F32_LANES;
        let len = registers.len() * S::F32_LANES;
        let to = map.at(o, 0, 0) + at;
        let keep = &keep[at..at + len];
        let tail = stretch.ends.then(|| Tail {
            add: end.add.get(to..to + len).map_or(std::ptr::null(), <[f32]>::as_ptr),
            keep: keep.as_ptr(),
            rectifier: end.rectifier(),
        });
        let (x, y) = (source[at..].as_ptr(), out.pointer(to, len));
        let sum = (stretch.entries, stretch.begins.then(|| end.bias_of(o)));
        // SAFETY: the caller's promise.
        unsafe {
            by_count!(registers.len(), S, tile, (simd, sum, (x, y), tail),
                [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]);
        }
        if let Some(activation) = end.curve().filter(|_| stretch.ends) {
            // SAFETY: as above.
            let y = unsafe { out.part(to, len) };
            activate(simd, activation, y);
            // Not every activation of zero is zero.
            for (y, keep) in y.iter_mut().zip(keep) {
                *y = f32::from_bits(y.to_bits() & keep.to_bits());
            }
        }
    }
}

/// What is done to complete sums, and where its operands for them begin.
#[derive(Clone, Copy)]
struct Tail {
    add: *const f32,
    keep: *const f32,
    rectifier: Rectifier,
}

/// Sums that start with a value, or with what stands in `y`; where they are complete, `tail` is done.
///
/// # Safety
/// `N` registers must be readable at each entry's distance from `x` and at the pointers of `tail` that
/// are not null; and readable and writable at `y` by this thread alone.
#[inline(always)]
unsafe fn tile<S: Simd, const N: usize>(
    simd: S,
    (entries, start): (&[Entry], Option<f32>),
    (x, y): (*const f32, *mut f32),
    tail: Option<Tail>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [simd.splat_f32s(start.unwrap_or(0.0)); N];
        if start.is_none() {
            for i in 0..N {
                sums[i] = load::<S>(y.add(i * S::F32_LANES));
            }
        }
        for entry in entries {
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
        let Some(tail) = tail else { return };
        for i in 0..N {
            let at = i * S::F32_LANES;
            let mut value = load::<S>(y.add(at));
            if !tail.add.is_null() {
                value = simd.add_f32s(value, load::<S>(tail.add.add(at)));
            }
            value = tail.rectifier.of(simd, value);
            store::<S>(y.add(at), simd.and_f32s(value, load::<S>(tail.keep.add(at))));
        }
    }
}
