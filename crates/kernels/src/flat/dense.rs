//! Dense convolution of one image: the weights of eight outputs against three vectors of pixels.
#![allow(unsafe_code, reason = "panels are computed through pointers into the output")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::conv::Layout;
use super::reader::Reader;
use super::split::{self, Split};
use super::{Conv, parts};
use crate::conv::Epilogue;
use crate::conv::epilogue::{Finish, activate};
use crate::conv::micro::{self, COLUMNS, ROWS, Steps, Target, load, store};
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, isa, lanes, prefetch, scratch};

/// The weights of a convolution of one group.
pub struct Dense {
    conv: Conv,
    /// As [`pack`] has them.
    packed: Buffer,
    reader: Reader,
    tile: Tile,
    /// Whether the source is small enough to be read where it lies.
    near: bool,
    /// Where each (input of a tile's chunk, tap) reads in the room, or where the source lies.
    taps: Vec<u32>,
    keep: Vec<f32>,
    /// Whether each vector holds pixels alone.
    whole: Vec<bool>,
}

/// Values of the source that are copied together: 256 KiB, so that they stay in the second-level cache
/// while all outputs read them. Where they lie the channels of a window are pages apart.
const ROOM: usize = 64 << 10;
/// Steps of a product that make the time to reload and store its sums negligible.
const STEPS: usize = 256;

/// What is copied and computed together.
#[derive(Clone, Copy)]
struct Tile {
    /// Vectors of each channel.
    vectors: usize,
    /// Input channels at a time.
    chunk: usize,
    /// Values of the room between maps of a channel: an odd number of cache lines, since otherwise the
    /// channels of a window would compete for a few cache sets.
    piece: usize,
}

impl Tile {
    /// As many vectors as leave room for products of [`STEPS`], as weights are read once a tile; but a tile
    /// a thread, since threads that share one copy it each.
    fn new(conv: &Conv, source: Layout) -> Self {
        let (channels, taps) = (conv.input.channels, conv.window.kernel.pixels());
        let of = |vectors: usize| {
            let piece = ((vectors * LANES + source.reach).div_ceil(LANES) | 1) * LANES;
            let most = (ROOM / (source.phases * piece)).max(1);
            Self { vectors, chunk: channels.div_ceil(channels.div_ceil(most)), piece }
        };
        let fits = |tile: &Self| tile.chunk * source.phases * tile.piece <= ROOM;
        let enough = |tile: &Self| fits(tile) && tile.chunk * taps >= STEPS.min(channels * taps);
        let all = conv.output.vectors();
        let even = |parts: usize| of(all.div_ceil(parts).next_multiple_of(COLUMNS));
        let least = rayon::current_num_threads().min(all / split::VECTORS).max(1);
        (least..=all.div_ceil(COLUMNS)).map(even).find(enough).unwrap_or_else(|| of(COLUMNS))
    }
}

/// The weights of a convolution of one group, `(panel of eight outputs, input, tap, 8)`, zeros behind
/// the last output.
pub(super) fn pack(conv: &Conv, weight: &[f32]) -> Buffer {
    let row = conv.row();
    let mut packed = Buffer::zeros(conv.output.channels.div_ceil(ROWS) * row * ROWS);
    for (o, weights) in weight.chunks_exact(row).enumerate() {
        let panel = &mut packed[o / ROWS * row * ROWS..][..row * ROWS];
        for (to, value) in panel[o % ROWS..].iter_mut().step_by(ROWS).zip(weights) {
            *to = *value;
        }
    }
    packed
}

