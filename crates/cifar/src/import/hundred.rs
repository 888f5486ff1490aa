//! CIFAR-100: two kinds of labels, twenty coarse classes of five fine ones each.

use artifact::Result;
use artifact::record::ImageShape;

use super::layout::HUNDRED_BINARY;
use super::{Labels, Tree, official};
use crate::Raw;

/// Decodes a tree of the binary layout: records of a coarse label, a fine one and 3072 bytes of pixels.
pub fn binary(tree: &Tree, labels: Labels) -> Result<Raw> {
    let [train, test, fine, coarse] = HUNDRED_BINARY;
    let (at, meta) = match labels {
        Labels::Coarse => (0, coarse),
        Labels::Fine => (1, fine),
    };
    let classes = official::class_names(tree.file(meta)?, &tree.place(meta))?;
    let part =
        |name: &str| official::records(tree.file(name)?, (at, 2), classes.len(), &tree.place(name));
    let (train, test) = (part(train)?, part(test)?);
    Ok(Raw {
        train,
        test,
        ..Raw::empty("cifar-100-binary", classes, ImageShape::square(official::SIDE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three training and two test images of two coarse and three fine classes; image i is all byte i.
    fn check(labels: Labels, change: impl Fn(&mut Tree), expected: &str) {
        let record = |i: u8| [&[i % 2, i % 3][..], &[i; official::PIXELS]].concat();
        let records = |n: u8| (0..n).flat_map(record).collect::<Vec<u8>>();
        let names = b"\xEF\xBB\xBFx\r\ny\r\nz\r\n".to_vec();
        let contents = [records(3), records(2), names, b"a\nb\n".to_vec()];
        let files = HUNDRED_BINARY.map(str::to_owned).into_iter().zip(contents).collect();
        let mut tree = Tree::of(files);
        change(&mut tree);
        let found = match binary(&tree, labels) {
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
    fn either_kind_of_labels_is_read() {
        check(Labels::Fine, |_| (), r#"["x", "y", "z"] [0, 1, 2] 1"#);
        check(Labels::Coarse, |_| (), r#"["a", "b"] [0, 1, 0] 1"#);
    }

    #[test]
    fn defects_are_named() {
        let cut = |t: &mut Tree| t.files.get_mut("test.bin").expect("there").truncate(5000);
        check(Labels::Fine, cut, "exit 5: d/test.bin: found 5000 bytes, 1 whole records");
        let lost = |t: &mut Tree| drop(t.files.remove("coarse_label_names.txt"));
        check(Labels::Coarse, lost, "exit 4: d/coarse_label_names.txt: no such file");
        check(Labels::Fine, lost, "[0, 1, 2]");
    }
}
