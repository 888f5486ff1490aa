//! What is wrong, which stage meets it, its exit code, what it says; and nothing is written.

use std::path::Path;

use artifact::tensors::{Tensor, Tensors};
use artifact::{file, names};
use house_tests::{Place, copy, resealed, tamper, with_digests};

const CONV: &str = "backbone.conv1.weight";
const TRAIN: &str = "trainer --data data --network vgg-lab@0.0625 --epochs 1 --out out";
const TUNE: &str = "finetuner --data data --epochs 1 --out out --checkpoint";
const SCAN: &str = "scanner --data data --out out --checkpoint";
const PRUNE: &str = "pruner --sparsity 0.9 --out out --checkpoint";
const EVAL: &str = "models eval --data data";

/// One bad input: the command, its exit code, part of what it says.
type Case<'a> = (&'a str, i32, &'a str);

/// A dataset, a dense checkpoint of it, and a pruned one.
fn house() -> Place {
    let place = Place::new();
    place.succeeds("data-cifar synth --train 100 --test 20 --out data");
    place.succeeds(&TRAIN.replace("--out out", "--out dense"));
    place.succeeds("pruner --checkpoint dense --sparsity 0.5 --out pruned");
    place
}

fn refused(place: &Place, cases: &[Case]) {
    for (line, code, expected) in cases {
        place.refuses(line, *code, expected);
    }
}

fn edit(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = file::read(path).expect("reads");
    change(&mut bytes);
    file::write(path, &bytes).expect("writes");
}

/// The official binary layout in the new folder `name`: ten images a file, then `change`d.
fn official(place: &Place, name: &str, classes: usize, change: impl Fn(&Path)) {
    for part in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"] {
        place.write(&format!("{name}/{part}.bin"), &records());
    }
    place.write(&format!("{name}/test_batch.bin"), &records());
    let classes: Vec<String> = (0..classes).map(|i| format!("class{i}")).collect();
    place.write(&format!("{name}/batches.meta.txt"), classes.join("\n").as_bytes());
    change(&place.path(name));
}

/// Ten records of a label and 3,072 pixels.
fn records() -> Vec<u8> {
    let record = |label: u8| {
        let pixels = (0..3072_usize).map(move |p| (p * 7) as u8 ^ label.wrapping_mul(29));
        std::iter::once(label).chain(pixels)
    };
    (0..10).flat_map(record).collect()
}

#[test]
fn images() {
    let place = Place::new();
    let batch = |folder: &Path| folder.join("data_batch_3.bin");
    let cut = |keep: usize| move |f: &Path| edit(&batch(f), |bytes| bytes.truncate(keep));
    official(&place, "missing", 10, |f| std::fs::remove_file(batch(f)).expect("removes"));
    official(&place, "truncated", 10, cut(5000));
    official(&place, "empty", 10, cut(0));
    official(&place, "long", 10, |f| edit(&batch(f), |bytes| bytes.push(7)));
    official(&place, "label", 10, |f| edit(&batch(f), |bytes| bytes[2 * 3073] = 10));
    place.write("nothing/readme", b"");
    let import = |name: &str| format!("data-cifar import {name} --out out");
    refused(
        &place,
        &[
            (&import("missing"), 4, "data_batch_3.bin: no such file"),
            (&import("truncated"), 5, "data_batch_3.bin: found 5000 bytes"),
            (&import("empty"), 5, "data_batch_3.bin: found 0 bytes"),
            (&import("long"), 5, "truncated or over-long"),
            (&import("label"), 3, "record 2 (counted from 0) has label 10"),
            (&import("nothing"), 4, "found no image set"),
            (&import("nowhere"), 4, "nowhere: no such file"),
        ],
    );
}

#[test]
fn training_for_integers() {
    let place = house();
    let with = |flags: &str| format!("{TUNE} pruned {flags}");
    refused(
        &place,
        &[
            (&with("--calibration-images 64"), 3, "has no effect with --quantise false"),
            (&with("--quantise --calibration-images 0"), 2, "0 is not in 1.."),
            (&with("--quantise --reinit"), 3, "--quantise: ranges would be those of weights"),
        ],
    );
}

#[test]
fn datasets() {
    let place = house();
    copy(&place.path("data"), &place.path("changed"));
    edit(&place.path("changed").join(names::DATASET), |bytes| bytes[5000] ^= 1);
    copy(&place.path("data"), &place.path("short"));
    edit(&place.path("short").join(names::DATASET), |bytes| bytes.truncate(5000));
    copy(&place.path("short"), &place.path("agreed"));
    with_digests(&place.path("agreed"));
    official(&place, "source", 12, |_| ());
    place.succeeds("data-cifar import source --out twelve");
    let on = |line: &str, data: &str| line.replace("--data data", &format!("--data {data}"));
    let (tune, scan) = (format!("{TUNE} pruned"), format!("{SCAN} dense"));
    let eval = format!("{EVAL} dense");
    refused(
        &place,
        &[
            (
                &on(TRAIN, "nowhere"),
                4,
                "nowhere: no such folder; expected that of a finished stage",
            ),
            (&on(TRAIN, "changed"), 5, "restore the file or make the artifact again"),
            (&on(&tune, "changed"), 5, "dataset.safetensors: found"),
            (&on(&scan, "short"), 5, "found 5000 bytes"),
            (&on(TRAIN, "agreed"), 5, "not a whole safetensors file"),
            (&on(TRAIN, "dense"), 3, "made by trainer; expected a dataset, made by data-cifar"),
            (&on(&tune, "twelve"), 3, "12 classes; the network vgg-lab@0.0625"),
            (&on(&scan, "twelve"), 3, "is for 10 classes"),
            (&on(&eval, "twelve"), 3, "is for 10 classes"),
        ],
    );
}

