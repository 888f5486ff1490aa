//! Numeric kernels on slices.
//!
//! Activations are laid out as `(blocks, channels, height, width, 16)`: sixteen images
//! innermost, so that one vector is one pixel of sixteen images and no kernel has tails,
//! shuffles or special cases for a stride. A batch that is no multiple of sixteen is filled up
//! with images of zeros; [`Lanes`] says which are real. Weights are as `PyTorch` has them,
//! `outputs x inputs x kernel x kernel`.
//!
//! Every kernel splits its work into pieces that do not depend on the number of threads, and
//! sums in a fixed order: the result is the same for any number of threads. This is the only
//! crate with unsafe code, and it knows nothing of tensors, networks or files.

#![allow(
    clippy::inline_always,
    reason = "what `simd` runs must be compiled into it, or it is compiled for the oldest CPU"
)]

pub mod average;
pub mod conv;
pub mod elementwise;
pub mod isa;
mod lanes;
pub mod loss;
pub mod norm;
pub mod optimiser;
pub mod pack;
pub mod pool;
mod scratch;
mod shared;

pub use lanes::{LANES, Lanes};

/// Windows of `kernel`, a `stride` apart, along `size` pixels with `padding` on each side.
fn windows(size: usize, kernel: usize, stride: usize, padding: usize) -> usize {
    let room = (size + 2 * padding).checked_sub(kernel).expect("the padded input holds a window");
    room / stride + 1
}

/// Runs `f` compiled for the vectors in use.
#[inline]
pub(crate) fn simd<R>(f: impl FnOnce() -> R) -> R {
    struct Once<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Once<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    isa::dispatch(Once(f))
}
