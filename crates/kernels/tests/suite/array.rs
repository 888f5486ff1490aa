//! Plain `(n, channels, height, width)` arrays in f64, and their way into blocks and back.

use kernels::{LANES, Lanes, pack};
use seed::Stream;

/// Images, or weights with outputs and inputs for `n` and `c`; the values are exact in f32.
#[derive(Debug, Clone)]
pub struct Array {
    /// n, c, h, w.
    pub shape: [usize; 4],
    /// Row by row.
    pub values: Vec<f64>,
}

impl Array {
    /// Values from `next`, rounded to f32.
    pub fn of(shape: [usize; 4], mut next: impl FnMut() -> f64) -> Self {
        let len = shape.iter().product();
        Self { shape, values: (0..len).map(|_| f64::from(next() as f32)).collect() }
    }

    pub fn zeros(shape: [usize; 4]) -> Self {
        Self::of(shape, || 0.0)
    }

    pub fn normal(shape: [usize; 4], random: &mut Stream) -> Self {
        Self::of(shape, || random.normal())
    }

    /// The same shape with other values.
    pub fn with(&self, values: &[f64]) -> Self {
        assert_eq!(values.len(), self.values.len());
        Self { shape: self.shape, values: values.to_vec() }
    }

    /// Where (n, c, y, x) stands.
    pub fn index(&self, [n, c, y, x]: [usize; 4]) -> usize {
        let [_, channels, h, w] = self.shape;
        ((n * channels + c) * h + y) * w + x
    }

    /// The value at (n, c) and a pixel that may lie outside the image: then `None`.
    pub fn pixel(&self, [n, c]: [usize; 2], y: isize, x: isize) -> Option<f64> {
        let [_, _, h, w] = self.shape;
        let (y, x) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
        (y < h && x < w).then(|| self.values[self.index([n, c, y, x])])
    }

    pub fn lanes(&self) -> Lanes {
        Lanes::of(self.shape[0])
    }

    /// Values in blocks, with those of empty lanes.
    pub fn blocks_len(&self) -> usize {
        self.lanes().blocks() * self.pixels() * LANES
    }

    /// As f32, in this order.
    pub fn plain(&self) -> Vec<f32> {
        plain(&self.values)
    }

    /// As blocks, zeros in empty lanes.
    pub fn blocks(&self) -> Vec<f32> {
        let mut blocks = vec![f32::NAN; self.blocks_len()];
        pack::to_blocks(&self.plain(), self.pixels(), self.lanes(), &mut blocks);
        blocks
    }

    /// As blocks, `junk` in empty lanes.
    pub fn blocks_with(&self, junk: f32) -> Vec<f32> {
        let (mut blocks, pixels) = (self.blocks(), self.pixels());
        for (b, block) in blocks.chunks_mut(pixels * LANES).enumerate() {
            let real = self.lanes().real(b);
            block.chunks_mut(LANES).for_each(|v| v[real..].fill(junk));
        }
        blocks
    }

    /// The real images of `blocks`, which has this array's shape.
    pub fn read(&self, blocks: &[f32]) -> Vec<f64> {
        let mut nchw = vec![f32::NAN; self.values.len()];
        pack::from_blocks(blocks, self.pixels(), self.lanes(), &mut nchw);
        wide(&nchw)
    }

    fn pixels(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

/// The values of the empty lanes of `blocks`, each of `pixels` vectors.
pub fn empty_lanes(blocks: &[f32], pixels: usize, lanes: Lanes) -> Vec<f32> {
    let vectors = blocks.chunks(LANES).enumerate();
    vectors.flat_map(|(i, v)| v[lanes.real(i / pixels)..].to_vec()).collect()
}

/// What `write` leaves in `len` values that were NaN, having touched nothing before or after.
#[track_caller]
pub fn written(len: usize, write: impl FnOnce(&mut [f32])) -> Vec<f32> {
    const MARGIN: usize = 64;
    let mut all = vec![f32::NAN; len + 2 * MARGIN];
    let (before, after) = (0..MARGIN, MARGIN + len..len + 2 * MARGIN);
    write(&mut all[MARGIN..MARGIN + len]);
    let untouched = before.chain(after).all(|i| all[i].to_bits() == f32::NAN.to_bits());
    assert!(untouched, "a write out of bounds");
    all[MARGIN..MARGIN + len].to_vec()
}

/// f64 to f32.
pub fn plain(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// f32 to f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}
