//! Which tensor of the table a name of the file means, and as what.

use std::collections::{BTreeMap, BTreeSet};

use super::Slot;
use crate::load::Array;

/// Modules that wrap another and add their name to its path: `DataParallel` and its kin, Lightning,
/// `torch.compile`, FSDP, `DeepSpeed`, activation checkpointing, Opacus.
const WRAPPERS: [&str; 7] = [
    "module",
    "model",
    "_orig_mod",
    "_forward_module",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_module",
];

/// Names that a network has as a part of a larger module; wrappers at the front of a name only.
const FRONTS: [&str; 2] = ["net", "network"];

/// What a tensor of the file is to its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its values.
    Value,
    /// Its values, to which a mask is yet to be applied.
    Original,
    /// Its mask.
    Mask,
}

/// What a name of the file means.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// Which tensor of the table.
    pub slot: usize,
    /// As what.
    pub role: Role,
    /// The wrappers in the name that the table does not have.
    pub wrappers: Vec<String>,
    /// Whether it is another library's name.
    pub by_alias: bool,
}

/// A name of the table.
struct Spelling<'s> {
    slot: usize,
    parts: Vec<&'s str>,
    /// Whether it is another library's.
    alias: bool,
}

/// What a path means, whatever its role.
struct Match {
    slot: usize,
    wrappers: Vec<String>,
    by_alias: bool,
}

/// The names of a table, found by what is left of them without wrappers.
pub struct Index<'s> {
    /// The names by their segments without wrappers.
    by_core: BTreeMap<Vec<&'s str>, Vec<Spelling<'s>>>,
    /// Modules of the file that hold a mask beside another module: wrappers around that one.
    masking: BTreeSet<Vec<&'s str>>,
}

impl<'s> Index<'s> {
    /// Of the table `slots`, for names of `tensors`.
    pub fn new(slots: &'s [Slot], tensors: &'s [Array]) -> Self {
        let mut by_core: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (slot, s) in slots.iter().enumerate() {
            let own = std::iter::once((s.name.as_str(), false));
            for (name, alias) in own.chain(s.alias.as_deref().map(|a| (a, true))) {
                let parts: Vec<&str> = name.split('.').collect();
                by_core.entry(core(&parts)).or_default().push(Spelling { slot, parts, alias });
            }
        }
        let modules = tensors.iter().filter_map(|t| {
            let (module, last) = t.name.rsplit_once('.')?;
            is_mask(last).then(|| module.split('.').collect())
        });
        Self { by_core, masking: modules.collect() }
    }

    /// What `name` means; None where the table has no place for it.
    pub fn find(&self, name: &str) -> Option<Meaning> {
        let parts: Vec<&str> = name.split('.').collect();
        readings(&parts).into_iter().find_map(|(parts, role)| {
            let plain = self.slot_of(&parts, None);
            let Match { slot, wrappers, by_alias } = plain.or_else(|| self.inside_mask(&parts))?;
            Some(Meaning { slot, role, wrappers, by_alias })
        })
    }

    /// The tensor within the one module that a module with a mask wraps.
    fn inside_mask(&self, parts: &[&str]) -> Option<Match> {
        let wrapped =
            (1..parts.len().saturating_sub(1)).filter(|at| self.masking.contains(&parts[..*at]));
        wrapped.rev().find_map(|at| self.slot_of(parts, Some(at)))
    }

    /// What `parts` mean, of which the one at `dropped` is a wrapper whatever its name.
    fn slot_of(&self, parts: &[&str], dropped: Option<usize>) -> Option<Match> {
        let mut left = parts.to_vec();
        let first: Vec<String> = dropped.map(|at| left.remove(at).to_owned()).into_iter().collect();
        let candidates = self.by_core.get(&core(&left))?.iter();
        let found = candidates.filter_map(|spelling| {
            let wrappers = extra(&left, &spelling.parts)?;
            Some(Match { slot: spelling.slot, wrappers, by_alias: spelling.alias })
        });
        let found = found.min_by_key(|m| (m.wrappers.len(), m.by_alias))?;
        Some(Match { wrappers: [first, found.wrappers].concat(), ..found })
    }
}

