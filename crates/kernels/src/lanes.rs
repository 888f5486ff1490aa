//! Which of the sixteen lanes of each block hold a real image.

/// Images of one block: the innermost dimension of every activation.
pub const LANES: usize = 16;

/// The number of real images of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes {
    images: usize,
}

impl Lanes {
    /// A batch of `images`.
    ///
    /// # Panics
    /// If there is none: a mean over no images is not a number.
    pub fn of(images: usize) -> Self {
        assert!(images > 0, "a batch without images");
        Self { images }
    }

    /// Real images.
    pub fn images(self) -> usize {
        self.images
    }

    /// Blocks of sixteen, the last filled up.
    pub fn blocks(self) -> usize {
        self.images.div_ceil(LANES)
    }

    /// Real images of `block`.
    pub fn real(self, block: usize) -> usize {
        self.images.saturating_sub(block * LANES).min(LANES)
    }

    /// Sets the lanes without an image of `values`, a part of `block`, to +0, whatever they hold.
    pub(crate) fn clear_empty(self, block: usize, values: &mut [f32]) {
        let real = self.real(block);
        if real < LANES {
            for vector in vectors_mut(values) {
                vector[real..].fill(0.0);
            }
        }
    }
}

/// Splits `values` into vectors of sixteen.
#[inline(always)]
pub(crate) fn vectors(values: &[f32]) -> &[[f32; LANES]] {
    values.as_chunks().0
}

/// Splits `values` into mutable vectors of sixteen.
#[inline(always)]
pub(crate) fn vectors_mut(values: &mut [f32]) -> &mut [[f32; LANES]] {
    values.as_chunks_mut().0
}
