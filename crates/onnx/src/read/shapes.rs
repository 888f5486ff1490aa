//! What a file says of itself: the version of its operators, its images, its output.

use graph::Shape;

use super::Options;
use super::constant::Found;
use super::tensor::{is_real, type_name};
use crate::proto::{Graph, Model, Size, TensorType, ValueInfo};

/// Versions of the standard operators that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=23;

/// The one value that is no weight: a batch of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    pub name: String,
    pub shape: Shape,
    /// Where the file fixes the batch size.
    pub batch: Option<i64>,
}

/// Whether `domain` is that of the standard operators.
pub fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The version of the standard operators.
pub fn opset(model: &Model) -> Found<i64> {
    let standard = |domain: &Option<String>| is_standard(domain.as_deref().unwrap_or(""));
    let found = model.opset_import.iter().find(|o| standard(&o.domain)).map(|o| o.version);
    match found {
        Some(version) if OPSETS.contains(&version) => Ok(version),
        Some(version) => Err(format!(
            "operators of opset {version}; read are opsets {} to {}: export it again",
            OPSETS.start(),
            OPSETS.end()
        )),
        None => Err("no version of the standard operators; not an ONNX network".into()),
    }
}

/// The images.
pub fn input(graph: &Graph, options: &Options) -> Found<Input> {
    if !graph.sparse_initializer.is_empty() {
        return Err("sparse initializers; expected dense ones".into());
    }
    let weights: std::collections::BTreeSet<&str> =
        graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let real: Vec<&ValueInfo> =
        graph.input.iter().filter(|i| !weights.contains(i.name.as_str())).collect();
    let [input] = real[..] else {
        let names: Vec<&str> = real.iter().take(8).map(|i| i.name.as_str()).collect();
        return Err(format!(
            "{} inputs ({}); expected one, a batch of images",
            real.len(),
            names.join(", ")
        ));
    };
    let named = |what: String| format!("input {}: {what}", input.name);
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| named("no tensor".into()))?;
    if !is_real(tensor.elem_type) {
        let found = type_name(tensor.elem_type);
        return Err(named(format!("values of type {found}; expected real numbers")));
    }
    let (batch, shape) = sizes(tensor, options.size).map_err(named)?;
    Ok(Input { name: input.name.clone(), shape, batch })
}

fn sizes(tensor: &TensorType, given: Option<geometry::Size>) -> Found<(Option<i64>, Shape)> {
    let dims = tensor.shape.as_ref().map(|s| &s.dim);
    let dims = dims.ok_or("a value without shape; expected batch x channels x height x width")?;
    let fixed: Vec<Option<i64>> = dims
        .iter()
        .map(|d| match d.value {
            Some(Size::Fixed(n)) if n > 0 => Some(n),
            _ => None,
        })
        .collect();
    let [batch, c, h, w] = fixed[..] else {
        return Err(format!(
            "{} dimensions; expected 4: batch x channels x height x width",
            dims.len()
        ));
    };
    let given = [None, given.map(|size| size.h), given.map(|size| size.w)];
    let mut shape = [0; 3];
    for (i, (found, what)) in [c, h, w].into_iter().zip(["channels", "height", "width"]).enumerate()
    {
        shape[i] = match (found, given[i]) {
            (Some(n), Some(given)) if n != given as i64 => {
                return Err(format!("{what} {n} in the file, {given} given"));
            }
            (Some(n), _) => usize::try_from(n)
                .ok()
                .filter(|n| *n <= 1 << 20)
                .ok_or_else(|| format!("{what} {n}; expected {} at most", 1 << 20))?,
            (None, Some(given)) => given,
            (None, None) if i == 0 => {
                return Err(
                    "its channels are left open; export it with a fixed number of them".into()
                );
            }
            (None, None) => {
                return Err(format!(
                    "its {what} is left open; say what height and width the images have (--side)"
                ));
            }
        };
    }
    let [c, h, w] = shape;
    if shape.iter().map(|&n| n as u128).product::<u128>() > 1 << 31 {
        return Err(format!("images of {c}x{h}x{w}; expected smaller ones"));
    }
    Ok((batch, Shape::new(c, h, w)))
}
