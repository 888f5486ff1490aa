//! Packed networks in the report: bytes, milliseconds, charts.

mod common;

use artifact::{Manifest, file, names};
use common::run::{holds, keep, page, reporter, world};

#[test]
fn a_packed_network_shows_its_bytes_and_milliseconds() {
    let (_folder, world) = world("vgg-lab@0.125");
    world.tuned("tuned", "dense", 0.9);
    world.deployed("tuned", "f32", 0.9);
    let html = page(&world, "tuned tuned-f32");
    keep(&world, "packed");
    let file = Manifest::read(&world.path("tuned-f32")).expect("complete").outputs[0].bytes;
    let file = artifact::size::thousands(file);
    holds(&html, &["points); file ", "On disk and on the clock", "packed, f32</th>", &file]);
    holds(
        &html,
        &[
            "2 threads, Made-up 9000",
            "<strong>0.141</strong> ± 0.012</td>",
            "6.7× faster",
            "999 of 1,000",
        ],
    );
    holds(&html, &["Packed file", "dense 0.949, 6.7× faster; batch 64", "1,000 test images."]);
    assert!(!html.contains("Accuracy against bytes"), "one network is no curve");
    // Its checkpoint need not be named, nor stand where it stood.
    assert_eq!(page(&world, "--fresh tuned-f32"), html);
    world.finetuner("moved", "pruned-tuned", 0.9);
    std::fs::remove_dir_all(world.path("tuned")).expect("was there");
    holds(&page(&world, "--fresh moved tuned-f32"), &["packed, f32</th>", "not found"]);
    let (_, json, _) = reporter(&world.root, "list . --json");
    holds(&json, &[&format!("\"bytes\": {}", file.replace(',', ""))]);
}

#[test]
fn a_sweep_of_packed_networks_has_charts_of_their_costs() {
    let (_folder, world) = world("resnet18@0.0625");
    let sweep = [("s50", 0.5), ("s75", 0.75), ("s90", 0.9), ("s95", 0.95), ("s97", 0.97)];
    for (name, sparsity) in sweep {
        world.tuned(name, "dense", sparsity);
        world.deployed(name, "f32", sparsity);
        world.deployed(name, "int8", sparsity);
    }
    let folders = sweep.map(|s| format!("{0} {0}-f32 {0}-int8", s.0)).join(" ");
    let html = page(&world, &folders);
    keep(&world, "packed-sweep");
    holds(&html, &["Accuracy against bytes", "Accuracy against milliseconds", "batch 64</text>"]);
    holds(&html, &["s90, int8, 84.0 % pruned: ", ">dense</text>", ">90.6 %</text>"]);
    let csv = |name: &str| file::read_text(&world.path(&format!("r/plots/{name}.csv")));
    let bytes = csv("accuracy-against-bytes").expect("csv");
    assert_eq!(bytes.lines().count(), 1 + 2 * sweep.len() + 1, "{bytes}");
    let times = csv("accuracy-against-milliseconds").expect("csv");
    holds(&times, &["s50,f32,0.4668", "dense,,0,0.931,64,0.949375,,\n"]);
}

#[test]
fn networks_of_one_sparsity_are_told_apart_by_name() {
    let (_folder, world) = world("vgg-lab@0.0625");
    for name in ["rewound", "drawn-anew"] {
        world.tuned(name, "dense", 0.9);
        world.deployed(name, "f32", 0.9);
    }
    let html = page(&world, "rewound-f32 drawn-anew-f32");
    holds(&html, &[">rewound</text>", ">dense</text>"]);
    let chart = html.split("id=\"accuracy-against-bytes\"").nth(1).expect("a chart");
    let chart = chart.split("</figure>").next().expect("its end");
    assert!(!chart.contains("<polyline"), "no line joins them: {chart}");
}

#[test]
fn a_packed_network_of_other_weights_is_refused() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.tuned("tuned", "dense", 0.9);
    world.deployed("tuned", "f32", 0.9);
    let refused = |expected: &str| {
        let (code, _, stderr) = reporter(&world.root, "--out r tuned tuned-f32");
        assert_eq!(code, 5, "{stderr}");
        assert!(stderr.contains(expected), "{stderr} lacks {expected}");
    };
    let packed = world.path("tuned-f32").join(names::PACKED);
    let whole = file::read(&packed).expect("reads");
    file::write(&packed, &whole[1..]).expect("writes");
    refused("make the artifact again");
    file::write(&packed, &whole).expect("writes");
    world.finetuner("tuned", "pruned-tuned", 0.8);
    refused("was made again since");
}
