//! The operations of training and inference on an NVIDIA GPU.
//!
//! A `Gpu` is an opened device with one stream, on which everything is done in order; a
//! `Buffer` is memory of it. Operations take buffers and the sizes that `kernels` uses on the
//! processor; activations lie in NHWC order, f32 or bf16, and what is summed is f32. Our kernels are
//! compiled when first used (NVRTC), convolutions are cuDNN's, both libraries are opened at run time:
//! a program with this crate in it runs where there is none of them. What is computed, and in which
//! order, is decided elsewhere.
#![cfg(feature = "cuda")]

mod buffer;
mod compile;
mod dnn;
mod gpu;
mod launch;
mod libraries;
mod ops;
mod outcome;
mod staging;
mod window;

pub use buffer::{Buffer, Kind};
pub use dnn::Convolution;
pub use gpu::{Exhausted, Gpu};
pub use ops::{
    Draw, Fused, Images, LayerNorm, Norm, NormParams, Parameter, Pictures, Resized, Target,
};
pub use outcome::Outcome;
pub use window::Axis;
