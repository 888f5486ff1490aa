//! Batches of images and their losses.

use anyhow::Result;
use cifar::{Augment, Augmented, ImageShape, Images, Mixup, Normalise, Part, Size, View};
use graph::{Graph, Shape};
use kernels::loss::{Mix, Objective, Target};

use super::{Case, Kind};
use crate::{Batch, Device, Net, Views, evaluate_as, loss, predict};

pub(super) fn cases() -> Vec<Case> {
    let plain = Augment::default();
    let cropped = Augment { padding: 4, flip: true, ..plain };
    let blanked = Augment { cutout: 9, erasing: 0.9, ..cropped };
    let colour = ImageShape::square(32);
    let wide = ImageShape { channels: 1, height: 12, width: 19 };
    let many = ImageShape { channels: 9, height: 10, width: 7 };
    let own = |shape| Size::of(shape);
    let mut all = vec![
        drawn("still", colour, own(colour), None),
        drawn("cropped", colour, own(colour), Some(cropped)),
        drawn("blanked", colour, own(colour), Some(blanked)),
        drawn("larger", colour, Size::square(45), Some(blanked)),
        drawn("smaller", colour, Size::square(13), Some(cropped)),
        drawn("wide", wide, own(wide), Some(blanked)),
        drawn("wide resized", wide, Size { height: 17, width: 13 }, Some(cropped)),
        drawn("of many channels", many, own(many), Some(cropped)),
        drawn("of many channels resized", many, Size { height: 10, width: 9 }, None),
    ];
    let shapes = [ImageShape::square(9), wide, many];
    all.extend(shapes.map(loaded));
    all.push(scored(wide));
    let kinds = [("plain", 0.0, None), ("smoothed", 0.1, None), ("mixed", 0.1, Some(0.7))];
    for (name, smoothing, share) in kinds {
        let sizes = [(3, 10), (40, 10), (300, 7), (70, 1000)];
        all.extend(sizes.map(|size| cross_entropy(name, size, (smoothing, share))));
    }
    all
}

/// Images of a shape and how they are normalised.
fn part(shape: ImageShape) -> (Part, Normalise) {
    const IMAGES: usize = 40;
    let mut stream = seed::stream(3, "conformance/images", 0);
    let bytes = (0..IMAGES * shape.values()).map(|_| stream.below(256) as u8);
    let images = Images { pixels: bytes.collect::<Vec<u8>>().into(), labels: vec![0; IMAGES] };
    let each = |first: f64, step: f64| {
        (0..shape.channels).map(|c| first + step * c as f64).collect::<Vec<_>>()
    };
    (Part::whole(images, shape), Normalise::new(&each(0.49, -0.01), &each(0.25, 0.005)))
}

/// Images of a shape drawn on the device in a size, mixed with each other.
fn drawn(name: &str, shape: ImageShape, size: Size, augment: Option<Augment>) -> Case {
    Case::new(format!("images {name}"), Kind::Moved, move |place| {
        let (part, normalise) = part(shape);
        let indices: Vec<usize> = (0..20).map(|i| i * 7 % part.len()).collect();
        let augmented = augment.map(|augment| Augmented { augment, seed: 5, epoch: 2 });
        let view = View { normalise: &normalise, size, augmented };
        let mixed = Mixup { alpha: 1.0 }.draw(indices.len(), 1, (2, 3));
        match &place.device {
            Device::Cpu => {
                let mut images = cifar::batch(&part, &indices, &view)?;
                mixed.apply(&mut images);
                Ok(images.images)
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu, _) => {
                let to = ImageShape { height: size.height, width: size.width, ..shape };
                let room = || Batch::room(gpu, &place.device, indices.len(), to);
                let (images, mix) = (room()?, room()?);
                let resident = crate::resident::Resident::new(gpu, &part, &normalise, size)?;
                let shown = cifar::shown(&part, &indices, &view);
                resident.draw(gpu, &shown, images.buffer())?;
                gpu.mix(images.buffer(), &mixed.others, mixed.share, mix.buffer())?;
                planes(&mix.host()?, indices.len(), to)
            }
        }
    })
}

/// Images that were made on the host.
fn loaded(shape: ImageShape) -> Case {
    let ImageShape { channels, height, width } = shape;
    Case::new(format!("images loaded {channels}x{height}x{width}"), Kind::Moved, move |place| {
        let images = place.random("images", 5 * shape.values());
        let batch = Batch::new(cifar::Batch { images, labels: vec![0; 5], shape }, &place.device)?;
        if place.device.is_cpu() {
            return place.read(&batch.images, 5, [channels, height, width]);
        }
        planes(&batch.images.host()?, 5, shape)
    })
}

/// The logits of images that are resized for a network, and the loss of both views of them.
fn scored(shape: ImageShape) -> Case {
    Case::of_parts("scores", Kind::Network, move |place| {
        let (part, normalise) = part(shape);
        let images = Shape::new(shape.channels, 24, 37);
        let net = Net::initial(Graph::build("resnet18@0.07", 10, images)?, 3, &place.device)?;
        let loss = evaluate_as(Views::Mirrored, &net, &part, &normalise)?.loss;
        Ok(vec![predict(&net, &part, &normalise)?, vec![loss as f32]])
    })
}

/// `(images, channels, pixels)` of images that have zeros behind their channels.
fn planes(values: &[f32], images: usize, shape: ImageShape) -> Result<Vec<f32>> {
    let (image, real) = (values.len() / images, shape.channels);
    let channels = image / shape.pixels();
    let surplus = values.chunks(channels).flat_map(|pixel| &pixel[real..]);
    anyhow::ensure!(surplus.into_iter().all(|v| *v == 0.0), "channels that should be zero");
    let each = values.chunks(image).flat_map(|image| {
        (0..real).flat_map(move |c| image.chunks(channels).map(move |pixel| pixel[c]))
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
        let objective = Objective { mix, ..target.into() };
        let room = || place.activation_room(images, size);
        let (grad, outcome) = loss::of((&logits, &place.device), objective, room)?;
        let outcome = outcome.read()?;
        let grad = place.read(&grad, images, size)?;
        Ok(vec![grad, vec![outcome.loss as f32], vec![outcome.correct as f32]])
    })
}
