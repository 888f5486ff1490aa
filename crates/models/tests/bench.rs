//! `models bench` as a user calls it.

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

/// A run that keeps its measurements in a folder of its own.
fn bench(arguments: &[&str], variables: &[(&str, &str)]) -> std::process::Output {
    let cache = tempfile::tempdir().expect("a temporary folder");
    cargo_bin_cmd!("models")
        .args(["bench", "vgg-lab@0.0625", "--batch", "16", "--repeat", "1"])
        .args(arguments)
        .env("SECATEUR_CACHE", cache.path())
        .envs(variables.iter().copied())
        .output()
        .expect("runs")
}

#[track_caller]
fn json(arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let out = bench(&[arguments, &["--json"]].concat(), variables);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

#[test]
fn a_step_is_timed() {
    for arguments in [
        &["--work", "train", "--sparsity", "0.9"][..],
        &["--work", "infer", "--sparsity", "0.5", "--allocation", "global"],
        &["--work", "infer"],
    ] {
        let row = json(arguments, &[]);
        let milliseconds = row["milliseconds"].as_f64().expect("a number");
        let speed = row["images_per_second"].as_f64().expect("a number");
        assert!((milliseconds * speed / 16e3 - 1.0).abs() < 1e-6, "{row}");
        assert_eq!(row["seconds"].as_array().map(Vec::len), Some(1), "{row}");
    }
}

#[test]
fn layers_alone_are_timed_at_six_densities() {
    let rows = json(&["--layers"], &[]);
    let rows = rows.as_array().expect("a list");
    // Eight convolutions of vgg-lab, of which the last two have one shape.
    assert_eq!(rows.len(), 7 * 6);
    assert!(rows.iter().all(|r| r["inference_gflops"].as_f64().is_some_and(|g| g > 0.0)));
}

#[test]
fn the_instructions_are_those_asked_for() {
    let row = json(&["--work", "infer"], &[("SECATEUR_SIMD", "scalar")]);
    assert_eq!(row["simd"], "scalar");
}

#[test]
fn what_cannot_be_is_refused() {
    let check = |arguments: &[&str], variables: &[(&str, &str)], expected: &str| {
        let out = bench(arguments, variables);
        let text = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(3), "{text}");
        assert!(text.contains(expected), "{text} lacks {expected}");
    };
    check(&["--sparsity", "1.5"], &[], "expected a fraction from 0 to 1");
    check(&[], &[("SECATEUR_SIMD", "mmx")], "SECATEUR_SIMD=mmx: expected one of");
    check(&[], &[("SECATEUR_KERNELS", "slow")], "expected fast or plain");
}