/// `parts` without what may be a wrapper.
fn core<'n>(parts: &[&'n str]) -> Vec<&'n str> {
    let mut left = vec![];
    for part in parts {
        let front = left.is_empty() && FRONTS.contains(part);
        if !front && !WRAPPERS.contains(part) {
            left.push(*part);
        }
    }
    left
}

/// What `parts` have beyond `wanted`, if that is nothing but wrappers.
fn extra(parts: &[&str], wanted: &[&str]) -> Option<Vec<String>> {
    let (mut over, mut wanted) = (vec![], wanted);
    // From the back, so that of two equal names the outer one is the wrapper.
    for (at, part) in parts.iter().enumerate().rev() {
        let front = FRONTS.contains(part) && parts[..at].iter().all(|p| wraps(p));
        match wanted {
            [rest @ .., last] if last == part => wanted = rest,
            _ if front || WRAPPERS.contains(part) => over.push((*part).to_owned()),
            _ => return None,
        }
    }
    over.reverse();
    wanted.is_empty().then_some(over)
}

fn wraps(part: &str) -> bool {
    WRAPPERS.contains(&part) || FRONTS.contains(&part)
}

fn is_mask(last: &str) -> bool {
    last == "mask" || last.ends_with("_mask")
}

/// The ways to read a name, the plainest first.
fn readings<'n>(parts: &[&'n str]) -> Vec<(Vec<&'n str>, Role)> {
    let Some((last, module)) = parts.split_last() else { return vec![] };
    let with = |module: &[&'n str], last: &'n str| [module, &[last]].concat();
    let mut all = vec![(parts.to_vec(), Role::Value)];
    // torch.nn.utils.prune: NAME is NAME_orig times NAME_mask.
    all.extend(last.strip_suffix("_orig").map(|name| (with(module, name), Role::Original)));
    all.extend(last.strip_suffix("_mask").map(|name| (with(module, name), Role::Mask)));
    match module {
        // torch.nn.utils.parametrize: NAME is made of parametrizations.NAME.original.
        [module @ .., "parametrizations", name] if *last == "original" => {
            all.push((with(module, name), Role::Original));
        }
        [module @ .., "parametrizations", name, _] if is_mask(last) => {
            all.push((with(module, name), Role::Mask));
        }
        _ if *last == "mask" => {
            all.push((module.to_vec(), Role::Mask));
            all.push((with(module, "weight"), Role::Mask));
        }
        _ => {}
    }
    all
}

/// The names of `tensors` as a table: without wrappers, unless that makes two the same.
pub fn own(tensors: &[Array]) -> Vec<Slot> {
    let mut by_name: BTreeMap<String, Vec<(&Array, Role)>> = BTreeMap::new();
    let of_role = |wanted: &dyn Fn(Role) -> bool| -> BTreeSet<Vec<&str>> {
        let all = tensors.iter().flat_map(|t| readings(&t.name.split('.').collect::<Vec<_>>()));
        all.filter(|(_, role)| wanted(*role)).map(|(parts, _)| core(&parts)).collect()
    };
    // What a mask may bind: tensors as they are, and what becomes of those that wait for their mask.
    let (bound, masks) = (of_role(&|r| r != Role::Mask), of_role(&|r| r == Role::Mask));
    for array in tensors {
        let parts: Vec<&str> = array.name.split('.').collect();
        let masked = readings(&parts).into_iter().rev().find(|(parts, role)| match role {
            Role::Mask => bound.contains(&core(parts)),
            Role::Original => masks.contains(&core(parts)),
            Role::Value => false,
        });
        let (parts, role) = masked.unwrap_or((parts, Role::Value));
        if role != Role::Mask {
            by_name.entry(core(&parts).join(".")).or_default().push((array, role));
        }
    }
    let slot = |name: String, array: &Array| Slot { name, shape: array.shape.clone(), alias: None };
    let slots = by_name.into_iter().flat_map(|(name, arrays)| match arrays[..] {
        [(one, _)] if !name.is_empty() => vec![slot(name, one)],
        // One that waits for its mask cannot stand under its own name; `fit` says that two claim this.
        [(first, _), ..] if arrays.iter().any(|(_, role)| *role == Role::Original) => {
            vec![slot(name, first)]
        }
        _ => arrays.iter().map(|(a, _)| slot(a.name.clone(), a)).collect(),
    });
    slots.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Numbers;

    fn array(name: &str) -> Array {
        let numbers = Numbers::Floats(vec![0.0]);
        Array { name: name.to_owned(), shape: vec![1], dtype: "float32", numbers }
    }

    fn slot(name: &str, alias: Option<&str>) -> Slot {
        Slot { name: name.to_owned(), shape: vec![1], alias: alias.map(str::to_owned) }
    }

    /// What `name` means to a network of `backbone.conv.weight`, `model.head.weight`, `fc.bias`.
    fn check(name: &str, expected: Option<(usize, Role, &[&str])>) {
        let slots = [
            slot("backbone.conv.weight", None),
            slot("model.head.weight", None),
            slot("fc.bias", Some("linear.bias")),
        ];
        let tensors = [array(name), array("backbone.conv.mask")];
        let found = Index::new(&slots, &tensors).find(name);
        let found = found
            .as_ref()
            .map(|m| (m.slot, m.role, m.wrappers.iter().map(String::as_str).collect()));
        assert_eq!(found, expected.map(|(s, r, w)| (s, r, w.to_vec())), "{name}");
    }

    #[test]
    fn wrappers_are_taken_wherever_the_table_does_not_have_them() {
        check("backbone.conv.weight", Some((0, Role::Value, &[])));
        check("module.backbone.conv.weight", Some((0, Role::Value, &["module"])));
        check(
            "model.backbone._orig_mod.conv.weight",
            Some((0, Role::Value, &["model", "_orig_mod"])),
        );
        check(
            "_forward_module.net.backbone.conv.weight",
            Some((0, Role::Value, &["_forward_module", "net"])),
        );
        check(
            "backbone._checkpoint_wrapped_module.conv._fsdp_wrapped_module.weight",
            Some((0, Role::Value, &["_checkpoint_wrapped_module", "_fsdp_wrapped_module"])),
        );
        check("model.head.weight", Some((1, Role::Value, &[])));
        check("model.model.head.weight", Some((1, Role::Value, &["model"])));
        check("module.linear.bias", Some((2, Role::Value, &["module"])));
        // The network's own `model` is not optional, nor is anything else a wrapper.
        check("head.weight", None);
        check("backbone.net.conv.weight", None);
        check("student.backbone.conv.weight", None);
        check("modules.backbone.conv.weight", None);
    }

    #[test]
    fn masks_of_every_layout_are_known() {
        check("backbone.conv.weight_orig", Some((0, Role::Original, &[])));
        check("module.backbone.conv.weight_mask", Some((0, Role::Mask, &["module"])));
        check("backbone.conv.parametrizations.weight.original", Some((0, Role::Original, &[])));
        check("backbone.conv.parametrizations.weight.0.mask", Some((0, Role::Mask, &[])));
        check("backbone.conv.mask", Some((0, Role::Mask, &[])));
        check("backbone.conv.weight.mask", Some((0, Role::Mask, &[])));
        check("fc.bias_mask", Some((2, Role::Mask, &[])));
        // A module with a mask around one whose name says nothing.
        check("backbone.conv.inner.weight", Some((0, Role::Value, &["inner"])));
        check("backbone.conv.parametrizations.weight.original0", None);
        check("backbone.conv.parametrizations.weight.0._u", None);
        check("other.mask", None);
    }

    #[test]
    fn a_file_alone_has_its_own_table() {
        let check = |names: &[&str], expected: &[&str]| {
            let tensors: Vec<Array> = names.iter().map(|n| array(n)).collect();
            let found: Vec<String> = own(&tensors).into_iter().map(|s| s.name).collect();
            assert_eq!(found, expected);
        };
        check(&["module.a", "module.b.c"], &["a", "b.c"]);
        check(&["a.weight_orig", "a.weight_mask", "b"], &["a.weight", "b"]);
        check(&["module.a", "a"], &["module.a", "a"]);
        check(&["a.weight", "a.mask", "b.weight", "b.weight_mask"], &["a.weight", "b.weight"]);
        check(&["token_mask", "old_orig"], &["old_orig", "token_mask"]);
    }
}
