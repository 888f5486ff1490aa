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
    pub fn of(images: usize) -> Self {
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

    /// 1 for each real lane of `block`, else 0.
    pub fn mask(self, block: usize) -> [f32; LANES] {
        let real = self.real(block);
        std::array::from_fn(|lane| if lane < real { 1.0 } else { 0.0 })
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
