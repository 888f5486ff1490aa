//! Images that come as arrays, given other channels and another size.

use artifact::record::ImageShape;
use artifact::{Error, Result};
use rayon::prelude::*;

use super::check_size;
use crate::resize::Plane;
use crate::{Fitting, Images, Pixels, Raw, Size, photo};

/// The same set with `channels` channels, its images fitted; `origin` is named in errors.
pub fn convert(
    set: Raw,
    channels: Option<usize>,
    fitting: Option<Fitting>,
    origin: &str,
) -> Result<Raw> {
    let from = set.shape;
    let channels = channels.unwrap_or(from.channels);
    let size = fitting.map_or(Size::of(from), |fitting| fitting.size);
    let to = ImageShape { channels, height: size.height, width: size.width };
    check_size(to, origin)?;
    if from == to {
        return Ok(set);
    }
    if channels != from.channels && ![from.channels, channels].iter().all(|c| [1, 3].contains(c)) {
        return Err(Error::Config(format!(
            "{origin}: --channels {channels}: its images have {} channels; expected one or three, or leave \
             the flag out",
            from.channels
        )));
    }
    let part = |images: Images| -> Result<Images> {
        let (old, mut new) = (images.pixels.to_vec()?, vec![0; images.len() * to.values()]);
        let both = new.par_chunks_mut(to.values()).zip(old.par_chunks(from.values()));
        both.for_each(|(out, image)| fitted(&coloured(image, from, channels), from, fitting, out));
        Ok(Images { pixels: Pixels::from(new), labels: images.labels })
    };
    let validation = set.validation.map(part).transpose()?;
    Ok(Raw { shape: to, train: part(set.train)?, test: part(set.test)?, validation, ..set })
}

/// An image with `channels` channels: grey ones are as bright as the colours were.
fn coloured(image: &[u8], from: ImageShape, channels: usize) -> Vec<u8> {
    match (from.channels, channels) {
        (3, 1) => {
            let [r, g, b] = [0, 1, 2].map(|c| &image[c * from.pixels()..][..from.pixels()]);
            r.iter().zip(g).zip(b).map(|((r, g), b)| photo::brightness([*r, *g, *b])).collect()
        }
        (1, n) => image.repeat(n),
        _ => image.to_vec(),
    }
}

/// Writes each channel of `image` to `out` in the size of this.
fn fitted(image: &[u8], from: ImageShape, fitting: Option<Fitting>, out: &mut [u8]) {
    let Some(fitting) = fitting.filter(|fitting| fitting.size != Size::of(from)) else {
        return out.copy_from_slice(image);
    };
    let fitter = fitting.of(Size::of(from));
    let planes = image.chunks(from.pixels()).map(|plane| Plane::whole(plane, from.width));
    out.chunks_mut(fitting.size.pixels())
        .zip(planes)
        .for_each(|(out, plane)| fitter.apply(&plane, out));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(
        channels: usize,
        pixels: &[u8],
        to: (Option<usize>, Option<Fitting>),
    ) -> Result<(ImageShape, Vec<u8>)> {
        let shape = ImageShape { channels, height: 1, width: 2 };
        let train = Images { pixels: pixels.to_vec().into(), labels: vec![0] };
        let set = Raw { train, ..Raw::empty("idx", vec![], shape) };
        let set = convert(set, to.0, to.1, "d")?;
        Ok((set.shape, set.train.pixels.to_vec()?))
    }

    #[test]
    fn grey_and_colour_become_one_another() {
        let grey = |n| ImageShape { channels: n, height: 1, width: 2 };
        let found = converted(1, &[7, 200], (Some(3), None)).expect("fine");
        assert_eq!(found, (grey(3), vec![7, 200, 7, 200, 7, 200]));
        // Red is 76.2 of 255, blue 29.1.
        let found = converted(3, &[255, 0, 0, 0, 0, 255], (Some(1), None)).expect("fine");
        assert_eq!(found, (grey(1), vec![76, 29]));
        let found = converted(5, &[1; 10], (None, None)).expect("fine");
        assert_eq!(found, (grey(5), vec![1; 10]));
    }

    #[test]
    fn every_channel_is_resized() {
        let fitting = Fitting { size: Size { height: 2, width: 2 }, fit: crate::Fit::Stretch };
        let pixels: Vec<u8> = (0..10).collect();
        let (shape, found) = converted(5, &pixels, (None, Some(fitting))).expect("fine");
        assert_eq!((shape.channels, shape.height), (5, 2));
        assert_eq!(found[..8], [0, 1, 0, 1, 2, 3, 2, 3]);
    }

    #[test]
    fn other_numbers_of_channels_are_refused() {
        let error = converted(5, &[1; 10], (Some(3), None)).expect_err("refused");
        assert!(error.to_string().contains("its images have 5 channels"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }
}
