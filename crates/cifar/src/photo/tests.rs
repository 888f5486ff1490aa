use super::*;
use image::{ImageFormat, Rgb};

fn as_bytes() -> Normalise {
    Normalise::new(&[0.0; 3], &[1.0 / 255.0; 3])
}

fn png(w: u32, h: u32, of: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_fn(w, h, |x, y| Rgb(of(x, y)));
    image.write_to(&mut bytes, ImageFormat::Png).expect("into memory");
    bytes.into_inner()
}

fn fitted(bytes: &[u8], side: usize) -> Vec<f32> {
    Photo::decode(bytes, Path::new("p"))
        .expect("an image")
        .fit(ImageShape::square(side), &as_bytes())
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
    let again = Photo::of_planes(
        Size::square(4),
        &found.iter().map(|v| v.round() as u8).collect::<Vec<_>>(),
    );
    assert_eq!(again.fit(ImageShape::square(4), &as_bytes()), found);
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

/// A JPEG of stripes, with a tag of `orientation`, or without.
fn jpeg(orientation: Option<u8>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image =
        RgbImage::from_fn(48, 32, |x, y| Rgb([if x < 24 { 250 } else { 5 }, (y * 7) as u8, 90]));
    image.write_to(&mut bytes, ImageFormat::Jpeg).expect("into memory");
    let mut bytes = bytes.into_inner();
    if let Some(orientation) = orientation {
        let segment = [&b"Exif\0\0"[..], &exif(orientation)].concat();
        insert_segment(&mut bytes, 0xE1, &segment);
    }
    bytes
}

/// Puts a segment behind the start of a JPEG.
fn insert_segment(jpeg: &mut Vec<u8>, code: u8, content: &[u8]) {
    let length = (content.len() as u16 + 2).to_be_bytes();
    jpeg.splice(2..2, [&[0xFF, code][..], &length, content].concat());
}

/// EXIF data of one entry.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0];
    [&b"MM\0*\0\0\0\x08\0\x01"[..], &entry, &[0; 4]].concat()
}

/// The chunk of a PNG with its checksum.
fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let summed = [&kind[..], content].concat();
    [&(content.len() as u32).to_be_bytes()[..], &summed, &crc32(&summed).to_be_bytes()].concat()
}

fn decoded(bytes: &[u8]) -> RgbImage {
    Photo::decode(bytes, Path::new("p")).expect("a picture").pixels
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("into memory");
    bytes.into_inner()
}

#[test]
fn a_picture_is_turned_as_its_tag_says() {
    let size = |bytes: &[u8]| Photo::size_of(bytes, Path::new("p")).expect("a picture");
    assert_eq!(decoded(&jpeg(Some(1))), decoded(&jpeg(None)));
    let plain = DynamicImage::ImageRgb8(decoded(&jpeg(None)));
    for (orientation, turned) in
        [(2, plain.fliph()), (3, plain.rotate180()), (6, plain.rotate90()), (8, plain.rotate270())]
    {
        let bytes = jpeg(Some(orientation));
        assert_eq!(decoded(&bytes), turned.to_rgb8(), "{orientation}");
        assert_eq!(size(&bytes), (turned.width(), turned.height()), "{orientation}");
    }
    // A PNG may have its tag before the pixels or behind them.
    let whole = png(3, 2, |x, y| [x as u8, y as u8, 0]);
    let turned = DynamicImage::ImageRgb8(decoded(&whole)).rotate90().to_rgb8();
    for at in [33, whole.len() - 12] {
        let mut bytes = whole.clone();
        bytes.splice(at..at, chunk(*b"eXIf", &exif(6)));
        assert_eq!(decoded(&bytes), turned, "{at}");
        assert_eq!(size(&bytes), (2, 3), "{at}");
    }
}

#[test]
fn what_lies_behind_a_pictures_end_is_not_looked_at() {
    let webp = encoded(decoded(&jpeg(None)), ImageFormat::WebP);
    let bmp = encoded(decoded(&jpeg(None)), ImageFormat::Bmp);
    for whole in [jpeg(None), png(9, 9, |x, y| [(x * y) as u8; 3]), webp, bmp] {
        // A film, another picture that was cut, zeros.
        for more in [&b"\0\0\0\x18ftypmp42"[..], &jpeg(None)[..300], &[0; 99]] {
            assert_eq!(decoded(&[&whole[..], more].concat()), decoded(&whole));
        }
    }
}

