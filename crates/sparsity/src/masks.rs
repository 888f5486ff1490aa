//! The masks of a network, by parameter name.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::tensors::{self, Tensor, Tensors, Values};
use artifact::{Error, Result, nearest};
use graph::{Graph, Param};

use crate::Mask;

/// A mask for each parameter that has pruned values; a parameter without one is kept whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masks {
    by_name: BTreeMap<String, Mask>,
}

impl Masks {
    /// The mask of the parameter `name`, if it has one.
    pub fn get(&self, name: &str) -> Option<&Mask> {
        self.by_name.get(name)
    }

    /// Sets the mask of the parameter `name`.
    pub fn insert(&mut self, name: &str, mask: Mask) {
        self.by_name.insert(name.to_owned(), mask);
    }

    /// Keeps the parameter `name` whole.
    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// Every mask with its parameter's name, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Mask)> {
        self.by_name.iter().map(|(name, mask)| (name.as_str(), mask))
    }

    /// Whether no parameter has a mask.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Number of values that the masks hold at zero.
    pub fn pruned(&self) -> u64 {
        self.by_name.values().map(Mask::pruned).sum()
    }

    /// Number of pruned values of the parameter `name`.
    pub fn pruned_of(&self, name: &str) -> u64 {
        self.get(name).map_or(0, Mask::pruned)
    }

    /// Reads the mask file `path`: byte tensors of 0 (pruned) and 1 (kept), each under the name
    /// and with the shape of a trainable parameter of `graph`.
    pub fn read(path: &Path, graph: &Graph) -> Result<Self> {
        let (tensors, _) = tensors::read(path)?;
        Self::of_tensors(&tensors, graph, path)
    }

    /// As [`Masks::read`], from byte tensors; `path` is named in errors only.
    pub fn of_tensors(tensors: &Tensors, graph: &Graph, path: &Path) -> Result<Self> {
        let mut masks = Self::default();
        for (name, tensor) in tensors {
            let mask = of_tensor(name, tensor, graph)
                .map_err(|what| Error::Integrity(format!("{}: {what}", path.display())))?;
            masks.insert(name, mask);
        }
        Ok(masks)
    }

    /// The masks as byte tensors for a mask file.
    ///
    /// # Panics
    /// If a mask binds no parameter of `graph`.
    pub fn tensors(&self, graph: &Graph) -> Tensors {
        let tensor = |(name, mask): (&str, &Mask)| {
            let param = graph.param(name).expect("masks bind parameters of their network");
            let bytes = mask.kept().iter().map(|&k| u8::from(k)).collect();
            (name.to_owned(), Tensor::u8(&param.shape, bytes))
        };
        self.iter().map(tensor).collect()
    }

    /// Number of pruned positions of `tensors` whose value is not zero.
    pub fn revived(&self, tensors: &Tensors) -> u64 {
        let of = |(name, mask): (&str, &Mask)| {
            tensors.get(name).and_then(Tensor::as_f32).map_or(0, |values| mask.revived(values))
        };
        self.iter().map(of).sum()
    }

    /// Sets every pruned value of `tensors` to +0.0.
    pub fn apply(&self, tensors: &mut Tensors) {
        for (name, mask) in self.iter() {
            if let Some(Tensor { values: Values::F32(values), .. }) = tensors.get_mut(name) {
                mask.apply(values);
            }
        }
    }
}

fn of_tensor(name: &str, tensor: &Tensor, graph: &Graph) -> Result<Mask, String> {
    let param = trainable(name, graph)?;
    if tensor.shape != param.shape {
        return Err(format!(
            "mask {name} has shape {:?}; its parameter has {:?}",
            tensor.shape, param.shape
        ));
    }
    let bytes = tensor.as_u8().ok_or_else(|| format!("mask {name} is not U8"))?;
    if let Some(i) = bytes.iter().position(|b| *b > 1) {
        return Err(format!("mask {name}: value {i} is {}; expected 0 or 1", bytes[i]));
    }
    Ok(Mask::new(bytes.iter().map(|b| *b == 1).collect()))
}

fn trainable<'a>(name: &str, graph: &'a Graph) -> Result<&'a Param, String> {
    match graph.param(name) {
        Some(param) if param.trainable() => Ok(param),
        Some(_) => Err(format!("mask {name} binds a norm statistic; expected a parameter")),
        None => {
            let hint = nearest::hint(name, graph.params().iter().map(|p| p.name.as_str()));
            Err(format!("mask {name}: the network has no such parameter{hint}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Graph {
        Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo")
    }

    /// Writes `tensor` as the mask `name` and reads it back.
    fn check(name: &str, tensor: Tensor, expected: &str) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("mask.safetensors");
        tensors::write(&path, &[(name.to_owned(), tensor)].into(), None).expect("writes");
        let found = Masks::read(&path, &network()).map_or_else(|e| e.to_string(), |_| "ok".into());
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn what_binds_nothing_is_refused() {
        let bias = |bytes: &[u8]| Tensor::u8(&[bytes.len()], bytes.to_vec());
        check("classifier.bias", bias(&[0, 1, 1, 1, 1, 1, 1, 1, 1, 1]), "ok");
        check("classifier.bias", bias(&[0, 1, 2, 1, 1, 1, 1, 1, 1, 1]), "value 2 is 2");
        check("classifier.bias", bias(&[1; 9]), "has shape [9]; its parameter has [10]");
        check("classifier.bias", Tensor::f32(&[10], vec![1.0; 10]), "is not U8");
        check("classifier.bais", bias(&[1; 10]), "did you mean classifier.bias?");
        check("backbone.bn0.running_var", bias(&[1, 1]), "binds a norm statistic");
    }

    #[test]
    fn tensors_come_back_and_weights_obey() {
        let (dir, graph) = (tempfile::tempdir().expect("a temporary folder"), network());
        let path = dir.path().join("mask.safetensors");
        let mut masks = Masks::default();
        masks.insert("classifier.bias", Mask::new((0..10).map(|i| i > 2).collect()));
        tensors::write(&path, &masks.tensors(&graph), None).expect("writes");
        assert_eq!(Masks::read(&path, &graph).expect("reads"), masks);
        let ones = Tensor::f32(&[10], vec![1.0; 10]);
        let mut weights: Tensors = [("classifier.bias".to_owned(), ones)].into();
        assert_eq!((masks.pruned(), masks.revived(&weights)), (3, 3));
        masks.apply(&mut weights);
        assert_eq!(masks.revived(&weights), 0);
    }
}
