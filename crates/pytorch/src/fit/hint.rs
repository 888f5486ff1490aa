//! Which tensor of the file may be the one that is missing.

use super::{Fitted, Slot, Surplus};
use crate::fault::{names, shown};

/// Words on the slot `at` of `slots`, which nothing of the file fills: a tensor that is left over and
/// of its shape, at its place if possible; or the prefix that all of them lack. `given` is the prefix
/// that was taken already.
pub fn missing(fitted: &Fitted, (at, slots): (usize, &[Slot]), given: Option<&str>) -> String {
    if fitted.surplus.is_empty() {
        return String::new();
    }
    if let Some(text) = prefixed(fitted, slots, given).or_else(|| parametrised(fitted, &slots[at]))
    {
        return text;
    }
    let wanted = &slots[at].shape;
    let same: Vec<&Surplus> = fitted.surplus.iter().filter(|s| s.array.shape == *wanted).collect();
    if let Some(found) = at_its_place(fitted, at, &same).or_else(|| nearest(&slots[at].name, &same))
    {
        let name = shown(&found.array.name);
        return format!(
            "; {name}, which the network does not have, has its shape and place: rename it"
        );
    }
    let reversed = |s: &&Surplus| wanted.len() == 2 && s.array.shape.iter().rev().eq(wanted);
    if let Some(found) = fitted.surplus.iter().find(reversed) {
        return format!(
            "; {} has the shape of its transpose; PyTorch keeps outputs x inputs",
            shown(&found.array.name)
        );
    }
    let left = names(fitted.surplus.iter().map(|s| &*s.array.name));
    format!("; the network has no place for: {left}")
}

/// The tensor right behind the one that fills the slot before, or before the one behind.
fn at_its_place<'f>(fitted: &Fitted, at: usize, same: &[&'f Surplus]) -> Option<&'f Surplus> {
    let source = |slot: Option<usize>| fitted.sources.get(slot?).copied().flatten();
    let behind = source(at.checked_sub(1)).map(|place| place + 1);
    let before = source(at.checked_add(1)).and_then(|place| place.checked_sub(1));
    [behind, before]
        .into_iter()
        .flatten()
        .find_map(|place| same.iter().find(|s| s.place == place).copied())
}

/// The one whose name has most in common with `name`, segment by segment from the end.
fn nearest<'f>(name: &str, same: &[&'f Surplus]) -> Option<&'f Surplus> {
    let last = |n: &str| n.rsplit('.').next().map(str::to_owned);
    let alike = |other: &str| {
        let pairs = name.rsplit('.').zip(other.rsplit('.'));
        let from_front = name.split('.').zip(other.split('.')).filter(|(a, b)| a == b).count();
        pairs.filter(|(a, b)| a == b).count() + from_front
    };
    // A bias is no candidate for a running mean, though it has its shape.
    let kin = same.iter().filter(|s| last(&s.array.name) == last(name));
    kin.max_by_key(|s| (alike(&s.array.name), std::cmp::Reverse(s.place))).copied()
}

/// The path that the names of the file have in front of those that the network misses, or lack.
fn prefixed(fitted: &Fitted, slots: &[Slot], given: Option<&str>) -> Option<String> {
    let empty = slots.iter().zip(&fitted.sources).filter(|(_, source)| source.is_none());
    let missing: Vec<&str> = empty.map(|(slot, _)| slot.name.as_str()).collect();
    let first = missing.first()?;
    let left = |name: &str| fitted.surplus.iter().any(|s| s.array.name == name);
    let prefix = fitted.surplus.iter().find_map(|s| {
        let front = s.array.name.strip_suffix(first)?.strip_suffix('.')?;
        missing.iter().all(|name| left(&format!("{front}.{name}"))).then_some(front)
    });
    if let Some(front) = prefix {
        let whole = given.map_or_else(String::new, |g| format!("{}.", g.trim_end_matches('.')));
        let front = shown(&format!("{whole}{front}"));
        return Some(format!("; all that is missing lies below {front}: --prefix {front}"));
    }
    let lacking = fitted.surplus.iter().find_map(|s| {
        let front = first.strip_suffix(s.array.name.as_str())?.strip_suffix('.')?;
        let without = |name: &&str| {
            name.strip_prefix(front).and_then(|n| n.strip_prefix('.')).is_some_and(left)
        };
        missing.iter().all(without).then_some(front)
    });
    lacking.map(|front| {
        format!(
            "; the file's names lack {front}. in front: it was saved from model.{front}, not model"
        )
    })
}

/// Words on a tensor that the file has only as what it is computed from.
fn parametrised(fitted: &Fitted, slot: &Slot) -> Option<String> {
    let (module, name) = slot.name.rsplit_once('.')?;
    let inner = format!("{module}.parametrizations.{name}.");
    let old = [format!("{}_g", slot.name), format!("{}_v", slot.name)];
    let found = |s: &&Surplus| {
        let given = &s.array.name;
        given.contains(&inner) || old.iter().any(|o| given.ends_with(o.as_str()))
    };
    let found = &fitted.surplus.iter().find(found)?.array.name;
    let call = if found.contains(".parametrizations.") {
        "torch.nn.utils.parametrize.remove_parametrizations(module, \"weight\")"
    } else {
        "torch.nn.utils.remove_weight_norm(module)"
    };
    Some(format!("; the file has what it is computed from ({}): save after {call}", shown(found)))
}
