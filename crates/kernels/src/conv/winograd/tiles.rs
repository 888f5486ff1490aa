//! Where tiles lie in what is read and in what is written.
#![allow(unsafe_code, reason = "pixels are read and written through pointers, edges by the tile")]

use pulp::Simd;

use super::super::Conv;
use super::super::epilogue::{Finish, activate};
use super::super::micro::{load, store};
use super::forward::{Ending, Part, Places, Points, Sums};
use super::{IN, OUT, POINTS, transform};
use crate::shared::Shared;
use crate::{Activation, LANES, prefetch};

/// Channels between the one being read and the one being asked for.
const AHEAD: usize = 2;

/// A convolution, or an input gradient, in tiles of 4x4 outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tiles {
    pub blocks: usize,
    /// Channels and size of what is read.
    pub channels: usize,
    pub h: usize,
    pub w: usize,
    /// Zeros above it and to its left.
    pub top: usize,
    pub left: usize,
    /// Channels and size of what is written.
    pub outputs: usize,
    pub oh: usize,
    pub ow: usize,
}

/// A square of pixels of a map that may reach beyond it.
#[derive(Clone, Copy)]
pub(crate) struct Square {
    /// The first pixel.
    y: isize,
    x: isize,
    /// The map.
    h: usize,
    w: usize,
}

impl Tiles {
    /// `y = conv(x)`.
    pub(crate) fn forward(conv: &Conv) -> Self {
        Self {
            blocks: conv.lanes.blocks(),
            channels: conv.inputs,
            h: conv.h,
            w: conv.w,
            top: conv.window.padding.top,
            left: conv.window.padding.left,
            outputs: conv.outputs,
            oh: conv.oh(),
            ow: conv.ow(),
        }
    }

    /// `dx` from `dy`: the convolution with the turned kernel.
    pub(crate) fn input_grad(conv: &Conv) -> Self {
        Self {
            blocks: conv.lanes.blocks(),
            channels: conv.outputs,
            h: conv.oh(),
            w: conv.ow(),
            top: 2 - conv.window.padding.top,
            left: 2 - conv.window.padding.left,
            outputs: conv.inputs,
            oh: conv.h,
            ow: conv.w,
        }
    }

    fn across(&self) -> usize {
        self.ow.div_ceil(OUT)
    }

    fn per_block(&self) -> usize {
        self.oh.div_ceil(OUT) * self.across()
    }

    /// Tiles of all blocks; each is a vector of sixteen images.
    pub(super) fn count(&self) -> usize {
        self.blocks * self.per_block()
    }

    /// Block, and first output row and column, of a tile.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let (block, rest) = (tile / self.per_block(), tile % self.per_block());
        (block, rest / self.across() * OUT, rest % self.across() * OUT)
    }

    /// Where the source map of (`tile`, `channel`) starts, and what the tile reads of it.
    #[inline(always)]
    pub(super) fn source(&self, tile: usize, channel: usize) -> (usize, Square) {
        let (block, y, x) = self.place(tile);
        let start = (block * self.channels + channel) * self.h * self.w * LANES;
        let (y, x) = (y as isize - self.top as isize, x as isize - self.left as isize);
        (start, Square { y, x, h: self.h, w: self.w })
    }

    /// Where the output map of (`tile`, `channel`) starts, and the tile's part of it.
    #[inline(always)]
    pub(super) fn target(&self, tile: usize, channel: usize) -> (usize, Square) {
        let (block, y, x) = self.place(tile);
        let start = (block * self.outputs + channel) * self.oh * self.ow * LANES;
        (start, Square { y: y as isize, x: x as isize, h: self.oh, w: self.ow })
    }
}

/// A vector holds the same tile of sixteen images.
impl Places for Tiles {
    fn count(&self) -> usize {
        self.count()
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    #[inline(always)]
    unsafe fn read<S: Simd>(&self, simd: S, source: &[f32], part: Part, to: Points) {
        let (map, square) = self.source(part.tiles, part.channel);
        let size = self.h * self.w * LANES;
        if part.channel + AHEAD < part.end {
            square.prefetch::<IN>(&source[map + AHEAD * size..][..size]);
        }
        // SAFETY: the map is the square's; the points are the caller's promise.
        unsafe { square.points(simd, &source[map..][..size], to) };
    }

    #[inline(always)]
    unsafe fn write<S: Simd>(&self, simd: S, sums: Sums, end: Ending, out: &Shared) {
        let (start, square) = self.target(sums.tiles, sums.output);
        for lane in (0..LANES).step_by(S::F32_LANES) {
            let map = out.pointer(start + lane, self.oh * self.ow * LANES - lane);
            let values = sums.square(simd, lane);
            // SAFETY: the map is the square's; the square is the caller's promise.
            unsafe { square.write::<S, OUT>(simd, map, &values, end.finish) };
        }
        if let Some(activation) = end.epilogue.curve() {
            // SAFETY: as above.
            unsafe { square.activate::<S, OUT>(simd, activation, out, start) };
        }
    }
}

impl Square {
    /// All of a map of `side` x `side` pixels.
    pub(crate) fn of_map(side: usize) -> Self {
        Self { y: 0, x: 0, h: side, w: side }
    }

