//! `preview`: a contact sheet.

use std::io::Cursor;

use artifact::{Error, Result, file};
use cifar::{Dataset, Part};
use image::{ImageFormat, Rgb, RgbImage};
use serde::Serialize;
use stage::Common;

use crate::cli::{PartName, Preview};

/// Pixels of the sheet for each pixel of an image.
const SCALE: usize = 2;
/// Pixels between images.
const GAP: usize = 2;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Printed<'a> {
    file: String,
    rows: &'a [String],
}

/// Draws the sheet and prints the order of its rows.
pub fn preview(common: &Common, flags: &Preview) -> Result<()> {
    let dataset = Dataset::open(&flags.dataset)?;
    let part = match flags.part {
        PartName::Train => &dataset.train,
        PartName::Validation => &dataset.validation,
        PartName::Test => &dataset.test,
    };
    let classes = &dataset.info.classes;
    let sheet = draw(part, classes.len(), usize::from(flags.columns));
    let mut png = Cursor::new(Vec::new());
    sheet
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| Error::Resource(format!("{}: cannot be encoded: {e}", flags.out.display())))?;
    file::write(&flags.out, png.get_ref())?;
    if common.json {
        stage::print_json(&Printed { file: flags.out.display().to_string(), rows: classes });
    } else {
        stage::print(&format!("rows, from the top: {}", classes.join(", ")));
    }
    Ok(())
}

/// The first `columns` images of each class, a row a class.
fn draw(part: &Part, classes: usize, columns: usize) -> RgbImage {
    let cell = part.side() * SCALE + GAP;
    let size = |cells: usize| (cells * cell + GAP) as u32;
    let mut sheet = RgbImage::from_pixel(size(columns), size(classes), Rgb([255; 3]));
    for class in 0..classes {
        let of_class = (0..part.len()).filter(|&i| usize::from(part.label(i)) == class);
        for (column, i) in of_class.take(columns).enumerate() {
            paste(&mut sheet, part.image(i), (column * cell + GAP, class * cell + GAP));
        }
    }
    sheet
}

/// Puts one image (3 x side x side) into the sheet, its corner at `corner`.
fn paste(sheet: &mut RgbImage, image: &[u8], corner: (usize, usize)) {
    let plane = image.len() / 3;
    let side = plane.isqrt();
    for y in 0..side * SCALE {
        for x in 0..side * SCALE {
            let from = y / SCALE * side + x / SCALE;
            let colour = Rgb([0, 1, 2].map(|c| image[c * plane + from]));
            sheet.put_pixel((corner.0 + x) as u32, (corner.1 + y) as u32, colour);
        }
    }
}
