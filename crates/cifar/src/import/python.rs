//! The Python layouts: a pickled dict a file, with `data` (N x 3072 bytes) and labels.

use artifact::record::ImageShape;
use artifact::{Error, Result};
use pickle::{Pickle, Value};

use super::layout::{HUNDRED_PYTHON, PYTHON};
use super::official::{self, PIXELS};
use super::{Labels, Tree, numpy, official::check_label};
use crate::{Images, Raw, raw};

/// Decodes a tree of CIFAR-10's layout.
pub fn decode(tree: &Tree) -> Result<Raw> {
    let (names, meta) = (&PYTHON[..6], PYTHON[6]);
    let classes = classes(tree, meta, "label_names")?;
    let count = classes.len();
    official::assemble(tree, names, ("python", classes), |bytes, origin| {
        images(bytes, "labels", count, origin)
    })
}

/// Decodes a tree of CIFAR-100's layout.
pub fn hundred(tree: &Tree, labels: Labels) -> Result<Raw> {
    let [train, test, meta] = HUNDRED_PYTHON;
    let (names, key) = match labels {
        Labels::Fine => ("fine_label_names", "fine_labels"),
        Labels::Coarse => ("coarse_label_names", "coarse_labels"),
    };
    let classes = classes(tree, meta, names)?;
    let part = |name: &str| images(tree.file(name)?, key, classes.len(), &tree.place(name));
    let (train, test) = (part(train)?, part(test)?);
    Ok(Raw {
        train,
        test,
        ..Raw::empty("cifar-100-python", classes, ImageShape::square(official::SIDE))
    })
}

/// The class names under `key` of the file `name`.
fn classes(tree: &Tree, name: &str, key: &str) -> Result<Vec<String>> {
    let origin = tree.place(name);
    let bad = |what: String| Error::Integrity(format!("{origin}: {what}"));
    let pickle = pickle::read_whole(tree.file(name)?).map_err(bad)?;
    let list = entry(&pickle, key).and_then(|v| {
        pickle.items(v).ok_or_else(|| format!("{key} is {}; expected a list", pickle.describe(v)))
    });
    let text = |v: &Value| {
        let text = numpy::text(&pickle, *v).map(std::borrow::Cow::into_owned);
        text.ok_or_else(|| format!("a class name is {}; expected text", pickle.describe(*v)))
    };
    let names = list.and_then(|all| all.iter().map(text).collect());
    let names: Vec<String> = names.map_err(bad)?;
    raw::check_classes(&names, &origin).map(|()| names)
}

/// The images of one file, with the labels under `key`.
fn images(bytes: &[u8], key: &str, classes: usize, origin: &str) -> Result<Images> {
    let batch = pickle::read_whole(bytes).and_then(|pickle| batch(&pickle, key));
    let (labels, pixels) = batch.map_err(|what| Error::Integrity(format!("{origin}: {what}")))?;
    let labels = labels.into_iter().enumerate();
    let labels = labels.map(|(i, l)| check_label(l, i, classes, origin)).collect::<Result<_>>()?;
    Ok(Images { pixels: pixels.into(), labels })
}

/// Labels and pixels of a batch.
fn batch(pickle: &Pickle, key: &str) -> Result<(Vec<i64>, Vec<u8>), String> {
    let labels = numpy::ints(pickle, entry(pickle, key)?).map_err(|e| format!("{key}: {e}"))?;
    let data = numpy::array(pickle, entry(pickle, "data")?).map_err(|e| format!("data: {e}"))?;
    let expected = [labels.len(), PIXELS];
    if data.shape != expected || labels.is_empty() {
        let found = &data.shape;
        return Err(format!(
            "data has shape {found:?} and {key} {}; expected {expected:?}, at least one",
            labels.len()
        ));
    }
    let rows = data.rows().ok_or("data is an array of numbers of several bytes; expected bytes")?;
    Ok((labels, rows))
}

