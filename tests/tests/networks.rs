//! Networks that are not of the zoo: as a text, as an ONNX file, and as earlier versions wrote them.

use artifact::file;
use artifact::tensors::{self, Tensor};
use graph::Graph;
use house_tests::{Place, copy};

/// A network of many operations for the built-in images.
const MINE: &str = "\
secateur-graph 1
image = input channels=3 height=32 width=32
stem = conv(image) outputs=8 kernel=3 stride=2 padding=1 bias=false
norm = batch-norm(stem) eps=0.001
act = hard-swish(norm)
left = slice(act) end=4
right = slice(act) start=4 end=8
wide = conv(right) outputs=4 kernel=1x5 padding=0x2
tall = conv(wide) outputs=4 kernel=5x1 padding=2x0 groups=2
six = relu6(tall)
both = concat(left, six)
mixed = shuffle(both) groups=2
mean = adaptive-average(mixed)
squeeze = conv(mean) outputs=8 kernel=1
gate = hard-sigmoid(squeeze)
gated = multiply(mixed, gate)
more = pad-channels(gated) after=4
pooled = max-pool(more) kernel=3 stride=2 padding=1 ceil=true
layer = layer-norm(pooled)
each = linear(layer) outputs=12
gelu = gelu(each)
scale = scale(gelu)
drop = stochastic-depth(scale) probability=0.1
sum = add(drop, pooled)
blur = average-pool(sum) kernel=3 stride=2 padding=1 count-padding=false
borders = pad-borders(blur) padding=0x1
flat = flatten(borders)
classifier = linear(flat) outputs=10
";

/// A dataset, and the network of [`MINE`] trained on it for an epoch.
fn house() -> Place {
    let place = Place::new();
    file::write(&place.path("mine.net"), MINE.as_bytes()).expect("writes");
    place.succeeds("data-cifar synth --train 300 --test 100 --out data");
    place.succeeds("trainer --data data --network mine.net --epochs 1 --out dense");
    place
}

#[test]
fn a_network_of_ones_own_goes_all_the_way() {
    let place = house();
    assert_eq!(place.succeeds("models show dense").out, MINE);
    place.succeeds("pruner --checkpoint dense --sparsity 0.8 --out pruned");
    place.succeeds("finetuner --checkpoint pruned --data data --epochs 1 --out tuned");
    assert_eq!(place.succeeds("models show tuned").out, MINE);
    place.succeeds("deployer pack tuned --norms fold --out mine.safetensors");
    let said = place.succeeds("deployer verify mine.safetensors --against tuned --data data");
    assert!(said.out.starts_with("100 test images: the same class on 100"), "{}", said.out);
    place.succeeds("deployer unpack mine.safetensors --out back");
    assert_eq!(place.succeeds("models show back").out, MINE);
    let said = place.succeeds("deployer bench mine.safetensors --batch 1,16 --repeat 1 --json");
    assert!(said.out.contains("\"network\": \"mine\""), "{}", said.out);
}

#[test]
fn it_comes_back_from_an_onnx_file() {
    let place = house();
    place.succeeds("models export dense --out mine.onnx");
    place.succeeds("models import mine.onnx --out imported");
    let logits = |checkpoint: &str| {
        place.succeeds(&format!(
            "models predict {checkpoint} --data data --out {checkpoint}.logits.safetensors"
        ));
        let path = place.path(&format!("{checkpoint}.logits.safetensors"));
        let (tensors, _) = tensors::read(&path).expect("reads");
        tensors.values().find_map(Tensor::as_f32).expect("logits").to_vec()
    };
    let (found, expected) = (logits("imported"), logits("dense"));
    let off = distance(&found, &expected);
    assert!(off < 1e-5, "the logits differ by {off}");
    // It trains on, and another head can be put on it.
    place.succeeds(
        "trainer --data data --network mine.net --epochs 1 --init-from imported --out on",
    );
    place.succeeds("models import mine.onnx --classes 4 --replace-head --out four");
    let graph = place.succeeds("models show four").out;
    assert!(graph.contains("classifier = linear(flat) outputs=4"), "{graph}");
    let said = place.fails("models import mine.onnx --classes 4 --out other", 3);
    assert!(said.err.contains("is for 10 classes; --replace-head draws"), "{}", said.err);
}

