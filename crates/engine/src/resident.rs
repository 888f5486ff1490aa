//! Images that lie on a GPU as bytes: a batch is drawn from them there.

use std::rc::Rc;

use anyhow::Result;
use cifar::{Normalise, Part, Pixels, Shown, Size};
use cuda::{Buffer, Draw, Gpu, Images, Pictures, Resized};
use graph::Shape;

use crate::{Device, Net};

/// All images of a dataset's file on a GPU, to be shown in one size.
pub(crate) struct Resident {
    /// Keeps what the bytes are a copy of.
    part: Part,
    normalise: Normalise,
    size: Size,
    images: Images,
}

impl Resident {
    /// The images that `part` is of, shown in `size`.
    pub(crate) fn new(
        gpu: &Gpu,
        part: &Part,
        normalise: &Normalise,
        size: Size,
    ) -> Result<Rc<Self>> {
        let (shape, from) = (part.shape(), Size::of(part.shape()));
        let resized = (from != size).then(|| Resized {
            down: cifar::taps(from.height, size.height),
            across: cifar::taps(from.width, size.width),
        });
        let table = normalise.table();
        // Those that stay in their file are in memory no longer than it takes to send them.
        let read;
        let pixels = match part.pixels() {
            Pixels::Memory(pixels) => pixels,
            file @ Pixels::File(_) => {
                read = file.to_vec()?;
                &read
            }
        };
        let there = geometry::Size { h: from.height, w: from.width };
        let all = Pictures { bytes: pixels, channels: shape.channels, size: there, table: &table };
        let images = Images::new(gpu, all, resized.as_ref())?;
        Ok(Rc::new(Self { part: part.clone(), normalise: normalise.clone(), size, images }))
    }

    /// Whether it holds the images of `part`, to be shown so.
    pub(crate) fn holds(&self, part: &Part, normalise: &Normalise, size: Size) -> bool {
        self.part.shares_pixels(part) && self.normalise == *normalise && self.size == size
    }

    /// Draws the images to `x` (images, height, width, channels).
    pub(crate) fn draw(&self, gpu: &Gpu, shown: &[Shown], x: &Buffer) -> Result<()> {
        let padding = shown.first().map_or(0, |s| s.pose.padding);
        let draws: Vec<Draw> = shown.iter().map(draw).collect();
        Ok(gpu.draw(&self.images, &draws, padding, x)?)
    }
}

impl Net {
    /// Puts the images of `part` on the device, if it is a GPU, before any step asks for them.
    ///
    /// # Errors
    /// `Resource` where they do not fit.
    pub(crate) fn hold(&self, part: &Part, normalise: &Normalise) -> Result<()> {
        let Device::Cuda(gpu, _) = self.device() else { return Ok(()) };
        let held = self.resident(gpu, part, normalise).map(drop);
        held.map_err(|e| {
            let mib = artifact::size::mib(part.pixels().len() as u64);
            artifact::Error::Resource(format!("{e:#}: the images take {mib:.0} MiB there")).into()
        })
    }

    /// The images of `part` on the device, put there if they are not.
    pub(crate) fn resident(
        &self,
        gpu: &Gpu,
        part: &Part,
        normalise: &Normalise,
    ) -> Result<Rc<Resident>> {
        let Shape { h, w, .. } = self.graph().images();
        let size = Size { height: h, width: w };
        let mut all = self.residents.borrow_mut();
        if let Some(known) = all.iter().find(|r| r.holds(part, normalise, size)) {
            return Ok(Rc::clone(known));
        }
        let new = Resident::new(gpu, part, normalise, size)?;
        all.push(Rc::clone(&new));
        Ok(new)
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
