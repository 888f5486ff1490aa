//! Which tensors of a `state_dict` are asked for.

use artifact::pattern;

use crate::fault::{Fault, count, names, shown};

/// What is read of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'a> {
    /// Key of the `state_dict` in the file, dots going deeper; by default found by its content.
    pub key: Option<&'a str>,
    /// Module whose tensors alone are taken, its path removed from their names.
    pub prefix: Option<&'a str>,
    /// Patterns (`*`, `?`) of names, as the file has them, that are passed over.
    pub ignore: &'a [String],
}

/// Counters of batch norm and of `AveragedModel`: nothing here counts on from them.
const COUNTERS: [&str; 2] = ["num_batches_tracked", "n_averaged"];

impl Selection<'_> {
    /// Those of `all` that are asked for, under the names without the prefix; what was done goes to
    /// `notes`.
    ///
    /// # Errors
    /// Where a pattern or the prefix matches nothing, so that the wish had no effect.
    pub fn choose<T>(
        &self,
        all: Vec<(String, T)>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<(String, T)>, Fault> {
        let (counters, left): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(name, _)| COUNTERS.contains(&last(name)));
        if let Some((first, _)) = counters.first() {
            let n = count(counters.len(), "counter");
            notes.push(format!("left out {n} ({}, ..)", shown(last(first))));
        }
        let left = self.without_ignored(left, notes)?;
        match self.prefix {
            Some(prefix) => below(&format!("{}.", prefix.trim_end_matches('.')), left, notes),
            None => Ok(left),
        }
    }

    fn without_ignored<T>(
        &self,
        all: Vec<(String, T)>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<(String, T)>, Fault> {
        for wanted in self.ignore {
            if !all.iter().any(|(name, _)| pattern::matches(wanted, name)) {
                let (wanted, there) = (shown(wanted), names(all.iter().map(|(n, _)| &**n)));
                return Err(Fault::Question(format!(
                    "--ignore {wanted} matches no tensor; there are: {there}"
                )));
            }
        }
        let ignored = |name: &str| self.ignore.iter().any(|p| pattern::matches(p, name));
        let (out, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| ignored(name));
        if !out.is_empty() {
            let (n, which) = (count(out.len(), "tensor"), names(out.iter().map(|(n, _)| &**n)));
            notes.push(format!("ignored {n}, as asked: {which}"));
        }
        Ok(left)
    }
}

/// Those of `all` whose names begin with `prefix`, without it.
fn below<T>(
    prefix: &str,
    all: Vec<(String, T)>,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, T)>, Fault> {
    let (mut found, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(name, _)| name.len() > prefix.len() && name.starts_with(prefix));
    let prefix_shown = shown(prefix);
    if found.is_empty() {
        let mut fronts: Vec<&str> =
            others.iter().map(|(n, _)| n.split('.').next().unwrap_or_default()).collect();
        fronts.dedup();
        return Err(Fault::Question(format!(
            "no tensor is below --prefix {prefix_shown}; names begin with: {}",
            names(fronts)
        )));
    }
    for (name, _) in &mut found {
        name.drain(..prefix.len());
    }
    notes.push(format!("took the {} below {prefix_shown}", count(found.len(), "tensor")));
    if !others.is_empty() {
        let which = names(others.iter().map(|(n, _)| &**n));
        notes.push(format!("passed over {} beside it: {which}", count(others.len(), "tensor")));
    }
    Ok(found)
}

/// The name without the module's path.
fn last(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}