#[test]
fn flags_that_say_nothing_are_refused() {
    let place = house();
    place.succeeds("models export dense --out mine.onnx");
    let check = |line: &str, code: i32, expected: &str| {
        let said = place.fails(line, code);
        assert!(said.err.contains(expected), "{line}: {} lacks {expected}", said.err);
    };
    check("models import mine.onnx --replace-head --out a", 3, "--classes says for how many");
    check("models import mine.onnx --side 16 --out a", 3, "height 32 in the file, 16 given");
    check("models import mine.onnx --like dense --out a", 3, "--like: has no effect on mine.onnx");
    check("models import mine.onnx --classes ten --out a", 4, "neither a number of classes nor");
    check("models show dense --classes 5", 3, "have no effect on a checkpoint");
    let names =
        |text: &str| file::write(&place.path("names.txt"), text.as_bytes()).expect("writes");
    names("a\nb\na\n");
    check("models import mine.onnx --classes names.txt --out a", 3, "class 2 is named \"a\"");
    names("a\nb\n");
    check("models import mine.onnx --classes names.txt --out a", 3, "is for 10 classes");
    place.succeeds("models import mine.onnx --classes names.txt --replace-head --out two");
    assert_eq!(place.manifest("two").network.expect("a network").class_names, ["a", "b"]);
    // Another network under the same name is other work.
    place.succeeds("models export dense --out mine.safetensors");
    let import = "models import mine.safetensors --network mine.net --out again";
    place.succeeds(import);
    file::write(&place.path("mine.net"), MINE.replace("0.001", "0.01").as_bytes()).expect("writes");
    assert!(place.fails(import, 3).err.contains("--fresh"));
}

/// Norm of the difference over the norm.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let wide = |v: &f32| f64::from(*v);
    let off: Vec<f64> = found.iter().zip(expected).map(|(a, b)| wide(a) - wide(b)).collect();
    norm(&off) / norm(&expected.iter().map(wide).collect::<Vec<f64>>())
}

#[test]
fn files_of_earlier_versions_open() {
    let place = Place::new();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format-1");
    copy(&fixtures.join("checkpoint"), &place.path("checkpoint"));
    let bytes = file::read(&fixtures.join("packed.safetensors")).expect("reads");
    file::write(&place.path("packed.safetensors"), &bytes).expect("writes");
    let graph = Graph::build("vgg-lab@0.02", 10, 32).expect("in the zoo");
    assert_eq!(place.succeeds("models show checkpoint").out, graph.to_string());
    place.succeeds("data-cifar synth --train 100 --test 50 --out data");
    let said =
        place.succeeds("deployer verify packed.safetensors --against checkpoint --data data");
    assert!(said.out.starts_with("50 test images: the same class on 50"), "{}", said.out);
    // As they answered then.
    place.succeeds("models predict checkpoint --data data --out logits.safetensors");
    let logits = |path: &std::path::Path| {
        let (tensors, _) = tensors::read(path).expect("reads");
        tensors.values().find_map(Tensor::as_f32).expect("logits").to_vec()
    };
    let found = logits(&place.path("logits.safetensors"));
    let off = distance(&found, &logits(&fixtures.join("logits.safetensors")));
    assert!(off < 1e-5, "the logits differ by {off}");
    // What is made of it now holds the graph.
    place.succeeds("finetuner --checkpoint checkpoint --data data --epochs 1 --out tuned");
    let network = place.manifest("tuned").network.expect("a network");
    assert_eq!(network.graph, Some(graph.to_string()));
}

#[test]
fn texts_that_do_not_fit_leave_nothing_behind() {
    let place = house();
    let check = |from: &str, to: &str, expected: &str| {
        let text = MINE.replace(from, to);
        assert_ne!(text, MINE, "{from}");
        file::write(&place.path("bad.net"), text.as_bytes()).expect("writes");
        let said = place.fails("trainer --data data --network bad.net --epochs 1 --out bad", 3);
        assert!(said.err.contains(expected), "{} lacks {expected}", said.err);
        for left in ["bad", ".bad.partial"] {
            assert!(!file::exists(&place.path(left)).expect("looks"), "{left}");
        }
    };
    check("slice(act) end=4", "slice(nothing) end=4", "bad.net: line 6: node left: reads nothing");
    check("outputs=10", "outputs=9", "node classifier gives 9 logits; expected 10, one per class");
    check(
        "channels=3",
        "channels=1",
        "the network bad takes images of 1x32x32 (channels, height, width)",
    );
    check("kernel=1x5", "kernel=1x50", "line 8: node wide: kernel 1x50");
    let missing = place.fails("trainer --data data --network no.net --epochs 1 --out bad", 4);
    assert!(missing.err.contains("no.net"), "{}", missing.err);
}
