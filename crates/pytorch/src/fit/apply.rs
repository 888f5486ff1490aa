//! One slot filled: which tensor it gets, and what its masks do to it.

use artifact::tensors::{Tensor, Tensors, Values};

use super::{Claims, Fitted, Slot};
use crate::StateDict;
use crate::fault::{count, names, shown};
use crate::load::{Array, Numbers};

/// Fills slot `at` of `slots` from what the file claims for it.
pub fn fill(
    fitted: &mut Fitted,
    (at, slots): (usize, &[Slot]),
    claims: &Claims,
    (state, used): (&StateDict, &mut [bool]),
) -> Result<(), String> {
    let name = &slots[at].name;
    let of = |place: usize| &state.tensors[place];
    let Some((place, original)) = chosen(name, claims, state)? else {
        return claims.masks.first().map_or(Ok(()), |place| mask(fitted, name, of(*place)));
    };
    used[place] = true;
    let tensor = floats(of(place))?;
    fitted.tensors.insert(name.clone(), tensor);
    fitted.sources[at] = Some(place);
    let before = fitted.revived;
    for mask_place in &claims.masks {
        used[*mask_place] = true;
        mask(fitted, name, of(*mask_place))?;
    }
    if original {
        // There the values under a mask are no deviation: PyTorch keeps them to prune again.
        fitted.revived = before;
    }
    Ok(())
}

/// The place of the tensor for the slot `name`, and whether masks are yet to be applied to it.
fn chosen(name: &str, claims: &Claims, state: &StateDict) -> Result<Option<(usize, bool)>, String> {
    let shown_at = |place: usize| shown(&state.tensors[place].name);
    let fewest = claims.values.iter().map(|(wrappers, _)| *wrappers).min();
    let plain: Vec<usize> =
        claims.values.iter().filter(|(n, _)| Some(*n) == fewest).map(|(_, place)| *place).collect();
    match (&plain[..], &claims.originals[..]) {
        ([], []) => Ok(None),
        ([one], []) => Ok(Some((*one, false))),
        ([], [one]) if !claims.masks.is_empty() => Ok(Some((*one, true))),
        ([], [one]) => Err(format!(
            "tensor {}: no mask lies beside it, so what PyTorch makes of it is not in the file; save \
             after torch.nn.utils.parametrize.remove_parametrizations(module, \"weight\") or \
             torch.nn.utils.prune.remove(module, \"weight\")",
            shown_at(*one)
        )),
        _ => {
            let all: Vec<String> =
                plain.iter().chain(&claims.originals).map(|place| shown_at(*place)).collect();
            Err(format!(
                "tensors {} all fit {name}; choose with --prefix P, or leave some out with --ignore \
                 PATTERN",
                all.join(" and ")
            ))
        }
    }
}

/// Applies `array` as a mask of the tensor `name`.
pub fn mask(fitted: &mut Fitted, name: &str, array: &Array) -> Result<(), String> {
    let of = |e: String| format!("mask {}: {e}", shown(&array.name));
    let Some(tensor) = fitted.tensors.get_mut(name) else {
        return Err(of(format!("the file has no {name} that it could bind")));
    };
    let kept = binary(array).map_err(of)?;
    if array.shape != tensor.shape {
        return Err(of(format!("shape {:?}; {name} has {:?}", array.shape, tensor.shape)));
    }
    fitted.revived += prune(tensor, &kept);
    merge(&mut fitted.masks, name, Tensor::u8(&array.shape, kept));
    Ok(())
}

/// Sets to +0.0 what is not kept; gives the number of values that were not zero.
fn prune(tensor: &mut Tensor, kept: &[u8]) -> usize {
    let Values::F32(values) = &mut tensor.values else { return 0 };
    let mut changed = 0;
    for (value, kept) in values.iter_mut().zip(kept) {
        if *kept == 0 {
            changed += usize::from(*value != 0.0);
            *value = 0.0;
        }
    }
    changed
}

/// Adds a mask to those of `name`: what either prunes is pruned.
fn merge(masks: &mut Tensors, name: &str, mask: Tensor) {
    match masks.get_mut(name) {
        Some(Tensor { values: Values::U8(all), .. }) => {
            for (kept, other) in all.iter_mut().zip(mask.as_u8().unwrap_or_default()) {
                *kept &= other;
            }
        }
        _ => {
            masks.insert(name.to_owned(), mask);
        }
    }
}

/// A mask of any type as bytes.
fn binary(mask: &Array) -> Result<Vec<u8>, String> {
    let bad = |at: usize, found: String| Err(format!("value {at} is {found}; expected 0 or 1"));
    match &mask.numbers {
        Numbers::Bytes(v) => match v.iter().position(|b| *b > 1) {
            None => Ok(v.clone()),
            Some(at) => bad(at, v[at].to_string()),
        },
        Numbers::Integers(v) => match v.iter().position(|n| ![0, 1].contains(n)) {
            None => Ok(v.iter().map(|n| u8::from(*n == 1)).collect()),
            Some(at) => bad(at, v[at].to_string()),
        },
        Numbers::Floats(v) => match v.iter().position(|x| ![0.0, 1.0].contains(x)) {
            None => Ok(v.iter().map(|x| u8::from(*x == 1.0)).collect()),
            Some(at) => bad(at, v[at].to_string()),
        },
    }
}

/// The tensor that `array` is, if it holds floats.
fn floats(array: &Array) -> Result<Tensor, String> {
    match &array.numbers {
        Numbers::Floats(values) => Ok(Tensor::f32(&array.shape, values.clone())),
        _ => Err(format!(
            "tensor {}: element type {}; expected float32, float16, bfloat16 or float64: save it with \
             .float()",
            shown(&array.name),
            array.dtype
        )),
    }
}

/// Lines on the masks that were applied.
pub fn mask_notes(fitted: &Fitted) -> Vec<String> {
    let mut notes = vec![];
    if !fitted.masks.is_empty() {
        let (n, which) =
            (count(fitted.masks.len(), "mask"), names(fitted.masks.keys().map(|n| &**n)));
        notes.push(format!("applied {n}: {which}"));
    }
    if fitted.revived > 0 {
        let n = count(fitted.revived, "value");
        notes
            .push(format!("set {n} to zero that a mask prunes and that were not zero in the file"));
    }
    notes
}
