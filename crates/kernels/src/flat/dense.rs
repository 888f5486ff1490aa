//! Dense convolution of one image: the weights of eight outputs against three vectors of pixels.
#![allow(unsafe_code, reason = "panels are computed through pointers into the output")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{Conv, parts};
use crate::conv::Epilogue;
use crate::conv::epilogue::{Finish, activate};
use crate::conv::micro::{self, COLUMNS, ROWS, Steps, Target};
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, isa, lanes};

/// The weights of a convolution of one group, `(panel of eight outputs, input, tap, 8)`, zeros
/// behind the last output.
pub struct Dense {
    conv: Conv,
    packed: Buffer,
    /// Where the first window's first tap reads.
    first: usize,
    /// Where each (input, tap) reads.
    taps: Vec<u32>,
    /// Vectors whose source stays in the second-level cache while all outputs read it.
    tile: usize,
    keep: Vec<f32>,
    /// Whether each vector holds pixels alone.
    whole: Vec<bool>,
}

/// Values of the source of a tile: 192 KiB.
const ROOM: usize = 48 << 10;
/// Most vectors of a tile.
const MOST: usize = 48;

impl Dense {
    /// Arranges `weight`, `outputs x inputs x kernel`.
    ///
    /// # Panics
    /// If the convolution has groups: these are [`super::Grouped`]'s.
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        assert_eq!(conv.groups, 1, "a convolution of one group");
        let (row, taps) = (conv.row(), conv.taps());
        let (source, panels) = (conv.source_layout(), conv.output.channels.div_ceil(ROWS));
        let mut packed = Buffer::zeros(panels * row * ROWS);
        for (o, weights) in weight.chunks_exact(row).enumerate() {
            let panel = &mut packed[o / ROWS * row * ROWS..][..row * ROWS];
            for (to, value) in panel[o % ROWS..].iter_mut().step_by(ROWS).zip(weights) {
                *to = *value;
            }
        }
        let at = |i: usize| i / taps.len() * source.channel + taps[i % taps.len()];
        let at = |i| u32::try_from(at(i)).expect("an image has fewer than 2^32 values");
        let taps = (0..row).map(at).collect();
        let each = conv.input.channels * source.read(LANES);
        let tile = (ROOM / each).clamp(COLUMNS, MOST) / COLUMNS * COLUMNS;
        let keep = conv.output.keep();
        let whole = keep.chunks_exact(LANES).map(|v| v.iter().all(|bits| bits.to_bits() != 0));
        let whole = whole.collect();
        Self { conv: *conv, packed, first: source.first, taps, tile, keep, whole }
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
        let source = conv.source(x, room, tasks);
        let out = Shared::new(y);
        let panels = conv.output.channels.div_ceil(ROWS);
        let tiles = conv.output.vectors().div_ceil(self.tile);
        let across = tasks.min(tiles).max(1);
        let down = tasks.div_ceil(across).min(panels).max(1);
        let part = |i: usize, parts: usize, all: usize| i * all / parts..(i + 1) * all / parts;
        parts(across * down, tasks, |all| {
            for i in all {
                let tiles = part(i % across, across, tiles);
                let panels = part(i / across, down, panels);
                let (out, finish) = (&out, Finish::new(end, &out));
                isa::dispatch(Task { dense: self, source, end, finish, tiles, panels, out });
            }
        });
    }
}

struct Task<'a> {
    dense: &'a Dense,
    source: &'a [f32],
    end: &'a Epilogue<'a>,
    finish: Finish,
    tiles: Range<usize>,
    panels: Range<usize>,
    out: &'a Shared<'a>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (dense, map) = (self.dense, self.dense.conv.output);
        let outputs = |panel: usize| panel * ROWS..map.channels.min((panel + 1) * ROWS);
        if self.tiles.start == 0 {
            for o in self.panels.clone().flat_map(outputs) {
                // SAFETY: the margins of these panels belong to the task of their first tile.
                unsafe { map.clear_margins(o, self.out) };
            }
        }
        for tile in self.tiles.clone() {
            let vectors = tile * dense.tile..map.vectors().min((tile + 1) * dense.tile);
            for panel in self.panels.clone() {
                for first in vectors.clone().step_by(micro::columns()) {
                    let columns = first..(first + micro::columns()).min(vectors.end);
                    self.product(simd, (panel, &outputs(panel)), columns);
                }
                for o in outputs(panel) {
                    self.finish(simd, o, vectors.clone());
                }
            }
        }
    }
}

impl Task<'_> {
    /// The sums of some vectors of eight outputs, rectified.
    #[inline(always)]
    fn product<S: Simd>(
        &self,
        simd: S,
        (panel, outputs): (usize, &Range<usize>),
        vectors: Range<usize>,
    ) {
        let (dense, map) = (self.dense, self.dense.conv.output);
        let len = dense.taps.len();
        let mut start = [0.0; ROWS];
        for (start, o) in start.iter_mut().zip(outputs.clone()) {
            *start = self.end.bias_of(o);
        }
        let a = &dense.packed[panel * len * ROWS..][..len * ROWS];
        let steps = Steps { a: a.as_ptr(), taps: dense.taps.as_ptr(), scale: 1, len };
        let (rows, stride) = (outputs.len(), map.plane());
        let target = Target { rows, stride, start: start.as_ptr(), finish: self.finish };
        let mut x = [std::ptr::null(); COLUMNS];
        let mut y = [std::ptr::null_mut(); COLUMNS];
        for (c, vector) in vectors.clone().enumerate() {
            x[c] = self.source[dense.first + vector * LANES..].as_ptr();
            let to = map.at(outputs.start, 0, 0) + vector * LANES;
            y[c] = self.out.pointer(to, (rows - 1) * stride + LANES);
        }
        let columns = vectors.len();
        // SAFETY: taps reach no farther than `source` has been checked to; these vectors of these
        // outputs belong to this task alone.
        unsafe { micro::product(simd, steps, &x[..columns], &y[..columns], target) };
    }

    /// Applies an activation that is no rectifier to some vectors of output `o`, and sets what is no
    /// pixel to zero.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, o: usize, vectors: Range<usize>) {
        let Dense { conv, keep, whole, .. } = self.dense;
        let at = conv.output.at(o, 0, 0) + vectors.start * LANES;
        // SAFETY: these vectors of this output belong to this task alone.
        let sums = unsafe { self.out.part(at, vectors.len() * LANES) };
        if let Some(activation) = self.end.curve() {
            activate(simd, activation, sums);
        }
        for (vector, y) in vectors.zip(lanes::vectors_mut(sums)).filter(|(v, _)| !whole[*v]) {
            let keep = &lanes::vectors(keep)[vector];
            for (y, keep) in y.iter_mut().zip(keep) {
                *y = f32::from_bits(y.to_bits() & keep.to_bits());
            }
        }
    }
}
