//! Batches of images and their losses.

use anyhow::Result;
use cifar::{Augment, Augmented, ImageShape, Mixup, Normalise, Part, Size, View, synth};
use kernels::loss::{Mix, Target};

use super::{Case, Kind};
use crate::{Batch, Device, loss};

pub(super) fn cases() -> Vec<Case> {
    let plain = Augment::default();
    let cropped = Augment { padding: 4, flip: true, ..plain };
    let blanked = Augment { cutout: 9, erasing: 0.9, ..cropped };
    let mut all = vec![
        drawn("still", 32, None),
        drawn("cropped", 32, Some(cropped)),
        drawn("blanked", 32, Some(blanked)),
        drawn("larger", 45, Some(blanked)),
        drawn("smaller", 13, Some(cropped)),
        loaded(),
    ];
    let kinds = [("plain", 0.0, None), ("smoothed", 0.1, None), ("mixed", 0.1, Some(0.7))];
    for (name, smoothing, share) in kinds {
        let sizes = [(3, 10), (40, 10), (300, 7), (70, 1000)];
        all.extend(sizes.map(|size| cross_entropy(name, size, (smoothing, share))));
    }
    all
}

/// Images and how they are normalised.
fn part() -> (Part, Normalise) {
    let normalise = Normalise::new(&[0.49, 0.48, 0.45], &[0.25, 0.24, 0.26]);
    (Part::whole(synth::generate(3, 40, 1).train, ImageShape::square(synth::SIDE)), normalise)
}

/// Images drawn on the device with `side` pixels a side, mixed with each other.
fn drawn(name: &str, side: usize, augment: Option<Augment>) -> Case {
    Case::new(format!("images {name}"), Kind::Moved, move |place| {
        let (part, normalise) = part();
        let indices: Vec<usize> = (0..20).map(|i| i * 7 % part.len()).collect();
        let augmented = augment.map(|augment| Augmented { augment, seed: 5, epoch: 2 });
        let view = View { normalise: &normalise, size: Size::square(side), augmented };
        let mixed = Mixup { alpha: 1.0 }.draw(indices.len(), 1, (2, 3));
        match &place.device {
            Device::Cpu => {
                let mut images = cifar::batch(&part, &indices, &view)?;
                mixed.apply(&mut images);
                Ok(images.images)
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu, _) => {
                let room = || Batch::room(gpu, &place.device, (indices.len(), side));
                let (images, mix) = (room()?, room()?);
                let resident = crate::resident::Resident::new(gpu, &part, (&normalise, side))?;
                let shown = cifar::shown(&part, &indices, &view);
                resident.draw(gpu, &shown, images.buffer())?;
                gpu.mix(images.buffer(), &mixed.others, mixed.share, mix.buffer())?;
                three(&mix.host()?, indices.len(), side)
            }
        }
    })
}

/// Images that were made on the host.
fn loaded() -> Case {
    Case::new("images loaded", Kind::Moved, |place| {
        let side = 9;
        let images = place.random("images", 5 * 3 * side * side);
        let loaded = cifar::Batch { images, labels: vec![0; 5], shape: ImageShape::square(side) };
        let batch = Batch::new(loaded, &place.device)?;
        if place.device.is_cpu() {
            return place.read(&batch.images, 5, [3, side, side]);
        }
        three(&batch.images.host()?, 5, side)
    })
}

/// `(images, 3, pixels)` of images with zeros behind the third channel.
fn three(values: &[f32], images: usize, side: usize) -> Result<Vec<f32>> {
    let image = values.len() / images;
    let channels = image / (side * side);
    let surplus = values.chunks(channels).flat_map(|pixel| &pixel[3..]);
    anyhow::ensure!(surplus.into_iter().all(|v| *v == 0.0), "channels that should be zero");
    let each = values.chunks(image).flat_map(|image| {
        (0..3).flat_map(move |c| image.chunks(channels).map(move |pixel| pixel[c]))
    });
    Ok(each.collect())
}

fn cross_entropy(
    name: &str,
    (images, classes): (usize, usize),
    (smoothing, share): (f32, Option<f32>),
) -> Case {
    Case::of_parts(format!("loss {name} {images}x{classes}"), Kind::Operation, move |place| {
        let size = [classes, 1, 1];
        let logits = place.activation(&place.random("logits", images * classes), size)?;
        let class = |i: usize| (i * 5 % classes) as u16;
        let (labels, others): (Vec<u16>, Vec<u16>) =
            (0..images).map(|i| (class(i), class(i + 1))).unzip();
        let mix = share.map(|share| Mix { labels: &others, share });
        let target = Target { labels: &labels, classes, smoothing };
        let room = || place.activation_room(images, size);
        let (grad, outcome) = loss::of((&logits, &place.device), (target, mix), room)?;
        let outcome = outcome.read()?;
        let grad = place.read(&grad, images, size)?;
        Ok(vec![grad, vec![outcome.loss as f32], vec![outcome.correct as f32]])
    })
}
