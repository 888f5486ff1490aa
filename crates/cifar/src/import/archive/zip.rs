//! zip archives.

use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::{Header, Kind, Unpacked};
use artifact::printable;

/// Signatures of records: a file's header, a file in the directory, the directory's end, the long form
/// of that and where it is.
const LOCAL: u32 = 0x0403_4B50;
const CENTRAL: u32 = 0x0201_4B50;
const END: u32 = 0x0605_4B50;
const LONG_END: u32 = 0x0606_4B50;
const LOCATOR: u32 = 0x0706_4B50;

/// Reads a zip archive. A file's content has a checksum; its name has none, but stands in two places,
/// and nothing but the directory says how many files there are: so both are compared.
pub fn unpack(mut stream: impl Read + Seek) -> Result<Unpacked, String> {
    let length = stream.seek(SeekFrom::End(0)).map_err(|e| told(&e))?;
    let mut archive = ZipArchive::new(stream).map_err(|e| told(&e))?;
    let mut unpacked = Unpacked::default();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).map_err(|e| told(&e))?;
        // Some programs for Windows write its separator.
        let path: Vec<u8> =
            file.name_raw().iter().map(|b| if *b == b'\\' { b'/' } else { *b }).collect();
        let (kind, size) = (kind(&file)?, file.size());
        if let Some(wanted) = unpacked.add(&Header { path: &path, kind, size })? {
            unpacked.keep(wanted, size, &mut file)?;
        }
    }
    let (count, directory) = (archive.len(), archive.central_directory_start());
    check(&mut archive.into_inner(), directory, (count, length))?;
    Ok(unpacked)
}

fn kind<R: Read>(file: &ZipFile<R>) -> Result<Kind, String> {
    if file.is_symlink() {
        let path = String::from_utf8_lossy(file.name_raw());
        return Err(format!("entry {path:?} is a link; expected regular files only"));
    }
    Ok(if file.is_dir() { Kind::Folder } else { Kind::File })
}

fn told(error: &dyn std::fmt::Display) -> String {
    format!("not a zip archive that can be read: {}", printable(&error.to_string()))
}

/// Compares the directory at `at` with the `count` files that were found and with their own headers, and
/// its end with the file's `length`.
fn check<R: Read + Seek>(
    stream: &mut R,
    at: u64,
    (count, length): (usize, u64),
) -> Result<(), String> {
    let (files, end) = directory(stream, at).map_err(|e| told(&e))?;
    if files.len() != count {
        let found = files.len();
        return Err(format!(
            "a zip archive whose directory lists {found} files, of which {count} can be told apart; \
             it is damaged, or a name stands twice"
        ));
    }
    if end != length {
        return Err(
            "a zip archive whose end is not where the file ends: it was cut off, or something \
                    else follows"
                .to_owned(),
        );
    }
    for (name, at) in files {
        if own_name(stream, at).map_err(|e| told(&e))? != name {
            let name = String::from_utf8_lossy(&name).into_owned();
            return Err(format!("a zip archive in which {name:?} has another name at its content"));
        }
    }
    Ok(())
}

/// Each file's name and where its header is, as the directory at `at` says; and where the archive ends.
type Listed = (Vec<(Vec<u8>, u64)>, u64);

fn directory<R: Read + Seek>(stream: &mut R, at: u64) -> io::Result<Listed> {
    stream.seek(SeekFrom::Start(at))?;
    let mut files = vec![];
    loop {
        match number(&bytes(stream, 4)?) {
            CENTRAL => {
                let fixed = bytes(stream, 42)?;
                let length =
                    |at: usize| usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]));
                let name = bytes(stream, length(24))?;
                bytes(stream, length(26) + length(28))?;
                files.push((name, u64::from(number(&fixed[38..]))));
            }
            LONG_END => {
                let length = bytes(stream, 8)?;
                let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
                stream.seek(SeekFrom::Current(i64::try_from(length).unwrap_or(i64::MAX)))?;
            }
            LOCATOR => drop(bytes(stream, 16)?),
            END => {
                let fixed = bytes(stream, 18)?;
                let comment = u64::from(u16::from_le_bytes([fixed[16], fixed[17]]));
                return Ok((files, stream.stream_position()? + comment));
            }
            _ => return Err(io::Error::other("its directory is damaged")),
        }
    }
}

/// The name in the header at `at`; where the directory gives no place (in archives of over 4 GiB it
/// stands elsewhere), that is an error.
fn own_name<R: Read + Seek>(stream: &mut R, at: u64) -> io::Result<Vec<u8>> {
    stream.seek(SeekFrom::Start(at))?;
    let fixed = bytes(stream, 30)?;
    if number(&fixed) != LOCAL {
        return Err(io::Error::other("a file is not where its directory says"));
    }
    bytes(stream, usize::from(u16::from_le_bytes([fixed[26], fixed[27]])))
}

fn bytes<R: Read>(stream: &mut R, n: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; n];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The number that `bytes` begin with.
fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write as _};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    /// A zip of (name, content).
    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(vec![]));
        for (name, content) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).expect("into memory");
            zip.write_all(content).expect("into memory");
        }
        zip.finish().expect("into memory").into_inner()
    }

    fn read(bytes: &[u8]) -> Result<String, String> {
        let unpacked = unpack(Cursor::new(bytes))?;
        let (sorted, tree) = unpacked.tree("a.zip").map_err(|e| e.to_string())?;
        Ok(format!("{:?} {} {:?}", sorted.set.layout, tree.origin, tree.files))
    }

    fn refused(bytes: &[u8], expected: &str) {
        let error = read(bytes).expect_err("refused");
        assert!(error.contains(expected), "{error} lacks {expected}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }

    fn two() -> Vec<u8> {
        archive(&[("c/readme.html", b"text"), ("c/data_batch_1", b"1"), ("c/test_batch", &[7; 99])])
    }

    #[test]
    fn wanted_files_are_read() {
        let found = read(&two()).expect("whole");
        assert!(found.starts_with("Python a.zip:c {\"data_batch_1\": [49], \"test_"), "{found}");
        let found = read(&archive(&[("c\\test_batch", b"x")])).expect("whole");
        assert_eq!(found, "Python a.zip:c {\"test_batch\": [120]}");
    }

    #[test]
    fn what_no_image_set_has_is_refused() {
        refused(&archive(&[("../test_batch", b"x")]), "leads out of");
        refused(&archive(&[("/test_batch", b"x")]), "leads out of");
        refused(b"PK\x03\x04 and then some text", "not a zip archive that can be read");
        refused(&[&two()[..], b"more"].concat(), "zip archive");
    }

    #[test]
    fn no_cut_and_no_flipped_bit_loses_a_file() {
        let whole = two();
        let expected = read(&whole);
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // Times and versions may be anything.
            let found = read(&bytes);
            assert!(found.is_err() || found == expected, "bit {bit}: {found:?}");
        }
    }
}
