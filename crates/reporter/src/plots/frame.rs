//! The panel that two axes frame.

use super::Panel;
use super::axis::Axis;
use crate::format;
use crate::svg::{self, Drawing, Point};

/// A panel with its axes, ready for series.
pub struct Frame {
    /// Where series are drawn.
    pub drawing: Drawing,
    title: String,
    size: Point,
    x: Axis,
    y: Axis,
    left: f64,
    top: f64,
}

const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 36.0;

impl Frame {
    /// Draws the axes. `titles` are the panel's and a dimmed line below it (empty for none).
    pub fn new(titles: (&str, &str), size: Point, x: Axis, y: Axis) -> Self {
        let widest = y.ticks.iter().map(|t| svg::width(&t.1)).fold(0.0, f64::max);
        let top = if titles.1.is_empty() { 26.0 } else { 41.0 };
        let mut frame = Self {
            drawing: Drawing::default(),
            title: titles.0.to_owned(),
            size,
            x,
            y,
            left: widest + 10.0,
            top,
        };
        let fits = (size.0 / 7.6) as usize;
        frame.drawing.text("title", (0.0, 13.0), &format::middle(titles.0, fits));
        if !titles.1.is_empty() {
            frame.drawing.text("dim", (0.0, 28.0), titles.1);
        }
        frame.draw_y();
        frame.draw_x();
        frame
    }

    /// Where the value (x, y) lies.
    pub fn at(&self, x: f64, y: f64) -> Point {
        let (right, bottom) = (self.size.0 - RIGHT, self.size.1 - BOTTOM);
        let across = self.left + self.x.share(x) * (right - self.left);
        (across, bottom - self.y.share(y) * (bottom - self.top))
    }

    /// Upper left and lower right corner of what the axes frame.
    pub fn inside(&self) -> [Point; 2] {
        [(self.left, self.top), (self.size.0 - RIGHT, self.size.1 - BOTTOM)]
    }

    /// The finite ones of `values` as places.
    pub fn places(&self, values: &[(f64, f64)]) -> Vec<Point> {
        let finite = values.iter().filter(|v| v.0.is_finite() && v.1.is_finite());
        finite.map(|v| self.at(v.0, v.1)).collect()
    }

    /// A level across the whole panel.
    pub fn level(&mut self, class: &str, y: f64) {
        if y.is_finite() {
            let (from, to) = (self.at(self.x.low, y), self.at(self.x.high, y));
            self.drawing.line(class, from, to);
        }
    }

    /// The finished panel.
    pub fn panel(self) -> Panel {
        Panel { title: self.title, size: self.size, drawing: self.drawing }
    }

    fn draw_y(&mut self) {
        for i in 0..self.y.ticks.len() {
            let (value, label) = self.y.ticks[i].clone();
            let from = self.at(self.x.low, value);
            let class = if i == 0 { "axis" } else { "grid" };
            self.drawing.line(class, from, (self.size.0 - RIGHT, from.1));
            self.drawing.text("e dim", (self.left - 6.0, from.1 + 4.0), &label);
        }
    }

    fn draw_x(&mut self) {
        let bottom = self.size.1 - BOTTOM;
        for i in 0..self.x.ticks.len() {
            let (value, label) = self.x.ticks[i].clone();
            let x = self.at(value, self.y.low).0;
            self.drawing.line("axis", (x, bottom), (x, bottom + 4.0));
            self.drawing.text("m dim", (x, bottom + 16.0), &label);
        }
        let title = self.x.title.clone();
        let middle = f64::midpoint(self.left, self.size.0 - RIGHT);
        self.drawing.text("m dim", (middle, self.size.1 - 5.0), &title);
    }
}
