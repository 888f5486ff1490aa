//! Names of nodes: the paths of modules, so that a `state_dict` of the same module loads by name.

use std::collections::{BTreeMap, BTreeSet};

use graph::Op;

use super::draft::{Draft, Step};
use crate::proto::Node;

/// What stands behind the module's path in the names of its tensors.
const SUFFIXES: [&str; 4] = [".weight", ".bias", ".running_mean", ".running_var"];

/// Where dynamo notes the modules that an operator was called in.
const SCOPES: &str = "pkg.torch.onnx.name_scopes";

/// `name`, if it is a parameter's and not one that an exporter made up.
pub fn parameter(name: &str) -> Option<&str> {
    let made_up = name.contains(['/', ':'])
        || !name.contains('.') && name.contains(|c: char| c.is_ascii_digit());
    let plain = !name.is_empty() && name == clean(name);
    (plain && !made_up).then_some(name)
}

/// The path of the module whose tensor is called `name`.
pub fn module(name: Option<&str>) -> Option<String> {
    let name = parameter(name?)?;
    let path = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix))?;
    (!path.is_empty()).then(|| path.to_owned())
}

/// `text` with what no name may hold replaced.
fn clean(text: &str) -> String {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "(),=#:".contains(c);
    text.chars().take(512).map(|c| if bad(c) { '_' } else { c }).collect()
}

/// What a file says of where an operator stands.
#[derive(Debug, Clone, PartialEq)]
enum Scope {
    /// The module that it was called in; empty for the network itself.
    Module(String),
    /// A name of its own.
    Own(String),
    Nothing,
}

fn scope(node: Option<&Node>) -> Scope {
    let Some(node) = node else { return Scope::Nothing };
    if let Some(entry) = node.metadata_props.iter().find(|e| e.key == SCOPES) {
        return of_dynamo(&entry.value);
    }
    match node.name.strip_prefix('/') {
        Some(name) => Scope::Module(of_torchscript(name)),
        None if node.name.is_empty() => Scope::Nothing,
        None => Scope::Own(clean(&node.name)),
    }
}

/// `['', 'layer1', 'layer1.0', 'add']`: modules from the outermost in, then the operator.
fn of_dynamo(list: &str) -> Scope {
    let mut quoted: Vec<&str> = list.split(['\'', '"']).skip(1).step_by(2).collect();
    quoted.pop();
    match quoted.last() {
        Some(path) if !path.starts_with('_') => Scope::Module(clean(path)),
        _ => Scope::Nothing,
    }
}

/// `layer1/layer1.0/conv1/Conv`: modules from the outermost in, those of a sequence with its name again,
/// then the operator.
fn of_torchscript(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    let (mut path, mut last) = (String::new(), "");
    for part in parts {
        let inside = part.strip_prefix(last).is_some_and(|rest| rest.starts_with('.'));
        if !last.is_empty() && inside {
            path.truncate(path.len() - last.len());
        } else if !path.is_empty() {
            path.push('.');
        }
        path.push_str(part);
        last = part;
    }
    clean(&path)
}

