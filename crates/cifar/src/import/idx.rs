//! IDX files: MNIST and its kin (Fashion-MNIST, KMNIST, EMNIST), compressed by gzip or not.
//!
//! A file is two zeros, the type of its numbers, the number of its dimensions, these as big-endian
//! numbers of 32 bits, and then the numbers. Images have one channel.

use std::io::{Cursor, Read};
use std::path::Path;

use artifact::record::ImageShape;
use artifact::{Error, Result, file};

use super::Tree;
use super::check_size;
use super::gzip::Members;
use super::layout::Layout;
use crate::{Images, Raw};

/// The type of unsigned bytes.
const BYTES: u8 = 8;
/// The name of an IDX file in its parts, such as `emnist-letters-` `train` `images`.
#[derive(Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// What stands before the part, with its dash.
    pub prefix: &'a str,
    test: bool,
    labels: bool,
}

impl<'a> Name<'a> {
    /// The parts of `name`, where it is that of an IDX file.
    pub fn of(name: &'a str) -> Option<Self> {
        let plain = name.strip_suffix(".gz").unwrap_or(name);
        let plain = plain.strip_suffix("-ubyte")?;
        let (rest, labels) = match plain.strip_suffix("idx3") {
            Some(rest) => (rest.strip_suffix(['-', '.'])?.strip_suffix("-images")?, false),
            None => (
                plain.strip_suffix("idx1")?.strip_suffix(['-', '.'])?.strip_suffix("-labels")?,
                true,
            ),
        };
        let (prefix, test) = match rest.strip_suffix("train") {
            Some(prefix) => (prefix, false),
            None => (rest.strip_suffix("t10k").or_else(|| rest.strip_suffix("test"))?, true),
        };
        let whole = prefix.is_empty() || prefix.ends_with('-') && !prefix.contains('/');
        whole.then_some(Self { prefix, test, labels })
    }
}

/// Decodes the four files whose names begin with `prefix`.
pub fn decode(tree: &Tree, prefix: &str) -> Result<Raw> {
    let part = |test: bool| {
        let image = find(tree, &Name { prefix, test, labels: false })?;
        let label = find(tree, &Name { prefix, test, labels: true })?;
        let ((shape, pixels), (counted, labels)) =
            (numbers(tree, image, 3)?, numbers(tree, label, 1)?);
        if shape[0] != counted[0] {
            return Err(Error::Integrity(format!(
                "{}: {} labels of the {} images in {image}",
                tree.place(label),
                counted[0],
                shape[0]
            )));
        }
        let found = ImageShape { channels: 1, height: shape[1], width: shape[2] };
        check_size(found, &tree.place(image))?;
        Ok((found, Images { pixels: pixels.into(), labels: wide(&labels) }))
    };
    let ((shape, train), (other, test)) = (part(false)?, part(true)?);
    if shape != other {
        return Err(Error::Config(format!(
            "{}: training images of {shape} and test images of {other}",
            tree.origin
        )));
    }
    let most = train.labels.iter().chain(&test.labels).max().map_or(0, |l| usize::from(*l) + 1);
    let classes = (0..most).map(|class| class.to_string()).collect();
    Ok(Raw { train, test, ..Raw::empty("idx", classes, shape) })
}

/// The file of `tree` with this name, in whichever spelling.
fn find<'a>(tree: &'a Tree, wanted: &Name) -> Result<&'a str> {
    let mut found = tree.files.keys().filter(|name| Name::of(name).as_ref() == Some(wanted));
    let (part, what) = match (wanted.test, wanted.labels) {
        (false, false) => ("train", "images-idx3"),
        (false, true) => ("train", "labels-idx1"),
        (true, false) => ("t10k", "images-idx3"),
        (true, true) => ("t10k", "labels-idx1"),
    };
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(two)) => Err(Error::Config(format!(
            "{}: {one} and {two} are the same part; move one away",
            tree.origin
        ))),
        (None, _) => Err(Error::Missing(format!(
            "{}: no such file, nor one of that name with .gz",
            tree.place(&format!("{}{part}-{what}-ubyte", wanted.prefix))
        ))),
    }
}

fn wide(labels: &[u8]) -> Vec<u16> {
    labels.iter().map(|l| u16::from(*l)).collect()
}

