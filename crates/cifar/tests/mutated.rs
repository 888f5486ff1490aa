//! Sources that were changed at random: read as they were, or refused; never with fewer images, and no
//! panic. What has checksums is never read as anything else than it was.

use std::io::{Cursor, Write as _};
use std::path::Path;

use artifact::file;
use cifar::import::{self, Options, Planned, Watch};
use cifar::photo::Photo;
use cifar::{Raw, Room};
use image::{ImageFormat, Rgb, RgbImage};

/// Changes of each source.
const CHANGES: u64 = 300;

/// A change of `bytes`, the same for the same `index`: a flipped bit, a cut, bytes overwritten, taken out,
/// doubled or added.
fn changed(bytes: &[u8], index: u64) -> Vec<u8> {
    let mut random = seed::stream(1, "test/mutated", index);
    let mut out = bytes.to_vec();
    let at = random.below(out.len());
    let end = (at + 1 + random.below(40)).min(out.len());
    match index % 6 {
        0 | 1 => out[at] ^= 1 << random.below(8),
        2 => out.truncate(at),
        3 => out[at..end].iter_mut().for_each(|b| *b = random.below(256) as u8),
        4 => drop(out.drain(at..end)),
        _ => {
            let again = out[at..end].to_vec();
            out.splice(at..at, again);
        }
    }
    out
}

/// Takes no interest in it.
struct Nobody;

impl Watch for Nobody {
    fn planned(&self, _: Planned) -> artifact::Result<()> {
        Ok(())
    }

    fn decoded(&self, _: usize) -> artifact::Result<()> {
        Ok(())
    }
}

/// Reads the set at `source`. What is beside the images (such as a comment in an archive) may change.
fn imported(source: &Path) -> artifact::Result<Raw> {
    let room = Room { near: source.to_owned(), memory: usize::MAX };
    let (labels, fitting, channels, set_apart) = (None, None, None, None);
    import::read(source, &Options { labels, fitting, channels, set_apart, room, watch: &Nobody })
}

fn read(path: &Path, bytes: &[u8]) -> artifact::Result<Raw> {
    file::write(path, bytes).expect("writes");
    imported(path)
}

/// Whether both hold the same classes and images.
fn same(a: &Raw, b: &Raw) -> bool {
    a.digest().expect("in memory") == b.digest().expect("in memory")
}

/// Reads `whole` under `path`, changed in many ways; where `source` is a folder, it is read as such.
fn check(whole: &[u8], path: &Path, source: &Path, sealed: bool) {
    let read = |bytes: &[u8]| {
        file::write(path, bytes).expect("writes");
        imported(source)
    };
    let expected = read(whole).expect("whole");
    let count = |raw: &Raw| raw.train.len() + raw.test.len();
    let mut refused = 0;
    for index in 0..CHANGES {
        match read(&changed(whole, index)) {
            Ok(found) if sealed => assert!(same(&found, &expected), "{} {index}", path.display()),
            Ok(found) => assert!(count(&found) >= count(&expected), "{} {index}", path.display()),
            Err(e) => {
                assert!([3, 4, 5].contains(&e.exit_code()), "{e}");
                refused += 1;
            }
        }
    }
    assert!(refused > CHANGES / 4, "{refused} of {CHANGES} refused");
}

fn picture(format: ImageFormat, i: u32) -> Vec<u8> {
    let image =
        RgbImage::from_fn(8, 8, |x, y| Rgb([(x * 30) as u8, (y * 30) as u8, (i * 40) as u8]));
    let mut bytes = Cursor::new(vec![]);
    image.write_to(&mut bytes, format).expect("into memory");
    bytes.into_inner()
}

/// (name, content) of the files of an image folder.
fn pictures() -> Vec<(String, Vec<u8>)> {
    let name = |i: u32| {
        let (part, class) =
            (["train", "train", "test"][i as usize / 4], ["cat", "dog"][i as usize % 2]);
        format!("set/{part}/{class}/{i}.png")
    };
    (0..12).map(|i| (name(i), picture(ImageFormat::Png, i))).collect()
}

fn tar() -> Vec<u8> {
    let mut tar = tar::Builder::new(vec![]);
    for (name, bytes) in pictures() {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, &bytes[..]).expect("into memory");
    }
    tar.into_inner().expect("into memory")
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(bytes).expect("into memory");
    gzip.finish().expect("into memory")
}

fn zip() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in pictures() {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("into memory");
        zip.write_all(&bytes).expect("into memory");
    }
    zip.finish().expect("into memory").into_inner()
}

#[test]
fn archives() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("set");
    let whole = read(&path, &tar()).expect("whole");
    assert_eq!((whole.train.len(), whole.test.len()), (8, 4));
    for bytes in [tar(), gzipped(&tar()), zip()] {
        assert!(same(&read(&path, &bytes).expect("whole"), &whole));
        check(&bytes, &path, &path, true);
    }
    // Two members in place of one.
    let bytes = tar();
    let (first, second) = bytes.split_at(2000);
    let two = [gzipped(first), gzipped(second)].concat();
    assert!(same(&read(&path, &two).expect("whole"), &whole));
    check(&two, &path, &path, true);
}

#[test]
fn files_of_numbers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let idx = |shape: &[u32], values: &[u8]| {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        for n in shape {
            bytes.extend(n.to_be_bytes());
        }
        [bytes, values.to_vec()].concat()
    };
    let labels = |n: u32| idx(&[n], &(0..n).map(|i| (i % 2) as u8).collect::<Vec<_>>());
    let put =
        |name: &str, bytes: &[u8]| file::write(&dir.path().join(name), bytes).expect("writes");
    put("train-labels-idx1-ubyte", &labels(9));
    put("t10k-images-idx3-ubyte", &idx(&[4, 5, 5], &[7; 100]));
    put("t10k-labels-idx1-ubyte", &labels(4));
    let images = idx(&[9, 5, 5], &(0..225).map(|i| i as u8).collect::<Vec<_>>());
    check(&images, &dir.path().join("train-images-idx3-ubyte"), dir.path(), false);
    std::fs::remove_file(dir.path().join("train-images-idx3-ubyte")).expect("removes");
    check(&gzipped(&images), &dir.path().join("train-images-idx3-ubyte.gz"), dir.path(), true);
}

#[test]
fn arrays_of_numpy() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let npy = |shape: &str, values: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [&b"\x93NUMPY\x01\0"[..], &length, header.as_bytes(), values].concat()
    };
    let put =
        |name: &str, bytes: &[u8]| file::write(&dir.path().join(name), bytes).expect("writes");
    put("y_train.npy", &npy("4,", &[0, 1, 1, 0]));
    let images = npy("4, 5, 5, 2", &(0..200).map(|i| i as u8).collect::<Vec<_>>());
    check(&images, &dir.path().join("x_train.npy"), dir.path(), false);
}

#[test]
fn pictures_alone() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp] {
        let whole = picture(format, 3);
        let expected = Photo::decode(&whole, Path::new("p")).expect("whole");
        for index in 0..5 * CHANGES {
            let found = Photo::decode(&changed(&whole, index), Path::new("p"));
            if format == ImageFormat::Png {
                assert!(found.is_err() || found.is_ok_and(|found| found == expected), "{index}");
            }
        }
    }
}
