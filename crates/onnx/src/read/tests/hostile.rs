//! What is refused: damage, and what no graph can say.

use prost::Message as _;

use super::{Net, Options, decode, refused};
use crate::proto::{Attribute, Element, Entry, Model, Opset, Tensor, ValueInfo};

fn plain() -> Net {
    Net::new().weight("c.weight", &[4, 3, 3, 3]).nodes("Conv(x, c.weight) -> z").classified("z", 4)
}

#[test]
fn truncated_at_every_byte() {
    let bytes = plain().bytes();
    for end in 0..bytes.len() {
        let error = decode(bytes[..end].to_vec(), "net.onnx", &Options::default());
        assert!([3, 5].contains(&error.expect_err("truncated").exit_code()), "at {end}");
    }
}

#[test]
fn every_byte_changed_is_read_or_refused() {
    let bytes = plain().bytes();
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            if let Err(error) = decode(changed, "net.onnx", &Options::default()) {
                assert!([3, 5].contains(&error.exit_code()), "at {at}: {error}");
            }
        }
    }
}

#[test]
fn no_network_at_all() {
    refused(b"", 5, &["no network"]);
    refused(b"PK\x03\x04 a zip file", 5, &[]);
    refused(
        &Model { graph: Some(Net::new().graph), ..Model::default() }.encode_to_vec(),
        3,
        &["no version"],
    );
    let old = Net { opset: 8, ..plain() };
    old.refused(3, &["opset 8", "9 to 23"]);
}

#[test]
fn a_cycle_and_names_that_nothing_makes() {
    Net::new().nodes("Add(x, b) -> a\nRelu(a) -> b").classified("b", 3).refused(3, &["a cycle"]);
    Net::new().nodes("Add(x, b) -> a").classified("a", 3).refused(3, &["of_a", "reads b"]);
    Net::new()
        .nodes("Relu(x) -> z\nRelu(x) -> z")
        .classified("z", 3)
        .refused(3, &["two operators make"]);
    Net::new().nodes("Relu(x) -> z").refused(3, &["no operator makes the output y"]);
}

#[test]
fn more_than_one_way_in_or_out() {
    let mut net = plain();
    net.graph.output.push(ValueInfo::batch("z", &[4]));
    net.refused(3, &["2 outputs (y, z)"]);
    let mut net = plain();
    net.graph.input.push(ValueInfo::batch("mask", &[4]));
    net.refused(3, &["2 inputs (x, mask)"]);
    let mut net = plain();
    net.graph.input[0] = ValueInfo::batch("x", &[3]);
    net.refused(3, &["input x", "2 dimensions", "channels x height x width"]);
}

#[test]
fn sizes_that_are_left_open_are_asked_for() {
    let mut net = plain();
    net.graph.input[0] = ValueInfo::batch("x", &[3, 0, 4]);
    net.refused(3, &["its height is left open"]);
    let options = |h| Options { name: "net".into(), size: Some(geometry::Size { h, w: 4 }) };
    let found = decode(net.bytes(), "net.onnx", &options(7)).expect("a height");
    assert_eq!(found.graph.images().h, 7);
    let error = decode(plain().bytes(), "net.onnx", &options(7)).expect_err("another height");
    assert!(error.to_string().contains("height 6 in the file, 7 given"), "{error}");
}

#[test]
fn operators_that_are_not_known_are_named() {
    let with = || vec![Attribute::float("alpha", 0.5)];
    let elu = Net::new().node("Elu(x) -> z", with()).classified("z", 3);
    elu.refused(3, &["node of_z: Elu with alpha=0.5", "supported are Abs, Add"]);
    let mut other = Net::new().node("Fused(x) -> z", vec![]).classified("z", 3);
    other.graph.node[0].domain = "com.mine".into();
    other.refused(3, &["com.mine.Fused", "domain com.mine"]);
    let branch = Attribute { g: Some(vec![1, 2, 3].into()), ..Attribute::ints("then_branch", &[]) };
    let control = Net::new().node("If(x) -> z", vec![branch]).classified("z", 3);
    control.refused(3, &["of_z", "control flow"]);
    let erf = Net::new().nodes("Erf(x) -> z").classified("z", 3);
    erf.refused(3, &["of_z", "a part of GELU"]);
}

