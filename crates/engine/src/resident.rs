//! Images that lie on a GPU as bytes: a batch is drawn from them there.

use std::rc::Rc;

use anyhow::Result;
use cifar::{Normalise, Part, Shown};
use cuda::{Buffer, Draw, Gpu};

/// All images of a dataset's file on a GPU.
pub(crate) struct Resident {
    /// Keeps what the bytes are a copy of.
    part: Part,
    normalise: Normalise,
    bytes: Buffer,
    /// The normalised value of each byte, channel by channel.
    table: Buffer,
}

impl Resident {
    pub(crate) fn new(gpu: &Gpu, part: &Part, normalise: &Normalise) -> Result<Rc<Self>> {
        let bytes = gpu.upload_bytes(part.pixels())?;
        let table = gpu.upload(&normalise.table().concat())?;
        Ok(Rc::new(Self { part: part.clone(), normalise: *normalise, bytes, table }))
    }

    /// Whether it holds the images of `part`, normalised so.
    pub(crate) fn holds(&self, part: &Part, normalise: &Normalise) -> bool {
        self.part.shares_pixels(part) && self.normalise == *normalise
    }

    /// Draws the images to `x` (images, side, side, channels).
    pub(crate) fn draw(&self, gpu: &Gpu, shown: &[Shown], x: &Buffer) -> Result<()> {
        let padding = shown.first().map_or(0, |s| s.pose.padding);
        let draws: Vec<Draw> = shown.iter().map(draw).collect();
        Ok(gpu.draw((&self.bytes, &self.table), &draws, (self.part.side(), padding), x)?)
    }
}

fn draw(shown: &Shown) -> Draw {
    let mut patches = [[0; 4]; 2];
    assert!(shown.patches.len() <= patches.len(), "patches of an image");
    for (to, patch) in patches.iter_mut().zip(&shown.patches) {
        let (rows, columns) = (patch.rows, patch.columns);
        *to = [rows.0, rows.1, columns.0, columns.1].map(|v| v as i32);
    }
    Draw {
        image: shown.image as u32,
        y: shown.pose.y as i32,
        x: shown.pose.x as i32,
        flip: i32::from(shown.pose.flip),
        patches,
    }
}
