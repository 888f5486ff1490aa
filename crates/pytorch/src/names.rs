//! Clean names: counters left out, the prefixes of wrappers removed.

use std::collections::BTreeSet;

use crate::fault::shown;
use crate::load::Entry;

/// What `DataParallel` and `torch.compile` put before every name.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// Counters of batch norm and of `AveragedModel`: nothing here counts on from them.
const COUNTERS: [&str; 2] = ["num_batches_tracked", "n_averaged"];

/// Whether a tensor of this name is a mask of `torch.nn.utils.prune`.
pub fn is_mask(name: &str) -> bool {
    name.ends_with("_mask")
}

/// `entries` under clean names; what was done goes to `notes`.
///
/// # Errors
/// In words, where a name stands twice or holds control characters.
pub fn clean(entries: Vec<Entry>, notes: &mut Vec<String>) -> Result<Vec<Entry>, String> {
    let (counters, mut left): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|e| COUNTERS.contains(&last(&e.name)));
    if let Some(first) = counters.first() {
        notes.push(format!("left out {} counters ({}, ..)", counters.len(), last(&first.name)));
    }
    while let Some(prefix) = shared(&left) {
        for entry in &mut left {
            entry.name.drain(..prefix.len());
        }
        notes.push(format!("removed {prefix} from the front of {} names", left.len()));
    }
    let mut seen = BTreeSet::new();
    for entry in &left {
        if entry.name.chars().any(char::is_control) {
            return Err(format!("tensor name {} holds control characters", shown(&entry.name)));
        }
        if !seen.insert(&entry.name) {
            return Err(format!("tensor {} stands twice", shown(&entry.name)));
        }
    }
    Ok(left)
}

/// The name without the module's path.
fn last(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// The prefix that all names have.
fn shared(entries: &[Entry]) -> Option<&'static str> {
    let all = |prefix: &&str| entries.iter().all(|e| e.name.starts_with(prefix));
    PREFIXES.into_iter().find(|p| !entries.is_empty() && all(p))
}
