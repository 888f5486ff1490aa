//! Bilinear resizing with antialiasing, as torchvision and Pillow do it.

/// From rectangles of one size to rectangles of another; sizes are (rows, columns).
#[derive(Debug, Clone)]
pub(crate) struct Resize {
    from: (usize, usize),
    to: (usize, usize),
    down: Vec<Tap>,
    across: Vec<Tap>,
}

/// For an output along a side: its first input, and the weights of the inputs from there.
pub type Tap = (usize, Vec<f32>);

/// How a side of `from` pixels becomes one of `to`: an output is a mean of the inputs around its centre,
/// weighted by a triangle that reaches the neighbouring pixels' centres: the outputs' pixels where the
/// image shrinks.
pub fn taps(from: usize, to: usize) -> Vec<Tap> {
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
    (0..to).map(tap).collect()
}

impl Resize {
    /// From `from` to `to` pixels.
    pub fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        Self { from, to, down: taps(from.0, to.0), across: taps(from.1, to.1) }
    }

    /// Resizes one channel; results are rounded to whole grey levels.
    pub fn apply(&self, plane: &[u8], out: &mut [u8]) {
        let width = self.to.1;
        let mut wide = vec![0.0; self.from.0 * width];
        for (row, wide) in plane.chunks(self.from.1).zip(wide.chunks_mut(width)) {
            for (value, (first, weights)) in wide.iter_mut().zip(&self.across) {
                let pixels = row[*first..].iter().zip(weights);
                *value = pixels.map(|(p, w)| f32::from(*p) * w).sum();
            }
        }
        let mut sums = vec![0.0; width];
        for (out, (first, weights)) in out.chunks_mut(width).zip(&self.down) {
            sums.fill(0.5);
            for (row, w) in wide[first * width..].chunks(width).zip(weights) {
                sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += w * v);
            }
            out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = *sum as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What torchvision's `resize(..., antialias=True)` gives for the pixels of [`pixel`].
    const GOLDEN: &str = include_str!("../tests/resize.json");

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
            Resize::new((from, from), (to, to)).apply(&plane, &mut out);
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
        Resize::new((9, 9), (9, 9)).apply(&plane, &mut out);
        assert_eq!(out, plane);
    }
}