    /// Pixel (`row`, `column`) of the square, if the map has it, as an index of vectors.
    #[inline(always)]
    fn pixel(self, row: usize, column: usize) -> Option<usize> {
        let (y, x) = (self.y + row as isize, self.x + column as isize);
        let inside = y >= 0 && x >= 0 && y < self.h as isize && x < self.w as isize;
        inside.then(|| y as usize * self.w + x as usize)
    }

    #[inline(always)]
    fn whole<const N: usize>(self) -> bool {
        self.y >= 0 && self.x >= 0 && self.y as usize + N <= self.h && self.x as usize + N <= self.w
    }

    /// Reads the square from `map`, one register of each pixel, zeros beyond the map.
    ///
    /// # Safety
    /// `map` must be readable over the whole map, from the wanted register of its first pixel on.
    #[inline(always)]
    pub(super) unsafe fn read<S: Simd, const N: usize>(
        self,
        simd: S,
        map: *const f32,
    ) -> [[S::f32s; N]; N] {
        let mut out = [[simd.splat_f32s(0.0); N]; N];
        // SAFETY: every pixel read lies inside the map.
        unsafe {
            if self.whole::<N>() {
                let first = map.add((self.y as usize * self.w + self.x as usize) * LANES);
                for (row, out) in out.iter_mut().enumerate() {
                    for (column, out) in out.iter_mut().enumerate() {
                        *out = load::<S>(first.add((row * self.w + column) * LANES));
                    }
                }
                return out;
            }
            for (row, out) in out.iter_mut().enumerate() {
                for (column, out) in out.iter_mut().enumerate() {
                    if let Some(pixel) = self.pixel(row, column) {
                        *out = load::<S>(map.add(pixel * LANES));
                    }
                }
            }
        }
        out
    }

    /// Writes the 36 points of the square in `map`, a source.
    ///
    /// # Safety
    /// `map` must be the whole map, and no other thread may touch these points.
    #[inline(always)]
    pub(crate) unsafe fn points<S: Simd>(self, simd: S, map: &[f32], points: Points) {
        let Points { all, first, distance } = points;
        for lane in (0..LANES).step_by(S::F32_LANES) {
            let to = all.pointer(first + lane, (POINTS - 1) * distance + S::F32_LANES);
            // SAFETY: the caller's promise; `pointer` has checked the last point.
            unsafe {
                let square = self.read::<S, IN>(simd, map.as_ptr().add(lane));
                let points = transform::input_square(simd, &square);
                for p in 0..POINTS {
                    store::<S>(to.add(p * distance), points[p / IN][p % IN]);
                }
            }
        }
    }

    /// Asks for the rows of the square in another map of the same size, which is read soon: a map's
    /// few rows are too short for the processor to see that coming.
    #[inline(always)]
    pub(super) fn prefetch<const N: usize>(self, map: &[f32]) {
        for row in 0..N {
            for column in 0..N {
                if let Some(pixel) = self.pixel(row, column) {
                    prefetch(&raw const map[pixel * LANES]);
                }
            }
        }
    }

    /// Finishes and writes the part of the square that the map has.
    ///
    /// # Safety
    /// `map` must be writable over the whole map, from the wanted register of its first pixel on,
    /// and no other thread may touch the square.
    #[inline(always)]
    pub(super) unsafe fn write<S: Simd, const N: usize>(
        self,
        simd: S,
        map: *mut f32,
        values: &[[S::f32s; N]; N],
        finish: Finish,
    ) {
        for (row, values) in values.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                if let Some(pixel) = self.pixel(row, column) {
                    // SAFETY: the pixel lies inside the map.
                    unsafe {
                        let at = map.add(pixel * LANES);
                        store::<S>(at, finish.apply(simd, *value, at));
                    }
                }
            }
        }
    }

    /// Applies `activation` to the part of the square that the map has.
    ///
    /// # Safety
    /// `start` must be where the map begins in `out`, and no other thread may touch the square.
    #[inline(always)]
    pub(super) unsafe fn activate<S: Simd, const N: usize>(
        self,
        simd: S,
        activation: Activation,
        out: &Shared,
        start: usize,
    ) {
        let (y, x) = (self.y.max(0).unsigned_abs(), self.x.max(0).unsigned_abs());
        let columns = N.min(self.w - x);
        for row in y..(y + N).min(self.h) {
            let at = start + (row * self.w + x) * LANES;
            // SAFETY: the caller's promise.
            activate(simd, activation, unsafe { out.part(at, columns * LANES) });
        }
    }
}
