//! The attributes of an operator.

use super::constant::Found;
use crate::proto::{Attribute, Node, Tensor};

/// An operator, looked at for its attributes.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(pub &'a Node);

impl<'a> Attributes<'a> {
    fn of(self, name: &str) -> Option<&'a Attribute> {
        self.0.attribute.iter().find(|a| a.name == name)
    }

    pub fn int(self, name: &str) -> Option<i64> {
        self.of(name)?.i
    }

    pub fn float(self, name: &str) -> Option<f32> {
        self.of(name)?.f
    }

    pub fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.of(name).map(|a| a.ints.as_slice())
    }

    pub fn floats(self, name: &str) -> Option<&'a [f32]> {
        self.of(name).map(|a| a.floats.as_slice())
    }

    pub fn text(self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(self.of(name)?.s.as_ref()?).into_owned())
    }

    pub fn tensor(self, name: &str) -> Option<&'a Tensor> {
        self.of(name)?.t.as_deref()
    }

    /// A list of sizes; `usual` where it is not given.
    pub fn sizes(self, name: &str, usual: &[usize]) -> Found<Vec<usize>> {
        let Some(found) = self.ints(name) else { return Ok(usual.to_vec()) };
        let sizes: Option<Vec<usize>> = found.iter().map(|&n| usize::try_from(n).ok()).collect();
        let sizes = sizes.filter(|s| s.len() == usual.len() && s.iter().all(|n| *n <= 1 << 31));
        sizes.ok_or_else(|| format!("{name}={found:?}; expected {} sizes", usual.len()))
    }

    /// Whether a batch norm is in training mode and normalises with the statistics of its input; below opset
    /// 14 the sign of that is that it has further outputs.
    pub fn is_training(self) -> bool {
        let given = self.0.output.iter().filter(|name| !name.is_empty()).count();
        self.int("training_mode") == Some(1) || given > 1
    }

    /// Whether a reduction over no dimensions gives what it reads, instead of reducing all.
    pub fn keeps_all(self) -> bool {
        self.int("noop_with_empty_axes") == Some(1)
    }

    /// Whether it holds a network of its own.
    pub fn has_subgraph(self) -> bool {
        self.0.attribute.iter().any(|a| a.g.is_some())
    }

    /// `name=value` of each, as messages have it.
    pub fn printed(self) -> String {
        let all: Vec<String> = self.0.attribute.iter().take(16).map(printed).collect();
        all.join(", ")
    }
}

fn printed(a: &Attribute) -> String {
    let short = |text: String| text.chars().take(60).collect::<String>();
    let value = match (a.f, a.i, &a.s, &a.t, &a.g) {
        (Some(f), ..) => f.to_string(),
        (_, Some(i), ..) => i.to_string(),
        (_, _, Some(s), ..) => format!("{:?}", String::from_utf8_lossy(s)),
        (_, _, _, Some(t), _) => format!("tensor {:?}", t.dims),
        (.., Some(_)) => "a network".to_owned(),
        _ if a.ints.is_empty() => format!("{:?}", a.floats),
        _ => format!("{:?}", a.ints),
    };
    format!("{}={}", short(a.name.clone()), short(value))
}