#[test]
fn checkpoints() {
    let place = house();
    let model = |name: &str| place.path(name).join(names::MODEL);
    let changed = |name: &str, from: &str, change: &dyn Fn(&mut Tensors)| {
        tamper(&place.path(from), &place.path(name), change);
    };
    let set = |t: &mut Tensors, at: usize, value: f32| {
        let mut values = t[CONV].as_f32().expect("floats").to_vec();
        values[at] = value;
        t.insert(CONV.into(), Tensor::f32(&t[CONV].shape.clone(), values));
    };
    copy(&place.path("pruned"), &place.path("corrupted"));
    edit(&model("corrupted"), |bytes| *bytes.last_mut().expect("not empty") ^= 1);
    copy(&place.path("pruned"), &place.path("cut"));
    edit(&model("cut"), |bytes| bytes.truncate(bytes.len() - 1));
    with_digests(&place.path("cut"));
    changed("missing", "pruned", &|t| drop(t.remove(CONV)));
    changed("surplus", "pruned", &|t| drop(t.insert("extra".into(), Tensor::f32(&[1], vec![1.0]))));
    changed("shape", "pruned", &|t| t.get_mut(CONV).expect("there").shape.swap(0, 1));
    changed("turned", "pruned", &|t| t.get_mut(CONV).expect("there").shape.insert(0, 1));
    changed("nan", "pruned", &|t| set(t, 5, f32::NAN));
    changed("infinite", "dense", &|t| set(t, 5, f32::INFINITY));
    let mask = place.path("pruned").join(names::MASK);
    let (masks, _) = artifact::tensors::read(&mask).expect("masks");
    let dead = masks[CONV].as_u8().expect("bytes").iter().position(|k| *k == 0).expect("pruned");
    changed("revived", "pruned", &|t| set(t, dead, 1e-6));
    changed("negative", "dense", &|t| {
        let name = "backbone.bn1.running_var";
        let shape = t[name].shape.clone();
        let values = (0..8).map(|i| if i == 3 { -0.5 } else { 1.0 }).collect();
        t.insert(name.into(), Tensor::f32(&shape, values));
    });
    copy(&place.path("dense"), &place.path("edited"));
    edit(&place.path("edited").join(names::MANIFEST), |bytes| bytes.extend(b"extra: 1\n"));
    copy(&place.path("dense"), &place.path("foreign"));
    resealed(&place.path("foreign"), |keys| drop(keys.insert("extra".into(), 1.into())));
    let case = |line: &str, name: &str| format!("{line} {name}");
    refused(
        &place,
        &[
            (&case(TUNE, "nowhere"), 4, "nowhere: no such folder"),
            (&case(TUNE, "corrupted"), 5, "restore the file or make the artifact again"),
            (&case(PRUNE, "corrupted"), 5, "model.safetensors: found"),
            (&case(SCAN, "corrupted"), 5, "model.safetensors: found"),
            (&case(EVAL, "corrupted"), 5, "model.safetensors: found"),
            (&case(TUNE, "cut"), 5, "not a whole safetensors file"),
            (&case(TUNE, "missing"), 5, "tensor backbone.conv1.weight [8, 4, 3, 3] is missing"),
            (&case(PRUNE, "missing"), 5, "is missing"),
            (&case(SCAN, "surplus"), 5, "tensor extra is surplus"),
            (&case(TUNE, "shape"), 5, "has shape [4, 8, 3, 3]; expected [8, 4, 3, 3]"),
            (&case(EVAL, "turned"), 5, "has shape [1, 8, 4, 3, 3]; expected [8, 4, 3, 3]"),
            (&case(TUNE, "nan"), 5, "tensor backbone.conv1.weight: value 5 is NaN"),
            (&case(PRUNE, "infinite"), 5, "tensor backbone.conv1.weight: value 5 is inf"),
            (&case(TUNE, "revived"), 5, "where the mask has it pruned; expected 0"),
            (&case(PRUNE, "negative"), 5, "running_var: value 3 is -0.5; expected a variance"),
            (
                &case(TUNE, "edited"),
                5,
                "manifest.yaml: its text is not what the digest in its last",
            ),
            (&case(TUNE, "foreign"), 3, "unknown field `extra`"),
            (&case(TUNE, "data"), 3, "made by data-cifar, whose artifact holds no network"),
            (&case(TUNE, "dense"), 3, "holds no masks; expected a pruned checkpoint"),
        ],
    );
}

