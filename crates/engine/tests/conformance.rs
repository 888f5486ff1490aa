//! Every operation on a GPU against the processor. Where there is no GPU a line says so: that is no
//! pass. With `SECATEUR_NEEDS_CUDA=1` it is a failure.
#![cfg(feature = "cuda")]

use std::io::Write as _;
use std::process::Command;

use engine::{Precision, conformance, device};

/// Says that nothing was checked, past the test harness, which keeps what passing tests print to itself.
fn skipped(what: &str, why: &str) {
    let line = format!("SKIPPED: conformance {what}, nothing was checked: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("prints");
}

fn check(precision: Precision) {
    let device = match device::cuda(0, precision) {
        Ok(device) => device,
        Err(e) => {
            assert!(std::env::var_os("SECATEUR_NEEDS_CUDA").is_none(), "{e}");
            return skipped(&format!("in {precision}"), &e.to_string());
        }
    };
    let all = conformance::run(&device, precision, |_| {}).expect("runs");
    assert!(all.len() > 400, "{} cases", all.len());
    let bad: Vec<_> = all.iter().filter(|d| !d.holds()).collect();
    assert!(bad.is_empty(), "{} of {} in {precision}: {bad:#?}", bad.len(), all.len());
}

#[test]
fn in_f32() {
    check(Precision::F32);
}

#[test]
fn in_tf32() {
    check(Precision::Tf32);
}

#[test]
fn in_bf16() {
    check(Precision::Bf16);
}

/// As where cuDNN has no algorithm. The emulated one can be told that it has none for any convolution, by a
/// variable of the process.
#[test]
fn by_plain_loops() {
    if std::env::var_os("SECATEUR_EMULATOR").is_none() {
        return skipped("by plain loops", "cuDNN refuses everything on an emulated device alone");
    }
    let own = std::env::current_exe().expect("a program");
    let mut again = Command::new(own);
    again.args(["--exact", "in_f32", "--nocapture"]).env("EMULATED_CUDNN_REFUSES", "1");
    let output = again.output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("SKIPPED"), "{said}");
}
