//! The fault run: every stage under kills, failing calls, full disks, limits and damaged files.
//!
//! Each trial runs one stage's command on tiny data with one fault, looks at how it ended and at
//! what stands at `--out`, then runs the same command without the fault. Whatever the fault, a
//! stage must end with the right bytes, or with a documented exit code and a message; the artifact
//! that stood there before must still stand; and going on must lead to the bytes of an undisturbed
//! run. `make faults` prints how many trials of each kind did; docs/reliability.md holds the table.

mod baseline;
mod content;
mod damage;
mod desk;
mod fault;
mod flags;
mod judge;
mod parsers;
mod process;
mod shim;
mod sources;
mod stages;
mod table;
mod trials;
mod work;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    work::run(&flags::Flags::parse())
}
