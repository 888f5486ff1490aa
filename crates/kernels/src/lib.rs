//! Numeric kernels on slices.
//!
//! Activations are laid out as `(blocks, channels, height, width, 16)`: sixteen images
//! innermost, so that one vector is one pixel of sixteen images and no kernel has tails,
//! shuffles or special cases for a stride. A batch that is no multiple of sixteen is filled up
//! with images of zeros; [`Lanes`] says which are real. Weights are as `PyTorch` has them,
//! `outputs x inputs x kernel x kernel`.
//!
//! Every kernel sums in an order that does not depend on the number of threads, into whatever
//! pieces the work is split: the result is the same for any number of threads. Unsafe code is here
//! where registers are loaded and where threads share memory (ARCHITECTURE.md says where else);
//! nothing is known here of tensors, networks or files.

#![allow(
    clippy::inline_always,
    reason = "what `simd` runs must be compiled into it, or it is compiled for the oldest CPU"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "registers are indexed as in the formula: rows, columns and lanes of several arrays"
)]

pub mod activation;
pub mod border;
pub mod channels;
pub mod clip;
pub mod conv;
pub mod elementwise;
pub mod flat;
pub mod integer;
pub mod isa;
mod lanes;
pub mod loss;
pub mod norm;
pub mod optimiser;
pub mod pack;
mod pairs;
pub mod peak;
pub mod pool;
mod prefetch;
mod scratch;
mod shared;

pub use activation::Activation;
pub use geometry::{Sides, Size, Window};
pub use lanes::{LANES, Lanes};
use prefetch::prefetch;
pub use scratch::Buffer;

/// Windows down and across a map of `size` that lie wholly in the padded map.
fn count(window: &Window, size: Size) -> Size {
    window.count(size, false).expect("the padded map holds a window")
}

/// Work on `Operands` that is compiled anew for each set of vector instructions.
///
/// A closure would not do: one of some length is compiled by itself, for the oldest processor.
pub(crate) trait Kernel<Operands> {
    /// What comes out.
    type Out;
    /// Does the work; to be marked `#[inline(always)]`.
    fn run(operands: Operands) -> Self::Out;
}

/// Runs `K` compiled for the vectors in use.
#[inline]
pub(crate) fn simd<K: Kernel<A>, A>(operands: A) -> K::Out {
    struct With<A, K>(A, std::marker::PhantomData<K>);
    impl<A, K: Kernel<A>> pulp::NullaryFnOnce for With<A, K> {
        type Output = K::Out;
        #[inline(always)]
        fn call(self) -> K::Out {
            K::run(self.0)
        }
    }
    isa::dispatch(With::<A, K>(operands, std::marker::PhantomData))
}
