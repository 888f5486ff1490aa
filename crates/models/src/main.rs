//! models
fn main() {}
