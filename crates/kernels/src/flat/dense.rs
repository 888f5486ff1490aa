//! Dense convolution of one image: the weights of eight outputs against three vectors of pixels.
#![allow(unsafe_code, reason = "panels are computed through pointers into the output")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::conv::Layout;
use super::panels::{Panels, Part};
use super::reader::Reader;
use super::split::{self, Split};
use super::{Conv, parts};
use crate::conv::Epilogue;
use crate::conv::epilogue::Finish;
use crate::conv::micro::{COLUMNS, ROWS};
use crate::shared::Shared;
use crate::{LANES, isa, prefetch, scratch};

/// The weights of a convolution of one group.
pub struct Dense {
    conv: Conv,
    panels: Panels,
    reader: Reader,
    tile: Tile,
    /// Whether the source is small enough to be read where it lies.
    near: bool,
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
        let near = conv.input.channels * source.channel <= ROOM;
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
        let steps = (0..tile.chunk * taps.len()).map(at);
        Self { conv: *conv, panels: Panels::new(conv, weight, steps), reader, tile, near }
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
        if tiles.start == 0 {
            for o in panels.clone().flat_map(|panel| dense.panels.outputs(panel)) {
                // SAFETY: the margins of these panels belong to the task of their first tile.
                unsafe { map.clear_margins(o, out) };
            }
        }
        let taps = dense.conv.window.kernel.pixels();
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
                let steps = channels.start * taps..channels.end * taps;
                let weights = &dense.panels;
                let part =
                    Part { panels: weights, read, vectors: &vectors, steps, end, finish, out };
                for panel in panels.clone() {
                    // SAFETY: these vectors of these outputs belong to this task alone; what they read
                    // was copied, or the source has been checked to have it.
                    unsafe { part.add(simd, panel) };
                }
            }
        }
    }
}
