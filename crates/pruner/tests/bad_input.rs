//! Each bad input: a clear error, its exit code, and nothing written.

mod common;

use artifact::tensors::{self, Tensor};
use artifact::yaml::Value;
use artifact::{file, names};
use common::{Place, SMALL};

#[test]
fn sparsities_that_are_none() {
    let place = Place::new();
    for bad in ["0", "1", "1.2", "-0.1", "90", "abc", "nan"] {
        let line = format!("--checkpoint dense --out out --sparsity {bad}");
        place.refuses(&line, 2, "expected a fraction over 0 and below 1");
        place.refuses(&format!("rounds --rate 0.1 --sparsity {bad}"), 2, "expected a fraction");
    }
    place.refuses("--checkpoint dense --out out --sparsity 90", 2, "for 90 % say 0.9");
    place.refuses("--checkpoint dense --out out --sparsity 0.5 --plan p", 2, "cannot be used with");
    place.refuses("--checkpoint dense --out out", 2, "--sparsity <S>|--plan <FILE>");
    place.refuses("--checkpoint dense --out out --plan p --rate 0.1", 2, "cannot be used with");
}

#[test]
fn plans_that_do_not_fit() {
    let place = Place::new();
    place.dense("dense", SMALL);
    let check = |plan: &str, code: i32, expected: &str| {
        place.write("plan.yaml", plan);
        place.refuses("--checkpoint dense --out out --plan plan.yaml", code, expected);
        place.refuses(&format!("size --network {SMALL} --plan plan.yaml"), code, expected);
    };
    check("layers: {backbone.conv9.weight: 0.3}", 3, "did you mean backbone.conv");
    check("layers: {classifier.weight: 1.5}", 3, "ratio 1.5; expected a share from 0 to 1");
    check("layers: {classifier.weight: .nan}", 3, "expected a share from 0 to 1");
    check("layers:\n  classifier.weight: 0.1\n  classifier.weight: 0.2\n", 3, "stands twice");
    check("layer: {}", 3, "unknown field `layer`");
    place.refuses("--checkpoint dense --out out --plan none.yaml", 4, "no such file");
    place.refuses("size --network vgg-lap --plan plan.yaml", 3, "is unknown");
}

#[test]
fn checkpoints_that_are_damaged_or_none() {
    let place = Place::new();
    let line = "--checkpoint dense --out out --sparsity 0.5";
    place.refuses(line, 4, "no such folder");
    let sound = place.dense("dense", SMALL);
    let model = place.path("dense").join(names::MODEL);
    let bytes = file::read(&model).expect("reads");
    file::write(&model, &bytes[..bytes.len() - 1]).expect("writes");
    place.refuses(line, 5, "restore the file or make the artifact again");

    place.commit("data", ("data-cifar", None), &Value::Null, |_| vec![]);
    place.refuses("--checkpoint data --out out --sparsity 0.5", 3, "holds no network");

    let mut tensors = sound.tensors.clone();
    tensors.insert("surplus".into(), Tensor::f32(&[1], vec![1.0]));
    place.commit("surplus", ("trainer", Some(&sound.graph)), &Value::Null, |folder| {
        tensors::write(&folder.join(names::MODEL), &tensors, None).expect("writes");
        vec![names::MODEL.to_owned()]
    });
    place.refuses("--checkpoint surplus --out out --sparsity 0.5", 5, "tensor surplus is surplus");
}
