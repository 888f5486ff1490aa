//! Every op as its formula says, in f64, on plain arrays.

pub mod activation;
pub mod adam;
pub mod conv;
pub mod loss;
pub mod norm;
pub mod pool;
pub mod sgd;
