//! Bilinear resizing with antialiasing, as torchvision and Pillow do it.

use std::ops::Range;

use crate::Size;

/// From rectangles of one size to rectangles of another, or to a window of these.
#[derive(Debug, Clone)]
pub(crate) struct Resize {
    down: Vec<Tap>,
    across: Vec<Tap>,
}

/// For an output along a side: its first input, and the weights of the inputs from there.
pub type Tap = (usize, Vec<f32>);

/// One channel of an image, in which a pixel may have others beside it.
pub(crate) struct Plane<'a> {
    /// From the channel's first byte.
    pub bytes: &'a [u8],
    /// Pixels of a row.
    pub width: usize,
    /// From a pixel to the next.
    pub step: usize,
}

/// Rows that are resized together: one vector.
const ROWS: usize = 8;

/// How a side of `from` pixels becomes one of `to`: an output is a mean of the inputs around its centre,
/// weighted by a triangle that reaches the neighbouring pixels' centres: the outputs' pixels where the
/// image shrinks.
pub fn taps(from: usize, to: usize) -> Vec<Tap> {
    some_taps(from, to, 0..to)
}

/// The taps of the outputs `kept`.
fn some_taps(from: usize, to: usize, kept: Range<usize>) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let tap = |o: usize| {
        let centre = (o as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let weight = |i: usize| {
            let distance = ((i as f64 + 0.5 - centre) / reach).abs();
            (1.0 - distance).max(0.0)
        };
        let total: f64 = (first..end).map(weight).sum();
        (first, (first..end).map(|i| (weight(i) / total) as f32).collect())
    };
    kept.map(tap).collect()
}

/// The inputs that `taps` read.
fn read(taps: &[Tap]) -> Range<usize> {
    let end = |(first, weights): &Tap| first + weights.len();
    taps.first().map_or(0, |tap| tap.0)..taps.last().map_or(0, end)
}

impl<'a> Plane<'a> {
    /// A channel by itself.
    pub fn whole(bytes: &'a [u8], width: usize) -> Self {
        Self { bytes, width, step: 1 }
    }

    /// From the first pixel of row `y`.
    fn row(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.width * self.step..]
    }
}

impl Resize {
    /// From `from` to `to`.
    pub fn new(from: Size, to: Size) -> Self {
        Self::window(from, to, [0..to.height, 0..to.width])
    }

    /// From `from` to these rows and columns of `to`, at the cost of these alone.
    pub fn window(from: Size, to: Size, [rows, columns]: [Range<usize>; 2]) -> Self {
        Self {
            down: some_taps(from.height, to.height, rows),
            across: some_taps(from.width, to.width, columns),
        }
    }

    /// Resizes one channel; results are rounded to whole grey levels.
    pub fn apply(&self, plane: &Plane, out: &mut [u8]) {
        let (rows, width) = (read(&self.down), self.across.len());
        let mut wide = vec![0.0; rows.len() * width];
        let mut tile = vec![[0.0; ROWS]; read(&self.across).len()];
        for (block, wide) in wide.chunks_mut(ROWS * width.max(1)).enumerate() {
            let first = rows.start + block * ROWS;
            self.gather(plane, first..(first + ROWS).min(rows.end), &mut tile);
            self.narrow(&tile, wide);
        }
        let mut sums = vec![0.0; width];
        for (out, (first, weights)) in out.chunks_mut(width.max(1)).zip(&self.down) {
            sums.fill(0.5);
            let wide = wide[(first - rows.start) * width..].chunks(width);
            for (row, w) in wide.zip(weights) {
                sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += w * v);
            }
            out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = *sum as u8);
        }
    }

    /// Puts the columns that are read of `rows` side by side.
    fn gather(&self, plane: &Plane, rows: Range<usize>, tile: &mut [[f32; ROWS]]) {
        let start = read(&self.across).start * plane.step;
        for (r, y) in rows.enumerate() {
            let row = plane.row(y)[start..].iter().step_by(plane.step);
            tile.iter_mut().zip(row).for_each(|(column, byte)| column[r] = f32::from(*byte));
        }
    }

    /// Resizes the rows of `tile` to the rows `wide`.
    fn narrow(&self, tile: &[[f32; ROWS]], wide: &mut [f32]) {
        let (start, width) = (read(&self.across).start, self.across.len());
        for (x, (first, weights)) in self.across.iter().enumerate() {
            let mut sums = [0.0; ROWS];
            for (column, w) in tile[first - start..].iter().zip(weights) {
                sums.iter_mut().zip(column).for_each(|(sum, v)| *sum += v * w);
            }
            wide.chunks_mut(width).zip(sums).for_each(|(row, sum)| row[x] = sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What torchvision's `resize(..., antialias=True)` gives for the pixels of [`pixel`].
    const GOLDEN: &str = include_str!("../tests/resize.json");

    fn square(side: usize) -> Size {
        Size { height: side, width: side }
    }

    fn pixel(i: usize) -> u8 {
        ((i * 7919 + i * i * 31) % 256) as u8
    }

    #[test]
    fn within_one_grey_level_of_torchvision() {
        let golden: Value = serde_json::from_str(GOLDEN).expect("JSON");
        let cases = golden.as_array().expect("cases");
        assert!(!cases.is_empty());
        for case in cases {
            let side = |key: &str| case[key].as_u64().expect("a side") as usize;
            let (from, to) = (side("from"), side("to"));
            let plane: Vec<u8> = (0..from * from).map(pixel).collect();
            let mut out = vec![0; to * to];
            Resize::new(square(from), square(to)).apply(&Plane::whole(&plane, from), &mut out);
            let rows = case["rows"].as_object().expect("rows");
            for (row, values) in rows {
                let at = row.parse::<usize>().expect("a row") * to;
                for (x, expected) in values.as_array().expect("values").iter().enumerate() {
                    let found = i64::from(out[at + x]);
                    let off = found.abs_diff(expected.as_i64().expect("a value"));
                    assert!(off <= 1, "{from} to {to}, row {row}, {x}: {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let plane: Vec<u8> = (0..81).map(pixel).collect();
        let mut out = vec![0; 81];
        Resize::new(square(9), square(9)).apply(&Plane::whole(&plane, 9), &mut out);
        assert_eq!(out, plane);
    }

    #[test]
    fn a_window_is_that_part_of_the_whole() {
        let (from, to) = (Size { height: 23, width: 31 }, Size { height: 12, width: 40 });
        let plane: Vec<u8> = (0..from.pixels()).map(pixel).collect();
        let mut whole = vec![0; to.pixels()];
        Resize::new(from, to).apply(&Plane::whole(&plane, 31), &mut whole);
        let mut out = vec![0; 3 * 10];
        Resize::window(from, to, [5..8, 21..31]).apply(&Plane::whole(&plane, 31), &mut out);
        let expected = whole.chunks(40).skip(5).take(3).flat_map(|row| &row[21..31]);
        assert!(out.iter().eq(expected));
    }

    #[test]
    fn interleaved_channels_are_taken_apart() {
        let plane: Vec<u8> = (0..35).map(pixel).collect();
        let mixed: Vec<u8> = plane.iter().flat_map(|p| [1, *p, 2]).collect();
        let resize = Resize::new(Size { height: 7, width: 5 }, square(4));
        let (mut out, mut expected) = ([0; 16], [0; 16]);
        resize.apply(&Plane::whole(&plane, 5), &mut expected);
        resize.apply(&Plane { bytes: &mixed[1..], width: 5, step: 3 }, &mut out);
        assert_eq!(out, expected);
    }
}
