//! What a file notes of its images and classes, as [`crate::encode`] writes it.

use serde::de::DeserializeOwned;

use super::constant::Found;
use crate::PRODUCER;
use crate::proto::Model;

/// Entries of a file's metadata; empty where it has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// A value a channel, subtracted from pixels / 255.
    pub mean: Vec<f64>,
    /// A value a channel: what remains is divided by it.
    pub std: Vec<f64>,
    /// The name of each class.
    pub classes: Vec<String>,
    /// Whether the file was written by [`crate::encode`]: in another these may mean something else.
    pub own: bool,
}

/// What `model` says. Files of other programs may use the same words for something else: what is no list is
/// left out, unless the file is one of ours.
pub fn said(model: &Model) -> Found<Said> {
    let own = model.producer_name == PRODUCER;
    let mean = list(model, "mean", own)?.unwrap_or_default();
    let std = list(model, "std", own)?.unwrap_or_default();
    let classes = list(model, "classes", own)?.unwrap_or_default();
    Ok(Said { mean, std, classes, own })
}

fn list<T: DeserializeOwned>(model: &Model, key: &str, own: bool) -> Found<Option<Vec<T>>> {
    let Some(entry) = model.metadata_props.iter().find(|e| e.key == key) else { return Ok(None) };
    match serde_json::from_str(&entry.value) {
        Ok(found) => Ok(Some(found)),
        Err(_) if !own => Ok(None),
        Err(error) => {
            let value: String = entry.value.chars().take(60).collect();
            Err(format!("metadata {key} {value:?}: {error}; expected a list in JSON"))
        }
    }
}
