//! What was packed comes back: bit for bit, or as near as the encoding says.

use artifact::Named;
use std::path::Path;

use artifact::tensors::{self, Tensor, Tensors, Values as Numbers};
use graph::fold::folded;
use graph::group::{Walk, groups};
use graph::{Graph, Role};
use packed::{Contents, Encode, Info, Options, Packed, Positions, Values, inspect, pack, unpack};
use proptest::prelude::*;
use sparsity::{Mask, Masks, random};

/// Random values in every tensor of `spec`, and masks that keep about `density` of the weights.
fn contents(spec: &str, density: f32) -> Contents {
    let graph = Graph::build(spec, 10, 32).expect("in the zoo");
    let (mut tensors, mut masks) = (Tensors::new(), Masks::default());
    for p in graph.params() {
        let mut stream = seed::stream(1, &p.name, 0);
        let low = if p.role == Role::RunningVar { 0.1 } else { -1.0 };
        let values = (0..p.count()).map(|_| stream.range(low, 1.0) as f32).collect();
        tensors.insert(p.name.clone(), Tensor::f32(&p.shape, values));
        if p.prunable() {
            let kept = random(&p.name, p.count(), 1).iter().map(|s| *s < density).collect();
            masks.insert(&p.name, Mask::new(kept));
        }
    }
    masks.apply(&mut tensors);
    let classes = (0..10).map(|i| format!("class {i}")).collect();
    let info = Info { classes, mean: vec![0.5; 3], std: vec![0.25; 3], checkpoint: "0".repeat(64) };
    Contents { graph, tensors, masks, info, integers: None }
}

fn options(values: Values, fold: bool) -> Options {
    Options { values, encode: Encode::Auto, fold }
}

fn back(contents: &Contents, options: Options) -> Packed {
    let bytes = pack(contents, &options).expect("packs");
    assert_eq!(bytes, pack(contents, &options).expect("packs"), "the same bytes each time");
    let found = unpack(&bytes, Path::new("p")).expect("its own");
    assert_eq!((&found.graph, &found.info), (&contents.graph, &contents.info));
    assert_eq!(found.options, options);
    found
}

fn bits(tensors: &Tensors) -> Vec<(&String, Vec<u32>)> {
    let of = |t: &Tensor| t.as_f32().expect("f32").iter().map(|v| v.to_bits()).collect();
    tensors.iter().map(|(name, t)| (name, of(t))).collect()
}

