//! What a run was begun with: by it an unfinished folder is continued and a finished one is done.

use serde::{Deserialize, Serialize};

use crate::manifest::{Input, Manifest};
use crate::yaml::{self, Value};

/// What a run was begun with; an unfinished folder is continued only under the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The stage.
    pub stage: String,
    /// The seed.
    pub seed: u64,
    /// Settings that can change the result.
    pub config: Value,
    /// Inputs with their digests.
    pub inputs: Vec<Input>,
    /// Whether it was to replace whatever stood there.
    pub fresh: bool,
}

impl Begun {
    /// Whether `manifest` is what this run would make, else what differs.
    pub fn differs_from(&self, manifest: &Manifest) -> Option<String> {
        let theirs = Self {
            stage: manifest.stage.clone(),
            seed: manifest.seed,
            config: manifest.config.clone(),
            inputs: manifest.inputs.clone(),
            fresh: false,
        };
        self.difference(&theirs)
    }

    /// The first difference in words, if there is one. Where an input stands does not matter.
    pub(crate) fn difference(&self, theirs: &Self) -> Option<String> {
        if self.stage != theirs.stage {
            return Some(format!("stage {} where {} is asked for", theirs.stage, self.stage));
        }
        if self.seed != theirs.seed {
            return Some(format!("seed {} where {} is asked for", theirs.seed, self.seed));
        }
        let digests = |b: &Self| -> Vec<_> {
            b.inputs.iter().map(|i| (i.role.clone(), i.sha256.clone())).collect()
        };
        if digests(self) != digests(theirs) {
            let roles: Vec<_> = self.inputs.iter().map(|i| i.role.as_str()).collect();
            return Some(format!("another input ({})", roles.join(", ")));
        }
        difference_of_values(&self.config, &theirs.config)
    }
}

fn difference_of_values(ours: &Value, theirs: &Value) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let empty = yaml::Mapping::new();
    let (a, b) = (ours.as_mapping().unwrap_or(&empty), theirs.as_mapping().unwrap_or(&empty));
    let shown = |v: Option<&Value>| v.map_or("nothing".to_owned(), |v| yaml::text(v).trim().into());
    let key = a.keys().chain(b.keys()).find(|k| a.get(k) != b.get(k));
    if let Some((ours, theirs)) = key.and_then(|k| a.get(k).zip(b.get(k)))
        && ours.is_mapping()
        && theirs.is_mapping()
    {
        return difference_of_values(ours, theirs);
    }
    Some(key.map_or("other settings".to_owned(), |k| {
        let name = k.as_str().unwrap_or("?");
        format!("{name}: {} where {} is asked for", shown(b.get(k)), shown(a.get(k)))
    }))
}
