//! What a network from elsewhere brings along: how images are normalised for it, and norms that are put into
//! it; and what is told of its operations.

use artifact::{Normalisation, file, tensors};
use house_tests::Place;

/// Convolutions with a norm and without, and an operation without a fast kernel.
const MINE: &str = "\
secateur-graph 1
image = input channels=3 height=32 width=32
stem = conv(image) outputs=8 kernel=3 stride=2 padding=1
act = relu(stem)
mid = conv(act) outputs=12 kernel=3 padding=1 bias=false
norm = batch-norm(mid)
six = relu6(norm)
mixed = shuffle(six) groups=3
last = conv(mixed) outputs=8 kernel=1
mean = adaptive-average(last)
flat = flatten(mean)
classifier = linear(flat) outputs=10
";
/// torchvision's.
const IMAGENET: &str = "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225";

/// The built-in images as `data` and, normalised by torchvision's constants, as `other`; the network of [`MINE`]
/// trained on the former, and its weights in files of other programs.
fn house() -> Place {
    let place = Place::new();
    file::write(&place.path("mine.net"), MINE.as_bytes()).expect("writes");
    place.succeeds("data-cifar synth --train 300 --test 100 --out data");
    place.succeeds("data-cifar synth --train 300 --test 100 --normalise imagenet --out other");
    place.succeeds("trainer --data data --network mine.net --epochs 1 --out dense");
    place.succeeds("models export dense --out mine.safetensors");
    place.succeeds("models export dense --out mine.onnx");
    place
}

