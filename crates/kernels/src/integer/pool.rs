//! Maxima and averages of bytes, and zeros around them.

use rayon::prelude::*;

use super::conv::Input;
use super::ending::{BYTES, Rounder, finished};
use super::layout::ACROSS;
use super::planes::{Each, Plane, Planes, Read, bytes, bytes_mut};
use super::{Layout, Rounding, Word, quads};
use crate::border::Border;
use crate::pool::{Average, Pooling};
use crate::{Activation, Kernel, LANES, Lanes, Size, Window, simd};

/// Max pooling; the output keeps the input's scale and zero point.
#[derive(Debug, Clone)]
pub struct Max {
    planes: Planes,
}

impl Max {
    /// Those of `pooling` of so many channels, of one image in `tiles` or of images that are lanes.
    pub fn new(pooling: &Pooling, channels: usize, tiles: bool) -> Self {
        let sizes = (pooling.size, pooling.output());
        Self { planes: Planes::new(pooling.window, channels, sizes, tiles) }
    }

    /// `y = maxima of x`.
    pub fn forward(&self, x: Input, y: &mut [Word]) {
        // 0 is the least byte; a window without a pixel, minus infinity in floats, becomes 0 too.
        self.planes.run(x, 0, &Largest, y);
    }
}

/// Zeros around maps; the output keeps the input's scale and zero point.
#[derive(Debug, Clone)]
pub struct Padding {
    planes: Planes,
}

impl Padding {
    /// That of `border` around so many channels, of one image in `tiles` or of images that are lanes.
    pub fn new(border: &Border, channels: usize, tiles: bool) -> Self {
        let window = Window { padding: border.sides, ..Window::square(1, 1, 0) };
        Self { planes: Planes::new(window, channels, (border.size, border.output()), tiles) }
    }

    /// `y = x with zeros around it`.
    pub fn forward(&self, x: Input, y: &mut [Word]) {
        // Windows of one pixel: the largest is that pixel.
        self.planes.run(x, x.rounding.zero, &Largest, y);
    }
}

struct Largest;

impl Each for Largest {
    #[inline(always)]
    fn bytes(&self, _: Plane, _: usize, read: Read) -> [u8; BYTES] {
        let mut most = [0; BYTES];
        for tap in 0..read.len() {
            let x = read.tap(tap);
            for i in 0..BYTES {
                most[i] = most[i].max(x[i]);
            }
        }
        most
    }
}

/// Averages of windows.
#[derive(Debug, Clone)]
pub struct Averages {
    kind: Kind,
    channels: usize,
    size: Size,
}

#[derive(Debug, Clone)]
enum Kind {
    /// With one over the number of pixels of each lane of each vector of a plane.
    Windows { planes: Box<Planes>, inverses: Vec<[f32; LANES]>, taps: i32 },
    /// One window that is all of the input.
    Global,
}

/// What follows an average.
#[derive(Debug, Clone, Copy)]
pub struct Rounded {
    /// Applied to the average.
    pub activation: Option<Activation>,
    /// What the result's bytes stand for.
    pub to: Rounding,
}

impl Averages {
    /// Those of `average` of so many channels, of one image in `tiles` or of images that are lanes; None for a
    /// grid of windows of several sizes.
    pub fn new(average: &Average, channels: usize, tiles: bool) -> Option<Self> {
        let size = average.input();
        let kind = match average {
            _ if average.is_global() => Kind::Global,
            Average::Grid { .. } => return None,
            Average::Windows { pooling, .. } => {
                let sizes = (size, pooling.output());
                let planes = Box::new(Planes::new(pooling.window, channels, sizes, tiles));
                let inverses = inverses(average, tiles);
                Kind::Windows { planes, inverses, taps: pooling.window.taps() as i32 }
            }
        };
        Some(Self { kind, channels, size })
    }

