//! The images that ranges are found on.

use artifact::Result;
use cifar::{Normalise, Part, Size, View};
use graph::Shape;

/// Images that are shown together.
const BATCH: usize = 64;

/// Up to `count` images of `part`, spread evenly over it, resized to `shape` and normalised: for
/// [`extents`](crate::extents()), in batches.
///
/// # Errors
/// What reading images gives.
pub fn batches(
    part: &Part,
    normalise: &Normalise,
    shape: Shape,
    count: usize,
) -> Result<Vec<Vec<f32>>> {
    let count = part.len().min(count);
    let all: Vec<usize> = (0..count).map(|i| i * part.len() / count).collect();
    let size = Size { height: shape.h, width: shape.w };
    let view = View { normalise, size, augmented: None };
    all.chunks(BATCH).map(|own| Ok(cifar::batch(part, own, &view)?.images)).collect()
}
