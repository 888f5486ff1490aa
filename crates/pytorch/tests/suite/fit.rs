//! Files brought to the table of a network: wrappers, masks of every layout, and hints.

use std::path::Path;

use artifact::tensors::Tensor;
use pytorch::{Fitted, Selection, Slot, StateDict};

use crate::writer::{Item, bytes, dict, storage, tensor, zipped};

/// A network of `conv.weight` [3], `conv.bias` [1] and `head.weight` [2] (elsewhere `fc.weight`).
fn slots() -> Vec<Slot> {
    let slot = |name: &str, n, alias: Option<&str>| Slot {
        name: name.to_owned(),
        shape: vec![n],
        alias: alias.map(str::to_owned),
    };
    vec![
        slot("conv.weight", 3, None),
        slot("conv.bias", 1, None),
        slot("head.weight", 2, Some("fc.weight")),
    ]
}

/// A file with a vector of 1, 2, .. for each of the names and lengths, masks [1, 0, 1] as bytes.
fn file(names: &[(&str, usize)]) -> StateDict {
    fn item<'n>((name, n): &(&'n str, usize)) -> (&'n str, Item) {
        match *n {
            0 => (*name, tensor(storage("BoolStorage", "m", 3), 0, &[3], &[1])),
            n => (*name, tensor(storage("FloatStorage", "v", 3), 0, &[n], &[1])),
        }
    }
    let all: Vec<_> = names.iter().map(item).collect();
    let data = [("v", bytes(&[1.0, 2.0, 3.0])), ("m", vec![1, 0, 1])];
    pytorch::decode(&zipped(&dict(&all), &data), Path::new("a.pth"), &Selection::default())
        .expect("fine")
}

fn fit(names: &[(&str, usize)]) -> Result<Fitted, String> {
    pytorch::fit(&file(names), &slots())
}

fn whole(names: &[(&str, usize)]) -> Fitted {
    let found = fit(names).expect("fits");
    let taken: Vec<&String> = found.tensors.keys().collect();
    assert_eq!(taken, ["conv.bias", "conv.weight", "head.weight"]);
    assert_eq!(found.surplus, []);
    found
}

const REST: [(&str, usize); 2] = [("conv.bias", 1), ("head.weight", 2)];

#[test]
fn wrappers_and_other_libraries_names_are_told() {
    let found = whole(&[
        ("module.conv._orig_mod.weight", 3),
        ("module.conv.bias", 1),
        ("module.fc.weight", 2),
    ]);
    let alias =
        "took 1 tensor by another library's names, such as module.fc.weight for head.weight";
    let removed = ["removed _orig_mod. from 1 name", "removed module. from 3 names", alias];
    assert_eq!(found.notes(), removed);
}

#[test]
fn masks_of_every_layout_are_applied() {
    let check = |masked: &[(&str, usize)], revived: bool| {
        let found = whole(&[masked, &REST].concat());
        assert_eq!(found.tensors["conv.weight"], Tensor::f32(&[3], vec![1.0, 0.0, 3.0]));
        assert_eq!(
            found.masks,
            [("conv.weight".to_owned(), Tensor::u8(&[3], vec![1, 0, 1]))].into()
        );
        let mut notes = vec!["applied 1 mask: conv.weight".to_owned()];
        notes.extend(revived.then(|| {
            "set 1 value to zero that a mask prunes and that were not zero in the file".to_owned()
        }));
        assert_eq!(
            found.notes().iter().filter(|n| !n.starts_with("removed")).cloned().collect::<Vec<_>>(),
            notes
        );
    };
    check(&[("conv.weight_orig", 3), ("conv.weight_mask", 0)], false);
    check(&[("model.conv.weight_orig", 3), ("model.conv.weight_mask", 0)], false);
    check(
        &[("conv.parametrizations.weight.original", 3), ("conv.parametrizations.weight.0.mask", 0)],
        false,
    );
    check(&[("conv.weight", 3), ("conv.weight_mask", 0)], true);
    check(&[("conv.weight", 3), ("conv.mask", 0)], true);
    check(&[("conv.layer.weight", 3), ("conv.mask", 0)], true);
}