impl Dense {
    /// Arranges `weight`, `outputs x inputs x kernel`.
    ///
    /// # Panics
    /// If the convolution has groups: these are [`super::Grouped`]'s.
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        assert_eq!(conv.groups, 1, "a convolution of one group");
        let (taps, reader) = (conv.taps(), Reader::new(conv));
        let source = reader.layout;
        let packed = pack(conv, weight);
        let odd = (source.channel / LANES) % 2 == 1;
        let near = odd && conv.input.channels * source.channel <= ROOM;
        let mut tile = Tile::new(conv, source);
        if near {
            tile.chunk = conv.input.channels;
        }
        let at = |i: usize| {
            let (channel, tap) = (i / taps.len(), taps[i % taps.len()]);
            if near {
                return channel * source.channel + tap;
            }
            // A source of one map has no distance between maps.
            let (phase, within) = match source.phase {
                0 => (0, tap),
                distance => (tap / distance, tap % distance),
            };
            (channel * source.phases + phase) * tile.piece + within
        };
        let at = |i| u32::try_from(at(i)).expect("a room has fewer than 2^32 values");
        let taps = (0..tile.chunk * taps.len()).map(at).collect();
        let keep = conv.output.keep();
        let whole = keep.chunks_exact(LANES).map(|v| v.iter().all(|bits| bits.to_bits() != 0));
        let whole = whole.collect();
        Self { conv: *conv, packed, reader, tile, near, taps, keep, whole }
    }

    /// As [`super::Sparse::forward`].
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
        let panels = conv.output.channels.div_ceil(ROWS);
        let tiles = conv.output.vectors().div_ceil(self.tile.vectors);
        let Split { across, down } = Split::of(conv, (tiles, !self.near), tasks);
        let part = |i: usize, parts: usize, all: usize| i * all / parts..(i + 1) * all / parts;
        parts(across * down, tasks, |all| {
            for i in all {
                let tiles = part(i % across, across, tiles);
                let panels = part(i / across, down, panels);
                let (out, finish) = (&out, Finish::new(end, &out));
                scratch::with(self.room(), |room| {
                    let task = Task { dense: self, source, end, finish, tiles, panels, room, out };
                    isa::dispatch(task);
                });
            }
        });
    }

    /// Values that are copied together.
    fn room(&self) -> usize {
        if self.near { 0 } else { self.tile.chunk * self.reader.layout.phases * self.tile.piece }
    }

    /// Copies what some vectors read of some channels.
    #[inline(always)]
    fn gather(&self, source: &[f32], of: (&Range<usize>, &Range<usize>), room: &mut [f32]) {
        let (vectors, channels) = of;
        let Layout { channel, first, phases, phase, reach } = self.reader.layout;
        let len = vectors.len() * LANES + reach;
        let mut pieces = room.chunks_exact_mut(self.tile.piece);
        for c in channels.clone() {
            for p in 0..phases {
                let at = first + c * channel + p * phase + vectors.start * LANES;
                let piece = pieces.next().expect("a piece a channel and map");
                piece[..len].copy_from_slice(&source[at..at + len]);
                for soon in (at + AHEAD * channel..).step_by(LANES).take(len / LANES) {
                    if let Some(value) = source.get(soon) {
                        prefetch(value);
                    }
                }
            }
        }
    }
}

/// How many channels ahead of the one being copied data is prefetched.
const AHEAD: usize = 2;

struct Task<'a> {
    dense: &'a Dense,
    source: &'a [f32],
    end: &'a Epilogue<'a>,
    finish: Finish,
    tiles: Range<usize>,
    panels: Range<usize>,
    room: &'a mut [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { dense, source, end, finish, tiles, panels, room, out } = self;
        let map = dense.conv.output;
        let outputs = |panel: usize| panel * ROWS..map.channels.min((panel + 1) * ROWS);
        if tiles.start == 0 {
            for o in panels.clone().flat_map(outputs) {
                // SAFETY: the margins of these panels belong to the task of their first tile.
                unsafe { map.clear_margins(o, out) };
            }
        }
        let Tile { vectors: each, chunk, .. } = dense.tile;
        let inputs = dense.conv.input.channels;
        for tile in tiles {
            let vectors = tile * each..map.vectors().min((tile + 1) * each);
            for first in (0..inputs).step_by(chunk) {
                let channels = first..(first + chunk).min(inputs);
                let read = if dense.near {
                    &source[dense.reader.layout.first + vectors.start * LANES..]
                } else {
                    dense.gather(source, (&vectors, &channels), room);
                    &*room
                };
                let part = Part { dense, read, vectors: &vectors, channels, end, finish, out };
                for panel in panels.clone() {
                    part.panel(simd, panel, outputs(panel));
                }
            }
        }
    }
}

