//! What stands in one image: drawn at random, not yet pixels. Coordinates run from 0 to 1.

use std::f64::consts::TAU;

use seed::Stream;

use super::difficulty as d;
use super::shape::Shape;

/// R, G, B in `[0, 1]`.
pub type Colour = [f64; 3];

/// Cells of the texture along a side.
const CELLS: usize = 8;

/// Everything that one image shows.
pub struct Scene {
    background: Paint,
    layers: Vec<Layer>,
}

/// A shape somewhere, painted.
struct Layer {
    shape: Shape,
    place: Place,
    paint: Paint,
}

/// Position, rotation and size.
struct Place {
    centre: (f64, f64),
    turn: (f64, f64),
    radii: (f64, f64),
}

/// A gradient between two colours along a direction, and a texture over it.
struct Paint {
    ends: [Colour; 2],
    direction: (f64, f64),
    amplitude: f64,
    texture: [[f64; CELLS + 1]; CELLS + 1],
}

/// Draws a scene with `object` in it.
pub fn draw(random: &mut Stream, object: Shape) -> Scene {
    let ends = [colour(random), colour(random)];
    let background = Paint::random(random, ends);
    let mut layers = Vec::new();
    for _ in 0..random.below(d::CLUTTER + 1) {
        layers.push(Layer::piece(random, d::CLUTTER_SIZE, (0.5, 0.5), 0.5));
    }
    let (object, centre) = Layer::object(random, object, &background.ends);
    layers.push(object);
    for _ in 0..random.below(d::OCCLUDERS + 1) {
        layers.push(Layer::piece(random, d::OCCLUDER_SIZE, centre, d::RADIUS.0));
    }
    Scene { background, layers }
}

impl Scene {
    /// The colour at a point: that of the topmost layer there.
    pub fn at(&self, x: f64, y: f64) -> Colour {
        let top = self.layers.iter().rev().find(|l| l.place.covers(l.shape, x, y));
        top.map_or(&self.background, |l| &l.paint).at(x, y)
    }
}

impl Layer {
    /// The object and its centre, in a colour that stands out from `behind`.
    fn object(random: &mut Stream, shape: Shape, behind: &[Colour; 2]) -> (Self, (f64, f64)) {
        let mut offset = || 0.5 + random.range(-d::OFFSET, d::OFFSET);
        let centre = (offset(), offset());
        let (radius, squash) = (between(random, d::RADIUS), between(random, d::SQUASH));
        let place = Place::random(random, centre, (radius, radius * squash));
        let first = distinct(random, behind);
        let second = first.map(|v| (v + d::SHADING * random.range(-0.6, 0.6)).clamp(0.0, 1.0));
        (Self { shape, place, paint: Paint::random(random, [first, second]) }, centre)
    }

    /// A bar or an ellipse at most `reach` (in x and in y) from `around`.
    fn piece(random: &mut Stream, size: (f64, f64), around: (f64, f64), reach: f64) -> Self {
        let shape = if random.chance(0.5) { Shape::Ellipse } else { Shape::Bar };
        let mut near = |v: f64| v + random.range(-reach, reach);
        let centre = (near(around.0), near(around.1));
        let radius = between(random, size);
        let first = colour(random);
        Self {
            shape,
            place: Place::random(random, centre, (radius, radius)),
            paint: Paint::random(random, [first, first]),
        }
    }
}

impl Place {
    fn random(random: &mut Stream, centre: (f64, f64), radii: (f64, f64)) -> Self {
        Self { centre, turn: direction(random), radii }
    }

    /// Whether `shape` at this place covers the image's point. Image rows run downwards.
    fn covers(&self, shape: Shape, x: f64, y: f64) -> bool {
        let (dx, dy) = (x - self.centre.0, self.centre.1 - y);
        let (cos, sin) = self.turn;
        let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
        shape.covers(u / self.radii.0, v / self.radii.1)
    }
}

impl Paint {
    fn random(random: &mut Stream, ends: [Colour; 2]) -> Self {
        let mut texture = [[0.0; CELLS + 1]; CELLS + 1];
        texture.iter_mut().flatten().for_each(|v| *v = random.range(-1.0, 1.0));
        let amplitude = between(random, d::TEXTURE);
        Self { ends, direction: direction(random), amplitude, texture }
    }

    fn at(&self, x: f64, y: f64) -> Colour {
        let along = (x - 0.5) * self.direction.0 + (y - 0.5) * self.direction.1;
        let t = (along + 0.5).clamp(0.0, 1.0);
        let shift = self.amplitude * self.noise(x, y);
        [0, 1, 2].map(|c| self.ends[0][c] * (1.0 - t) + self.ends[1][c] * t + shift)
    }

    /// Value noise: bilinear between the values at the cells' corners.
    fn noise(&self, x: f64, y: f64) -> f64 {
        let (x, y) = (x * CELLS as f64, y * CELLS as f64);
        let (i, j) = ((x as usize).min(CELLS - 1), (y as usize).min(CELLS - 1));
        let (fx, fy) = (x - i as f64, y - j as f64);
        let row = |j: usize| self.texture[j][i] * (1.0 - fx) + self.texture[j][i + 1] * fx;
        row(j) * (1.0 - fy) + row(j + 1) * fy
    }
}

fn between(random: &mut Stream, range: (f64, f64)) -> f64 {
    random.range(range.0, range.1)
}

fn direction(random: &mut Stream) -> (f64, f64) {
    let angle = random.range(0.0, TAU);
    (angle.cos(), angle.sin())
}

fn colour(random: &mut Stream) -> Colour {
    [0, 1, 2].map(|_| random.unit())
}

/// A colour at least [`d::CONTRAST`] from each of `others`; the best of 32 where none is.
fn distinct(random: &mut Stream, others: &[Colour; 2]) -> Colour {
    let mut best = (0.0, [0.5; 3]);
    for _ in 0..32 {
        let candidate = colour(random);
        let gap = others.iter().map(|o| distance(&candidate, o)).fold(f64::MAX, f64::min);
        if gap > best.0 {
            best = (gap, candidate);
        }
        if gap >= d::CONTRAST {
            break;
        }
    }
    best.1
}

fn distance(a: &Colour, b: &Colour) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}
