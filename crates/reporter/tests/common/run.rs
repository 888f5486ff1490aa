//! The binary on a world, and its page.

use std::path::Path;

use artifact::{Manifest, file};

use super::World;

/// Runs `reporter` in `folder`; gives the exit code, stdout and stderr.
pub fn reporter(folder: &Path, arguments: &str) -> (i32, String, String) {
    let out = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("reporter"))
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .expect("starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

/// Makes the report `r` of `arguments` in `world` and gives its page.
pub fn page(world: &World, arguments: &str) -> String {
    let (code, stdout, stderr) = reporter(&world.root, &format!("--out r {arguments}"));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.trim_end().ends_with("r/manifest.yaml"), "{stdout}");
    assert!(stderr.contains("r/report.html"), "{stderr}");
    let widest = stderr.lines().filter(|l| l.contains('%')).map(|l| l.chars().count()).max();
    assert!(widest.unwrap_or(0) <= 80, "{stderr}");
    let html = file::read_text(&world.path("r/report.html")).expect("the page");
    for word in ["NaN", ">inf", "undefined", "<script", "href=\"http", "src="] {
        assert!(!html.contains(word), "the page holds {word}");
    }
    html
}

/// A world of the network `spec` with its dense run.
pub fn world(spec: &str) -> (tempfile::TempDir, World) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = World::new(folder.path(), spec);
    world.dense();
    (folder, world)
}

/// Asserts that `text` holds `all`.
pub fn holds(text: &str, all: &[&str]) {
    for expected in all {
        let body = text.split("<body>").last().unwrap_or(text);
        assert!(text.contains(expected), "{expected} is not in:\n{body}");
    }
}

/// Copies the report to the folder that `REPORTER_KEEP` names, to be looked at.
pub fn keep(world: &World, name: &str) {
    let Some(kept) = std::env::var_os("REPORTER_KEEP") else {
        return;
    };
    let target = Path::new(&kept).join(name);
    let manifest = Manifest::read(&world.path("r")).expect("complete");
    file::make_folder(&target.join("plots")).expect("makes");
    for output in &manifest.outputs {
        let bytes = file::read(&world.path("r").join(&output.file)).expect("listed");
        file::write(&target.join(&output.file), &bytes).expect("writes");
    }
}