/// Some vectors and some of the input channels.
struct Part<'a> {
    dense: &'a Dense,
    /// From where the first vector's first tap reads.
    read: &'a [f32],
    vectors: &'a Range<usize>,
    channels: Range<usize>,
    end: &'a Epilogue<'a>,
    finish: Finish,
    out: &'a Shared<'a>,
}

impl Part<'_> {
    /// Adds the channels to the sums of up to eight outputs; the last completes them.
    #[inline(always)]
    fn panel<S: Simd>(&self, simd: S, panel: usize, outputs: Range<usize>) {
        let Self { dense, read, channels, out, .. } = self;
        let (map, taps) = (dense.conv.output, dense.conv.window.kernel.pixels());
        let last = channels.end == dense.conv.input.channels;
        let mut start = [0.0; ROWS];
        for (start, o) in start.iter_mut().zip(outputs.clone()) {
            *start = self.end.bias_of(o);
        }
        let len = channels.len() * taps;
        let a = (panel * dense.conv.row() + channels.start * taps) * ROWS;
        let a = dense.packed[a..][..len * ROWS].as_ptr();
        let steps = Steps { a, taps: dense.taps.as_ptr(), len };
        let (rows, stride) = (outputs.len(), map.plane());
        let target = Target {
            rows,
            stride,
            start: if channels.start == 0 { start.as_ptr() } else { std::ptr::null() },
            finish: if last { self.finish } else { Finish::NONE },
        };
        let count = self.vectors.len();
        for first in (0..count).step_by(micro::columns()) {
            let width = micro::columns().min(count - first);
            let mut x = [std::ptr::null(); COLUMNS];
            let mut y = [std::ptr::null_mut(); COLUMNS];
            for c in 0..width {
                let vector = first + c;
                x[c] = read[vector * LANES..].as_ptr();
                let to = map.at(outputs.start, 0, 0) + (self.vectors.start + vector) * LANES;
                y[c] = out.pointer(to, (rows - 1) * stride + LANES);
            }
            // SAFETY: taps reach no farther than what was copied for these vectors, or than the source has
            // been checked to; these vectors of these outputs belong to this task alone.
            unsafe { micro::product(simd, steps, &x[..width], &y[..width], target) };
        }
        if last {
            outputs.for_each(|o| self.finish(simd, o));
        }
    }

    /// Applies an activation that is no rectifier to the vectors of output `o`, and sets what is no
    /// pixel to zero.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, o: usize) {
        let Dense { conv, keep, whole, .. } = self.dense;
        let vectors = self.vectors.clone();
        let at = conv.output.at(o, 0, 0) + vectors.start * LANES;
        // SAFETY: these vectors of this output belong to this task alone.
        let sums = unsafe { self.out.part(at, vectors.len() * LANES) };
        if let Some(activation) = self.end.curve() {
            activate(simd, activation, sums);
        }
        for (vector, y) in vectors.zip(lanes::vectors_mut(sums)).filter(|(v, _)| !whole[*v]) {
            let keep = &lanes::vectors(keep)[vector];
            for at in (0..LANES).step_by(S::F32_LANES) {
                let (y, keep) = (y[at..].as_mut_ptr(), keep[at..].as_ptr());
                // SAFETY: a vector is a whole number of registers.
                unsafe { store::<S>(y, simd.and_f32s(load::<S>(y), load::<S>(keep))) };
            }
        }
    }
}