/// (shape, values) of the file `name`, of `rank` dimensions.
fn numbers(tree: &Tree, name: &str, rank: usize) -> Result<(Vec<usize>, Vec<u8>)> {
    let bad = |what: String| Error::Integrity(format!("{}: {what}", tree.place(name)));
    let bytes = tree.file(name)?;
    if name.strip_suffix(".gz").is_some() {
        let mut stream = Members::new(Cursor::new(bytes));
        values(&mut stream, rank).map_err(|what| bad(format!("unpacked, {what}")))
    } else {
        values(&mut Cursor::new(bytes), rank).map_err(bad)
    }
}

/// Reads a header, the numbers that it promises, and no more: a compressed file may be endless.
fn values(stream: &mut impl Read, rank: usize) -> Result<(Vec<usize>, Vec<u8>), String> {
    let broken =
        |e: std::io::Error| format!("it cannot be read: {}", artifact::printable(&e.to_string()));
    let mut header = vec![];
    let length = 4 + 4 * rank;
    stream.take(length as u64).read_to_end(&mut header).map_err(broken)?;
    let (shape, count) = shape(&header, rank)?;
    let mut values = vec![];
    stream.take(count).read_to_end(&mut values).map_err(broken)?;
    let mut more = vec![];
    stream.take(1).read_to_end(&mut more).map_err(broken)?;
    if values.len() as u64 == count && more.is_empty() {
        return Ok((shape, values));
    }
    Err(format!(
        "it holds {} {} of the {count} numbers that its header promises: it is truncated or over-long",
        if more.is_empty() { "only" } else { "more than" },
        values.len()
    ))
}

/// The shape that a header says, and its product.
fn shape(header: &[u8], rank: usize) -> Result<(Vec<usize>, u64), String> {
    let expected = [0, 0, BYTES, rank as u8];
    if header.len() != 4 + 4 * rank || header[..4] != expected {
        return Err(format!(
            "it begins with {:?}; expected {expected:?} and {rank} lengths: unsigned bytes in {rank} \
             dimensions",
            &header[..header.len().min(4)]
        ));
    }
    let lengths = header[4..].as_chunks().0.iter().map(|b| u32::from_be_bytes(*b));
    let shape: Vec<usize> = lengths.map(|n| n as usize).collect();
    let count = shape.iter().try_fold(1_u64, |all, n| all.checked_mul(*n as u64));
    let most = Layout::Idx.most();
    match count.filter(|count| (1..=most).contains(count)) {
        Some(count) => Ok((shape, count)),
        None => Err(format!(
            "its header promises {shape:?} numbers; expected at least one and at most {most} in all"
        )),
    }
}

