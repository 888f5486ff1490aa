//! Holds every kernel to a slow, obvious f64 version of itself, and its gradient to central
//! differences of that version.

mod activation;
mod array;
mod average;
mod border;
mod case;
mod channels;
mod check;
mod clip;
mod conv;
mod conv_gradients;
mod depthwise;
mod elementwise;
mod ending;
mod flat;
mod flat_operations;
mod geometry;
mod grouped;
mod integer;
mod integer_layers;
mod isa;
mod lanes;
mod layer_norm;
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
mod windows;
