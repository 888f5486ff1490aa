//! Every operation on a GPU against the processor. Where there is no GPU a line says so: that is no
//! pass. With `SECATEUR_NEEDS_CUDA=1` it is a failure.
#![cfg(feature = "cuda")]

use std::io::Write as _;

use engine::{Precision, conformance, device};

fn check(precision: Precision) {
    let device = match device::cuda(0, precision) {
        Ok(device) => device,
        Err(e) => {
            assert!(std::env::var_os("SECATEUR_NEEDS_CUDA").is_none(), "{e}");
            // Past the test harness, which keeps what passing tests print to itself.
            let line = format!("SKIPPED: conformance in {precision}, nothing was checked: {e}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("prints");
            return;
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