/// Refuses a file that is not as long as its header says, before it is read. A compressed one has to be
/// unpacked to know.
pub fn check_length(path: &Path) -> Result<()> {
    let (mut file, found) = file::open(path)?;
    let name = path.file_name().and_then(|name| name.to_str()).and_then(Name::of);
    let Some(name) = name.filter(|_| path.extension().is_none_or(|e| e != "gz")) else {
        return Ok(());
    };
    let rank = if name.labels { 1 } else { 3 };
    let (mut header, length) = (vec![], 4 + 4 * rank as u64);
    (&mut file).take(length).read_to_end(&mut header).map_err(|e| Error::read(path, &e))?;
    let (_, count) = shape(&header, rank)
        .map_err(|what| Error::Integrity(format!("{}: {what}", path.display())))?;
    if found == length + count {
        return Ok(());
    }
    Err(Error::Integrity(format!(
        "{}: has {found} bytes; its header promises {}: it is truncated or over-long",
        path.display(),
        length + count
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Write as _;

    const FILES: [&str; 4] = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images.idx3-ubyte",
        "t10k-labels.idx1-ubyte",
    ];

    fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, BYTES, shape.len() as u8];
        for n in shape {
            bytes.extend(n.to_be_bytes());
        }
        bytes.extend(values);
        bytes
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        gzip.write_all(bytes).expect("into memory");
        gzip.finish().expect("into memory")
    }

    /// Two training images and one for testing, of 2 x 2 pixels.
    fn files() -> BTreeMap<String, Vec<u8>> {
        let contents = [
            idx(&[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]),
            idx(&[2], &[2, 0]),
            idx(&[1, 2, 2], &[9; 4]),
            idx(&[1], &[1]),
        ];
        FILES.map(str::to_owned).into_iter().zip(contents).collect()
    }

    fn check(change: impl Fn(&mut BTreeMap<String, Vec<u8>>), expected: &str) {
        let mut files = files();
        change(&mut files);
        let found = match decode(&Tree::of(files), "") {
            Ok(raw) => format!("{:?} {} {:?} {:?}", raw.classes, raw.shape, raw.train, raw.test),
            Err(e) => format!("exit {}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    fn edit(at: usize, f: impl Fn(&mut Vec<u8>)) -> impl Fn(&mut BTreeMap<String, Vec<u8>>) {
        move |files| f(files.get_mut(FILES[at]).expect("there"))
    }

    #[test]
    fn numbers_are_grey_images() {
        let train = "Images { pixels: Memory([1, 2, 3, 4, 5, 6, 7, 8]), labels: [2, 0] }";
        check(|_| (), &format!(r#"["0", "1", "2"] 2 x 2 pixels, 1 channel {train}"#));
        let wide = idx(&[2, 1, 4], &[1, 2, 3, 4, 5, 6, 7, 8]);
        let both = |files: &mut BTreeMap<String, Vec<u8>>| {
            files.insert(FILES[0].to_owned(), wide.clone());
            files.insert(FILES[2].to_owned(), idx(&[1, 1, 4], &[9; 4]));
        };
        check(both, "1 x 4 pixels, 1 channel Images");
        let pack = |files: &mut BTreeMap<String, Vec<u8>>| {
            let packed =
                |(name, bytes): (&String, &Vec<u8>)| (format!("{name}.gz"), gzipped(bytes));
            *files = files.iter().map(packed).collect();
        };
        check(pack, train);
    }

    #[test]
    fn names_are_those_of_mnist_and_its_kin() {
        let prefix = |name| Name::of(name).map(|name| (name.prefix, name.test, name.labels));
        assert_eq!(prefix("train-images-idx3-ubyte"), Some(("", false, false)));
        assert_eq!(prefix("t10k-labels.idx1-ubyte.gz"), Some(("", true, true)));
        let kin = "emnist-letters-test-images-idx3-ubyte.gz";
        assert_eq!(prefix(kin), Some(("emnist-letters-", true, false)));
        for other in ["train-images-idx1-ubyte", "train-images", "xtrain-images-idx3-ubyte", "a"] {
            assert_eq!(prefix(other), None, "{other}");
        }
    }

    #[test]
    fn defects_are_named() {
        check(edit(0, |f| f.truncate(20)), "exit 5: d/train-images-idx3-ubyte: it holds only 4");
        check(edit(0, |f| f.push(0)), "more than 8 of the 8 numbers");
        check(edit(0, |f| f[2] = 9), "it begins with [0, 0, 9, 3]; expected [0, 0, 8, 3]");
        check(edit(0, |f| f.truncate(9)), "exit 5: d/train-images-idx3-ubyte: it begins with");
        check(edit(0, |f| f[4] = 255), "exit 5: d/train-images-idx3-ubyte: its header promises");
        check(edit(1, |f| *f = idx(&[1], &[0])), "1 labels of the 2 images");
        check(
            edit(0, |f| *f = idx(&[2, 1, 5000], &[0; 10_000])),
            "exit 3: d/train-images-idx3-ubyte: images of 1 x 5000 pixels, 1 channel; expected",
        );
        check(edit(2, |f| *f = idx(&[1, 1, 1], &[0])), "exit 3: d: training images of 2 x 2");
        let lost = |f: &mut BTreeMap<String, Vec<u8>>| drop(f.remove(FILES[3]));
        check(lost, "exit 4: d/t10k-labels-idx1-ubyte: no such file");
        let twice = |f: &mut BTreeMap<String, Vec<u8>>| {
            drop(f.insert("train-images.idx3-ubyte".into(), vec![]));
        };
        check(twice, "exit 3: d: train-images-idx3-ubyte and train-images.idx3-ubyte are the same");
        let packed = |change: fn(&mut Vec<u8>)| {
            move |files: &mut BTreeMap<String, Vec<u8>>| {
                let mut bytes = gzipped(&files.remove(FILES[0]).expect("there"));
                change(&mut bytes);
                files.insert(format!("{}.gz", FILES[0]), bytes);
            }
        };
        check(
            packed(|b| b.truncate(b.len() - 4)),
            "exit 5: d/train-images-idx3-ubyte.gz: unpacked, it",
        );
        check(packed(|b| b.push(1)), "something else follows");
    }

    #[test]
    fn a_file_of_another_length_is_refused_unread() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join(FILES[0]);
        let put = |bytes: &[u8]| file::write(&path, bytes).expect("writes");
        put(&idx(&[1, 2, 2], &[0; 4]));
        assert!(check_length(&path).is_ok());
        put(&idx(&[1, 2, 2], &[0; 5]));
        let error = check_length(&path).expect_err("too long").to_string();
        assert!(error.contains("has 21 bytes; its header promises 20"), "{error}");
    }
}
