//! The rules of the house that no compiler checks: floors, and what stands in which file.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifact::file;
use toml::{Table, Value};

/// Every crate with its floor; a crate depends on lower floors only (ARCHITECTURE.md).
const FLOORS: [(&str, u8); 27] = [
    ("seed", 0),
    ("geometry", 0),
    ("artifact", 0),
    ("kernels", 1),
    ("pickle", 0),
    ("graph", 1),
    ("cifar", 1),
    ("pytorch", 1),
    ("stage", 1),
    ("tuning", 1),
    ("cuda", 2),
    ("sparsity", 2),
    ("onnx", 2),
    ("method", 3),
    ("packed", 3),
    ("inference", 4),
    ("engine", 5),
    ("quantise", 5),
    ("data-cifar", 6),
    ("models", 6),
    ("trainer", 6),
    ("scanner", 6),
    ("pruner", 6),
    ("finetuner", 6),
    ("reporter", 6),
    ("deployer", 6),
    ("house-tests", 7),
];
/// What decides and reports never links what computes; what other programs embed links no candle.
const APART: [(&str, &[&str]); 3] = [
    ("pruner", &["engine", "kernels", "candle-core", "candle-nn"]),
    ("reporter", &["engine", "kernels", "candle-core", "candle-nn"]),
    ("inference", &["engine", "candle-core", "candle-nn"]),
];
/// Lines of a source file, and of code in a `main.rs`, at most.
const MOST_LINES: usize = 400;
const MOST_MAIN: usize = 14;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn table(path: &Path) -> Table {
    let text = file::read_text(path).expect("reads");
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The folder and manifest of each member of the workspace, by name.
fn members() -> BTreeMap<String, (PathBuf, Table)> {
    let crates = std::fs::read_dir(root().join("crates")).expect("lists");
    let folders = crates.map(|e| e.expect("an entry").path()).chain([root().join("tests")]);
    let member = |folder: PathBuf| {
        let manifest = table(&folder.join("Cargo.toml"));
        let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
        (name, (folder, manifest))
    };
    folders.map(member).collect()
}

/// Every file below `folder` that ends in `ending`, build outputs apart, with its text.
fn files(folder: &Path, ending: &str) -> Vec<(PathBuf, String)> {
    let (mut found, mut open) = (vec![], vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for path in std::fs::read_dir(&folder).expect("lists").map(|e| e.expect("an entry").path())
        {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if name.ends_with(ending) {
                let text = file::read_text(&path).expect("reads");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{}: no *{ending}", folder.display());
    found.sort();
    found
}

/// What is no comment, line by line.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|l| l.split("//").next().unwrap_or_default().trim()).filter(|l| !l.is_empty())
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word)
}

/// Names in the dependency tables of a manifest, those for tests apart.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let of_targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(of_targets)
        .flat_map(|t| [t.get("dependencies"), t.get("build-dependencies")])
        .filter_map(|t| t.and_then(Value::as_table))
        .flat_map(|t| t.keys().cloned())
        .collect()
}

#[test]
fn crates_depend_on_lower_floors_only() {
    let floors: BTreeMap<&str, u8> = FLOORS.into();
    for (name, (folder, manifest)) in members() {
        let floor = floors.get(name.as_str());
        let floor = floor.unwrap_or_else(|| panic!("{name}: give it a floor in tests/tidy.rs"));
        for dependency in dependencies(&manifest) {
            if let Some(below) = floors.get(dependency.as_str()) {
                assert!(
                    below < floor,
                    "{}: {name} (floor {floor}) depends on {dependency} (floor {below})",
                    folder.display()
                );
            }
        }
    }
}

#[test]
fn folders_are_named_as_their_crates_and_share_the_lints() {
    for (name, (folder, manifest)) in members() {
        let expected = if name == "house-tests" { "tests" } else { &name };
        assert!(folder.ends_with(expected), "{}: holds {name}", folder.display());
        let shared = manifest.get("lints").and_then(|l| l.get("workspace"));
        assert_eq!(shared.and_then(Value::as_bool), Some(true), "{name}: [lints] workspace = true");
    }
}

#[test]
fn what_decides_does_not_link_what_computes() {
    let lock = table(&root().join("Cargo.lock"));
    let packages = lock["package"].as_array().expect("a list");
    for (start, apart) in APART {
        let mut seen = BTreeSet::new();
        let mut open = vec![start.to_owned()];
        while let Some(name) = open.pop() {
            assert!(!apart.contains(&name.as_str()), "{start} reaches {name}");
            if !seen.insert(name.clone()) {
                continue;
            }
            let of_name = packages.iter().filter(|p| p["name"].as_str() == Some(&name));
            let needs = of_name.filter_map(|p| p.get("dependencies").and_then(Value::as_array));
            // `name` or `name version`.
            let name_of =
                |d: &Value| d.as_str().and_then(|d| d.split(' ').next()).map(str::to_owned);
            open.extend(needs.flatten().filter_map(name_of));
        }
        assert!(seen.contains("artifact"), "{start}: the walk saw {seen:?}");
    }
}

#[test]
fn files_are_short_and_whole() {
    let unfinished = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!"));
    let ignored = concat!("#[", "ignore");
    for (path, text) in files(&root(), ".rs") {
        let shown = path.display();
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{shown}: {lines} lines; at most {MOST_LINES}");
        for line in code(&text) {
            let left = unfinished.iter().map(String::as_str).find(|word| line.contains(word));
            assert_eq!(left, None, "{shown}: {line}");
            assert!(!line.contains(ignored), "{shown}: {line}");
        }
    }
}

#[test]
fn unchecked_code_is_where_the_architecture_says() {
    let word = concat!("un", "safe");
    let may = ["crates/kernels", "crates/cuda", "crates/stage/src/memory.rs"];
    let may = may.map(|path| root().join(path));
    for (path, text) in files(&root(), ".rs") {
        if !may.iter().any(|folder| path.starts_with(folder)) {
            let found = code(&text).find(|line| has_word(line, word));
            assert_eq!(found, None, "{}: only {may:?} may", path.display());
        }
    }
}

#[test]
fn mains_are_short_and_every_crate_says_what_it_is_for() {
    for (name, (folder, _)) in members() {
        let tops = ["src/lib.rs", "src/main.rs"].map(|f| folder.join(f));
        let tops: Vec<&PathBuf> = tops.iter().filter(|t| t.exists()).collect();
        assert!(!tops.is_empty(), "{name}: neither lib.rs nor main.rs");
        for top in tops {
            let text = file::read_text(top).expect("reads");
            assert!(text.starts_with("//! "), "{}: begins with no module doc", top.display());
            let declared = |l: &&str| !(l.starts_with("mod ") && l.ends_with(';'));
            let lines = code(&text).filter(declared).count();
            let main = top.ends_with("main.rs");
            assert!(!main || lines <= MOST_MAIN, "{}: {lines} lines of code", top.display());
        }
    }
}

#[test]
fn the_yaml_crate_is_chosen_in_one_place() {
    let word = concat!("yaml", "_serde");
    let all = [files(&root(), ".rs"), files(&root(), ".toml")].concat();
    let named = all.iter().filter(|(_, text)| text.contains(word)).map(|(path, _)| path.clone());
    assert_eq!(named.collect::<Vec<_>>(), [root().join("Cargo.toml")]);
}
