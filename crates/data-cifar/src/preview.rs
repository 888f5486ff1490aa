//! `preview`: a contact sheet.

use std::io::Cursor;

use artifact::{Error, Result, file};
use cifar::{Dataset, Part, Size};
use image::{ImageFormat, Rgb, RgbImage};
use serde::Serialize;
use stage::Common;

use crate::cli::{PartName, Preview};

/// Pixels of the sheet for each pixel of an image.
const SCALE: usize = 2;
/// Pixels between images.
const GAP: usize = 2;
/// The most pixels of a sheet.
const MOST_PIXELS: usize = 200_000_000;

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
    let sheet = draw(part, classes.len(), usize::from(flags.columns))?;
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
fn draw(part: &Part, classes: usize, columns: usize) -> Result<RgbImage> {
    let cell = Size::of(part.shape());
    let (down, across) = (cell.height * SCALE + GAP, cell.width * SCALE + GAP);
    let (width, height) = (columns * across + GAP, classes * down + GAP);
    if width * height > MOST_PIXELS {
        return Err(Error::Config(format!(
            "{classes} rows of {columns} images come to {width} x {height} pixels; expected at most \
             {MOST_PIXELS} in all; ask for fewer --columns"
        )));
    }
    let mut sheet = RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3]));
    let mut drawn = vec![0; classes];
    for i in 0..part.len() {
        let class = usize::from(part.label(i));
        if drawn[class] < columns {
            let corner = (drawn[class] * across + GAP, class * down + GAP);
            paste(&mut sheet, part.image(i, &mut vec![])?, cell, corner);
            drawn[class] += 1;
        }
    }
    Ok(sheet)
}

/// Puts one image into the sheet, its corner at `corner`. The first three channels are shown as colours;
/// where there are fewer, the first as grey.
fn paste(sheet: &mut RgbImage, image: &[u8], size: Size, corner: (usize, usize)) {
    let channels = image.len() / size.pixels();
    for y in 0..size.height * SCALE {
        for x in 0..size.width * SCALE {
            let from = y / SCALE * size.width + x / SCALE;
            let channel = |c: usize| if channels < 3 { 0 } else { c };
            let colour = Rgb([0, 1, 2].map(|c| image[channel(c) * size.pixels() + from]));
            sheet.put_pixel((corner.0 + x) as u32, (corner.1 + y) as u32, colour);
        }
    }
}
