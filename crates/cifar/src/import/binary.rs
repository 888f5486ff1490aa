//! CIFAR-10's binary layout: records of one label byte and 3072 pixel bytes, no header.

use artifact::{Error, Result};

use super::layout::BINARY;
use super::official::{self, PIXELS};
use super::{Tree, official::check_label};
use crate::{Images, Raw, raw};

/// Bytes of a record.
const RECORD: usize = 1 + PIXELS;

/// Decodes a tree of the binary layout.
pub fn decode(tree: &Tree) -> Result<Raw> {
    let (names, meta) = (&BINARY[..6], BINARY[6]);
    let classes = classes(tree.file(meta)?, &tree.place(meta))?;
    let count = classes.len();
    official::assemble(tree, names, ("binary", classes), |bytes, origin| {
        records(bytes, count, origin)
    })
}

/// Class names: the lines that are not empty.
fn classes(bytes: &[u8], origin: &str) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::Config(format!("{origin}: not UTF-8 text: {e}")))?;
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let classes: Vec<String> = lines.map(str::to_owned).collect();
    raw::check_classes(&classes, origin).map(|()| classes)
}

fn records(bytes: &[u8], classes: usize, origin: &str) -> Result<Images> {
    let (whole, rest) = (bytes.len() / RECORD, bytes.len() % RECORD);
    if rest != 0 || whole == 0 {
        return Err(Error::Integrity(format!(
            "{origin}: found {} bytes, {whole} whole records and {rest} bytes of record {whole}; \
             expected records of {RECORD} bytes: the file is truncated or over-long",
            bytes.len()
        )));
    }
    let mut images = Images::default();
    for (i, record) in bytes.chunks(RECORD).enumerate() {
        images.labels.push(check_label(i64::from(record[0]), i, classes, origin)?);
        images.pixels.extend(&record[1..]);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of `n` records a file, each with its number as label and pixel, then changed.
    fn check(n: usize, change: impl Fn(&mut Tree), expected: &str) {
        let record = |i: usize| [vec![i as u8; RECORD - PIXELS], vec![i as u8; PIXELS]].concat();
        let content: Vec<u8> = (0..n).flat_map(record).collect();
        let mut files: std::collections::BTreeMap<_, _> =
            BINARY[..6].iter().map(|f| ((*f).to_owned(), content.clone())).collect();
        files.insert(BINARY[6].to_owned(), b"a\nb\nc\n\n".to_vec());
        let mut tree = Tree { origin: "d".into(), files };
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
