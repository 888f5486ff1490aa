//! CIFAR-10's binary layout: records of one label byte and 3072 pixel bytes, no header.

use artifact::Result;

use super::Tree;
use super::layout::BINARY;
use super::official;
use crate::Raw;

/// Decodes a tree of the binary layout.
pub fn decode(tree: &Tree) -> Result<Raw> {
    let (names, meta) = (&BINARY[..6], BINARY[6]);
    let classes = official::class_names(tree.file(meta)?, &tree.place(meta))?;
    let count = classes.len();
    official::assemble(tree, names, ("binary", classes), |bytes, origin| {
        official::records(bytes, (0, 1), count, origin)
    })
}

#[cfg(test)]
mod tests {
    use super::super::official::PIXELS;
    use super::*;

    /// Bytes of a record.
    const RECORD: usize = 1 + PIXELS;

    /// A tree of `n` records a file, each with its number as label and pixel, then changed.
    fn check(n: usize, change: impl Fn(&mut Tree), expected: &str) {
        let record = |i: usize| [vec![i as u8; RECORD - PIXELS], vec![i as u8; PIXELS]].concat();
        let content: Vec<u8> = (0..n).flat_map(record).collect();
        let mut files: std::collections::BTreeMap<_, _> =
            BINARY[..6].iter().map(|f| ((*f).to_owned(), content.clone())).collect();
        files.insert(BINARY[6].to_owned(), b"a\nb\nc\n\n".to_vec());
        let mut tree = Tree::of(files);
        change(&mut tree);
        let found = match decode(&tree) {
            Ok(raw) => format!("{:?} {:?}", raw.classes, raw.train.labels),
            Err(e) => format!("exit {}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    fn edit(name: &'static str, change: impl Fn(&mut Vec<u8>)) -> impl Fn(&mut Tree) {
        move |tree| change(tree.files.get_mut(name).expect("a file of the layout"))
    }

    #[test]
    fn whole_files_are_read_in_order() {
        check(2, |_| (), r#"["a", "b", "c"] [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]"#);
        check(3, edit("test_batch.bin", |f| f.truncate(RECORD)), "[0, 1, 2");
    }

    #[test]
    fn marks_and_line_ends_of_windows_are_no_part_of_a_name() {
        let meta = edit("batches.meta.txt", |f| *f = "\u{FEFF}a\r\nb\r\n\r\n".into());
        check(2, meta, r#"["a", "b"] [0, 1"#);
    }

    #[test]
    fn each_defect_names_file_place_and_expectation() {
        let file = "data_batch_3.bin";
        let cut = "exit 5: d/data_batch_3.bin: found 6145 bytes, 1 whole records and 3072 bytes";
        check(2, edit(file, |f| f.truncate(2 * RECORD - 1)), cut);
        check(2, edit(file, |f| f.push(0)), "2 whole records and 1 bytes of record 2; expected");
        check(2, edit(file, Vec::clear), "found 0 bytes");
        check(
            2,
            edit(file, |f| f.truncate(RECORD)),
            "found 1 images, expected 2 as in data_batch_1",
        );
        check(2, edit(file, |f| f[RECORD] = 3), "exit 3: d/data_batch_3.bin: record 1");
        check(2, edit(file, |f| f[RECORD] = 3), "has label 3; expected 0 to 2");
        check(2, |t| drop(t.files.remove(file)), "exit 4: d/data_batch_3.bin: no such file");
        check(2, edit("batches.meta.txt", |f| f.truncate(2)), "found 1 classes");
        check(2, edit("batches.meta.txt", |f| f[2] = b'a'), "class 1 is named \"a\"");
    }
}
