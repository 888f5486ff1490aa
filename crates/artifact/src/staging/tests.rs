//! Commits, whole and cut short.

use super::*;
use crate::yaml::Value;

fn begun(seed: u64) -> Begun {
    Begun { stage: "t".into(), seed, config: Value::Null, inputs: vec![], fresh: false }
}

fn fresh(seed: u64) -> Begun {
    Begun { fresh: true, ..begun(seed) }
}

fn manifest() -> Manifest {
    Manifest {
        format: manifest::FORMAT,
        stage: "t".into(),
        version: "0".into(),
        seed: 1,
        network: None,
        inputs: vec![],
        outputs: vec![],
        config: Value::Null,
        result: Value::Null,
    }
}

fn finished() -> Finished<'static> {
    static NONE: std::sync::LazyLock<Timings> = std::sync::LazyLock::new(Timings::default);
    Finished { manifest: manifest(), timings: &NONE }
}

/// Commits an artifact whose output `x` holds `text`.
fn made(out: &Path, text: &[u8]) -> Result<()> {
    let staging = Staging::open(out, &begun(1))?;
    file::write(&staging.folder().join("x"), text)?;
    staging.commit(finished(), &["x".into()])
}

#[test]
fn a_commit_replaces_the_old_artifact() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("a");
    made(&out, b"old").expect("commits");
    made(&out, b"new").expect("commits");
    assert_eq!(file::read(&out.join("x")).expect("there"), b"new");
    assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 1);
}

#[test]
fn an_old_artifact_that_stepped_aside_comes_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("a");
    made(&out, b"old").expect("commits");
    let old = file::sibling(&out, "old");
    fs::rename(&out, &old).expect("renames");
    Staging::recover(&out, false).expect("returns");
    assert_eq!(file::read(&out.join("x")).expect("there"), b"old");
}

#[test]
fn an_old_artifact_comes_back_when_the_new_one_cannot_be_put_in_place() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("a");
    made(&out, b"old").expect("commits");
    let old = file::sibling(&out, "old");
    let staging = Staging::open(&out, &begun(1)).expect("opens");
    let error = staging.not_in_place(None, &io::Error::other("no room"));
    assert!(error.to_string().contains("cannot be put in place: no room"), "{error}");
    fs::rename(&out, &old).expect("renames");
    let error = staging.not_in_place(Some(&old), &io::Error::other("no room"));
    assert!(error.to_string().contains("stands at its name as before"), "{error}");
    assert_eq!(file::read(&out.join("x")).expect("there"), b"old");
}

#[test]
fn through_a_link_the_artifact_goes_where_the_link_leads() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (out, link) = (dir.path().join("a"), dir.path().join("link"));
    made(&out, b"old").expect("commits");
    symlink(&out, &link).expect("links");
    made(&link, b"new").expect("commits");
    assert_eq!(file::read(&out.join("x")).expect("there"), b"new");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    symlink(dir.path().join("nowhere"), dir.path().join("dangling")).expect("links");
    let error = made(&dir.path().join("dangling"), b"x").expect_err("leads nowhere");
    assert_eq!(error.exit_code(), 3, "{error}");
}

#[test]
fn commit_shows_all_or_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("a");
    let staging = Staging::open(&out, &begun(1)).expect("opens");
    file::write(&staging.folder().join("x"), b"data").expect("writes");
    file::write(&staging.folder().join("state"), b"scratch").expect("writes");
    assert!(!out.exists());
    staging.commit(finished(), &["x".into()]).expect("commits");
    let read = Manifest::read(&out).expect("complete");
    assert_eq!(read.outputs.len(), 1);
    read.verified(&out, "x").expect("digest holds");
    assert!(!out.join("state").exists());
    assert_eq!(begun(1).differs_from(&read), None);
    assert!(begun(2).differs_from(&read).expect("differs").contains("seed 1"));
    file::write(&out.join("x"), b"Data").expect("writes");
    assert_eq!(read.verified(&out, "x").expect_err("changed").exit_code(), 5);
}

