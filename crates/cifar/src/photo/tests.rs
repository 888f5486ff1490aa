use super::*;
use image::{ImageFormat, Rgb};

const AS_BYTES: Normalise = Normalise { mean: [0.0; 3], std: [1.0 / 255.0; 3] };

fn png(w: u32, h: u32, of: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_fn(w, h, |x, y| Rgb(of(x, y)));
    image.write_to(&mut bytes, ImageFormat::Png).expect("into memory");
    bytes.into_inner()
}

fn fitted(bytes: &[u8], side: usize) -> Vec<f32> {
    Photo::decode(bytes, Path::new("p")).expect("an image").fit(side, &AS_BYTES)
}

#[track_caller]
fn refused(bytes: &[u8], code: u8, expected: &str) {
    let error = Photo::decode(bytes, Path::new("p")).expect_err("refused");
    assert!(error.to_string().contains(expected), "{error} lacks {expected}");
    assert_eq!(error.exit_code(), code, "{error}");
}

#[test]
fn of_its_size_it_is_itself() {
    let found = fitted(&png(4, 4, |x, y| [(x + 4 * y) as u8, 100, 255]), 4);
    let close = |a: f32, b: f32| (a - b).abs() < 1e-3;
    assert!((0..16).all(|i| close(found[i], i as f32)), "{found:?}");
    assert!(found[16..32].iter().all(|v| close(*v, 100.0)), "{found:?}");
    let again = Photo::of_planes(4, &found.iter().map(|v| v.round() as u8).collect::<Vec<_>>());
    assert_eq!(again.fit(4, &AS_BYTES), found);
}

#[test]
fn the_middle_is_taken() {
    let stripes = |x: u32| if (2..4).contains(&x) { 200 } else { 10 };
    let found = fitted(&png(6, 2, |x, _| [stripes(x); 3]), 2);
    assert!(found.iter().all(|v| (v - 200.0).abs() < 1e-3), "{found:?}");
    let tall = fitted(&png(40, 120, |_, y| [if (40..80).contains(&y) { 90 } else { 0 }; 3]), 4);
    assert!((tall[4 + 1] - 90.0).abs() < 1e-3, "{tall:?}");
}

#[test]
fn what_is_no_picture_is_refused() {
    refused(b"text", 5, "p: not a PNG, JPEG");
    let whole = png(64, 64, |x, y| [(x * 3) as u8, (y * 5) as u8, (x ^ y) as u8]);
    refused(&whole[..whole.len() / 2], 5, "p: not a PNG, JPEG");
    refused(&[], 5, "p: not a PNG, JPEG");
    let mut jpeg = Cursor::new(Vec::new());
    let image = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, x as u8, y as u8]));
    image.write_to(&mut jpeg, ImageFormat::Jpeg).expect("into memory");
    let jpeg = jpeg.into_inner();
    assert!(Photo::decode(&jpeg, Path::new("p")).is_ok());
    refused(
        &jpeg[..jpeg.len() * 2 / 3],
        5,
        "p: not a PNG, JPEG, WebP or BMP that can be read: it was cut",
    );
    refused(&png(102, 2, |_, _| [0; 3]), 3, "102 x 2 pixels; expected sides");
}

#[test]
fn a_huge_one_is_not_decoded() {
    // A PNG's size stands in its header, behind which nothing need follow to be refused.
    let mut bytes = png(1, 1, |_, _| [0; 3]);
    bytes[16..24].copy_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10]);
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    refused(&bytes, 3, "10000 x 10000 pixels; expected at most 50 million");
}

/// CRC-32 as PNG has it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1));
    !bytes.iter().fold(u32::MAX, |crc, b| (0..8).fold(crc ^ u32::from(*b), |c, _| step(c)))
}
