//! Tensors as windows on a storage: offset, shape, strides.

/// Which elements of a storage a tensor consists of, and in which order; all in elements.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The first element's place in the storage.
    pub offset: usize,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// For each dimension, the step in the storage from one index to the next.
    pub stride: Vec<usize>,
}

impl View {
    /// `torch` has no tensors of more dimensions.
    pub const MOST_DIMENSIONS: usize = 64;

    /// The row-major view of a whole storage.
    pub fn whole(shape: &[usize]) -> Self {
        let mut stride = vec![1_usize; shape.len()];
        for d in (1..shape.len()).rev() {
            stride[d - 1] = stride[d].saturating_mul(shape[d]);
        }
        Self { offset: 0, shape: shape.to_vec(), stride }
    }

    /// The number of elements of a view that was checked.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The number of elements, where the view stays within a storage of `capacity` elements.
    pub fn check(&self, capacity: usize) -> Result<usize, String> {
        let (shape, stride) = (&self.shape, &self.stride);
        if shape.len() != stride.len() || shape.len() > Self::MOST_DIMENSIONS {
            let (a, b) = (shape.len(), stride.len());
            return Err(format!("has {a} sizes and {b} strides; expected as many, 64 at most"));
        }
        let count = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        if count == Some(0) {
            return Ok(0);
        }
        let mut steps = shape.iter().zip(stride).map(|(d, s)| d.saturating_sub(1).checked_mul(*s));
        let last = steps.try_fold(self.offset, |at, step| at.checked_add(step?));
        match (count, last) {
            (Some(count), Some(last)) if last < capacity => Ok(count),
            _ => Err(format!(
                "reaches beyond its storage: {} elements; sizes {shape:?}, strides {stride:?}, \
                 from element {}",
                capacity, self.offset
            )),
        }
    }

    /// Calls `f` with the place of each element, row-major.
    pub fn each(&self, mut f: impl FnMut(usize)) {
        if self.shape.contains(&0) {
            return;
        }
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        loop {
            f(at);
            let mut d = index.len();
            loop {
                if d == 0 {
                    return;
                }
                d -= 1;
                index[d] += 1;
                if index[d] < self.shape[d] {
                    at += self.stride[d];
                    break;
                }
                at -= self.stride[d] * (self.shape[d] - 1);
                index[d] = 0;
            }
        }
    }
}