/// The value under `key` of the dict that the pickle holds.
fn entry<'p>(pickle: &Pickle<'p>, key: &str) -> Result<Value<'p>, String> {
    let entries = pickle.dict(pickle.top);
    let entries = entries.ok_or_else(|| {
        format!("the pickle holds {}; expected a dict", pickle.describe(pickle.top))
    })?;
    // As in Python, the last of two equal keys counts.
    let mut found = entries.iter().rev();
    let found = found.find(|(k, _)| numpy::text(pickle, *k).is_some_and(|text| text == key));
    found.map(|(_, v)| *v).ok_or_else(|| format!("the dict has no {key}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::import::numpy::tests::{dtype, from_buffer, reconstructed};
    use pickle::writer::{Item, dict, pickle, text};

    /// Keys and names as Python 2 and CIFAR-100's own files have them.
    fn bytes(text: &str) -> Item {
        Item::Bytes(text.as_bytes().to_vec())
    }

    fn ints(labels: &[u8]) -> Item {
        Item::List(labels.iter().map(|l| Item::Int(i32::from(*l))).collect())
    }

    /// `labels.len()` images, image i all of byte i, as numpy pickles them in `protocol`.
    fn data(n: usize, protocol: u8, fortran: bool) -> Item {
        let pixel = |i: usize| if fortran { i % n } else { i / PIXELS } as u8;
        let data: Vec<u8> = (0..n * PIXELS).map(pixel).collect();
        match protocol {
            5 => {
                from_buffer(dtype("u1", "|"), &[n, PIXELS], &data, if fortran { "F" } else { "C" })
            }
            _ => reconstructed("numpy.core.multiarray", &[n, PIXELS], Item::Bytes(data), fortran),
        }
    }

    /// What comes of five equal batches and a test batch with `labels`.
    fn check(protocol: u8, labels: &[u8], fortran: bool, expected: &str) {
        let n = labels.len();
        let parts = [
            ("batch_label", text("x")),
            ("labels", ints(labels)),
            ("data", data(n, protocol, fortran)),
        ];
        let batch = pickle(&dict(&parts), protocol);
        let mut files: BTreeMap<_, _> =
            PYTHON[..6].iter().map(|f| ((*f).to_owned(), batch.clone())).collect();
        let names = Item::List(["a", "b", "c"].map(bytes).to_vec());
        files.insert(PYTHON[6].to_owned(), pickle(&dict(&[("label_names", names)]), protocol));
        let found = match decode(&Tree::of(files)) {
            Ok(raw) => {
                let pixels = raw.test.pixels.to_vec().expect("in memory");
                let firsts: Vec<u8> = pixels.iter().step_by(PIXELS).copied().collect();
                format!("{:?} {:?} {firsts:?}", raw.classes, raw.test.labels)
            }
            Err(e) => format!("exit {}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn batches_of_every_protocol_are_read_in_either_order_of_memory() {
        for protocol in 2..=5 {
            for fortran in [false, true] {
                check(protocol, &[2, 0, 1], fortran, r#"["a", "b", "c"] [2, 0, 1] [0, 1, 2]"#);
            }
            let label = "exit 3: d/data_batch_1: record 1 (counted from 0) has label 3";
            check(protocol, &[2, 3, 1], false, label);
            check(protocol, &[], false, "exit 5: d/data_batch_1: data has shape [0, 3072]");
        }
    }

    /// CIFAR-100's files of three images, changed by `change`.
    fn hundred_of(labels: Labels, change: impl Fn(&mut Tree), expected: &str) {
        let key = |name: &str, value: Item| (bytes(name), value);
        let batch = Item::Dict(vec![
            key("fine_labels", ints(&[2, 0, 1])),
            key("coarse_labels", ints(&[1, 0, 1])),
            key("data", data(3, 2, false)),
        ]);
        let meta = Item::Dict(vec![
            key("fine_label_names", Item::List(["x", "y", "z"].map(bytes).to_vec())),
            key("coarse_label_names", Item::List(["a", "b"].map(bytes).to_vec())),
        ]);
        let files = [&batch, &batch, &meta].map(|item| pickle(item, 2));
        let files = HUNDRED_PYTHON.map(str::to_owned).into_iter().zip(files).collect();
        let mut tree = Tree::of(files);
        change(&mut tree);
        let found = match hundred(&tree, labels) {
            Ok(raw) => {
                format!(
                    "{:?} {:?} {:?}",
                    raw.classes,
                    raw.train.labels,
                    raw.test.pixels.to_vec().expect("in memory")[3072]
                )
            }
            Err(e) => format!("exit {}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn cifar_100_has_two_kinds_of_labels() {
        hundred_of(Labels::Fine, |_| (), r#"["x", "y", "z"] [2, 0, 1] 1"#);
        hundred_of(Labels::Coarse, |_| (), r#"["a", "b"] [1, 0, 1] 1"#);
    }

    #[test]
    fn defects_are_named() {
        let cut = |t: &mut Tree| t.files.get_mut("test").expect("there").truncate(500);
        hundred_of(Labels::Fine, cut, "exit 5: d/test: byte ");
        let lost = |t: &mut Tree| drop(t.files.remove("meta"));
        hundred_of(Labels::Fine, lost, "exit 4: d/meta: no such file");
        let other = |item: Item| {
            move |t: &mut Tree| drop(t.files.insert("train".to_owned(), pickle(&item, 2)))
        };
        hundred_of(Labels::Fine, other(dict(&[])), "exit 5: d/train: the dict has no fine_labels");
        hundred_of(Labels::Fine, other(text("x")), "the pickle holds text; expected a dict");
        let called = pickle::writer::call("os", "system", &[text("ls")]);
        let batch = dict(&[("fine_labels", ints(&[0])), ("data", called)]);
        let told = "data: a call of os.system, not an array; nothing of it was run";
        hundred_of(Labels::Fine, other(batch), told);
    }
}