#[test]
fn a_commit_cut_short_is_completed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("a");
    Staging::recover(&out, false).expect("nothing to do");
    let staging = Staging::open(&out, &begun(1)).expect("opens");
    file::write(&staging.folder().join("x"), b"data").expect("writes");
    let outputs = manifest::describe(staging.folder(), &["x".into()]).expect("describes");
    let whole = Manifest { outputs, ..manifest() };
    let path = staging.folder().join(names::MANIFEST);
    yaml::write_sealed(&path, &whole).expect("writes");
    drop(staging);
    Staging::recover(&out, false).expect("completes");
    assert_eq!(Manifest::read(&out).expect("complete"), whole);
    let left: Vec<_> = fs::read_dir(dir.path()).expect("listing").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!out.join(names::RUN).exists());
}

#[test]
fn a_commit_cut_short_behind_the_exchange_is_tidied_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("a");
    made(&out, b"new").expect("commits");
    yaml::write_sealed(&out.join(names::RUN), &begun(1)).expect("writes");
    made(&dir.path().join("b"), b"old").expect("commits");
    fs::rename(dir.path().join("b"), file::sibling(&out, "partial")).expect("renames");
    Staging::recover(&out, false).expect("tidies up");
    assert_eq!(file::read(&out.join("x")).expect("there"), b"new");
    assert!(!out.join(names::RUN).exists());
    assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 1);
}

#[test]
fn what_waits_for_its_name_and_is_damaged_is_not_put_in_place() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (out, other) = (dir.path().join("a"), dir.path().join("b"));
    made(&other, b"data").expect("commits");
    yaml::write_sealed(&other.join(names::RUN), &begun(1)).expect("writes");
    file::write(&other.join("x"), b"Data").expect("writes");
    fs::rename(&other, file::sibling(&out, "partial")).expect("renames");
    let error = Staging::recover(&out, false).expect_err("damaged");
    assert_eq!(error.exit_code(), 5, "{error}");
    assert!(error.to_string().contains("discard it with --fresh"), "{error}");
    assert!(!out.exists());
    Staging::recover(&out, true).expect("discards");
    made(&out, b"again").expect("commits");
}

#[test]
fn without_an_exchange_the_old_artifact_steps_aside() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("a");
    made(&out, b"old").expect("commits");
    let staging = Staging::open(&out, &begun(1)).expect("opens");
    file::write(&staging.folder().join("x"), b"new").expect("writes");
    staging.step_aside().expect("replaces");
    assert_eq!(file::read(&out.join("x")).expect("there"), b"new");
    assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 1);
}

#[test]
fn a_run_that_made_nothing_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let staging = Staging::open(&dir.path().join("a"), &begun(1)).expect("opens");
    assert!(staging.folder().join(names::RUN).exists());
    drop(staging);
    assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 0);
}

#[test]
fn an_interrupted_folder_is_continued_only_under_the_same_settings() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("a");
    let first = Staging::open(&out, &begun(1)).expect("opens");
    file::write(&first.folder().join("half"), b"1").expect("writes");
    assert_eq!(Staging::open(&out, &begun(1)).err().expect("held").exit_code(), 8);
    drop(first);
    let again = Staging::open(&out, &begun(1)).expect("continues");
    assert!(again.folder().join("half").exists());
    drop(again);
    assert_eq!(Staging::open(&out, &begun(2)).err().expect("other").exit_code(), 3);
    let other = Staging::open(&out, &fresh(2)).expect("discards");
    assert!(!other.folder().join("half").exists());
    file::write(&other.folder().join("half"), b"2").expect("writes");
    drop(other);
    assert!(Staging::unfinished(&out, &begun(2)).expect("reads"));
    let again = Staging::open(&out, &fresh(2)).expect("goes on");
    assert!(again.folder().join("half").exists(), "a fresh run goes on after an interruption");
}
