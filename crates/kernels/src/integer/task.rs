//! Some windows and outputs of a convolution of bytes, by one thread.
#![allow(
    unsafe_code,
    reason = "operands are read through pointers, outputs written by several tasks"
)]

use std::ops::Range;

use super::conv::{Dense, Weights};
#[cfg(target_arch = "aarch64")]
use super::dot::Neon;
#[cfg(target_arch = "x86_64")]
use super::dot::{Avx2, Vnni256, Vnni512};
use super::dot::{Dot, Scalar};
use super::ending::{QuadEnding, Rounder};
use super::lists::Pair;
#[cfg(target_arch = "x86_64")]
use super::matrix;
use super::panels::ChunkPanels;
use super::products::{Steps, Windows};
use super::reader::{Gather, Reader};
use super::{Ending, Instructions, Word};
use crate::conv::segment::{Segment, segments};
use crate::conv::tiling::{Item, Part};
use crate::shared::Shared;
use crate::{LANES, scratch};

/// Where results go, for several tasks.
pub(super) enum Destination<'a> {
    /// Words, whose rounding comes [after](Rounder::after) the activation.
    Bounded(Shared<'a, Word>, Rounder),
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
    pub item: &'a Item,
    /// How what it reads is gathered.
    pub gather: &'a Gather,
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
        #[cfg(target_arch = "x86_64")]
        if let Dense::Matrices(matrices) = &self.weights.dense {
            // SAFETY: `Weights::new` refuses instructions that the machine lacks.
            return scratch::with(self.reader.room(), |room| unsafe {
                matrix::run(self, matrices, scratch::words(room));
            });
        }
        let source = self.reader.room();
        let sums = self.kept() * 4 * self.windows * LANES;
        scratch::with(source + sums, |room| {
            let (source, sums) = scratch::words(room).split_at_mut(source);
            let rooms = Rooms { source, sums: scratch::signed(sums) };
            match self.weights.arrangement.instructions {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Instructions::Amx | Instructions::Vnni512 => unsafe { vnni512(self, rooms) },
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
        let Self { weights, reader, item, gather, .. } = self;
        let (s, tiling) = (&reader.s, &reader.tiling);
        let place = |block: usize, row: usize, column: usize| {
            ((block * item.rows.len() + row) * item.columns.len() + column) * LANES
        };
        let of = |most: usize| segments(tiling, item, most, place);
        let listed = of(weights.arrangement.instructions.windows());
        let dense = of(weights.arrangement.instructions.windows_of_four());
        let targets = self.targets();
        let each = 4 * self.windows * LANES;
        for (chunk, first) in (0..s.channels).step_by(tiling.chunk).enumerate() {
            let channels = first..(first + tiling.chunk).min(s.channels);
            let last = channels.end == s.channels;
            let part = Part { item, channels: channels.clone() };
            let read = reader.read(part, gather, (self.source, near), self.border);
            for (i, quad) in self.quads.clone().enumerate() {
                let kept = i.min(self.kept() - 1);
                let sums = &mut kept_sums[kept * each..(kept + 1) * each];
                let start = (first == 0).then(|| self.start::<D>(quad));
                if let Dense::Panels(panels) = &weights.dense {
                    let panels = panels.of(quad, chunk);
                    for segment in &dense {
                        self.panel::<D>(segment, (panels, start), read, sums);
                    }
                }
                let start = if matches!(weights.dense, Dense::Skipped) { start } else { None };
                for (r, sums) in sums.chunks_exact_mut(each / 4).enumerate() {
                    let (output, start) = (quad * 4 + r, start.map(|start| start[r]));
                    let pairs = weights.lists.pairs(chunk, output);
                    if !pairs.is_empty() {
                        for segment in &listed {
                            self.list::<D>(segment, (pairs, start), read, sums);
                        }
                    } else if let Some(start) = start {
                        sums.fill(start);
                    }
                }
                if last {
                    self.finish(quad, &self.end.of_quad(quad), (sums, self.windows), &targets);
                }
            }
        }
    }

    /// What the accumulators of a quad of outputs start at: minus the zero point times the sum of the output's
    /// weights, with what the products leave out of each byte.
    #[inline(always)]
    pub(super) fn start<D: Dot>(&self, quad: usize) -> [i32; 4] {
        let zero = (self.border & 255) as i32 - D::LESS;
        let mut start = [0; 4];
        for (start, total) in start.iter_mut().zip(&self.weights.totals[quad * 4..]) {
            *start = -zero * total;
        }
        start
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
    fn list<D: Dot>(
        &self,
        segment: &Segment,
        (pairs, start): (&[Pair], Option<i32>),
        read: &[Word],
        sums: &mut [i32],
    ) {
        let own = self.windows(segment, 1, read, sums);
        // SAFETY: pairs reach no farther than the taps that `read` provides for; the segment's sums
        // are in range.
        unsafe {
            match (LANES / D::LANES, segment.rows, segment.columns) {
                (1, 1, 16) => own.list::<D, 1, 16, 1, 1>(pairs, start),
                (1, 2, 8) => own.list::<D, 2, 8, 1, 1>(pairs, start),
                (1, 4, 4) => own.list::<D, 4, 4, 1, 1>(pairs, start),
                (1, 1, 8) => own.list::<D, 1, 8, 1, 1>(pairs, start),
                (1, 1, 4) => own.list::<D, 1, 4, 1, 2>(pairs, start),
                (1, 1, 2) => own.list::<D, 1, 2, 1, 2>(pairs, start),
                (1, 1, 1) => own.list::<D, 1, 1, 1, 4>(pairs, start),
                (2, 1, 4) => own.list::<D, 1, 4, 2, 1>(pairs, start),
                (2, 2, 2) => own.list::<D, 2, 2, 2, 1>(pairs, start),
                (2, 4, 1) => own.list::<D, 4, 1, 2, 1>(pairs, start),
                (2, 1, 2) => own.list::<D, 1, 2, 2, 2>(pairs, start),
                (2, 1, 1) => own.list::<D, 1, 1, 2, 2>(pairs, start),
                (4, 1, 4) => own.list::<D, 1, 4, 4, 1>(pairs, start),
                (4, 2, 2) => own.list::<D, 2, 2, 4, 1>(pairs, start),
                (4, 4, 1) => own.list::<D, 4, 1, 4, 1>(pairs, start),
                (4, 1, 2) => own.list::<D, 1, 2, 4, 1>(pairs, start),
                (4, 1, 1) => own.list::<D, 1, 1, 4, 2>(pairs, start),
                (16, 1, 4) => own.list::<D, 1, 4, 16, 1>(pairs, start),
                (16, 2, 2) => own.list::<D, 2, 2, 16, 1>(pairs, start),
                (16, 4, 1) => own.list::<D, 4, 1, 16, 1>(pairs, start),
                (16, 1, 2) => own.list::<D, 1, 2, 16, 1>(pairs, start),
                (16, 1, 1) => own.list::<D, 1, 1, 16, 1>(pairs, start),
                shape => unreachable!("no segment is {shape:?}"),
            }
        }
    }

    /// Adds the products of panels to a segment of the sums of four outputs.
    #[inline(always)]
    fn panel<D: Dot>(
        &self,
        segment: &Segment,
        (panels, start): (ChunkPanels, Option<[i32; 4]>),
        read: &[Word],
        sums: &mut [i32],
    ) {
        let own = self.windows(segment, 4, read, sums);
        // SAFETY: taps reach no farther than `read` provides for; the segment's sums are in range.
        unsafe {
            match (LANES / D::LANES, segment.rows, segment.columns) {
                (1, 1, 4) => own.panel::<D, 1, 4, 1>(panels, start),
                (1, 2, 2) => own.panel::<D, 2, 2, 1>(panels, start),
                (1, 4, 1) => own.panel::<D, 4, 1, 1>(panels, start),
                (1, 1, 2) => own.panel::<D, 1, 2, 1>(panels, start),
                (1, 1, 1) => own.panel::<D, 1, 1, 1>(panels, start),
                (2, 1, 1) => own.panel::<D, 1, 1, 2>(panels, start),
                (4, 1, 1) => own.panel::<D, 1, 1, 4>(panels, start),
                (16, 1, 1) => own.panel::<D, 1, 1, 16>(panels, start),
                shape => unreachable!("no segment is {shape:?}"),
            }
        }
    }

    /// Where the windows' results of the first quad of outputs are written.
    pub(super) fn targets(&self) -> Vec<usize> {
        let Self { reader: Reader { s, .. }, item, .. } = self;
        let rows = item.blocks.clone().flat_map(|b| item.rows.clone().map(move |row| (b, row)));
        let first = |(block, row)| s.target(block, row, item.columns.start);
        let row = |at| (0..item.columns.len()).map(move |column| at + column * LANES);
        rows.map(first).flat_map(row).collect()
    }

    /// Finishes the sums of the outputs of `quad`, `windows` of each, and writes those of the first windows, to
    /// `targets`.
    #[inline(always)]
    pub(super) fn finish(
        &self,
        quad: usize,
        end: &QuadEnding,
        (sums, windows): (&[i32], usize),
        targets: &[usize],
    ) {
        let plane = self.reader.s.plane();
        match self.to {
            Destination::Bounded(out, to) => {
                let (step, shift) = (windows * LANES, quad * plane);
                assert!(3 * step + targets.len() * LANES <= sums.len(), "sums");
                let out = out.pointer(0, self.reader.s.blocks * self.reader.s.outputs * plane);
                // SAFETY: the sums were just counted; windows lie in maps, and summands have as many words. These
                // windows of these outputs belong to this task alone.
                unsafe {
                    end.write_bounded((sums.as_ptr(), step), *to, (targets, shift), out);
                }
            }
            Destination::Words(out, to) => {
                for (window, first) in targets.iter().enumerate() {
                    let (sums, at) = (four(window, windows, sums), first + quad * plane);
                    let words = end.words(sums, at, *to);
                    // SAFETY: as above.
                    unsafe { out.part(at, LANES) }.copy_from_slice(&words);
                }
            }
            Destination::Floats(out) => {
                let outputs = self.weights.conv.outputs;
                let real = 4.min(outputs - 4 * quad);
                for (window, first) in targets.iter().enumerate() {
                    let (sums, at) = (four(window, windows, sums), first + quad * plane);
                    // Where words have a map of four channels, floats have four, the last quad maybe fewer.
                    let block = first / plane / self.reader.s.outputs;
                    for (r, sums) in sums.iter().enumerate().take(real) {
                        let map = block * outputs + 4 * quad + r;
                        let values = end.values(r, sums, at);
                        // SAFETY: as above.
                        unsafe { out.part(map * plane + first % plane, LANES) }
                            .copy_from_slice(&values);
                    }
                }
            }
        }
    }
}

/// The sums of four outputs of a window.
#[inline(always)]
fn four(window: usize, windows: usize, sums: &[i32]) -> [&[i32; LANES]; 4] {
    let of = |r: usize| sums[(r * windows + window) * LANES..].first_chunk().expect("a vector");
    [of(0), of(1), of(2), of(3)]
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
