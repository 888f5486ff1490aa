//! Holds every kernel to a slow, obvious f64 version of itself, and its gradient to central
//! differences of that version.

mod activation;
mod array;
mod average;
mod case;
mod check;
mod clip;
mod conv;
mod conv_gradients;
mod depthwise;
mod elementwise;
mod flat;
mod geometry;
mod grouped;
mod isa;
mod lanes;
mod linear;
mod loss;
mod nan;
mod norm;
mod norm_gradients;
mod optimiser;
mod pool;
mod reference;
mod shapes;
mod sparse;
mod threads;