#[test]
fn recipes_and_plans() {
    let place = house();
    let with = |text: &str, kind: &str| {
        let name = format!("{kind}{}.yaml", text.len());
        place.write(&name, text.as_bytes());
        name
    };
    let recipe = |text: &str, expected: &str| {
        place.refuses(&format!("{TRAIN} --recipe {}", with(text, "recipe")), 3, expected);
    };
    recipe("trainer: {epoch: 3}", "trainer.epoch: unknown key (did you mean epochs?)");
    recipe("trainr: {epochs: 3}", "unknown section (did you mean trainer?)");
    recipe("trainer: {batch: 3, batch: 4}", "the key `batch` stands twice");
    recipe("trainer: {lr: {high: 1}}", "trainer.lr: expected a number");
    recipe("trainer: [lr]", "expected a map of flags");
    recipe("trainer: {lr: 1", "recipe15.yaml: ");
    place.refuses(&format!("{TRAIN} --recipe nowhere.yaml"), 4, "nowhere.yaml: no such file");
    let plan = |text: &str, expected: &str| {
        let file = with(text, "plan");
        place.refuses(&format!("pruner --checkpoint dense --out out --plan {file}"), 3, expected);
    };
    plan(
        "layers:\n  classifier.weight: 0.1\n  classifier.weight: 0.2\n",
        "the key `classifier.weight` stands twice",
    );
    plan(
        "layers: {backbone.conv1.wieght: 0.1}",
        "no such prunable weight (did you mean backbone.conv1.weight?)",
    );
    plan("layers: {classifier.weight: 1.01}", "ratio 1.01; expected a share from 0 to 1");
    plan("layers: {classifier.weight: -0.1}", "expected a share from 0 to 1");
    plan("layers: {classifier.weight: .nan}", "expected a share from 0 to 1");
    plan("ratios: {classifier.weight: 0.1}", "unknown field `ratios`");
}

#[test]
fn flags() {
    let place = house();
    let train = |more: &str| format!("{TRAIN} {more}");
    let scan = |more: &str| format!("{SCAN} dense {more}");
    let network = TRAIN.replace("vgg-lab@0.0625", "vgg-lap");
    let width = TRAIN.replace("@0.0625", "@0");
    refused(
        &place,
        &[
            (&network, 3, "network \"vgg-lap\" is unknown (did you mean vgg-lab?)"),
            (&width, 3, "expected a number over 0"),
            (&train("--batch 0"), 2, "'0' for '--batch <BATCH>': expected a whole number over 0"),
            (&train("--lr nan"), 2, "expected a number over 0"),
            (&train("--momentum 1"), 2, "expected a number from 0 up to"),
            (&train("--warmth 1"), 2, "unexpected argument '--warmth'"),
            (&train("--threads 99999999"), 2, "expected a whole number from 0 to 1024"),
            (&train("--device cuda"), 6, "--device cuda: "),
            (&scan("--ratios 0.5,1.5"), 2, "expected a fraction from 0 to 1"),
            (
                &scan("--layers backbone.conv9.weight"),
                3,
                "has no such prunable weight (did you mean",
            ),
            (&format!("{PRUNE} dense").replace("0.9", "90"), 2, "for 90 % say 0.9"),
            ("models summary resnet81", 3, "is unknown"),
        ],
    );
}

#[test]
fn outputs() {
    let place = house();
    place.write("file", b"mine");
    place.write("own/notes", b"mine");
    copy(&place.path("data"), &place.path("finished"));
    let to = |line: &str, out: &str| line.replace("--out out", &format!("--out {out}"));
    let all = [
        TRAIN.to_owned(),
        format!("{TUNE} pruned"),
        format!("{SCAN} dense"),
        format!("{PRUNE} dense"),
    ];
    for line in &all {
        refused(
            &place,
            &[
                (&to(line, "file/x"), 6, "cannot be written"),
                (&to(line, "file"), 3, "exists and is no artifact of ours"),
                (&to(line, "own"), 3, "exists and is no artifact of ours; choose another --out"),
                (&to(line, "finished"), 3, "a finished data-cifar stands here"),
            ],
        );
    }
    let fresh = |line: &str, out: &str| format!("{} --fresh", to(line, out));
    refused(
        &place,
        &[
            (&fresh(TRAIN, "data"), 3, "data: --out is the dataset data; choose"),
            (&to(TRAIN, "data/below"), 3, "data/below: --out lies inside the dataset data"),
            (&fresh(&all[3], "dense"), 3, "dense: --out is the checkpoint dense; choose"),
        ],
    );
    let other = TRAIN.replace("--out out", "--out dense --lr 0.01");
    place.refuses(
        &other,
        3,
        "a finished trainer stands here with lr: 0.05 where 0.01 is asked for",
    );
    let made = place.bytes("dense/model.safetensors");
    place.succeeds(&TRAIN.replace("--out out", "--out dense"));
    assert_eq!(place.bytes("dense/model.safetensors"), made, "nothing was left to do");
}
