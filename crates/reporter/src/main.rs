//! reporter
fn main() {}
