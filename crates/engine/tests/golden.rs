//! The networks against `PyTorch`'s numbers.

use std::path::Path;

use engine::Device;
use engine::golden::Golden;

fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let golden = Golden::read(&path).expect("a golden file");
    let all = golden.compare(golden.by_formula().expect("of the zoo"), &Device::Cpu).expect("runs");
    assert!(all.len() > 10, "{} numbers compared", all.len());
    let bad: Vec<_> = all.iter().filter(|d| !d.holds()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn vgg_lab() {
    check("vgg-lab.json");
}

#[test]
fn resnet18() {
    check("resnet18.json");
}

#[test]
fn resnet_like() {
    check("resnet-like.json");
}

#[test]
fn net10() {
    check("net10.json");
}

#[test]
fn vgg16() {
    check("vgg16.json");
}

#[test]
fn efficientnet_b0() {
    check("efficientnet-b0.json");
}
