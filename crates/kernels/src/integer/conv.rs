//! Convolution of bytes: four input channels a product, dense or by lists of what is not zero.
#![allow(
    unsafe_code,
    reason = "operands are read through pointers, outputs written by several tasks"
)]

use std::ops::Range;

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::dot::{Avx2, Vnni256, Vnni512};
use super::dot::{Dot, Scalar};
use super::lists::{Entry, Lists, Share, Tensor};
use super::panels::Panels;
use super::{Ending, Instructions, Rounding, Word, quads};
use crate::conv::Conv;
use crate::conv::segment::{Segment, segments};
use crate::conv::stencil::Stencil;
use crate::conv::tiling::{Item, Part, Share as Sharing, Tiling};
use crate::shared::Shared;
use crate::{LANES, scratch};

/// Windows that are computed together.
const WINDOWS: usize = 16;
/// Words of the source that are in the room at the same time, about: 40 KiB.
const ROOM: usize = 10 << 10;
/// The most products of a sum: beyond, it could leave 32 bits.
const MOST: usize = (i32::MAX / (255 * 128)) as usize;

/// How the weights are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// All of them, four outputs together.
    Dense,
    /// Those quads of which a weight is not zero.
    Sparse,
}

/// The weights of a convolution, arranged for one set of instructions.
pub struct Weights {
    conv: Conv,
    stencil: Stencil,
    /// Where each tap of each channel of a chunk reads.
    taps: Vec<u32>,
    panels: Option<Panels>,
    /// All quads that are not zero, or what `panels` leave.
    lists: Lists,
    /// The sum of each output's weights.
    totals: Vec<i32>,
    instructions: Instructions,
}

/// Where the results go.
pub enum Output<'a> {
    /// Rounded, as words.
    Words(&'a mut [Word], Rounding),
    /// As they are, `(blocks, outputs, height, width, 16)`.
    Floats(&'a mut [f32]),
}

impl Weights {
    /// Whether every sum of `conv` fits 32 bits.
    pub fn fits(conv: &Conv) -> bool {
        conv.inputs * conv.window.taps() <= MOST
    }

    /// Arranges `weights`, `outputs x inputs x kernel`.
    ///
    /// # Panics
    /// If sums may not [fit](Self::fits), or there are other weights than the convolution has.
    pub fn new(conv: &Conv, weights: &[i8], method: Method, instructions: Instructions) -> Self {
        assert!(!weights.is_empty() && weights.len() == conv.weight_len(), "weights");
        assert!(Self::fits(conv), "sums of 32 bits");
        let tensor = Tensor {
            weights,
            inputs: conv.inputs,
            outputs: conv.outputs,
            taps: conv.window.taps(),
        };
        let of_words = Conv { inputs: quads(conv.inputs), outputs: quads(conv.outputs), ..*conv };
        let stencil = Stencil::forward(&of_words);
        let tiling = tiling(&stencil);
        let pairs = instructions.pairs();
        let dense = method == Method::Dense;
        let share = if dense { Share::Rest } else { Share::All { pairs } };
        let lists = if dense && !pairs {
            Lists::none(&stencil, &tiling, conv.outputs)
        } else {
            Lists::new(&stencil, &tiling, tensor, share)
        };
        Self {
            conv: *conv,
            taps: tiling.taps(&stencil),
            panels: dense.then(|| Panels::new(&stencil, tensor, pairs)),
            lists,
            totals: (0..conv.outputs).map(|o| tensor.total(o)).collect(),
            stencil,
            instructions,
        }
    }

    /// `y = end(conv(x))`, where `x` holds words that stand for values as `from` says.
    pub fn forward(&self, conv: &Conv, (x, from): (&[Word], Rounding), end: &Ending, y: Output) {
        assert_eq!(Conv { lanes: conv.lanes, ..self.conv }, *conv, "another convolution");
        let blocks = conv.lanes.blocks();
        let s = Stencil { blocks, ..self.stencil.clone() };
        assert_eq!(x.len(), blocks * s.channels * s.h * s.w * LANES, "input");
        assert!(end.factors.len() == conv.outputs && end.bias.len() == conv.outputs, "ending");
        let words = blocks * s.outputs * conv.output().pixels() * LANES;
        assert!(end.add.is_none_or(|add| add.words.len() == words), "summand");
        let to = match y {
            Output::Words(y, rounding) => {
                assert_eq!(y.len(), words, "output");
                To::Words(Shared::new(y), rounding)
            }
            Output::Floats(y) => {
                assert_eq!(y.len(), conv.output_len(), "output");
                To::Floats(Shared::new(y))
            }
        };
        let tiling = tiling(&s);
        let splits = (2 * rayon::current_num_threads()).div_ceil(tiling.items).min(s.outputs);
        let border = Word::from_le_bytes([from.zero; 4]);
        (0..tiling.items * splits).into_par_iter().for_each(|i| {
            let split = i % splits;
            let item = tiling.item(&s, i / splits);
            let task = Task {
                weights: self,
                s: &s,
                tiling: &tiling,
                source: x,
                border,
                end,
                windows: item.blocks.len() * item.windows(),
                item,
                quads: split * s.outputs / splits..(split + 1) * s.outputs / splits,
                to: &to,
            };
            task.run();
        });
    }
}

/// How windows are shared out; where taps read does not depend on the number of blocks.
fn tiling(s: &Stencil) -> Tiling {
    let in_place = s.h * s.w == 1;
    Tiling::new(s, Sharing { windows: WINDOWS, room: ROOM, in_place })
}

/// Where results go, for several tasks.
enum To<'a> {
    Words(Shared<'a, Word>, Rounding),
    Floats(Shared<'a, f32>),
}

/// Some windows, and some quads of outputs.
struct Task<'a> {
    weights: &'a Weights,
    s: &'a Stencil,
    tiling: &'a Tiling,
    source: &'a [Word],
    border: Word,
    end: &'a Ending<'a>,
    item: Item,
    windows: usize,
    quads: Range<usize>,
    to: &'a To<'a>,
}

/// What a task keeps for a while.
struct Rooms<'a> {
    source: &'a mut [Word],
    sums: &'a mut [i32],
}

