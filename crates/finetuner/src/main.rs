//! finetuner
fn main() {}
