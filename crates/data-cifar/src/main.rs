//! data-cifar
fn main() {}
