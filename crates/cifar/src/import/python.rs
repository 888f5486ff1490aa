//! CIFAR-10's Python layout: a pickled dict a file, with `data` (N x 3072 bytes) and `labels`.

use artifact::{Error, Result};

use super::layout::PYTHON;
use super::official::{self, PIXELS};
use super::pickle::{self, Array, Value};
use super::{Tree, official::check_label};
use crate::{Images, Raw, raw};

/// Decodes a tree of the Python layout.
pub fn decode(tree: &Tree) -> Result<Raw> {
    let (names, meta) = (&PYTHON[..6], PYTHON[6]);
    let classes = classes(tree.file(meta)?, &tree.place(meta))?;
    let count = classes.len();
    official::assemble(tree, names, ("python", classes), |bytes, origin| {
        let bad = |what: String| Error::Integrity(format!("{origin}: {what}"));
        let (labels, pixels) = pickle::read(bytes).and_then(|v| batch(&v)).map_err(bad)?;
        let labels = labels.into_iter().enumerate();
        let labels =
            labels.map(|(i, l)| check_label(l, i, count, origin)).collect::<Result<_>>()?;
        Ok(Images { pixels, labels })
    })
}

/// `label_names` of `batches.meta`.
fn classes(bytes: &[u8], origin: &str) -> Result<Vec<String>> {
    let names = |v: Value| -> Result<Vec<String>, String> {
        let text = |v: &Value| v.text().map(str::to_owned).ok_or("a class name is not text".into());
        entry(&v, "label_names")?.list().ok_or("label_names is no list")?.iter().map(text).collect()
    };
    let classes = pickle::read(bytes)
        .and_then(names)
        .map_err(|what| Error::Integrity(format!("{origin}: {what}")))?;
    raw::check_classes(&classes, origin).map(|()| classes)
}

/// (labels, pixels) of a batch.
fn batch(value: &Value) -> Result<(Vec<i64>, Vec<u8>), String> {
    let labels = entry(value, "labels")?.list().ok_or("labels is no list")?;
    let label = |v: &Value| v.int().ok_or("a label is no whole number".to_owned());
    let labels: Vec<i64> = labels.iter().map(label).collect::<Result<_, _>>()?;
    let data = entry(value, "data")?.array().ok_or("data is no array")?;
    let expected = [labels.len(), PIXELS];
    if data.shape != expected || labels.is_empty() {
        let found = &data.shape;
        return Err(format!(
            "data has shape {found:?} and labels {}; expected {expected:?}, at least one",
            labels.len()
        ));
    }
    Ok((labels, rows(data)))
}

/// The array row by row, however it lies in the file.
fn rows(data: &Array) -> Vec<u8> {
    if !data.fortran {
        return data.bytes.to_vec();
    }
    let n = data.shape[0];
    (0..data.bytes.len()).map(|i| data.bytes[i % PIXELS * n + i / PIXELS]).collect()
}

fn entry<'a>(value: &'a Value, key: &str) -> Result<&'a Value, String> {
    let items = value.dict().ok_or("the pickle is no dict")?;
    let found = items.iter().find(|(k, _)| k.text() == Some(key));
    found.map(|(_, v)| v).ok_or_else(|| format!("the dict has no {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::pickle::writer;

    /// Five equal batches and a test batch with `labels`, image i all of byte i.
    fn check(labels: &[u8], fortran: bool, expected: &str) {
        let n = labels.len();
        let pixel = |i: usize| if fortran { i % n } else { i / PIXELS } as u8;
        let data: Vec<u8> = (0..n * PIXELS).map(pixel).collect();
        let batch = writer::batch(&data, labels, fortran);
        let mut files: std::collections::BTreeMap<_, _> =
            PYTHON[..6].iter().map(|f| ((*f).to_owned(), batch.clone())).collect();
        files.insert(PYTHON[6].to_owned(), writer::meta(&["a", "b", "c"]));
        let found = match decode(&Tree { origin: "d".into(), files }) {
            Ok(raw) => {
                let firsts: Vec<u8> = raw.test.pixels.iter().step_by(PIXELS).copied().collect();
                format!("{:?} {:?} {firsts:?}", raw.classes, raw.test.labels)
            }
            Err(e) => format!("exit {}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn batches_are_read_in_either_order_of_memory() {
        check(&[2, 0, 1], false, r#"["a", "b", "c"] [2, 0, 1] [0, 1, 2]"#);
        check(&[2, 0, 1], true, r#"["a", "b", "c"] [2, 0, 1] [0, 1, 2]"#);
        check(&[2, 3, 1], false, "exit 3: d/data_batch_1: record 1 (counted from 0) has label 3");
        check(&[], false, "exit 5: d/data_batch_1: data has shape [0, 3072]");
    }
}
