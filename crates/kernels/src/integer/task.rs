//! Some windows and outputs of a convolution of bytes, by one thread.
#![allow(
    unsafe_code,
    reason = "operands are read through pointers, outputs written by several tasks"
)]

use std::ops::Range;

use super::conv::Weights;
#[cfg(target_arch = "aarch64")]
use super::dot::Neon;
#[cfg(target_arch = "x86_64")]
use super::dot::{Avx2, Vnni256, Vnni512};
use super::dot::{Dot, Scalar};
use super::ending::Rounder;
use super::lists::Pair;
use super::panels::Panel;
use super::products::{Steps, Windows};
use super::reader::Reader;
use super::{Ending, Instructions, Word};
use crate::conv::segment::{Segment, segments};
use crate::conv::tiling::{Item, Part};
use crate::shared::Shared;
use crate::{LANES, scratch};

/// Where results go, for several tasks.
pub(super) enum Destination<'a> {
    Words(Shared<'a, Word>, Rounder),
    Floats(Shared<'a, f32>),
}

/// Some windows, and some quads of outputs.
pub(super) struct Task<'a> {
    pub weights: &'a Weights,
    pub reader: &'a Reader,
    pub source: &'a [Word],
    /// What stands around maps.
    pub border: Word,
    pub end: &'a Ending<'a>,
    pub item: Item,
    /// Windows of the item.
    pub windows: usize,
    /// Quads of outputs.
    pub quads: Range<usize>,
    pub to: &'a Destination<'a>,
}

/// A task's scratch memory.
struct Rooms<'a> {
    source: &'a mut [Word],
    sums: &'a mut [i32],
}

