//! A checkpoint packed, restored, verified, timed and asked; and what is wrong with packed files.

use artifact::record::{Deployment, Sparsity, Unpacking};
use artifact::tensors::Values;
use artifact::{Timings, file, names};
use house_tests::{Place, copy};
use serde_json::Value;

/// A dataset, a checkpoint pruned to a tenth, and its packed file.
fn house() -> Place {
    let place = Place::new();
    place.succeeds("data-cifar synth --train 200 --test 60 --out data");
    place.succeeds("trainer --data data --network resnet18@0.125 --epochs 1 --out dense");
    place.succeeds("pruner --checkpoint dense --sparsity 0.9 --out pruned");
    place.succeeds("deployer pack pruned --out f32.safetensors");
    place
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_packed_checkpoint_comes_back_bit_for_bit() {
    let place = house();
    let dense = place.bytes("pruned/model.safetensors");
    let packed = place.bytes("f32.safetensors");
    assert!(packed.len() * 5 < dense.len(), "{} of {}", packed.len(), dense.len());
    place.succeeds("deployer unpack f32.safetensors --out back");
    for file in [names::MODEL, names::MASK] {
        let path = |folder: &str| format!("{folder}/{file}");
        assert!(place.bytes(&path("back")) == place.bytes(&path("pruned")), "{file} differs");
    }
    let result: Unpacking = place.manifest("back").result(&place.path("back")).expect("a result");
    assert!(result.exact && !result.folded);
    // Packing is a function of the checkpoint alone.
    place.succeeds("deployer pack back --data data --out again.safetensors");
    assert!(place.bytes("again.safetensors") == packed);
    for values in ["f16", "int8", "codebook4"] {
        let line = format!("deployer pack pruned --values {values} --norms fold --out {values}.st");
        place.succeeds(&line);
        assert!(place.bytes(&format!("{values}.st")).len() < packed.len(), "{values}");
        place.succeeds(&format!("deployer verify {values}.st --against pruned --data data"));
        place.succeeds(&format!("deployer unpack {values}.st --out from-{values}"));
        let eval = format!("models eval --json --data data from-{values}");
        let sparsity: Sparsity =
            serde_json::from_value(json(&place.succeeds(&eval).out)[0]["sparsity"].clone())
                .expect("a row");
        assert!(sparsity.of_prunable > 0.89, "{values}: {sparsity:?}");
    }
}

#[test]
fn a_packed_network_answers_as_its_checkpoint_does() {
    let place = house();
    let said = place.succeeds("deployer verify f32.safetensors --against pruned --data data");
    assert!(said.out.starts_with("60 test images: the same class on 60"), "{}", said.out);
    let said =
        place.succeeds("deployer bench f32.safetensors --batch 1,16 --repeat 2 --json --layers");
    let rows = json(&said.out);
    for (row, batch) in rows.as_array().expect("rows").iter().zip([1, 16]) {
        assert_eq!(row["batch"], batch);
        assert!(
            row["milliseconds"].as_f64() > Some(0.0) && row["times_faster"].as_f64() > Some(0.0)
        );
        let layers = row["layers"].as_array().expect("layers");
        assert!(layers.iter().any(|l| l["name"] == "layer1.0.conv1"), "{layers:?}");
    }
    let table = place.succeeds("deployer bench f32.safetensors --batch 1 --repeat 1 --layers");
    assert!(table.out.lines().all(|line| line.chars().count() <= 80), "{}", table.out);
    let table = place.succeeds("deployer inspect f32.safetensors").out;
    assert!(table.contains("layer4.1.conv2.weight") && table.contains("dense, f32"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let sizes = json(&place.succeeds("deployer inspect f32.safetensors --json").out);
    assert_eq!(sizes["file"], place.bytes("f32.safetensors").len());
}

#[test]
fn a_deployment_is_an_artifact() {
    let place = house();
    let line =
        "deployer deploy --checkpoint pruned --data data --batch 1,16 --repeat 2 --out deployed";
    place.succeeds(line);
    assert!(place.bytes("deployed/packed.safetensors") == place.bytes("f32.safetensors"));
    let folder = place.path("deployed");
    let result: Deployment = place.manifest("deployed").result(&folder).expect("a result");
    assert_eq!((result.verification.images, result.verification.same), (60, 60));
    assert_eq!(result.bytes, place.bytes("f32.safetensors").len() as u64);
    let speeds = Timings::read(&folder).expect("timings").speeds;
    assert_eq!(speeds.iter().map(|s| s.batch).collect::<Vec<_>>(), [1, 16]);
    assert!(place.succeeds(line).err.contains("already done"));
}

#[test]
fn a_network_in_integers_answers_as_its_checkpoint_does() {
    let place = house();
    place.succeeds("pruner --checkpoint dense --sparsity 0.8 --structure block4 --out blocks");
    for from in ["pruned", "blocks"] {
        let line = format!("deployer pack {from} --values int8 --activations int8 --out {from}.st");
        place.succeeds(&line);
        place.succeeds(&format!("deployer pack {from} --values int8 --out {from}-weights.st"));
        let bytes = |name: &str| place.bytes(&format!("{from}{name}.st")).len();
        // Ranges of 23 layers as text.
        assert!(bytes("") < bytes("-weights") + 3_500, "{} {}", bytes(""), bytes("-weights"));
        let line = format!("deployer verify {from}.st --against {from} --data data");
        let said = place.succeeds(&line);
        assert!(said.out.starts_with("60 test images: the same class on "), "{}", said.out);
        let line = format!("deployer bench {from}.st --batch 1,16 --repeat 1 --layers");
        let table = place.succeeds(&line).out;
        assert!(table.contains("values int8 (W8A8)") && table.contains(", int8"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        let table = place.succeeds(&format!("deployer inspect {from}.st")).out;
        for words in ["ranges by squared-error on 180 training images", "layer4.1.conv2   "] {
            assert!(table.contains(words), "{table} lacks {words}");
        }
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }
    // The same network, ranges and bits, by another rule and fewer images.
    let line = "deployer pack pruned --values int8 --activations int8 --ranges percentile \
                --calibration-images 20 --out other.st";
    place.succeeds(line);
    place.succeeds("deployer verify other.st --against pruned --data data");
    let sizes = json(&place.succeeds("deployer inspect other.st --json").out);
    assert_eq!(sizes["integers"]["calibration"]["images"], 20, "{sizes}");
    place.write("photos/red.png", &png(40, 30, [200, 10, 10]));
    let [floats, integers] = ["f32.safetensors", "pruned.st"].map(|file| {
        let said = place.succeeds(&format!("deployer predict {file} photos --top 10 --json"));
        let rows = json(&said.out)[0]["classes"].as_array().expect("classes").clone();
        let class = |row: &Value| {
            let name = row["class"].as_str().expect("a name").to_owned();
            (name, row["probability"].as_f64().expect("a number"))
        };
        rows.iter().map(class).collect::<std::collections::BTreeMap<_, _>>()
    });
    for (class, probability) in &floats {
        let off = (probability - integers[class]).abs();
        assert!(off < 0.05, "{class}: {probability} and {}", integers[class]);
    }
    let line = "deployer deploy --checkpoint blocks --data data --values int8 --activations int8 \
                --batch 16 --repeat 1 --out deployed";
    place.succeeds(line);
    let result: Deployment =
        place.manifest("deployed").result(&place.path("deployed")).expect("a result");
    assert_eq!(result.kind(), "int8 (W8A8)");
    let integers = "deployer pack pruned --activations int8 --out x.st";
    place.refuses(integers, 3, "activations in integers: values are f32; expected int8");
    let line = format!("{integers} --values int8 --norms keep");
    place.refuses(&line, 3, "norms are kept; expected them folded");
    place.refuses(
        &format!("{integers} --values int8 --calibration-images 0"),
        2,
        "0 is not in 1..",
    );
    copy(&place.path("data"), &place.path("moved"));
    std::fs::remove_dir_all(place.path("data")).expect("goes");
    place.refuses(&format!("{integers} --values int8"), 3, "name one with --data");
}

/// A depthwise chain, whose channels are equalised, and a norm that stands by itself, which has no weight to round.
const CHAIN: &str = "secateur-graph 1
image = input channels=3 height=32 width=32
first = conv(image) outputs=8 kernel=3 stride=2 padding=1 bias=false
first-norm = batch-norm(first)
wide = conv(first-norm) outputs=24 kernel=1 bias=false
wide-norm = batch-norm(wide)
relu = relu6(wide-norm)
each = conv(relu) outputs=24 kernel=3 padding=1 groups=24 bias=false
each-norm = batch-norm(each)
each-relu = relu6(each-norm)
both = concat(each-relu, wide-norm)
norm = batch-norm(both)
pool = adaptive-average(norm)
fc = linear(pool) outputs=10
";

#[test]
fn a_depthwise_chain_in_integers() {
    let place = house();
    // Another reader of the chain's layer would forbid it.
    place.write(
        "chain.net",
        CHAIN
            .replace(", wide-norm)", ")")
            .replace("concat(each-relu)", "relu(each-relu)")
            .as_bytes(),
    );
    place.write("twice.net", CHAIN.as_bytes());
    for (name, expected) in [("chain", true), ("twice", false)] {
        let line =
            format!("trainer --data data --network {name}.net --epochs 2 --batch 32 --out {name}");
        place.succeeds(&line);
        let line = format!("deployer pack {name} --values int8 --activations int8 --out {name}.st");
        place.succeeds(&line);
        let sizes = json(&place.succeeds(&format!("deployer inspect {name}.st --json")).out);
        let equalised = &sizes["integers"]["equalised"]["wide"]["reader"];
        assert_eq!(equalised == "each", expected, "{name}: {sizes}");
        let said =
            place.succeeds(&format!("deployer verify {name}.st --against {name} --data data"));
        assert!(said.out.starts_with("60 test images: the same class on "), "{}", said.out);
        let said = json(
            &place
                .succeeds(&format!("deployer verify {name}.st --against {name} --data data --json"))
                .out,
        );
        assert!(said["difference"].as_f64() < Some(0.1), "{name}: {said}");
    }
}

#[test]
fn pictures_of_any_size_are_named() {
    let place = house();
    place.write("photos/red.png", &png(40, 30, [200, 10, 10]));
    place.write("photos/blue.png", &png(7, 90, [10, 10, 200]));
    let said = place.succeeds("deployer predict f32.safetensors photos --top 2 --json");
    let all = json(&said.out);
    let rows = all.as_array().expect("pictures");
    assert_eq!(rows.len(), 2);
    for row in rows {
        let classes = row["classes"].as_array().expect("classes");
        let of = |i: usize| classes[i]["probability"].as_f64().expect("a number");
        assert!(classes.len() == 2 && of(0) >= of(1) && of(0) <= 1.0, "{row}");
    }
    let table = place.succeeds("deployer predict f32.safetensors photos/red.png").out;
    assert!(table.contains("photos/red.png") && table.contains('%'), "{table}");
}

#[test]
fn a_file_that_only_claims_to_be_of_the_checkpoint_is_doubted() {
    let place = house();
    place.succeeds("deployer pack pruned --values int8 --out int8.st");
    let unpacked = |name: &str| {
        let path = place.path(name);
        packed::unpack(&place.bytes(name), &path).expect("sound")
    };
    let honest = unpacked("int8.st");
    let forge = |name: &str, change: &dyn Fn(&mut packed::Contents)| {
        let whole = unpacked("f32.safetensors");
        let (tensors, masks) = (whole.tensors(), whole.masks());
        let (graph, info) = (whole.graph.clone(), whole.info.clone());
        let mut contents = packed::Contents { graph, tensors, masks, info, integers: None };
        change(&mut contents);
        let bytes = packed::pack(&contents, &honest.options).expect("packs");
        place.write(name, &bytes);
    };
    forge("same.st", &|_| ());
    assert!(place.bytes("same.st") == place.bytes("int8.st"), "packing is a function");
    forge("other.st", &|contents| {
        let weight = contents.tensors.get_mut("conv1.weight").expect("the first layer");
        if let Values::F32(values) = &mut weight.values {
            for v in values {
                *v = -*v;
            }
        }
    });
    forge("names.st", &|contents| contents.info.classes.reverse());
    forge("mean.st", &|contents| contents.info.mean[0] /= 2.0);
    for (file, expected) in [
        ("other.st", "tensor conv1.weight is not what the checkpoint packs to"),
        ("names.st", "its class names are not those of checkpoint and dataset"),
        ("mean.st", "its mean and deviation are not those of checkpoint and dataset"),
    ] {
        let line = format!("deployer verify {file} --against pruned --data data");
        place.refuses(&line, 5, expected);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let place = house();
    place.write("text.png", b"no picture");
    place.write("empty/notes.txt", b"");
    let mut huge = png(1, 1, [0; 3]);
    huge[16..24].copy_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10]);
    huge[29..33].copy_from_slice(&0x352C_F570_u32.to_be_bytes());
    place.write("huge.png", &huge);
    let packed = place.bytes("f32.safetensors");
    place.write("cut.st", &packed[..packed.len() / 2]);
    let mut flipped = packed.clone();
    let last = flipped.len() - 100;
    flipped[last] ^= 1;
    place.write("flipped.st", &flipped);
    place.succeeds("trainer --data data --network vgg-lab@0.0625 --epochs 1 --out other");
    place.succeeds("trainer --data data --network resnet18@0.125 --epochs 1 --seed 7 --out twin");
    let cases = [
        (
            "deployer pack pruned --out f32.safetensors",
            3,
            "f32.safetensors: exists; choose another",
        ),
        ("deployer pack nowhere --out x.st", 4, "nowhere: no such folder"),
        ("deployer pack data --out x.st", 3, "data: made by data-cifar, whose artifact holds no"),
        ("deployer inspect nothing.st", 4, "nothing.st: no such file"),
        ("deployer bench pruned/model.safetensors", 3, "pruned/model.safetensors:"),
        ("deployer inspect cut.st", 5, "cut.st: not a whole safetensors file"),
        ("deployer predict flipped.st text.png", 5, "flipped.st:"),
        ("deployer verify f32.safetensors --against other --data data", 5, "holds resnet18@0.125"),
        (
            "deployer verify f32.safetensors --against twin --data data",
            5,
            "packed from weights with",
        ),
        ("deployer predict f32.safetensors text.png", 5, "text.png: not a PNG, JPEG"),
        ("deployer predict f32.safetensors empty", 4, "empty: holds no picture"),
        ("deployer bench f32.safetensors --batch 0", 2, "0 is not in 1..=4096"),
        ("deployer predict f32.safetensors huge.png", 3, "10000 x 10000 pixels; expected at most"),
        ("deployer unpack text.png --out x", 5, "text.png: not a whole safetensors file"),
    ];
    for (line, code, expected) in cases {
        place.refuses(line, code, expected);
    }
    // What was trained knows its classes and its normalisation, wherever the dataset is.
    copy(&place.path("data"), &place.path("moved"));
    std::fs::remove_dir_all(place.path("data")).expect("goes");
    place.succeeds("deployer pack pruned --out y.st");
    assert!(file::read(&place.path("y.st")).expect("reads") == packed);
    place.succeeds("deployer pack pruned --data moved --out x.st");
    assert!(file::read(&place.path("x.st")).expect("reads") == packed);
}

/// A picture of one colour.
fn png(w: u32, h: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_pixel(w, h, image::Rgb(colour));
    image.write_to(&mut bytes, image::ImageFormat::Png).expect("into memory");
    bytes.into_inner()
}