#[test]
fn weights_that_do_not_fit() {
    let wrong = |tensor: Tensor, code: u8, expected: &str| {
        let mut net = plain();
        net.graph.initializer[0] = tensor;
        net.refused(code, &[expected]);
    };
    let tensor =
        |dims: &[i64]| Tensor { dims: dims.to_vec(), ..Tensor::new("c.weight", &[], &[1.0]) };
    wrong(tensor(&[4, 3, 3, 3]), 3, "4 bytes of values; its shape [4, 3, 3, 3] needs 432");
    wrong(tensor(&[1 << 40, 1 << 40]), 3, "more than 2147483648 values");
    wrong(tensor(&[-1]), 3, "shape [-1]");
    wrong(Tensor::new("c.weight", &[4, 2, 3, 3], &[1.0; 72]), 3, "3 input channels; expected 2");
    wrong(Tensor::new("c.weight", &[4, 27], &[1.0; 108]), 3, "expected 4 dimensions");
    wrong(Tensor::new("c.weight", &[1, 3, 1, 1], &[1.0, f32::NAN, 1.0]), 3, "input");
    let whole = Tensor {
        data_type: Element::Int8.into(),
        ..Tensor::new("c.weight", &[1, 1, 1, 1], &[1.0])
    };
    let whole = Tensor { dims: vec![4, 1, 1, 1], ..whole };
    wrong(whole, 3, "quantised");
}

#[test]
fn numbers_that_are_none_are_damage() {
    let mut net = plain();
    let values = [[0.5; 107].as_slice(), &[f32::INFINITY]].concat();
    net.graph.initializer[0] = Tensor::new("c.weight", &[4, 3, 3, 3], &values);
    net.refused(5, &["tensor c.weight: value 107 is inf"]);
}

#[test]
fn half_and_double_weights_are_taken() {
    let mut net = plain();
    let raw: Vec<u8> = (0..108).flat_map(|_| 0.25_f64.to_le_bytes()).collect();
    let double =
        Tensor { data_type: Element::Double.into(), raw_data: raw.into(), ..Tensor::default() };
    net.graph.initializer[0] = Tensor { dims: vec![4, 3, 3, 3], name: "c.weight".into(), ..double };
    let found = net.read().expect("doubles");
    assert_eq!(found.tensors["c.weight"].as_f32().expect("floats"), [0.25; 108]);
    assert_eq!(found.notes, ["1 tensors of type Double are converted to f32"]);
}

#[test]
fn constants_do_not_grow_without_bound() {
    let net = Net::new()
        .whole("huge", &[1 << 30, 1 << 30])
        .number("one", 1.0)
        .nodes("Expand(one, huge) -> a\nAdd(x, a) -> z")
        .classified("z", 3);
    net.refused(3, &[]);
    let net = Net::new()
        .whole("zero", &[0])
        .whole("end", &[i64::MAX])
        .whole("one", &[1])
        .nodes("Range(zero, end, one) -> a\nReshape(x, a) -> z")
        .classified("z", 3);
    net.refused(3, &["Range", "too large"]);
}

#[test]
fn other_files_must_lie_in_the_folder() {
    let external = |location: &str| {
        let entry = Entry { key: "location".into(), value: location.into() };
        Tensor {
            raw_data: vec![].into(),
            data_location: 1,
            external_data: vec![entry],
            ..Tensor::new("c.weight", &[4, 3, 3, 3], &[])
        }
    };
    let mut net = plain();
    net.graph.initializer[0] = external("weights.bin");
    net.refused(3, &["c.weight", "read the model by its path"]);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("net.onnx");
    let mut check = |location: &str, code: u8, expected: &str| {
        net.graph.initializer[0] = external(location);
        artifact::file::write(&path, &net.bytes()).expect("writes");
        let error = super::super::read(&path, &Options::default()).expect_err("refused");
        assert_eq!(error.exit_code(), code, "{error}");
        assert!(error.to_string().contains(expected), "{error} lacks {expected}");
    };
    check("../weights.bin", 3, "expected a file in the model's folder");
    check("/etc/hostname", 3, "expected a file in the model's folder");
    check("missing.bin", 4, "missing.bin");
    artifact::file::write(&folder.path().join("short.bin"), &[0; 400]).expect("writes");
    check("short.bin", 3, "432");
    artifact::file::write(&folder.path().join("whole.bin"), &[0; 500]).expect("writes");
    net.graph.initializer[0] = external("whole.bin");
    artifact::file::write(&path, &net.bytes()).expect("writes");
    let found = super::super::read(&path, &Options::default()).expect("reads");
    assert_eq!(found.tensors["c.weight"].as_f32().expect("floats"), [0.0; 108]);
}

#[test]
fn functions_of_the_file_are_refused_where_they_are_called() {
    let mut net = Net::new().node("Twice(x) -> z", vec![]).classified("z", 3);
    net.graph.node[0].domain = "local".into();
    let opset = Opset { domain: None, version: 17 };
    let model = Model {
        graph: Some(net.graph),
        opset_import: vec![opset],
        functions: vec![vec![1].into()],
        ..Model::default()
    };
    refused(&model.encode_to_vec(), 3, &["local.Twice", "export without functions"]);
}
