//! The built-in set: ten classes of rendered 32 x 32 colour images.
//!
//! Image `index` of a part is a pure function of (seed, part, index): larger sets begin with the
//! smaller ones. A scene is drawn at random (`scene`), sampled several times a pixel
//! (`render`), and spoilt as a camera would. How hard it is stands in `difficulty`.

mod difficulty;
mod render;
mod scene;
mod shape;

use artifact::record::ImageShape;
use artifact::{Error, Result};
use rayon::prelude::*;

use crate::{Images, Raw};
use shape::Shape;

/// The name of this source in records.
pub const SOURCE: &str = "synthetic";
/// Height and width of an image in pixels.
pub const SIDE: usize = 32;

/// The class names by label.
fn classes() -> Vec<String> {
    Shape::CLASSES.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// Refuses a set too small to have every class in both parts.
pub fn check(train: usize, test: usize) -> Result<()> {
    let least = Shape::CLASSES.len();
    for (name, n) in [("train", train), ("test", test)] {
        if n < least {
            return Err(Error::Config(format!(
                "--{name} {n}: the synthetic set has {least} classes; expected {least} or more"
            )));
        }
    }
    Ok(())
}

/// Renders `train` and `test` images, each class as often as any other (to within one).
pub fn generate(seed: u64, train: usize, test: usize) -> Raw {
    Raw {
        train: part(seed, "synth/train", train),
        test: part(seed, "synth/test", test),
        ..Raw::empty(SOURCE, classes(), ImageShape::square(SIDE))
    }
}

fn part(seed: u64, purpose: &str, n: usize) -> Images {
    let mut pixels = vec![0; n * 3 * SIDE * SIDE];
    pixels.par_chunks_mut(3 * SIDE * SIDE).enumerate().for_each(|(index, out)| {
        let mut random = seed::stream(seed, purpose, index as u64);
        let scene = scene::draw(&mut random, Shape::CLASSES[label(index)].1);
        render::render(&scene, &mut random, out);
    });
    Images { pixels: pixels.into(), labels: (0..n).map(|i| label(i) as u16).collect() }
}

fn label(index: usize) -> usize {
    index % Shape::CLASSES.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_or_two_and_a_larger_set_give_the_same_images() {
        let on = |threads: usize, n: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool").install(|| generate(1, n, 10))
        };
        let (one, two, more) = (on(1, 40), on(2, 40), on(2, 50));
        let digest = |raw: &Raw| raw.digest().expect("in memory");
        assert_eq!(digest(&one), digest(&two));
        assert_ne!(digest(&one), digest(&generate(2, 40, 10)));
        let pixels = |images: &Images| images.pixels.to_vec().expect("in memory");
        let (train, test) = (pixels(&one.train), pixels(&one.test));
        assert_eq!(train, pixels(&more.train)[..train.len()]);
        assert_ne!(train[..test.len()], test);
    }

    #[test]
    fn classes_are_balanced_and_no_image_is_flat() {
        let raw = generate(5, 60, 10);
        assert_eq!(raw.train.counts(10), vec![6; 10]);
        for image in raw.train.pixels.to_vec().expect("in memory").chunks(SIDE * SIDE * 3) {
            let (low, high) = (image.iter().min(), image.iter().max());
            assert!(high > low.map(|l| l + 30).as_ref(), "{low:?} {high:?}");
        }
    }

    #[test]
    fn too_small_a_set_is_refused() {
        assert_eq!(check(9, 10).expect_err("refused").exit_code(), 3);
        assert_eq!(check(10, 9).expect_err("refused").exit_code(), 3);
    }
}
