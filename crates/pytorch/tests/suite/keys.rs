//! Where the `state_dict` is found, and what is said where it is not.

use artifact::tensors::Tensor;

use crate::writer::{Item, bytes, call, dict, text, vector, zipped};
use crate::{read, refuse};

/// A `state_dict` of one tensor on the storage `key`.
fn state(key: &str) -> Item {
    dict(&[("w", vector(key, 1))])
}

fn file(top: &Item) -> Vec<u8> {
    zipped(top, &[("0", bytes(&[10.0])), ("1", bytes(&[11.0]))])
}

/// Checks that the tensor `w` found in `top` is `expected`.
fn check(top: &Item, key: Option<&str>, expected: f32, notes: &[&str]) {
    let found = read(&file(top), key);
    assert_eq!(found.tensors["w"], Tensor::f32(&[1], vec![expected]));
    assert_eq!(found.notes, notes);
}

/// What scripts keep beside a `state_dict`.
fn beside(key: &str, value: Item) -> Item {
    let namespace = Item::Object("argparse", "Namespace");
    let arguments = Item::Build(Box::new(namespace), Box::new(dict(&[("lr", Item::Float(0.1))])));
    let scalar = call("numpy.core.multiarray", "scalar", &[call("numpy", "dtype", &[text("f8")])]);
    dict(&[
        ("epoch", Item::Int(3)),
        ("best_acc1", vector("1", 1)),
        (key, value),
        ("args", arguments),
        ("best", scalar),
        ("optimizer", dict(&[("state", dict(&[("m", vector("1", 1))]))])),
        ("none", Item::None),
    ])
}

const BESIDE: &str = "beside it, neither made nor run: argparse.Namespace, numpy.core.multiarray.scalar, numpy.dtype";

#[test]
fn customary_keys_are_entered() {
    check(&state("0"), None, 10.0, &[]);
    for key in ["state_dict", "model_state_dict", "model", "net", "module", "weights", "ema"] {
        check(&beside(key, state("0")), None, 10.0, &[&format!("entered {key}"), BESIDE]);
    }
}

#[test]
fn a_key_leads_anywhere() {
    let top = dict(&[
        ("a", dict(&[("b.c", Item::List(vec![Item::None, state("0")]))])),
        ("net", state("1")),
    ]);
    check(&top, Some("a.b.c.1"), 10.0, &["entered a.b.c.1"]);
    check(&top, Some("net"), 11.0, &["entered net"]);
    check(&top, None, 11.0, &["entered net"]);
    let both = dict(&[("model", state("0")), ("ema", state("1"))]);
    check(&both, Some("ema"), 11.0, &["entered ema"]);
}

#[test]
fn numbers_beside_tensors_are_left_out() {
    let top = dict(&[("w", vector("0", 1)), ("epoch", Item::Int(1)), ("arch", text("vgg"))]);
    check(&top, None, 10.0, &["left out what is no tensor: epoch, arch"]);
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let both = dict(&[("model", state("0")), ("ema", state("1"))]);
    let refused = |top: &Item, key, expected: &str| refuse(&file(top), key, 3, expected);
    refused(&both, None, "several state_dicts, under model, ema; choose one: --key model");
    refused(
        &both,
        Some("modle"),
        "no key modle at the top level (did you mean model?); \
         there are: model (a dict of 1), ema (a dict of 1)",
    );
    refused(&both, Some("x"), "no key x at the top level; there are: model");
    refused(&both, Some("ema.y"), "no key y at ema; there are: w (a tensor [1])");
    refused(&both, Some("ema.w.z"), "w is a tensor [1], which has no keys");
    refused(&both, Some("ema.w"), "ema.w is a tensor [1]; expected a dict of tensors");
    let other = dict(&[("net_g", state("0")), ("epoch", Item::Int(1))]);
    refused(&other, None, "there are: net_g (a dict of 1), epoch (an int); choose one: --key KEY");
    refused(&other, Some("epoch"), "epoch is an int; expected a dict of tensors");
    let deep = dict(&[("a", dict(&[("w", vector("0", 1)), ("more", state("1"))]))]);
    refused(&deep, Some("a"), "more is a dict of 1; expected a tensor");
    refused(&dict(&[]), None, "holds an empty dict; expected a state_dict");
    refused(&vector("0", 1), None, "holds a tensor [1]; expected a state_dict");
}

#[test]
fn safetensors_have_no_keys() {
    let mut file = 59_u64.to_le_bytes().to_vec();
    file.extend(br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}     "#);
    file.extend(bytes(&[1.0]));
    assert_eq!(read(&file, None).tensors["w"], Tensor::f32(&[1], vec![1.0]));
    refuse(&file, Some("model"), 3, "leave --key away");
}
