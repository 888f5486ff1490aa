//! pruner
fn main() {}