#[test]
fn a_cut_is_found_in_every_format_at_every_byte() {
    let image =
        RgbImage::from_fn(7, 5, |x, y| Rgb([(x * 31) as u8, (y * 47) as u8, (x * y) as u8]));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp] {
        let whole = encoded(image.clone(), format);
        assert!(Photo::decode(&whole, Path::new("p")).is_ok());
        for cut in 0..whole.len() {
            let found = Photo::decode(&whole[..cut], Path::new("p"));
            // The last byte of a WebP may be padding.
            let padding = format == ImageFormat::WebP && cut + 1 == whole.len();
            assert!(found.is_err() || padding, "{format:?} cut to {cut} of {}", whole.len());
        }
    }
}

#[test]
fn the_end_of_a_thumbnail_is_not_that_of_its_picture() {
    let mut whole = jpeg(None);
    insert_segment(&mut whole, 0xE1, &jpeg(None));
    assert_eq!(decoded(&whole), decoded(&jpeg(None)));
    refused(&whole[..whole.len() - 40], 5, "it was cut off");
    refused(&[&whole[..whole.len() - 2], &[0; 50]].concat(), 5, "it was cut off");
}

#[test]
fn a_damaged_part_of_a_png_is_named() {
    let mut whole = png(9, 9, |x, y| [(x * y) as u8; 3]);
    let at = whole.len() - 20;
    whole[at] ^= 1;
    refused(&whole, 5, "its part IDAT at byte 33 is not what its checksum says");
}

#[test]
fn other_formats_are_refused_by_name() {
    refused(b"GIF89a and so on", 5, "it is a GIF; convert it first");
    refused(b"II*\0and so on", 5, "it is a TIFF");
    refused(b"\0\0\0\x20ftypheic and so on", 5, "it is a HEIC");
}

/// The colours of a picture of two pixels.
fn two(image: impl Into<DynamicImage>) -> [[u8; 3]; 2] {
    let image = decoded(&encoded(image, ImageFormat::Png));
    assert_eq!(image.dimensions(), (2, 1));
    [image.get_pixel(0, 0).0, image.get_pixel(1, 0).0]
}

#[test]
fn pixels_are_those_of_pillows_conversion_to_rgb() {
    use image::{ImageBuffer, Luma, LumaA, Rgba};
    fn wide<P: image::Pixel>(values: Vec<P::Subpixel>) -> ImageBuffer<P, Vec<P::Subpixel>> {
        ImageBuffer::from_raw(2, 1, values).expect("two pixels")
    }
    assert_eq!(two(wide::<Luma<u8>>(vec![7, 200])), [[7; 3], [200; 3]]);
    // Alpha is dropped, and nothing laid over it: the colours are there even where it is 0.
    assert_eq!(two(wide::<LumaA<u8>>(vec![7, 0, 200, 90])), [[7; 3], [200; 3]]);
    let clear = wide::<Rgba<u8>>(vec![1, 2, 3, 0, 4, 5, 6, 128]);
    assert_eq!(two(clear), [[1, 2, 3], [4, 5, 6]]);
    // Of sixteen bits the upper eight are kept.
    assert_eq!(two(wide::<Luma<u16>>(vec![0x0BFF, 0xFFFF])), [[0x0B; 3], [0xFF; 3]]);
    assert_eq!(two(wide::<LumaA<u16>>(vec![0x0BFF, 0, 0x8000, 1])), [[0x0B; 3], [0x80; 3]]);
    let deep = wide::<Rgb<u16>>(vec![0x0100, 0x02FF, 0x0380, 0xFF00, 0xFEFF, 0]);
    assert_eq!(two(deep), [[1, 2, 3], [255, 254, 0]]);
    let deep = wide::<Rgba<u16>>(vec![0x0100, 0x02FF, 0x0380, 0, 0xFF00, 0xFEFF, 0, 9]);
    assert_eq!(two(deep), [[1, 2, 3], [255, 254, 0]]);
}