/// A name for each of the drafts `used`, no two alike; and which were taken.
pub fn names(
    drafts: &[Draft],
    used: &[usize],
    nodes: &[Node],
    notes: &mut Vec<String>,
) -> Vec<String> {
    // The input's node.
    let mut taken = Taken::default();
    taken.unique("input");
    let mut names = vec![String::new(); drafts.len()];
    let scopes: Vec<Scope> = used.iter().map(|&i| scope(nodes.get(drafts[i].site))).collect();
    let mut readers: BTreeMap<&str, usize> = BTreeMap::new();
    for path in used.iter().filter_map(|&i| drafts[i].path.as_deref()) {
        *readers.entry(path).or_default() += 1;
    }
    for (&i, scope) in used.iter().zip(&scopes) {
        let Some(path) = &drafts[i].path else { continue };
        let wanted = match scope {
            // Equal parameters may be stored once: where each stands is told by its operator.
            Scope::Module(own) if !own.is_empty() && readers[path.as_str()] > 1 => {
                beside(own, path, &drafts[i])
            }
            Scope::Module(_) | Scope::Own(_) | Scope::Nothing => path.clone(),
        };
        names[i] = taken.unique(&clean(&wanted));
        if names[i] != *path {
            notes.push(format!("{} has a copy of the weights of {path}", names[i]));
        }
    }
    let module = |s: &Scope| match s {
        Scope::Module(path) => Some(path.clone()),
        Scope::Own(_) | Scope::Nothing => None,
    };
    let mut paths: Vec<String> = scopes.iter().filter_map(module).collect();
    paths.extend(taken.names.iter().cloned());
    paths.sort_unstable();
    for (&i, scope) in used.iter().zip(&scopes) {
        if names[i].is_empty() {
            let wanted = wanted(scope, word(&drafts[i]), &paths);
            names[i] = taken.unique(&wanted);
        }
    }
    names
}

/// The module `own`; for a parameter by itself, the one of the same word in it as in `path`.
fn beside(own: &str, path: &str, draft: &Draft) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    match draft.step {
        Step::Op(Op::Scale(_) | Op::Shift(_)) => format!("{own}.{last}"),
        _ => own.to_owned(),
    }
}

fn word(draft: &Draft) -> &'static str {
    match &draft.step {
        Step::Op(op) => op.keyword(),
        _ => "part",
    }
}

/// A module with one operator has its name; other operators stand behind the path of theirs.
fn wanted(scope: &Scope, word: &str, paths: &[String]) -> String {
    match scope {
        Scope::Nothing => word.to_owned(),
        Scope::Own(name) => name.clone(),
        Scope::Module(path) if path.is_empty() => word.to_owned(),
        Scope::Module(path) => {
            let inner = format!("{path}.");
            let first = paths.partition_point(|p| *p < inner);
            let has_inner = paths.get(first).is_some_and(|p| p.starts_with(&inner));
            let own = paths.partition_point(|p| p <= path) - paths.partition_point(|p| p < path);
            if own == 1 && !has_inner { path.clone() } else { format!("{path}.{word}") }
        }
    }
}

/// Names that are in use.
#[derive(Default)]
struct Taken {
    names: BTreeSet<String>,
    /// The last number that was put behind each.
    numbers: BTreeMap<String, usize>,
}

impl Taken {
    /// `name`, or with a number behind it.
    fn unique(&mut self, name: &str) -> String {
        let mut found = name.to_owned();
        while !self.names.insert(found.clone()) {
            let number = self.numbers.entry(name.to_owned()).or_default();
            *number += 1;
            found = format!("{name}_{number}");
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_both_exporters_are_paths() {
        let check = |name: &str, path: &str| assert_eq!(of_torchscript(name), path);
        check("Conv", "");
        check("layer1/layer1.0/conv1/Conv", "layer1.0.conv1");
        check("features/features.1/conv/conv.0/conv.0.0/Conv", "features.1.conv.0.0");
        let dynamo = |list: &str| of_dynamo(list);
        assert_eq!(dynamo("['', 'layer1', 'layer1.0', 'add']"), Scope::Module("layer1.0".into()));
        assert_eq!(dynamo("['', 'relu']"), Scope::Module(String::new()));
        assert_eq!(dynamo("['_empty_nn_module_stack', 'sym']"), Scope::Nothing);
    }

    #[test]
    fn names_of_exporters_are_no_parameters() {
        for name in ["onnx::Conv_193", "val_6", "/layer1/Constant_output_0", "scalar_tensor_1", ""]
        {
            assert_eq!(parameter(name), None, "{name}");
        }
        assert_eq!(module(Some("layer1.0.conv1.weight")), Some("layer1.0.conv1".into()));
        assert_eq!(module(Some("features.1.0.layer_scale")), None);
        assert_eq!(parameter("features.1.0.layer_scale"), Some("features.1.0.layer_scale"));
    }
}