#[test]
fn masks_in_a_file_of_their_own() {
    for name in ["conv.weight", "conv.weight_mask", "module.conv.weight_mask", "conv.mask"] {
        let mut found = whole(&[&[("conv.weight", 3)], &REST[..]].concat());
        pytorch::separate_masks(&mut found, &file(&[(name, 0)]), &slots()).expect("fits");
        assert_eq!(found.tensors["conv.weight"], Tensor::f32(&[3], vec![1.0, 0.0, 3.0]), "{name}");
        assert_eq!(found.masks["conv.weight"], Tensor::u8(&[3], vec![1, 0, 1]));
    }
    let refused = |masks: &[(&str, usize)], expected: &str| {
        let mut found = whole(&[&[("conv.weight", 3)], &REST[..]].concat());
        let error =
            pytorch::separate_masks(&mut found, &file(masks), &slots()).expect_err("refused");
        assert!(error.contains(expected), "{error} lacks {expected}");
    };
    refused(&[("other.weight", 0)], "1 mask of no tensor of the network: other.weight");
    refused(&[("head.weight", 0)], "mask head.weight: shape [3]; head.weight has [2]");
    refused(&[("conv.weight", 3)], "mask conv.weight: value 1 is 2; expected 0 or 1");
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    let check = |names: &[(&str, usize)], expected: &str| {
        let error = fit(names).expect_err("refused");
        assert!(error.contains(expected), "{error} lacks {expected}");
    };
    check(
        &[("model.conv.weight", 3), ("module.conv.weight", 3)],
        "tensors model.conv.weight and module.conv.weight all fit conv.weight; choose with --prefix P",
    );
    check(
        &[("conv.parametrizations.weight.original", 3)],
        "no mask lies beside it, so what PyTorch makes of it is not in the file; save after torch.nn.utils.parametrize.remove_parametrizations",
    );
    check(&[("conv.weight", 0)], "tensor conv.weight: element type bool; expected float32");
    check(
        &[("conv.weight_mask", 0)],
        "mask conv.weight_mask: the file has no conv.weight that it could bind",
    );
    check(
        &[("conv.weight", 2), ("conv.mask", 0)],
        "mask conv.mask: shape [3]; conv.weight has [2]",
    );
    // A name as the network has it goes before one that a wrapper makes the same.
    let found = fit(&[("conv.weight", 3), ("model.conv.weight", 3)]).expect("fits");
    assert_eq!(found.surplus[0].array.name, "model.conv.weight");
}

#[test]
fn hints_go_by_shape_and_place() {
    let check = |names: &[(&str, usize)], given: Option<&str>, expected: &str| {
        let (found, slots) = (fit(names).expect("fits"), slots());
        let at = found.sources.iter().position(Option::is_none).expect("one is missing");
        let hint = pytorch::missing(&found, (at, &slots), given);
        assert!(hint.contains(expected), "{hint} lacks {expected}");
    };
    // The nearest spelling has another shape, or is far away.
    let names = [("conv.weights", 2), ("first.kernel", 3), ("conv.bias", 1), ("head.weight", 2)];
    check(&names, None, "first.kernel, which the network does not have, has its shape and place");
    let names = [("x.weight", 2), ("conv.weight", 3), ("conv.bias", 1), ("y.weight", 2)];
    check(&names, None, "y.weight, which");
    let student =
        [("student.conv.weight", 3), ("student.conv.bias", 1), ("student.head.weight", 2)];
    check(&student, None, "all that is missing lies below student: --prefix student");
    check(&student, Some("net."), "--prefix net.student");
    check(
        &[("conv.weight", 3), ("conv.bias", 1), ("weight", 2)],
        None,
        "names lack head. in front",
    );
    let names =
        [("conv.parametrizations.weight.original0", 1), ("conv.bias", 1), ("head.weight", 2)];
    check(&names, None, "save after torch.nn.utils.parametrize.remove_parametrizations");
    let names = [("conv.weight_g", 1), ("conv.weight_v", 3), ("conv.bias", 1), ("head.weight", 2)];
    check(&names, None, "save after torch.nn.utils.remove_weight_norm");
    check(
        &[("conv.bias", 1), ("head.weight", 2), ("z.running_mean", 1)],
        None,
        "no place for: z.running_mean",
    );
    assert_eq!(pytorch::missing(&fit(&REST).expect("fits"), (0, &slots()), None), "");
}