impl Task<'_> {
    fn run(&self) {
        let source = self.tiling.room(self.s);
        let sums = self.kept() * 4 * self.windows * LANES;
        scratch::with(source + sums, |room| {
            let (source, sums) = scratch::words(room).split_at_mut(source);
            let rooms = Rooms { source, sums: scratch::signed(sums) };
            match self.weights.instructions {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: instructions are chosen among those that the machine has.
                Instructions::Vnni512 => unsafe { vnni512(self, rooms) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Instructions::Vnni256 => unsafe { vnni256(self, rooms) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Instructions::Avx2 => unsafe { avx2(self, rooms) },
                _ => self.with::<Scalar>(rooms),
            }
        });
    }

    /// Quads whose sums are kept from chunk to chunk; with one chunk each is finished at once.
    fn kept(&self) -> usize {
        if self.tiling.chunk >= self.s.channels { 1 } else { self.quads.len() }
    }

    #[inline(always)]
    fn with<D: Dot>(&self, rooms: Rooms) {
        let Self { weights, s, tiling, item, .. } = self;
        let place = |block: usize, row: usize, column: usize| {
            ((block * item.rows.len() + row) * item.columns.len() + column) * LANES
        };
        let of = |most: usize| segments(tiling, item, most, place);
        let (listed, dense) = (of(weights.instructions.windows()), of(D::LANES.div_ceil(4)));
        let each = 4 * self.windows * LANES;
        for (chunk, first) in (0..s.channels).step_by(tiling.chunk).enumerate() {
            let channels = first..(first + tiling.chunk).min(s.channels);
            let last = channels.end == s.channels;
            let part = Part { item, channels: channels.clone() };
            let read = tiling.read(s, part, (self.source, rooms.source), self.border);
            for (i, quad) in self.quads.clone().enumerate() {
                let kept = i.min(self.kept() - 1);
                let sums = &mut rooms.sums[kept * each..(kept + 1) * each];
                if first == 0 {
                    self.begin(quad, sums);
                }
                if let Some(panels) = &weights.panels {
                    let words = panels.of(quad, &channels);
                    for segment in &dense {
                        self.panel::<D>(segment, words, read, sums);
                    }
                }
                let outputs = quad * 4..weights.conv.outputs.min(quad * 4 + 4);
                for (sums, output) in sums.chunks_exact_mut(each / 4).zip(outputs) {
                    let entries = weights.lists.of(chunk, output);
                    if !entries.is_empty() {
                        for segment in &listed {
                            self.list::<D>(segment, entries, read, sums);
                        }
                    }
                }
                if last {
                    self.finish(quad, sums);
                }
            }
        }
    }

    /// Sums begin with what the zero point of the input takes from them.
    #[inline(always)]
    fn begin(&self, quad: usize, sums: &mut [i32]) {
        let zero = (self.border & 255) as i32;
        for (r, sums) in sums.chunks_exact_mut(self.windows * LANES).enumerate() {
            let total = self.weights.totals.get(quad * 4 + r).copied().unwrap_or(0);
            sums.fill(-zero * total);
        }
    }

    /// Adds the products of `entries` to a segment of an output's sums.
    #[inline(always)]
    fn list<D: Dot>(&self, segment: &Segment, entries: &[Entry], read: &[Word], sums: &mut [i32]) {
        let steps = self.steps();
        let last = (segment.rows - 1) * steps.down + segment.columns * LANES;
        let (x, y) = (read[segment.at..].as_ptr(), sums[segment.to..][..last].as_mut_ptr());
        // SAFETY: entries reach no farther than the taps that `read` provides for; the segment's sums
        // are in range.
        unsafe {
            match (LANES / D::LANES, segment.rows, segment.columns) {
                (1, 1, 16) => list::<D, 1, 16, 1>(entries, (x, y), steps),
                (1, 2, 8) => list::<D, 2, 8, 1>(entries, (x, y), steps),
                (1, 4, 4) => list::<D, 4, 4, 1>(entries, (x, y), steps),
                (1, 1, 8) => list::<D, 1, 8, 1>(entries, (x, y), steps),
                (1, 1, 4) => list::<D, 1, 4, 1>(entries, (x, y), steps),
                (1, 1, 2) => list::<D, 1, 2, 1>(entries, (x, y), steps),
                (1, 1, 1) => list::<D, 1, 1, 1>(entries, (x, y), steps),
                (2, 1, 4) => list::<D, 1, 4, 2>(entries, (x, y), steps),
                (2, 2, 2) => list::<D, 2, 2, 2>(entries, (x, y), steps),
                (2, 4, 1) => list::<D, 4, 1, 2>(entries, (x, y), steps),
                (2, 1, 2) => list::<D, 1, 2, 2>(entries, (x, y), steps),
                (2, 1, 1) => list::<D, 1, 1, 2>(entries, (x, y), steps),
                (16, 1, 4) => list::<D, 1, 4, 16>(entries, (x, y), steps),
                (16, 2, 2) => list::<D, 2, 2, 16>(entries, (x, y), steps),
                (16, 4, 1) => list::<D, 4, 1, 16>(entries, (x, y), steps),
                (16, 1, 2) => list::<D, 1, 2, 16>(entries, (x, y), steps),
                (16, 1, 1) => list::<D, 1, 1, 16>(entries, (x, y), steps),
                shape => unreachable!("no segment is {shape:?}"),
            }
        }
    }

    /// Adds the products of a panel to a segment of the sums of four outputs.
    #[inline(always)]
    fn panel<D: Dot>(
        &self,
        segment: &Segment,
        words: &[[i32; 4]],
        read: &[Word],
        sums: &mut [i32],
    ) {
        let (steps, stride) = (self.steps(), self.windows * LANES);
        let last = 3 * stride + (segment.rows - 1) * steps.down + segment.columns * LANES;
        let (x, y) = (read[segment.at..].as_ptr(), sums[segment.to..][..last].as_mut_ptr());
        let taps = &self.weights.taps[..words.len()];
        // SAFETY: taps reach no farther than `read` provides for; the segment's sums are in range.
        unsafe {
            match (LANES / D::LANES, segment.rows, segment.columns) {
                (1, 1, 4) => panel::<D, 1, 4, 1>((words, taps), (x, y), (steps, stride)),
                (1, 2, 2) => panel::<D, 2, 2, 1>((words, taps), (x, y), (steps, stride)),
                (1, 4, 1) => panel::<D, 4, 1, 1>((words, taps), (x, y), (steps, stride)),
                (1, 1, 2) => panel::<D, 1, 2, 1>((words, taps), (x, y), (steps, stride)),
                (1, 1, 1) => panel::<D, 1, 1, 1>((words, taps), (x, y), (steps, stride)),
                (2, 1, 2) => panel::<D, 1, 2, 2>((words, taps), (x, y), (steps, stride)),
                (2, 2, 1) => panel::<D, 2, 1, 2>((words, taps), (x, y), (steps, stride)),
                (2, 1, 1) => panel::<D, 1, 1, 2>((words, taps), (x, y), (steps, stride)),
                (16, 1, 1) => panel::<D, 1, 1, 16>((words, taps), (x, y), (steps, stride)),
                shape => unreachable!("no segment is {shape:?}"),
            }
        }
    }

    fn steps(&self) -> Steps {
        Steps { pitch: self.tiling.pitch, down: self.item.columns.len() * LANES }
    }

    /// Finishes the sums of four outputs and writes them.
    #[inline(always)]
    fn finish(&self, quad: usize, sums: &[i32]) {
        let Self { s, item, end, .. } = self;
        let outputs = self.weights.conv.outputs;
        let mut window = 0;
        for block in item.blocks.clone() {
            for row in item.rows.clone() {
                for column in item.columns.clone() {
                    let at = s.target(block, row, column) + quad * s.plane();
                    let add = end.add.map(|add| vector(&add.words[at..]));
                    let mut words = [0; LANES];
                    for r in 0..4.min(outputs - quad * 4) {
                        let sums = vector(&sums[(r * self.windows + window) * LANES..]);
                        let values = end.values(quad * 4 + r, sums, add);
                        match self.to {
                            To::Words(_, rounding) => {
                                let steps = rounding.steps(&values);
                                for lane in 0..LANES {
                                    words[lane] |= steps[lane] << (8 * r);
                                }
                            }
                            To::Floats(out) => {
                                let map = (block * outputs + quad * 4 + r) * s.grid.h + row;
                                let at = (map * s.grid.w + column) * LANES;
                                // SAFETY: these windows of this output belong to this task alone.
                                unsafe { out.part(at, LANES) }.copy_from_slice(&values);
                            }
                        }
                    }
                    if let To::Words(out, _) = self.to {
                        // SAFETY: as above.
                        unsafe { out.part(at, LANES) }.copy_from_slice(&words);
                    }
                    window += 1;
                }
            }
        }
    }
}

#[inline(always)]
fn vector<T>(values: &[T]) -> &[T; LANES] {
    values.first_chunk().expect("a vector of values")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn vnni512(task: &Task, rooms: Rooms) {
    task.with::<Vnni512>(rooms);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avxvnni")]
fn vnni256(task: &Task, rooms: Rooms) {
    task.with::<Vnni256>(rooms);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(task: &Task, rooms: Rooms) {
    task.with::<Avx2>(rooms);
}

/// Distances between the windows of a segment; columns are a vector apart.
#[derive(Clone, Copy)]
struct Steps {
    /// Between rows of what is read, in words.
    pitch: usize,
    /// Between rows of sums.
    down: usize,
}

/// `y += sum over entries of their products with x`, for `R x C` windows.
///
/// # Safety
/// All reads and writes must be in range.
#[inline(always)]
unsafe fn list<D: Dot, const R: usize, const C: usize, const V: usize>(
    entries: &[Entry],
    (x, y): (*const Word, *mut i32),
    steps: Steps,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let place = |r: usize, c: usize, v: usize| r * steps.down + c * LANES + v * D::LANES;
        let mut sums = [[[D::splat(0); V]; C]; R];
        for r in 0..R {
            for c in 0..C {
                for v in 0..V {
                    sums[r][c][v] = D::load(y.add(place(r, c, v)));
                }
            }
        }
        for entry in entries {
            let (weights, x) = (D::weights(entry.weights), x.add(entry.at as usize));
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        let x = D::words(x.add(r * steps.pitch + c * LANES + v * D::LANES));
                        sums[r][c][v] = D::add(sums[r][c][v], x, weights);
                    }
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                for v in 0..V {
                    D::store(y.add(place(r, c, v)), sums[r][c][v]);
                }
            }
        }
    }
}

/// The same for four outputs, `stride` sums apart, and all their weights.
///
/// # Safety
/// As for [`list`].
#[inline(always)]
unsafe fn panel<D: Dot, const R: usize, const C: usize, const V: usize>(
    (words, taps): (&[[i32; 4]], &[u32]),
    (x, y): (*const Word, *mut i32),
    (steps, stride): (Steps, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        let place = |o: usize, r: usize, c: usize, v: usize| {
            o * stride + r * steps.down + c * LANES + v * D::LANES
        };
        let mut sums = [[[[D::splat(0); V]; C]; R]; 4];
        for o in 0..4 {
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        sums[o][r][c][v] = D::load(y.add(place(o, r, c, v)));
                    }
                }
            }
        }
        for (words, tap) in words.iter().zip(taps) {
            let x = x.add(*tap as usize);
            let mut read = [[[D::weights(0); V]; C]; R];
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        read[r][c][v] = D::words(x.add(r * steps.pitch + c * LANES + v * D::LANES));
                    }
                }
            }
            for o in 0..4 {
                let weights = D::weights(words[o]);
                for r in 0..R {
                    for c in 0..C {
                        for v in 0..V {
                            sums[o][r][c][v] = D::add(sums[o][r][c][v], read[r][c][v], weights);
                        }
                    }
                }
            }
        }
        for o in 0..4 {
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        D::store(y.add(place(o, r, c, v)), sums[o][r][c][v]);
                    }
                }
            }
        }
    }
}
