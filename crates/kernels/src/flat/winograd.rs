//! Dense 3x3 convolution of one image by Winograd's algorithm: its lanes hold sixteen tiles of the image.
#![allow(unsafe_code, reason = "several tasks write one image")]

use pulp::Simd;

use super::{Conv, parts};
use crate::conv::direct::Order;
use crate::conv::epilogue::activate;
use crate::conv::micro::store;
use crate::conv::transpose::transpose;
use crate::conv::winograd::{
    self, Ending, IN, OUT, Part, Places, Points, Square, Sums, Transformed,
};
use crate::conv::{Crew, Epilogue};
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, Sides, Size};

/// The weights of a convolution at Winograd's points.
pub struct Winograd {
    tiles: Tiles,
    weights: Buffer,
}

/// The tiles of one image, row by row.
struct Tiles {
    conv: Conv,
    places: Vec<Place>,
}

/// Where a tile lies, in each channel.
#[derive(Clone, Copy)]
struct Place {
    /// Its first value in what is read, which may be a zero around the pixels.
    from: usize,
    /// What it reads; all else counts as zero.
    read: Size,
    /// Its first value in what is written.
    to: usize,
    /// What it writes.
    written: Size,
}

impl Place {
    /// The tile whose first output is (`y`, `x`).
    fn new(conv: &Conv, (y, x): (usize, usize)) -> Self {
        let Conv { input, output, window, .. } = *conv;
        let Sides { top, left, .. } = window.padding;
        Self {
            from: input.at(0, y, x) - top * input.pitch() - left,
            read: Size { h: IN.min(input.h + top - y), w: IN.min(input.w + left - x) },
            to: output.at(0, y, x),
            written: Size { h: OUT.min(output.h - y), w: OUT.min(output.w - x) },
        }
    }
}

impl Winograd {
    /// Whether tiles compute `conv` with profit.
    pub fn fits(conv: &Conv) -> bool {
        let Conv { input, output, window, groups } = *conv;
        let Sides { top, left, bottom, right } = window.padding;
        let tiles = output.h.div_ceil(OUT) * output.w.div_ceil(OUT);
        groups == 1
            && winograd::suits(&window)
            && [top, left, bottom, right].iter().all(|side| *side <= input.pad)
            && input.channels.min(output.channels) >= FEWEST
            && tiles.div_ceil(LANES) * winograd::WORTH <= output.vectors() * window.kernel.pixels()
    }

    /// Arranges `weight`, `outputs x inputs x 3 x 3`.
    ///
    /// # Panics
    /// If the convolution does not [fit](Self::fits).
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        assert!(Self::fits(conv), "a convolution for tiles");
        let (h, w) = (conv.output.h, conv.output.w);
        let row = |y| (0..w).step_by(OUT).map(move |x| Place::new(conv, (y, x)));
        let places = (0..h).step_by(OUT).flat_map(row).collect();
        let tiles = Tiles { conv: *conv, places };
        let order = Order { output: conv.row(), channel: conv.window.kernel.pixels() };
        let sizes = (conv.input.channels, conv.output.channels);
        let weights = winograd::transform_weights(sizes, weight, order, false);
        Self { tiles, weights }
    }

    /// `y = end(conv(x))`; with one task on the caller's thread alone.
    pub fn forward(&self, x: &[f32], end: &Epilogue, y: &mut [f32], tasks: usize) {
        let Conv { input, output, .. } = self.tiles.conv;
        assert!(x.len() == input.len() && y.len() == output.len(), "sizes");
        self.tiles.conv.check_epilogue(end);
        let with = Transformed { weights: &self.weights, end };
        // Tiles write pixels alone.
        let (plane, out) = (output.plane(), Shared::new(&mut *y));
        parts(output.channels, tasks, |outputs| {
            for o in outputs {
                // SAFETY: this output belongs to this task alone.
                unsafe { out.part(o * plane, plane) }.fill(0.0);
            }
        });
        winograd::run(&self.tiles, with, x, y, Crew::of(tasks));
    }
}

/// Channels on either side below which the transforms take longer than the products save.
const FEWEST: usize = 64;

/// Pixels of a tile's source and of its output.
const READ: usize = IN * IN;
const WRITTEN: usize = OUT * OUT;

