//! Which format a picture has, and which bytes are its own.
//!
//! A file may go on behind its picture: a second one (multi-picture JPEG), a film (motion photos),
//! padding. None of that is looked at. A file that ends before its picture does was cut; decoders
//! fill up what is missing, so that this is found out here.

use image::ImageFormat;
use image::metadata::Orientation;

/// A picture's own bytes.
#[derive(Debug)]
pub(super) struct Own<'a> {
    /// Its format.
    pub format: ImageFormat,
    /// From its signature to its end.
    pub bytes: &'a [u8],
    /// How a PNG is to be turned. Its decoder does not see a tag behind the pixels.
    pub turned: Option<Orientation>,
    /// Whether other pictures follow it, to be shown one after the other.
    pub moves: bool,
}

/// Formats that are told apart to be refused by name: where the signature is, what it is, the name.
const OTHERS: [(usize, &[u8], &str); 12] = [
    (0, b"GIF8", "a GIF"),
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (4, b"ftypavif", "an AVIF"),
    (4, b"ftypavis", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftyphev", "a HEIC"),
    (4, b"ftypmif1", "a HEIF"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\0\x0CjP  ", "a JPEG 2000"),
    (0, b"\xFF\x0A", "a JPEG XL"),
    (0, b"%PDF", "a PDF"),
];

/// The format of `bytes` and those of them that are the picture's own.
pub(super) fn own(bytes: &[u8]) -> Result<Own<'_>, String> {
    let at = |from: usize, magic: &[u8]| bytes.get(from..).is_some_and(|b| b.starts_with(magic));
    let cut = || "it was cut off".to_owned();
    let of = |format, end: Option<usize>| {
        let bytes = &bytes[..end.ok_or_else(cut)?];
        // The second of the flags of an extended WebP.
        let moves = format == ImageFormat::WebP
            && at(12, b"VP8X")
            && bytes.get(20).is_some_and(|flags| flags & 2 != 0);
        Ok(Own { format, bytes, turned: None, moves })
    };
    if at(0, b"\x89PNG\r\n\x1A\n") {
        png(bytes)
    } else if at(0, &[0xFF, 0xD8]) {
        of(ImageFormat::Jpeg, jpeg(bytes))
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        of(ImageFormat::WebP, webp(bytes))
    } else if at(0, b"BM") {
        of(ImageFormat::Bmp, bmp(bytes))
    } else if let Some((.., name)) = OTHERS.iter().find(|(from, magic, _)| at(*from, magic)) {
        Err(format!("it is {name}; convert it first"))
    } else if bytes.is_empty() {
        Err("it is empty".to_owned())
    } else {
        Err("its first bytes are those of another kind of file".to_owned())
    }
}

/// Walks from marker to marker to the end-of-image marker.
///
/// A segment is skipped by its length: a thumbnail in one is a JPEG with an end of its own. In the data
/// behind a start of scan, of which a progressive JPEG has several, 255 is followed by 0 unless a marker
/// stands there.
fn jpeg(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        at += bytes.get(at..)?.iter().position(|b| *b == 0xFF)?;
        // Any number of 255 may precede a marker's code.
        at += bytes[at..].iter().position(|b| *b != 0xFF)?;
        let code = bytes[at];
        at += 1;
        match code {
            0xD9 => return Some(at),
            // A stuffed byte, or one of the markers without a segment.
            0x00 | 0x01 | 0xD0..=0xD8 => {}
            _ => at += usize::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)),
        }
    }
}

/// Walks from chunk to chunk to the last one, IEND; each has its checksum.
fn png(bytes: &[u8]) -> Result<Own<'_>, String> {
    let (mut at, mut turned, mut moves) = (8, None, false);
    loop {
        let chunk = png_chunk(&bytes[at..]).ok_or("it was cut off")?;
        let (kind, content) = (&chunk[4..8], &chunk[8..chunk.len() - 4]);
        let mut crc = flate2::Crc::new();
        crc.update(&chunk[4..chunk.len() - 4]);
        if crc.sum().to_be_bytes() != chunk[chunk.len() - 4..] {
            let kind = kind.escape_ascii();
            return Err(format!("its part {kind} at byte {at} is not what its checksum says"));
        }
        at += chunk.len();
        match kind {
            b"eXIf" => turned = Orientation::from_exif_chunk(content),
            b"acTL" => moves = true,
            b"IEND" => {
                return Ok(Own { format: ImageFormat::Png, bytes: &bytes[..at], turned, moves });
            }
            _ => {}
        }
    }
}

/// The chunk that `bytes` begin with: its content's length, its name, its content, its checksum.
fn png_chunk(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    bytes.get(..(length as usize).checked_add(12)?)
}

/// A RIFF file says its length behind its first eight bytes.
fn webp(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?) as usize;
    let end = length.checked_add(8)?;
    // The last chunk's padding may be missing.
    (end <= bytes.len()).then(|| (end + end % 2).min(bytes.len()))
}

/// The pixels begin where the header says; rows are padded to four bytes. The header's own length of
/// the file is often wrong.
fn bmp(bytes: &[u8]) -> Option<usize> {
    let two = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let four = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let old = four(14)? == 12;
    let (w, h, bits) = if old {
        (u64::from(two(18)?), u64::from(two(20)?), u64::from(two(24)?))
    } else {
        let height = four(22)?.cast_signed().unsigned_abs();
        (u64::from(four(18)?), u64::from(height), u64::from(two(28)?))
    };
    let run_lengths = !old && [1, 2].contains(&four(30)?);
    let pixels = if run_lengths { u64::from(four(34)?) } else { (w * bits).div_ceil(32) * 4 * h };
    let end = usize::try_from(u64::from(four(10)?).checked_add(pixels)?).ok()?;
    let whole = end <= bytes.len();
    whole.then_some(if run_lengths { bytes.len() } else { end })
}
