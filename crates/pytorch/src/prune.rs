//! The pairs of `torch.nn.utils.prune`: NAME is `NAME_orig` times `NAME_mask`.

use artifact::tensors::{Tensor, Tensors, Values};

use crate::fault::{listed, shown};
use crate::names;

/// Folds every mask of `all` into its tensor; gives the tensors and the masks by clean name.
///
/// # Errors
/// In words, where a mask has no tensor, another shape or other values than 0 and 1.
pub fn fold(mut all: Tensors, notes: &mut Vec<String>) -> Result<(Tensors, Tensors), String> {
    let named: Vec<String> = all.keys().filter(|n| names::is_mask(n)).cloned().collect();
    let mut masks = Tensors::new();
    for mask_name in named {
        let name = mask_name.strip_suffix("_mask").expect("ends so").to_owned();
        let orig_name = format!("{name}_orig");
        let mask = all.remove(&mask_name).expect("listed above");
        let Some(orig) = all.remove(&orig_name) else {
            return Err(format!("tensor {}: no {}", shown(&mask_name), shown(&orig_name)));
        };
        let of = |e: String| format!("tensor {}: {e}", shown(&mask_name));
        let mask = binary(&mask).map_err(of)?;
        let tensor = masked(&orig, &mask).map_err(of)?;
        if all.insert(name.clone(), tensor).is_some() {
            let (name, orig) = (shown(&name), shown(&orig_name));
            return Err(format!("tensor {name} stands beside {orig}: one tensor twice"));
        }
        masks.insert(name, mask);
    }
    if !masks.is_empty() {
        let names: Vec<&String> = masks.keys().collect();
        notes.push(format!("folded {} masks into {}", masks.len(), listed(&names)));
    }
    Ok((all, masks))
}

/// A mask of any type as bytes.
fn binary(mask: &Tensor) -> Result<Tensor, String> {
    let numbers: Vec<f32> = match &mask.values {
        Values::U8(v) => v.iter().map(|b| f32::from(*b)).collect(),
        Values::U16(v) => v.iter().map(|b| f32::from(*b)).collect(),
        Values::F32(v) => v.clone(),
    };
    match numbers.iter().position(|x| ![0.0, 1.0].contains(x)) {
        None => Ok(Tensor::u8(&mask.shape, numbers.iter().map(|x| u8::from(*x == 1.0)).collect())),
        Some(at) => Err(format!("value {at} is {}; expected 0 or 1", numbers[at])),
    }
}

/// `orig` where `mask` is 1, +0.0 where it is 0.
fn masked(orig: &Tensor, mask: &Tensor) -> Result<Tensor, String> {
    let (Some(w), Some(m)) = (orig.as_f32(), mask.as_u8()) else {
        return Err("the tensor that it masks is itself a mask".to_owned());
    };
    if orig.shape != mask.shape {
        return Err(format!("shape {:?}; its tensor has {:?}", mask.shape, orig.shape));
    }
    let values = w.iter().zip(m).map(|(w, m)| if *m == 0 { 0.0 } else { *w });
    Ok(Tensor::f32(&orig.shape, values.collect()))
}