impl Task<'_> {
    pub fn run(&self) {
        let source = self.reader.room();
        let sums = self.kept() * 4 * self.windows * LANES;
        scratch::with(source + sums, |room| {
            let (source, sums) = scratch::words(room).split_at_mut(source);
            let rooms = Rooms { source, sums: scratch::signed(sums) };
            match self.weights.arrangement.instructions {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Weights::new` refuses instructions that the machine lacks.
                Instructions::Vnni512 => unsafe { vnni512(self, rooms) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Instructions::Vnni256 => unsafe { vnni256(self, rooms) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Instructions::Avx2 => unsafe { avx2(self, rooms) },
                #[cfg(target_arch = "aarch64")]
                // SAFETY: as above.
                Instructions::Neon => unsafe { neon(self, rooms) },
                _ => self.with::<Scalar>(rooms),
            }
        });
    }

    /// Quads whose sums are kept from chunk to chunk; with one chunk each is finished at once.
    fn kept(&self) -> usize {
        if self.reader.tiling.chunk >= self.reader.s.channels { 1 } else { self.quads.len() }
    }

    #[inline(always)]
    fn with<D: Dot>(&self, rooms: Rooms) {
        let Rooms { source: near, sums: kept_sums } = rooms;
        let Self { weights, reader, item, .. } = self;
        let (s, tiling) = (&reader.s, &reader.tiling);
        let place = |block: usize, row: usize, column: usize| {
            ((block * item.rows.len() + row) * item.columns.len() + column) * LANES
        };
        let of = |most: usize| segments(tiling, item, most, place);
        let listed = of(weights.arrangement.instructions.windows());
        let dense = of(weights.arrangement.instructions.windows_of_four());
        let gather = reader.gather(item);
        let each = 4 * self.windows * LANES;
        for (chunk, first) in (0..s.channels).step_by(tiling.chunk).enumerate() {
            let channels = first..(first + tiling.chunk).min(s.channels);
            let last = channels.end == s.channels;
            let part = Part { item, channels: channels.clone() };
            let read = reader.read(part, &gather, (self.source, near), self.border);
            for (i, quad) in self.quads.clone().enumerate() {
                let kept = i.min(self.kept() - 1);
                let sums = &mut kept_sums[kept * each..(kept + 1) * each];
                if first == 0 {
                    self.begin::<D>(quad, sums);
                }
                if let Some(panels) = &weights.panels {
                    let panels = panels.of(quad, chunk);
                    for segment in &dense {
                        self.panel::<D>(segment, panels, read, sums);
                    }
                }
                let outputs = quad * 4..weights.conv.outputs.min(quad * 4 + 4);
                for (sums, output) in sums.chunks_exact_mut(each / 4).zip(outputs) {
                    let pairs = weights.lists.pairs(chunk, output);
                    if !pairs.is_empty() {
                        for segment in &listed {
                            self.list::<D>(segment, pairs, read, sums);
                        }
                    }
                }
                if last {
                    self.finish(quad, sums);
                }
            }
        }
    }

    /// Starts the accumulators at minus the zero point times the sum of the output's weights, with what the
    /// products leave out of each byte.
    #[inline(always)]
    fn begin<D: Dot>(&self, quad: usize, sums: &mut [i32]) {
        let zero = (self.border & 255) as i32 - D::LESS;
        for (r, sums) in sums.chunks_exact_mut(self.windows * LANES).enumerate() {
            let total = self.weights.totals.get(quad * 4 + r).copied().unwrap_or(0);
            sums.fill(-zero * total);
        }
    }

    /// The windows of `segment`, of `outputs` outputs.
    #[inline(always)]
    fn windows(
        &self,
        segment: &Segment,
        outputs: usize,
        read: &[Word],
        sums: &mut [i32],
    ) -> Windows {
        let steps = Steps {
            pitch: self.reader.tiling.pitch,
            down: self.item.columns.len() * LANES,
            output: self.windows * LANES,
        };
        let last = (outputs - 1) * steps.output
            + (segment.rows - 1) * steps.down
            + segment.columns * LANES;
        let (x, sums) = (read[segment.at..].as_ptr(), sums[segment.to..][..last].as_mut_ptr());
        Windows { x, sums, steps }
    }

    /// Adds the products of `pairs` to a segment of an output's sums.
    #[inline(always)]
    fn list<D: Dot>(&self, segment: &Segment, pairs: &[Pair], read: &[Word], sums: &mut [i32]) {
        let own = self.windows(segment, 1, read, sums);
        // SAFETY: pairs reach no farther than the taps that `read` provides for; the segment's sums
        // are in range.
        unsafe {
            match (LANES / D::LANES, segment.rows, segment.columns) {
                (1, 1, 16) => own.list::<D, 1, 16, 1>(pairs),
                (1, 2, 8) => own.list::<D, 2, 8, 1>(pairs),
                (1, 4, 4) => own.list::<D, 4, 4, 1>(pairs),
                (1, 1, 8) => own.list::<D, 1, 8, 1>(pairs),
                (1, 1, 4) => own.list::<D, 1, 4, 1>(pairs),
                (1, 1, 2) => own.list::<D, 1, 2, 1>(pairs),
                (1, 1, 1) => own.list::<D, 1, 1, 1>(pairs),
                (2, 1, 4) => own.list::<D, 1, 4, 2>(pairs),
                (2, 2, 2) => own.list::<D, 2, 2, 2>(pairs),
                (2, 4, 1) => own.list::<D, 4, 1, 2>(pairs),
                (2, 1, 2) => own.list::<D, 1, 2, 2>(pairs),
                (2, 1, 1) => own.list::<D, 1, 1, 2>(pairs),
                (4, 1, 4) => own.list::<D, 1, 4, 4>(pairs),
                (4, 2, 2) => own.list::<D, 2, 2, 4>(pairs),
                (4, 4, 1) => own.list::<D, 4, 1, 4>(pairs),
                (4, 1, 2) => own.list::<D, 1, 2, 4>(pairs),
                (4, 1, 1) => own.list::<D, 1, 1, 4>(pairs),
                (16, 1, 4) => own.list::<D, 1, 4, 16>(pairs),
                (16, 2, 2) => own.list::<D, 2, 2, 16>(pairs),
                (16, 4, 1) => own.list::<D, 4, 1, 16>(pairs),
                (16, 1, 2) => own.list::<D, 1, 2, 16>(pairs),
                (16, 1, 1) => own.list::<D, 1, 1, 16>(pairs),
                shape => unreachable!("no segment is {shape:?}"),
            }
        }
    }

    /// Adds the products of panels to a segment of the sums of four outputs.
    #[inline(always)]
    fn panel<D: Dot>(
        &self,
        segment: &Segment,
        panels: (&[Panel], &[[u32; 2]]),
        read: &[Word],
        sums: &mut [i32],
    ) {
        let own = self.windows(segment, 4, read, sums);
        // SAFETY: taps reach no farther than `read` provides for; the segment's sums are in range.
        unsafe {
            match (LANES / D::LANES, segment.rows, segment.columns) {
                (1, 1, 4) => own.panel::<D, 1, 4, 1>(panels),
                (1, 2, 2) => own.panel::<D, 2, 2, 1>(panels),
                (1, 4, 1) => own.panel::<D, 4, 1, 1>(panels),
                (1, 1, 2) => own.panel::<D, 1, 2, 1>(panels),
                (1, 1, 1) => own.panel::<D, 1, 1, 1>(panels),
                (2, 1, 1) => own.panel::<D, 1, 1, 2>(panels),
                (4, 1, 1) => own.panel::<D, 1, 1, 4>(panels),
                (16, 1, 1) => own.panel::<D, 1, 1, 16>(panels),
                shape => unreachable!("no segment is {shape:?}"),
            }
        }
    }

    /// Finishes the sums of four outputs and writes them.
    #[inline(always)]
    fn finish(&self, quad: usize, sums: &[i32]) {
        let Self { reader: Reader { s, .. }, item, end, .. } = self;
        let outputs = self.weights.conv.outputs;
        let real = 4.min(outputs - quad * 4);
        let mut window = 0;
        for block in item.blocks.clone() {
            for row in item.rows.clone() {
                for column in item.columns.clone() {
                    let at = s.target(block, row, column) + quad * s.plane();
                    let add = end.add.map(|add| vector(&add.words[at..]));
                    let sums = |r: usize| vector(&sums[(r * self.windows + window) * LANES..]);
                    match self.to {
                        Destination::Words(out, to) => {
                            let mut words = [0; LANES];
                            for r in 0..real {
                                let steps = end.steps(quad * 4 + r, sums(r), add, *to);
                                for lane in 0..LANES {
                                    words[lane] |= steps[lane] << (8 * r);
                                }
                            }
                            // SAFETY: these windows of these outputs belong to this task alone.
                            unsafe { out.part(at, LANES) }.copy_from_slice(&words);
                        }
                        Destination::Floats(out) => {
                            for r in 0..real {
                                let values = end.values(quad * 4 + r, sums(r), add);
                                let map = (block * outputs + quad * 4 + r) * s.grid.h + row;
                                let at = (map * s.grid.w + column) * LANES;
                                // SAFETY: as above.
                                unsafe { out.part(at, LANES) }.copy_from_slice(&values);
                            }
                        }
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

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
fn neon(task: &Task, rooms: Rooms) {
    task.with::<Neon>(rooms);
}
