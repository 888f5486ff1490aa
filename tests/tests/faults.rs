//! A small part of the fault run (`make faults`): one trial of each stage and kind, and a few
//! mutated inputs of each parser.

use std::process::Command;

use house_tests::{binaries, text_of};

#[test]
fn each_stage_bears_one_fault_of_each_kind() {
    let run = Command::new(env!("CARGO_BIN_EXE_faults"))
        .args(["--quick", "--bin"])
        .arg(binaries())
        .output()
        .expect("the fault run starts");
    let (table, failures) = (text_of(&run.stdout), text_of(&run.stderr));
    assert!(run.status.success(), "{failures}{table}");
    assert!(table.contains("trials in"), "{table}");
}
