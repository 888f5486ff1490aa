//! Outlines: which points of the plane a shape covers.

use std::f64::consts::PI;

/// A shape, in its own coordinates: about within the unit disc, y upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A full disc.
    Disc,
    /// A disc with a hole.
    Ring,
    /// A moon.
    Crescent,
    /// A square.
    Square,
    /// An equilateral triangle.
    Triangle,
    /// A star of five points.
    Star,
    /// Two crossed bars.
    Cross,
    /// A heart.
    Heart,
    /// A patch of parallel bars.
    Stripes,
    /// A chequered patch.
    Checkers,
    /// A long ellipse: clutter, no class.
    Ellipse,
    /// A long bar: clutter, no class.
    Bar,
}

impl Shape {
    /// The classes by label.
    pub const CLASSES: [(&str, Self); 10] = [
        ("disc", Self::Disc),
        ("ring", Self::Ring),
        ("crescent", Self::Crescent),
        ("square", Self::Square),
        ("triangle", Self::Triangle),
        ("star", Self::Star),
        ("cross", Self::Cross),
        ("heart", Self::Heart),
        ("stripes", Self::Stripes),
        ("checkers", Self::Checkers),
    ];

    /// Whether the point lies in the shape.
    pub fn covers(self, x: f64, y: f64) -> bool {
        let r = x.hypot(y);
        let within = |half: f64| x.abs() < half && y.abs() < half;
        match self {
            Self::Disc => r < 0.85,
            Self::Ring => r > 0.5 && r < 0.95,
            Self::Crescent => r < 0.95 && (x - 0.5).hypot(y) > 0.8,
            Self::Square => within(0.78),
            Self::Triangle => y > -0.55 && y < 1.05 - 3_f64.sqrt() * x.abs(),
            Self::Star => star(r, y.atan2(x)),
            Self::Cross => within(0.95) && x.abs().min(y.abs()) < 0.27,
            Self::Heart => heart(1.3 * x, 1.3 * y + 0.1),
            Self::Stripes => within(0.85) && odd(x, 0.34),
            Self::Checkers => within(0.85) && (odd(x, 0.425) ^ odd(y, 0.425)),
            Self::Ellipse => x.hypot(2.2 * y) < 1.0,
            Self::Bar => x.abs() < 1.4 && y.abs() < 0.3,
        }
    }
}

/// Whether `x`, counted from the patch's edge, lies in an odd cell of width `cell`.
fn odd(x: f64, cell: f64) -> bool {
    ((x + 0.85) / cell).floor().rem_euclid(2.0) == 0.0
}

/// Five points at radius 1, five notches at 0.42; one line between them, mirrored ten times.
fn star(r: f64, angle: f64) -> bool {
    let (sector, notch) = (PI / 5.0, 0.42);
    let folded = (angle.rem_euclid(2.0 * sector) - sector).abs();
    let (x, y) = (r * folded.cos(), r * folded.sin());
    // After folding, a notch lies at angle 0 and a point at angle `sector`.
    let (px, py) = (sector.cos(), sector.sin());
    (px - notch) * y - py * (x - notch) > 0.0
}

/// The sextic (x^2 + y^2 - 1)^3 = x^2 y^3.
fn heart(x: f64, y: f64) -> bool {
    (x * x + y * y - 1.0).powi(3) < x * x * y.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part of the square from -1 to 1 that the shape covers.
    fn area(shape: Shape) -> f64 {
        let n = 200;
        let at = |i: i32| (f64::from(i) + 0.5) / 100.0 - 1.0;
        let hits = (0..n * n).filter(|i| shape.covers(at(i % n), at(i / n))).count();
        hits as f64 / f64::from(n * n)
    }

    #[test]
    fn areas_are_those_of_geometry() {
        let check = |shape, expected: f64| {
            let found = area(shape);
            assert!((found - expected).abs() < 0.01, "{shape:?}: {found} {expected}");
        };
        check(Shape::Disc, PI * 0.85 * 0.85 / 4.0);
        check(Shape::Ring, PI * (0.95 * 0.95 - 0.25) / 4.0);
        check(Shape::Square, 0.78 * 0.78);
        check(Shape::Star, 5.0 * 0.42 * (PI / 5.0).sin() / 4.0);
        check(Shape::Cross, (2.0 * 1.9 * 0.54 - 0.54 * 0.54) / 4.0);
        check(Shape::Checkers, 0.85 * 0.85 / 2.0);
        check(Shape::Ellipse, PI / 2.2 / 4.0);
    }

    #[test]
    fn every_class_covers_enough_to_be_seen() {
        for (name, shape) in Shape::CLASSES {
            assert!((0.2..0.65).contains(&area(shape)), "{name}: {}", area(shape));
        }
    }
}
