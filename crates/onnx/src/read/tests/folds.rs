//! Operators on constants alone.

use artifact::tensors::Tensor;

use super::Net;
use crate::proto::{self, Attribute};

/// The scale that the constant `k`, which these operators make, becomes.
fn scale(net: Net) -> Vec<f32> {
    let found = net.nodes("Mul(x, k) -> z").classified("z", 3);
    let found = found.check(&["of_z = scale(input) frozen=true"]);
    found.tensors.get("of_z").and_then(Tensor::as_f32).expect("a scale").to_vec()
}

fn three() -> Net {
    let add = |mut net: Net, (name, values): (&str, [f32; 3])| {
        net.graph.initializer.push(proto::Tensor::new(name, &[3, 1, 1], &values));
        net
    };
    let all = [("v1", [1.0, 5.0, -3.0]), ("v2", [2.0, 4.0, -2.0]), ("v3", [3.0, 3.0, -4.0])];
    all.into_iter().fold(Net::new(), add)
}

#[test]
fn all_of_many_constants_count() {
    let of = |kind: &str| scale(three().nodes(&format!("{kind}(v1, v2, v3) -> k")));
    assert_eq!(of("Max"), [3.0, 5.0, -2.0]);
    assert_eq!(of("Min"), [1.0, 3.0, -4.0]);
    assert_eq!(of("Sum"), [6.0, 12.0, -9.0]);
    assert_eq!(of("Mean"), [2.0, 4.0, -3.0]);
    assert_eq!(scale(three().nodes("Max(v1) -> k")), [1.0, 5.0, -3.0]);
    assert_eq!(scale(three().nodes("Mean(v3) -> k")), [3.0, 3.0, -4.0]);
}

#[test]
fn reductions_over_no_dimensions() {
    let noop = || vec![Attribute::int("noop_with_empty_axes", 1)];
    let kinds = [("ReduceMean", 1.0), ("ReduceSum", 3.0), ("ReduceMax", 5.0), ("ReduceMin", -3.0)];
    for (kind, expected) in kinds {
        for inputs in ["v1", "v1, none"] {
            let net = || three().whole("none", &[]);
            let line = format!("{kind}({inputs}) -> k");
            assert_eq!(scale(net().node(&line, noop())), [1.0, 5.0, -3.0], "{line}");
            assert_eq!(scale(net().node(&line, vec![])), [expected; 3], "{line}");
        }
    }
    let net = Net::new()
        .whole("sizes", &[0, 3, 6, 4])
        .node("ReduceProd(sizes) -> to", noop())
        .nodes("Reshape(x, to) -> z");
    net.classified("z", 3).check(&[]);
}

#[test]
fn norms_of_weights_in_training_mode_below_opset_14() {
    let net = |opset: i64, line: &str, with: Vec<Attribute>| {
        let net = Net { opset, ..Net::new() };
        let filled = |mut net: Net, (name, value): (&str, f32)| {
            net.graph.initializer.push(proto::Tensor::new(name, &[3], &[value; 3]));
            net
        };
        let all = [("gain", 1.0), ("shift", 2.0), ("average", 7.0), ("var", 9.0)];
        let mut net = all.into_iter().fold(net, filled);
        net.graph.initializer.push(proto::Tensor::new(
            "w",
            &[2, 3, 1, 1],
            &[1.0, 2.0, 3.0, 3.0, 6.0, 9.0],
        ));
        let with = [with, vec![Attribute::float("epsilon", 0.0)]].concat();
        net.node(&format!("BatchNormalization(w, gain, shift, average, var) -> {line}"), with)
            .nodes("Conv(x, n) -> z")
            .classified("z", 2)
    };
    let weights = |net: Net| {
        let found = net.check(&["of_z = conv(input) outputs=2 kernel=1 bias=false"]);
        found.tensors.get("of_z.weight").and_then(Tensor::as_f32).expect("weights").to_vec()
    };
    let own = [1.0, 1.0, 1.0, 3.0, 3.0, 3.0];
    assert_eq!(weights(net(9, "n, m, v, sm, sv", vec![])), own);
    assert_eq!(weights(net(17, "n, m, v", vec![Attribute::int("training_mode", 1)])), own);
    let stored = [0.0, 1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 5.0 / 3.0, 8.0 / 3.0];
    for (found, expected) in weights(net(9, "n", vec![])).iter().zip(stored) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}
