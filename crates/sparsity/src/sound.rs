//! Whether a checkpoint's values can be those of a network at all.

use std::path::Path;

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result};
use graph::{Graph, Param, Role};

/// Checks that every value of `tensors`, which are those of `graph`'s table, is finite and that no
/// running variance is negative; `path` is named in errors.
///
/// # Errors
/// [`Error::Integrity`] with the tensor, the place and the value.
pub fn check_sound(graph: &Graph, tensors: &Tensors, path: &Path) -> Result<()> {
    for param in graph.params() {
        let values = tensors.get(&param.name).and_then(Tensor::as_f32).unwrap_or_default();
        check_values(param, values).map_err(|what| {
            Error::Integrity(format!("{}: tensor {}: {what}", path.display(), param.name))
        })?;
    }
    Ok(())
}

/// Checks `values` of the parameter `param`, all of them or only those that a mask keeps, as
/// [`check_sound`] does.
///
/// # Errors
/// In words, the first value that no network has.
pub fn check_values(param: &Param, values: &[f32]) -> Result<(), String> {
    let variance = param.role == Role::RunningVar;
    let wrong = |v: &f32| !v.is_finite() || variance && *v < 0.0;
    values.iter().position(wrong).map_or(Ok(()), |at| {
        let expected = if variance { "a variance, 0 or more" } else { "a finite number" };
        Err(format!("value {at} is {}; expected {expected}", values[at]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_no_network_has_are_refused() {
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let ones = |p: &graph::Param| (p.name.clone(), Tensor::f32(&p.shape, vec![1.0; p.count()]));
        let sound: Tensors = graph.params().iter().map(ones).collect();
        let check = |name: &str, value: f32, expected: &str| {
            let mut changed = sound.clone();
            let shape = changed[name].shape.clone();
            let mut values = vec![0.0; shape.iter().product()];
            values[1] = value;
            changed.insert(name.to_owned(), Tensor::f32(&shape, values));
            let found = check_sound(&graph, &changed, Path::new("f"));
            let found =
                found.map_or_else(|e| format!("{}: {e}", e.exit_code()), |()| "sound".into());
            assert_eq!(found, expected);
        };
        let var = "backbone.bn0.running_var";
        check(var, 0.0, "sound");
        check(
            var,
            -0.5,
            "5: f: tensor backbone.bn0.running_var: value 1 is -0.5; expected a variance, 0 or more",
        );
        check("backbone.bn0.running_mean", -0.5, "sound");
        let weight = "classifier.weight";
        check(
            weight,
            f32::NAN,
            "5: f: tensor classifier.weight: value 1 is NaN; expected a finite number",
        );
        check(
            weight,
            f32::NEG_INFINITY,
            "5: f: tensor classifier.weight: value 1 is -inf; expected a finite number",
        );
    }
}