    /// `y = averages of x`.
    ///
    /// An average is the exact sum of the differences of bytes and zero point, times one over the number of
    /// pixels, times the scale, each rounded once.
    pub fn forward(&self, x: Input, end: Rounded, y: &mut [Word]) {
        let zero = i32::from(x.rounding.zero);
        let (scale, to) = (x.rounding.scale, Rounder::new(end.to));
        match &self.kind {
            Kind::Windows { planes, inverses, taps } => {
                let taps = zero * taps;
                let each = Means { inverses, zeros: taps, scale, activation: end.activation, to };
                planes.run(x, x.rounding.zero, &each, y);
            }
            Kind::Global => {
                let plane = x.layout.map(self.size).pixels() * LANES;
                assert_eq!(x.words.len(), x.layout.words(self.channels, self.size), "input");
                let one = Size::square(1);
                assert_eq!(y.len(), x.layout.words(self.channels, one), "output");
                let pixels = self.size.pixels();
                let means = Means {
                    inverses: &[[1.0 / pixels as f32; LANES]],
                    zeros: zero * pixels as i32,
                    scale,
                    activation: end.activation,
                    to,
                };
                let quads = quads(self.channels);
                let each = y.par_chunks_exact_mut(LANES).zip(x.words.par_chunks_exact(plane));
                each.enumerate().with_min_len(PLANES).for_each(|(i, (y, words))| {
                    let block = i / quads;
                    let sums = simd::<Total, _>((words, x.layout, self.size, block));
                    *bytes_mut(y) = means.of(0, &sums);
                });
            }
        }
    }
}

/// One over the number of pixels of each window, 0 where it has none.
fn inverses(average: &Average, tiles: bool) -> Vec<[f32; LANES]> {
    let (windows, output) = (average.windows(), average.output());
    let layout = if tiles { Layout::Tiles } else { Layout::Images(Lanes::of(LANES)) };
    let map = layout.map(output);
    let inverse = |vector: usize, lane: usize| {
        let tile = layout.tile(output, 0, lane)?;
        let (row, column) = (tile.row + vector / map.w, tile.column + vector % map.w);
        let count = windows.rows.get(row)?.counted * windows.columns.get(column)?.counted;
        (count > 0).then(|| 1.0 / count as f32)
    };
    let of = |vector| std::array::from_fn(|lane| inverse(vector, lane).unwrap_or(0.0));
    (0..map.pixels()).map(of).collect()
}

/// Planes of a task at least: one takes less time than to hand it to a thread.
const PLANES: usize = 32;

struct Means<'a> {
    inverses: &'a [[f32; LANES]],
    /// What the zero points of a window add up to.
    zeros: i32,
    scale: f32,
    activation: Option<Activation>,
    to: Rounder,
}

impl Means<'_> {
    #[inline(always)]
    fn of(&self, window: usize, sums: &[i32; BYTES]) -> [u8; BYTES] {
        let inverses = &self.inverses[window];
        let mut values = [0.0; BYTES];
        for i in 0..BYTES {
            values[i] = (sums[i] - self.zeros) as f32 * inverses[i / 4] * self.scale;
        }
        finished(&mut values, self.activation, self.to)
    }
}

impl Each for Means<'_> {
    #[inline(always)]
    fn bytes(&self, _: Plane, window: usize, read: Read) -> [u8; BYTES] {
        let mut sums = [0; BYTES];
        for tap in 0..read.len() {
            add(&mut sums, read.tap(tap));
        }
        self.of(window, &sums)
    }
}

#[inline(always)]
fn add(sums: &mut [i32; BYTES], x: &[u8; BYTES]) {
    for i in 0..BYTES {
        sums[i] += i32::from(x[i]);
    }
}

/// The sums of all real pixels of a plane; with tiles, in the first lane.
struct Total;

impl Kernel<(&[Word], Layout, Size, usize)> for Total {
    type Out = [i32; BYTES];

    #[inline(always)]
    fn run((words, layout, size, block): (&[Word], Layout, Size, usize)) -> [i32; BYTES] {
        let (map, mut sums) = (layout.map(size), [0; BYTES]);
        let is_whole = (map.h * ACROSS, map.w * ACROSS) == (size.h, size.w);
        if is_whole || layout != Layout::Tiles {
            words.chunks_exact(LANES).for_each(|vector| add(&mut sums, bytes(vector)));
            if layout == Layout::Tiles {
                let mut all = [0; 4];
                for lane in sums.as_chunks::<4>().0 {
                    for (all, sum) in all.iter_mut().zip(lane) {
                        *all += sum;
                    }
                }
                sums[..4].copy_from_slice(&all);
            }
            return sums;
        }
        for lane in 0..LANES {
            let Some(tile) = layout.tile(size, block, lane) else { continue };
            for row in 0..tile.size.h {
                for column in 0..tile.size.w {
                    let word = words[(row * map.w + column) * LANES + lane];
                    for (sum, byte) in sums.iter_mut().zip(word.to_le_bytes()) {
                        *sum += i32::from(byte);
                    }
                }
            }
        }
        sums
    }
}
