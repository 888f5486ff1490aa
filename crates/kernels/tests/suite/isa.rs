//! The suite once more with each set of vector instructions that this machine has, in processes of
//! their own: the choice is made once a process.

use std::process::{Command, Output};

use kernels::isa::{VARIABLE, name};

use crate::check;

/// Cases of each property test: without vectors they take long.
const CASES: &str = "20";
/// What is run once only: the tests here, and those of threads, which the instructions leave as
/// they are.
const SKIPPED: [&str; 2] = ["isa::again", "threads::"];

/// Runs this program as `SECATEUR_SIMD=word`.
fn run(word: &str, arguments: &[&str]) -> Output {
    let program = std::env::current_exe().expect("the suite has a path");
    let mut command = Command::new(program);
    command.env(VARIABLE, word).env(check::CASES, CASES).args(arguments);
    command.output().expect("the suite starts")
}

/// What `output` shows of the tests and their panics.
fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// The word of the environment, if any, is the one in use.
#[test]
fn in_use() {
    let name = name().unwrap_or_else(|e| panic!("{e}"));
    if let Ok(word) = std::env::var(VARIABLE) {
        assert_eq!(word, name);
    }
}

mod again {
    use super::*;

    /// What comes before and after the names in the message about a word that is none.
    const AROUND: [&str; 2] = ["SECATEUR_SIMD=mmx: expected one of ", " on this machine"];

    /// The names of this machine's instructions, from the message that `test` fails with.
    #[track_caller]
    fn names(test: &str) -> Vec<String> {
        let output = run("mmx", &["--exact", test]);
        assert!(!output.status.success(), "{test} ran");
        let text = text(&output);
        let names = text.split_once(AROUND[0]).and_then(|(_, rest)| rest.split_once(AROUND[1]));
        let (names, _) = names.unwrap_or_else(|| panic!("no names in {text}"));
        names.split(", ").map(str::to_string).collect()
    }

    #[test]
    fn unknown_word_names_the_known_ones() {
        let known = names("isa::in_use");
        assert_eq!(known.last().map(String::as_str), Some("scalar"));
        assert_eq!(names("conv::one_weight_one_pixel"), known);
    }

    #[test]
    fn each_set_of_instructions() {
        let arguments = SKIPPED.map(|name| ["--skip", name]).concat();
        let used = name().expect("the tests run");
        for other in names("isa::in_use").iter().filter(|name| *name != used) {
            let output = run(other, &arguments);
            let text = text(&output);
            assert!(output.status.success(), "{other}: {text}");
            let passed = text.split_once("test result: ok. ").and_then(|(_, t)| t.split_once(' '));
            let passed = passed.and_then(|(count, _)| count.parse::<usize>().ok());
            assert!(passed.is_some_and(|count| count >= 50), "{other}: {passed:?} tests");
        }
    }
}
