//! A checkpoint remembers its classes, and a dataset of other ones is not taken for its own.

use house_tests::{Place, binaries};
use packed::unpack;

/// Three plain colours, as (red, green, blue).
const COLOURS: [(&str, [u8; 3]); 3] =
    [("red", [220, 20, 20]), ("green", [20, 220, 20]), ("blue", [20, 20, 220])];
const EVAL: &str = "models eval dense --json --data";

/// CIFAR-10's binary layout in the folder `name`: the same pictures whatever the order of `classes`,
/// each of which is a colour's name behind a prefix.
fn set(place: &Place, name: &str, classes: [&str; 3]) {
    let label = |colour: &str| classes.iter().position(|c| c.ends_with(colour)).expect("named");
    let record = |i: usize| {
        let (colour, rgb) = COLOURS[i % 3];
        let pixels = rgb.iter().flat_map(|&v| (0..1024).map(move |p| v ^ (p * 7 + i) as u8 & 15));
        std::iter::once(label(colour) as u8).chain(pixels).collect::<Vec<u8>>()
    };
    let records = |from: usize| (from..from + 12).flat_map(record).collect::<Vec<u8>>();
    for batch in 1..=5 {
        place.write(&format!("{name}-files/data_batch_{batch}.bin"), &records(batch * 12));
    }
    place.write(&format!("{name}-files/test_batch.bin"), &records(0));
    place.write(&format!("{name}-files/batches.meta.txt"), classes.join("\n").as_bytes());
    place.succeeds(&format!("data-cifar import {name}-files --out {name}"));
}

/// A network trained on `own`; `turned` has its classes in another order, `strange` under other names.
fn house() -> Place {
    let place = Place::new();
    set(&place, "own", ["red", "green", "blue"]);
    set(&place, "turned", ["blue", "red", "green"]);
    set(&place, "strange", ["1-red", "2-green", "3-blue"]);
    place.succeeds("trainer --data own --network vgg-lab@0.0625 --batch 8 --epochs 2 --out dense");
    place
}

#[test]
fn other_classes_are_refused_with_both_lists_by_whatever_meets_them() {
    let place = house();
    place.succeeds("pruner --checkpoint dense --sparsity 0.5 --out pruned");
    for line in [
        "models eval dense --data turned",
        "models predict dense --data turned --out logits.safetensors",
        "finetuner --checkpoint pruned --epochs 1 --data turned --out out",
        "trainer --init-from dense --network vgg-lab@0.0625 --epochs 1 --data turned --out out",
        "scanner --checkpoint dense --ratios 0.5 --data turned --out out",
        "deployer pack dense --data turned --out packed.safetensors",
        "deployer deploy --checkpoint dense --data turned --out out",
    ] {
        let both =
            "its classes are blue, red, green; the checkpoint was trained on red, green, blue";
        place.refuses(line, 3, both);
        let strange = line.replace("turned", "strange");
        place.refuses(&strange, 3, "its classes are 1-red, 2-green, 3-blue; the checkpoint");
    }
    // What a pruner made remembers them too, and so does what is unpacked.
    place.refuses("models eval pruned --data turned", 3, "go on with --classes-of checkpoint");
    place.succeeds("deployer pack dense --out packed.safetensors");
    place.succeeds("deployer unpack packed.safetensors --out back");
    place.refuses("models eval back --data turned", 3, "go on with --classes-of checkpoint");
}

#[test]
fn a_flag_goes_on_by_name_or_by_number() {
    let place = house();
    let scores = |arguments: &str| -> serde_json::Value {
        let said = place.succeeds(&format!("{EVAL} {arguments}"));
        serde_json::from_str::<serde_json::Value>(&said.out).expect("rows")[0]["scores"].clone()
    };
    let own = scores("own");
    assert_eq!(scores("turned --classes-of checkpoint"), own, "matched by name");
    assert_eq!(scores("strange --classes-of data"), own, "the same numbers");
    assert_eq!(scores("strange --classes-of ignore"), own, "the same numbers");
    assert_ne!(scores("turned --classes-of ignore"), own, "the same numbers mean other classes");
    let strange = format!("{EVAL} strange --classes-of checkpoint");
    place.refuses(&strange, 3, "its class 1-red is none of the checkpoint's (red, green, blue)");
}

#[test]
fn a_packed_file_names_the_classes_that_were_chosen() {
    let place = house();
    let names = |which: &str| {
        let line =
            format!("deployer pack dense --data strange --classes-of {which} --fresh --out p");
        place.succeeds(&line);
        let packed = unpack(&place.bytes("p"), &binaries().join("p")).expect("opens");
        packed.info.classes
    };
    assert_eq!(names("data"), ["1-red", "2-green", "3-blue"]);
    assert_eq!(names("ignore"), ["red", "green", "blue"]);
    place.succeeds("deployer pack dense --data turned --classes-of checkpoint --fresh --out p");
    let packed = unpack(&place.bytes("p"), &binaries().join("p")).expect("opens");
    assert_eq!(packed.info.classes, ["red", "green", "blue"]);
}