/// A PNG of two pixels made of these chunks.
fn png_of(depth: u8, colour: u8, more: &[Vec<u8>], row: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let header = [&[0, 0, 0, 2, 0, 0, 0, 1, depth, colour][..], &[0; 3]].concat();
    let mut packed = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(&[&[0], row].concat()).expect("into memory");
    let packed = packed.finish().expect("into memory");
    let mut bytes = [&b"\x89PNG\r\n\x1A\n"[..], &chunk(*b"IHDR", &header)].concat();
    bytes.extend(more.concat());
    [bytes, chunk(*b"IDAT", &packed), chunk(*b"IEND", &[])].concat()
}

#[test]
fn palettes_are_looked_up_whatever_their_transparency() {
    let palette = chunk(*b"PLTE", &[9, 8, 7, 60, 50, 40]);
    let clear = chunk(*b"tRNS", &[0, 128]);
    for depth in [1, 2, 4, 8] {
        let row = if depth == 8 { vec![1, 0] } else { vec![1 << (8 - depth)] };
        for more in [vec![palette.clone()], vec![palette.clone(), clear.clone()]] {
            let image = decoded(&png_of(depth, 3, &more, &row));
            assert_eq!(image.as_raw()[..], [60, 50, 40, 9, 8, 7], "{depth}");
        }
    }
    // Grey of one bit is black and white.
    assert_eq!(decoded(&png_of(1, 0, &[], &[0b0100_0000])).as_raw()[..], [0, 0, 0, 255, 255, 255]);
}

/// A JPEG of 8 x 8 pixels of one colour: four components as a press takes them, stored inverted as Adobe's
/// programs do and say. All values are 8 times the coefficient of the mean, each category of which has a
/// code of four bits; nothing else is coded but the block's end, by one bit.
fn cmyk_jpeg(stored: [u8; 4]) -> Vec<u8> {
    use std::fmt::Write as _;
    let segment = |code: u8, content: &[u8]| {
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&[0xFF, code][..], &length, content].concat()
    };
    let components: Vec<u8> = (1..=4).flat_map(|id| [id, 0x11, 0]).collect();
    let frame = [&[8, 0, 8, 0, 8, 4][..], &components].concat();
    let of_scan: Vec<u8> = (1..=4).flat_map(|id| [id, 0]).collect();
    let scan = [&[4][..], &of_scan, &[0, 63, 0]].concat();
    let means = [&[0, 0, 0, 0, 9][..], &[0; 12], &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
    let ends = [&[0x10, 1][..], &[0; 15], &[0]].concat();
    let mut bits = String::new();
    for value in stored {
        let value = i32::from(value) - 128;
        let category = 32 - value.unsigned_abs().leading_zeros();
        let coded = if value < 0 { value + (1 << category) - 1 } else { value };
        write!(bits, "{category:04b}").expect("into memory");
        if category > 0 {
            let width = category as usize;
            write!(bits, "{coded:0width$b}").expect("into memory");
        }
        bits += "0";
    }
    bits += &"1".repeat((8 - bits.len() % 8) % 8);
    let byte = |at: usize| u8::from_str_radix(&bits[at..at + 8], 2).expect("eight bits");
    let coded = (0..bits.len()).step_by(8).map(byte);
    let coded: Vec<u8> = coded.flat_map(|b| if b == 0xFF { vec![b, 0] } else { vec![b] }).collect();
    [
        vec![0xFF, 0xD8],
        segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"),
        segment(0xDB, &[&[0][..], &[8; 64]].concat()),
        segment(0xC0, &frame),
        segment(0xC4, &means),
        segment(0xC4, &ends),
        segment(0xDA, &scan),
        coded,
        vec![0xFF, 0xD9],
    ]
    .concat()
}

#[test]
fn inks_are_multiplied_out() {
    for (stored, expected) in [
        ([255, 128, 0, 255], [255, 128, 0]),
        ([255, 128, 0, 128], [128, 64, 0]),
        ([90, 200, 255, 0], [0, 0, 0]),
    ] {
        let image = decoded(&cmyk_jpeg(stored));
        assert_eq!(image.dimensions(), (8, 8));
        let close = |p: &Rgb<u8>| p.0.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1);
        assert!(image.pixels().all(close), "{stored:?}: {:?}", image.get_pixel(0, 0));
    }
}