fn imagenet() -> Normalisation {
    Normalisation { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
}

/// What `checkpoint` says.
fn known(place: &Place, checkpoint: &str) -> Normalisation {
    place.manifest(checkpoint).network.expect("a network").normalisation.expect("recorded")
}

/// The logits of `checkpoint` for the test images of `data`.
fn logits(place: &Place, checkpoint: &str, data: &str) -> Vec<f32> {
    let line =
        format!("models predict {checkpoint} --data {data} --fresh --out logits.safetensors");
    place.succeeds(&line);
    let (tensors, _) = tensors::read(&place.path("logits.safetensors")).expect("reads");
    tensors["logits"].as_f32().expect("floats").to_vec()
}

#[test]
fn images_are_normalised_as_the_network_says() {
    let place = house();
    place.succeeds(&format!(
        "models import mine.safetensors --network mine.net {IMAGENET} --out imported"
    ));
    place.succeeds(&format!("models import mine.onnx {IMAGENET} --out from-onnx"));
    assert_eq!((known(&place, "imported"), known(&place, "from-onnx")), (imagenet(), imagenet()));
    // A bare file knows of none: the dataset's is taken, which here is torchvision's.
    let expected = logits(&place, "mine.safetensors --network mine.net", "other");
    assert_eq!(logits(&place, "imported", "data"), expected);
    assert_ne!(logits(&place, "dense", "data"), expected);
    let said = place.succeeds("models eval imported --data data");
    let told = "data: images are normalised with the network's mean [0.485, 0.456, 0.406] and std";
    assert!(said.err.contains(told), "{}", said.err);
    assert!(!place.succeeds("models eval imported --data other").err.contains(told));
    let said = place.succeeds("models show imported");
    assert!(said.err.contains("normalised with mean [0.485, 0.456, 0.406]"), "{}", said.err);
    place.succeeds("models export imported --out noted.onnx");
    let (onnx, mean) = (place.bytes("noted.onnx"), b"[0.485,0.456,0.406]");
    assert!(onnx.windows(mean.len()).any(|w| w == mean), "the file notes the mean");
}

#[test]
fn whatever_is_made_of_a_network_keeps_its_normalisation() {
    let place = house();
    file::write(&place.path("names.txt"), b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n").expect("writes");
    let import = "models import mine.onnx --classes names.txt";
    place.succeeds(&format!("{import} {IMAGENET} --out imported"));
    place.succeeds("pruner --checkpoint imported --sparsity 0.5 --out pruned");
    let on = "--data data --classes-of data --epochs 1";
    place.succeeds(&format!("finetuner --checkpoint pruned {on} --out tuned"));
    place.succeeds(&format!("trainer --network mine.net --init-from imported {on} --out on"));
    place.succeeds("deployer pack tuned --out tuned.safetensors");
    place.succeeds("deployer verify tuned.safetensors --against tuned --data data");
    place.succeeds("deployer unpack tuned.safetensors --out back");
    for checkpoint in ["pruned", "tuned", "on", "back"] {
        assert_eq!(known(&place, checkpoint), imagenet(), "{checkpoint}");
    }
    // A file needs no dataset where the network knows what the file takes along.
    place.succeeds("deployer pack imported --out imported.safetensors");
    let bytes = place.bytes("imported.safetensors");
    let packed = packed::unpack(&bytes, &place.path("imported.safetensors")).expect("opens");
    assert_eq!(packed.info.normalisation(), imagenet());
    // An ONNX file of ours notes both, a bare state_dict nothing.
    place.succeeds("models import mine.onnx --out noted");
    place.succeeds("deployer pack noted --out noted.safetensors");
    let bare = format!("models import mine.safetensors --network mine.net {IMAGENET}");
    place.succeeds(&format!("{bare} --out nameless"));
    place.refuses(
        "deployer pack nameless --out nameless.safetensors",
        3,
        "does not say its class names and normalisation",
    );
}

#[test]
fn a_trained_network_keeps_what_it_was_trained_with() {
    let place = house();
    assert_ne!(known(&place, "dense"), imagenet());
    assert_eq!(logits(&place, "dense", "other"), logits(&place, "dense", "data"));
}

#[test]
fn a_normalisation_that_cannot_be_is_refused() {
    let place = house();
    let refuses = |flags: &str, code: i32, expected: &str| {
        place.refuses(&format!("models import mine.onnx {flags} --out a"), code, expected);
    };
    let wanted = "expected one number for each of 3 channels, for pixels from 0 to 1";
    refuses("--mean 0.5 --std 0.25", 3, wanted);
    refuses("--mean 0.5,0.5,0.5 --std 0.25,0.25", 3, wanted);
    refuses("--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375", 3, wanted);
    refuses("--mean 0.5,0.5,0.5 --std 0.25,0,0.25", 3, wanted);
    refuses("--mean nan,0.5,0.5 --std 0.25,0.25,0.25", 3, wanted);
    refuses("--mean 0.5,0.5,0.5", 2, "--std <R,G,B>");
    refuses("--mean 0.5,half,0.5 --std 0.25,0.25,0.25", 2, "invalid value 'half'");
}

#[test]
fn norms_that_are_put_in_leave_the_answers_as_they_are() {
    let place = house();
    place.succeeds(&format!("models import mine.onnx {IMAGENET} --out plain"));
    let import = format!("models import mine.onnx {IMAGENET} --insert-norms --data data");
    let said = place.succeeds(&format!("{import} --out normed"));
    let told = "batch norms inserted after convolutions: 2, calibrated on";
    assert!(said.err.contains(told), "{}", said.err);
    let graph = place.succeeds("models show normed").out;
    for line in ["stem_norm = batch-norm(stem)", "last_norm = batch-norm(last)"] {
        assert!(graph.contains(line), "{graph}");
    }
    let (found, expected) = (logits(&place, "normed", "data"), logits(&place, "plain", "data"));
    let most = expected.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off <= 1e-4 * most, "{off} of {most}");
    let (tensors, _) = tensors::read(&place.path("normed/model.safetensors")).expect("reads");
    let of = |name: &str| tensors[name].as_f32().map(<[f32]>::to_vec).expect("floats");
    assert_eq!(of("stem_norm.bias"), of("stem_norm.running_mean"));
    assert!(of("stem_norm.running_var").iter().any(|v| *v > 0.0 && *v != 1.0));
    // What it was calibrated on is none of its past as a dataset to train on.
    let inputs = place.manifest("normed").inputs;
    assert_eq!(inputs.last().map(|i| i.role.as_str()), Some("calibration"));
    let refuses = |flags: &str, expected: &str| {
        place.refuses(&format!("models import {flags} --out a"), 3, expected);
    };
    refuses(
        "mine.onnx --insert-norms",
        "--insert-norms: needs --data DIR, a dataset made by data-cifar",
    );
    refuses("mine.onnx --data data", "--data: has no effect by itself; --insert-norms measures");
    refuses("mine.safetensors --network mine.net --data data", "--data: has no effect on mine.saf");
}

#[test]
fn operations_without_a_fast_kernel_are_told_once() {
    let place = house();
    let told = |line: &str| {
        let said = place.succeeds(line);
        let expected = "1 of 10 operations computed by plain loops (no fast kernel): mixed";
        assert_eq!(said.err.matches(expected).count(), 1, "{line}: {}", said.err);
    };
    place.succeeds("deployer pack dense --out p.safetensors");
    told("trainer --data data --network mine.net --epochs 2 --out again -v");
    told("models eval dense again --data data -v");
    told("deployer verify p.safetensors --against dense --data data -v");
    told("deployer bench p.safetensors --batch 1,16 --repeat 1 -v");
    let silent = place.succeeds("models eval dense --data data").err;
    assert!(!silent.contains("plain loops"), "{silent}");
    let said = place.succeeds("deployer bench p.safetensors --batch 16 --repeat 1 --layers");
    assert!(said.out.contains("plain loops, by"), "{}", said.out);
}