/// Kept norms bit for bit, folded ones as folding leaves them.
fn lossless(contents: &Contents) {
    let kept = back(contents, options(Values::F32, false));
    assert_eq!(bits(&kept.tensors()), bits(&contents.tensors));
    assert_eq!(kept.masks(), contents.masks);
    let folded_file = back(contents, options(Values::F32, true));
    let fused = folded_file.masks();
    for p in contents.graph.prunable() {
        assert_eq!(fused.get(&p.name), contents.masks.get(&p.name), "{}", p.name);
    }
    for group in groups(&contents.graph, Walk::Inference) {
        let name = &contents.graph.nodes()[group.core].name;
        let expected = folded(&contents.graph, &group, &contents.tensors);
        assert_eq!(kept.layer(&group), expected, "{name}");
        assert_eq!(folded_file.layer(&group), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_density_is_lossless(density in 0.0_f32..1.0) {
        lossless(&contents("vgg-lab@0.03", density));
    }
}

#[test]
fn every_kind_of_network_is_lossless() {
    for spec in ["resnet18@0.1", "vgg16@0.03", "efficientnet-b0@0.1", "net10@0.1"] {
        lossless(&contents(spec, 0.1));
    }
}

#[test]
fn nothing_or_everything_kept_and_no_mask_at_all() {
    for density in [0.0, 2.0] {
        lossless(&contents("vgg-lab@0.03", density));
    }
    let mut dense = contents("vgg-lab@0.03", 2.0);
    dense.masks = Masks::default();
    lossless(&dense);
}

#[test]
fn many_zeros_without_a_mask_are_as_if_pruned() {
    let pruned = contents("resnet18@0.1", 0.1);
    let bare = Contents { masks: Masks::default(), ..pruned.clone() };
    for options in [options(Values::F32, false), options(Values::Int8, true)] {
        assert!(pack(&bare, &options).expect("packs") == pack(&pruned, &options).expect("packs"));
    }
    // With fewer of them positions would take more than they save.
    let few = Contents { masks: Masks::default(), ..contents("vgg-lab@0.03", 0.9) };
    lossless(&few);
}

#[test]
fn biases_and_norms_may_have_masks() {
    let mut some = contents("vgg-lab@0.03", 0.2);
    some.masks.insert("classifier.bias", Mask::new((0..10).map(|i| i % 2 == 0).collect()));
    some.masks.insert("backbone.bn0.weight", Mask::new(vec![false, true]));
    some.masks.apply(&mut some.tensors);
    lossless(&some);
    // What is no weight is not rounded.
    let rounded = back(&some, options(Values::Codebook4, false));
    assert_eq!(rounded.tensor("classifier.bias").expect("there"), some.tensors["classifier.bias"]);
}

#[test]
fn rounded_values_are_near_and_masks_exact() {
    let contents = contents("resnet18@0.1", 0.1);
    for (values, most) in [(Values::F16, 0.0003), (Values::Int8, 0.004), (Values::Codebook4, 0.3)] {
        let found = back(&contents, options(values, false));
        assert_eq!(found.masks(), contents.masks);
        for (name, expected) in &contents.tensors {
            let found = found.tensor(name).expect("there");
            let floats = |t: &Tensor| t.as_f32().expect("f32").to_vec();
            let pairs = floats(&found).into_iter().zip(floats(expected));
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let weight = contents.masks.get(name).is_some();
            assert!(worst <= if weight { most } else { 0.0 }, "{values} {name}: {worst}");
        }
    }
}

#[test]
fn inspection_counts_every_byte() {
    let contents = contents("vgg-lab@0.25", 0.1);
    for values in Values::ALL.iter().copied() {
        let bytes = pack(&contents, &options(values, true)).expect("packs");
        let found = inspect(&bytes, Path::new("p")).expect("its own");
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().expect("a length"));
        let (tensors, _) = tensors::decode(&bytes, Path::new("p")).expect("whole");
        let graph = tensors[":graph"].as_u8().expect("text").len() as u64;
        assert!(graph < contents.graph.to_string().len() as u64 / 2, "the text is compressed");
        assert_eq!(found.header(), header + 64 + graph, "{values}: the digest is 64 bytes of text");
        assert_eq!(found.file, bytes.len() as u64);
        let row = found.rows.iter().find(|r| r.name == "backbone.conv1.weight").expect("a layer");
        let kept = row.weights - contents.masks.pruned_of(&row.name);
        assert_eq!((row.kept, row.ideal(), row.values), (kept, 4 * kept, values));
        assert_eq!(row.positions, Positions::Entropy);
        // Half a bit a weight for the positions at a tenth kept, then the values.
        assert!(row.bits() > 0.4 + 0.3 && row.bits() < 0.6 + 3.2, "{values}: {} bits", row.bits());
        assert!(found.ratio() > 6.0 && found.ideal() < found.dense / 9, "{values}");
    }
}

/// Packs a network after `change` and expects to be refused.
#[track_caller]
fn refused(values: Values, change: impl Fn(&mut Contents), code: u8, expected: &str) {
    let mut contents = contents("vgg-lab@0.03", 0.5);
    change(&mut contents);
    let error = pack(&contents, &options(values, true)).expect_err("doubtful");
    assert!(error.to_string().contains(expected), "{error} lacks {expected}");
    assert_eq!(error.exit_code(), code, "{error}");
}

fn set(contents: &mut Contents, name: &str, value: f32) {
    let Some(Tensor { values: Numbers::F32(all), .. }) = contents.tensors.get_mut(name) else {
        panic!("no tensor {name}");
    };
    all.fill(value);
}

#[test]
fn doubtful_contents_are_refused() {
    const WEIGHT: &str = "backbone.conv0.weight";
    const VARIANCE: &str = "backbone.bn0.running_var";
    let (f32, f16) = (Values::F32, Values::F16);
    refused(f32, |c| set(c, WEIGHT, 1.0), 5, "values are not 0 where the mask");
    refused(f32, |c| set(c, "classifier.bias", f32::NAN), 5, "classifier.bias: value 0 is NaN");
    refused(f32, |c| set(c, VARIANCE, -1.0), 5, "value 0 is -1; expected a variance");
    refused(f16, |c| set(c, "backbone.bn0.weight", 1e6), 3, "f16 ends at 65504: pack with");
    refused(f32, |c| drop(c.tensors.remove(WEIGHT)), 5, "conv0.weight [2, 3, 3, 3] is missing");
    refused(f32, |c| drop(c.info.classes.pop()), 3, "9 class names; the network has 10");
    refused(f32, |c| c.info.mean[0] = f64::NAN, 3, "expected one number for each of 3 channels");
    let mask =
        |name: &'static str| move |c: &mut Contents| c.masks.insert(name, Mask::new(vec![true]));
    refused(f32, mask("backbone.bn0.running_mean"), 3, "the network has no such parameter");
    refused(f32, mask(WEIGHT), 3, "conv0.weight: 1 flags");
}

#[test]
fn a_pruned_zero_loses_its_sign() {
    let mut signed = contents("vgg-lab@0.03", 0.0);
    let expected = back(&signed, options(Values::F32, false)).tensors();
    for p in signed.graph.clone().prunable() {
        set(&mut signed, &p.name, -0.0);
    }
    let found = back(&signed, options(Values::F32, false));
    assert_eq!(bits(&found.tensors()), bits(&expected));
}
