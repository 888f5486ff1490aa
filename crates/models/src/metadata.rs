//! What an ONNX file notes of its images and classes, as `models export` writes it.

use std::path::Path;

use artifact::{Error, Normalisation, Result};
use graph::Graph;
use onnx::Said;

/// What a file said, held to its network.
#[derive(Debug, Default)]
pub struct Known {
    /// The name of each class; none where they are not known.
    pub class_names: Vec<String>,
    /// The normalisation of its images, if known.
    pub normalisation: Option<Normalisation>,
}

/// What `said` of the file `path` means for `graph`; notes say what is taken.
///
/// # Errors
/// `Integrity` where the metadata of a file of ours does not fit its network. Another program may use the same
/// keys for something else: entries of its files that do not fit are ignored, with a note.
pub fn known(said: Said, graph: &Graph, path: &Path, notes: &mut Vec<String>) -> Result<Known> {
    let Said { mean, std, classes, own } = said;
    let mut refused = |what: String| {
        if own {
            return Err(Error::Integrity(format!("{}: metadata {what}", path.display())));
        }
        notes.push(format!("ignored: metadata {what}"));
        Ok(())
    };
    let mut known = Known::default();
    if !classes.is_empty() {
        match names(&classes, graph.classes()) {
            Ok(()) => known.class_names = classes,
            Err(what) => refused(what)?,
        }
    }
    if !(mean.is_empty() && std.is_empty()) {
        let found = Normalisation { mean, std };
        match found.check(graph.images().c) {
            Ok(()) => known.normalisation = Some(found),
            Err(what) => refused(what)?,
        }
    }
    if let Some(Normalisation { mean, std }) = &known.normalisation {
        notes.push(format!("the file says mean {mean:?} and standard deviation {std:?}"));
    }
    if !known.class_names.is_empty() {
        notes.push(format!("the file names its {} classes", known.class_names.len()));
    }
    Ok(known)
}

fn names(classes: &[String], count: usize) -> std::result::Result<(), String> {
    if classes.len() != count {
        let found = classes.len();
        return Err(format!("classes: {found} names; the network has {count} classes"));
    }
    cifar::classes::check_names(classes, "classes").map_err(|e| e.to_string())
}
