//! Checkpoints to prune, and the binary to prune them with.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};

use artifact::Begun;
use artifact::record::Pruning;
use artifact::tensors::{self, Tensor, Tensors};
use artifact::yaml::{self, Value};
use artifact::{Finished, Manifest, Staging, Timings, manifest, names};
use graph::Graph;
use serde::Serialize;
use sparsity::Checkpoint;

/// The network of most tests: 9 layers, 8,295 weights.
pub const SMALL: &str = "vgg-lab@0.03";

/// A folder that is removed at the test's end.
pub struct Place(tempfile::TempDir);

/// What the binary said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `pruner` here with the words of `line`.
    pub fn pruner(&self, line: &str) -> Said {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("pruner");
        command.current_dir(self.0.path()).args(line.split_whitespace());
        let output = command.output().expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said {
            code: output.status.code().expect("it ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Runs `pruner`, which must succeed, and opens the artifact `out`.
    pub fn pruned(&self, line: &str, out: &str) -> (Checkpoint, Pruning) {
        let said = self.pruner(&format!("{line} --out {out}"));
        assert_eq!(said.code, 0, "{}", said.err);
        let checkpoint = Checkpoint::open(&self.path(out)).expect("a sound artifact");
        let result = checkpoint.manifest.result(&checkpoint.folder).expect("a record of pruning");
        (checkpoint, result)
    }

    /// Runs `pruner`, which must fail with `code`, say `expected` and leave nothing behind.
    pub fn refuses(&self, line: &str, code: i32, expected: &str) {
        let before = self.names();
        let said = self.pruner(line);
        assert!(said.err.contains(expected), "{line}: {} lacks {expected}", said.err);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{line}: {}", said.err);
        assert_eq!(self.names(), before, "{line}: something was left behind");
    }

    /// Commits a dense checkpoint of `spec` with its initial values as `name`.
    pub fn dense(&self, name: &str, spec: &str) -> Checkpoint {
        let graph = Graph::build(spec, 10, 32).expect("in the zoo");
        let values = graph::initial(&graph, 1);
        let tensors: Tensors = graph
            .params()
            .iter()
            .zip(values)
            .map(|(p, v)| (p.name.clone(), Tensor::f32(&p.shape, v)))
            .collect();
        let path = self.commit(name, ("trainer", Some(&graph)), &Value::Null, |folder| {
            tensors::write(&folder.join(names::MODEL), &tensors, None).expect("writes");
            vec![names::MODEL.to_owned()]
        });
        Checkpoint::open(&path).expect("a sound artifact")
    }

    /// Commits an artifact of `stage` with `result` and what `write` writes.
    pub fn commit<R: Serialize>(
        &self,
        name: &str,
        (stage, graph): (&str, Option<&Graph>),
        result: &R,
        write: impl Fn(&Path) -> Vec<String>,
    ) -> PathBuf {
        let (out, config) = (self.path(name), Value::Null);
        let begun = Begun { stage: stage.into(), seed: 1, config, inputs: vec![], fresh: true };
        let staging = Staging::open(&out, &begun).expect("opens");
        let outputs = write(staging.folder());
        let manifest = Manifest {
            format: manifest::FORMAT,
            stage: stage.into(),
            version: "0".into(),
            seed: 1,
            network: graph.map(Graph::network),
            inputs: vec![],
            outputs: vec![],
            config: Value::Null,
            result: yaml::value(result),
        };
        staging
            .commit(Finished { manifest, timings: &Timings::default() }, &outputs)
            .expect("commits");
        out
    }

    pub fn write(&self, name: &str, text: &str) {
        artifact::file::write(&self.path(name), text.as_bytes()).expect("writes");
    }

    pub fn read(&self, name: &str) -> String {
        artifact::file::read_text(&self.path(name)).expect("reads")
    }

    /// Everything in the folder, hidden or not.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("listing");
        let name = |e: std::io::Result<std::fs::DirEntry>| {
            e.expect("an entry").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}

/// All prunable weights of `checkpoint` in the network's order, with whether each is kept.
pub fn weights(checkpoint: &Checkpoint) -> Vec<(f32, bool)> {
    checkpoint
        .graph
        .prunable()
        .flat_map(|p| {
            let mask = checkpoint.masks.get(&p.name);
            let kept = move |i| mask.is_none_or(|m| m.kept()[i]);
            checkpoint.values(&p.name).iter().enumerate().map(move |(i, v)| (*v, kept(i)))
        })
        .collect()
}

/// Number of pruned weights.
pub fn pruned(checkpoint: &Checkpoint) -> usize {
    weights(checkpoint).iter().filter(|(_, kept)| !kept).count()
}