/// Tiles that are read together, and values of a row that are: six count, but rows become lanes by transposing
/// squares of eight.
const GROUP: usize = 8;

/// A vector for each pixel of sixteen tiles.
#[repr(C, align(64))]
struct Staged<const PIXELS: usize>([[f32; LANES]; PIXELS]);

impl<const PIXELS: usize> Staged<PIXELS> {
    const ZERO: Self = Self([[0.0; LANES]; PIXELS]);
}

impl Tiles {
    /// The places of a vector's tiles.
    #[inline(always)]
    fn of(&self, vector: usize) -> &[Place] {
        let first = vector * LANES;
        &self.places[first..self.places.len().min(first + LANES)]
    }
}

impl Places for Tiles {
    fn count(&self) -> usize {
        self.places.len().div_ceil(LANES)
    }

    fn channels(&self) -> usize {
        self.conv.input.channels
    }

    fn outputs(&self) -> usize {
        self.conv.output.channels
    }

    #[inline(always)]
    unsafe fn read<S: Simd>(&self, simd: S, source: &[f32], part: Part, to: Points) {
        let map = self.conv.input;
        let plane = &source[part.channel * map.plane()..];
        let mut staged = Staged::<READ>::ZERO;
        for (group, places) in self.of(part.tiles).chunks(GROUP).enumerate() {
            for row in 0..IN {
                let mut rows = [[0.0; GROUP]; GROUP];
                for (to, place) in rows.iter_mut().zip(places).filter(|(_, p)| row < p.read.h) {
                    let from = &plane[place.from + row * map.pitch()..][..GROUP];
                    for i in 0..GROUP {
                        to[i] = if i < place.read.w { from[i] } else { 0.0 };
                    }
                }
                let columns = transpose(simd, &rows);
                for column in 0..IN {
                    staged.0[row * IN + column][group * GROUP..][..GROUP]
                        .copy_from_slice(&columns[column]);
                }
            }
        }
        let square = Square::of_map(IN);
        // SAFETY: the square is the staged map; the points are the caller's promise.
        unsafe { square.points(simd, staged.0.as_flattened(), to) };
    }

    #[inline(always)]
    unsafe fn write<S: Simd>(&self, simd: S, sums: Sums, end: Ending, out: &Shared) {
        let map = self.conv.output;
        let first = sums.output * map.plane();
        let places = self.of(sums.tiles);
        let mut staged = Staged::<WRITTEN>::ZERO;
        for lane in (0..LANES).step_by(S::F32_LANES) {
            let values = sums.square(simd, lane);
            for (value, to) in values.as_flattened().iter().zip(&mut staged.0) {
                // SAFETY: a register's worth of the vector's values.
                unsafe { store::<S>(to[lane..].as_mut_ptr(), *value) };
            }
        }
        if !end.epilogue.add.is_empty() {
            let summands = &end.epilogue.add[first..][..map.plane()];
            for (lane, place) in places.iter().enumerate() {
                for row in 0..place.written.h {
                    let summands = &summands[place.to + row * map.pitch()..][..place.written.w];
                    for (to, summand) in staged.0[row * OUT..].iter_mut().zip(summands) {
                        to[lane] += summand;
                    }
                }
            }
        }
        if let Some(activation) = end.epilogue.activation {
            activate(simd, activation, staged.0.as_flattened_mut());
        }
        for row in 0..OUT {
            for (group, places) in places.chunks(OUT).enumerate() {
                let mut columns = [[0.0; OUT]; OUT];
                for i in 0..OUT {
                    columns[i].copy_from_slice(&staged.0[row * OUT + i][group * OUT..][..OUT]);
                }
                let rows = transpose(simd, &columns);
                for (place, values) in places.iter().zip(&rows).filter(|(p, _)| row < p.written.h) {
                    let (at, width) = (first + place.to + row * map.pitch(), place.written.w);
                    // SAFETY: these pixels are this task's alone, by the caller's promise.
                    let to = unsafe { out.part(at, width) };
                    if width == OUT {
                        // Of known length, which is a single store.
                        to.copy_from_slice(values);
                    } else {
                        to.copy_from_slice(&values[..width]);
                    }
                }
            }
        }
    }
}
