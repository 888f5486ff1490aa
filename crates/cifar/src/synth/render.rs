//! A scene as pixels: sampled, blurred, faded, noisy, rounded to bytes.

use seed::Stream;

use super::SIDE;
use super::difficulty as d;
use super::scene::{Colour, Scene};

/// Samples along each side of a pixel.
const SAMPLES: usize = 3;

/// Renders `scene` into `out`: 3 x SIDE x SIDE bytes.
pub fn render(scene: &Scene, random: &mut Stream, out: &mut [u8]) {
    let sharp: Vec<Colour> = (0..SIDE * SIDE).map(|i| pixel(scene, i % SIDE, i / SIDE)).collect();
    let weight = random.range(d::BLUR.0, d::BLUR.1);
    let fade = random.range(d::FADE.0, d::FADE.1);
    let brightness = random.range(-d::BRIGHTNESS, d::BRIGHTNESS);
    let noise = random.range(d::NOISE.0, d::NOISE.1);
    for (i, colour) in blur(&sharp, weight).iter().enumerate() {
        for (c, value) in colour.iter().enumerate() {
            let seen = 0.5 + brightness + fade * (value - 0.5) + noise * random.normal();
            out[c * SIDE * SIDE + i] = (255.0 * seen).round().clamp(0.0, 255.0) as u8;
        }
    }
}

/// The mean over the samples of one pixel.
fn pixel(scene: &Scene, x: usize, y: usize) -> Colour {
    let at = |p: usize, k: usize| (p as f64 + (k as f64 + 0.5) / SAMPLES as f64) / SIDE as f64;
    let mut sum = [0.0; 3];
    for k in 0..SAMPLES * SAMPLES {
        let colour = scene.at(at(x, k % SAMPLES), at(y, k / SAMPLES));
        sum.iter_mut().zip(colour).for_each(|(s, v)| *s += v);
    }
    sum.map(|s| s / (SAMPLES * SAMPLES) as f64)
}

/// The kernel (w, 1 - 2w, w) along rows, then along columns; the edge repeats.
fn blur(image: &[Colour], w: f64) -> Vec<Colour> {
    let along = |from: &[Colour], dx: usize, dy: usize| -> Vec<Colour> {
        let mixed = |i: usize| {
            let (x, y) = (i % SIDE, i / SIDE);
            let before = from[y.saturating_sub(dy) * SIDE + x.saturating_sub(dx)];
            let after = from[(y + dy).min(SIDE - 1) * SIDE + (x + dx).min(SIDE - 1)];
            [0, 1, 2].map(|c| w * (before[c] + after[c]) + (1.0 - 2.0 * w) * from[i][c])
        };
        (0..from.len()).map(mixed).collect()
    };
    along(&along(image, 1, 0), 0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_flat_images_and_spreads_a_point() {
        let flat = vec![[0.25, 0.5, 1.0]; SIDE * SIDE];
        assert_eq!(blur(&flat, 0.25), flat);
        let mut point = vec![[0.0; 3]; SIDE * SIDE];
        point[5 * SIDE + 7] = [1.0; 3];
        let spread = blur(&point, 0.25);
        let at = |x: usize, y: usize| spread[y * SIDE + x][0];
        assert_eq!(
            [at(7, 5), at(6, 5), at(7, 6), at(8, 6), at(9, 5)],
            [0.25, 0.125, 0.125, 0.0625, 0.0]
        );
    }
}
