//! Plots: panels, what their colours mean, and the numbers behind them.
//!
//! A page sets the panels one by one into its own grid, so that they stay legible on a phone; a
//! file holds them all at once.

mod axis;
pub mod bars;
pub mod cost;
mod frame;
pub mod histogram;
mod labels;
mod scatter;
pub mod sensitivity;
pub mod tradeoff;
pub mod training;

use artifact::{Result, file};
use std::path::Path;

use crate::csv::Csv;
use crate::svg::{self, Drawing, Point};

/// The folder of the plots in a report.
const FOLDER: &str = "plots";

/// One figure.
pub struct Plot {
    /// File name without ending.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// What its colours mean.
    pub keys: Vec<Key>,
    /// Its parts, all of one size.
    pub panels: Vec<Panel>,
    /// Its numbers.
    pub csv: Csv,
}

/// One coordinate system of a figure.
pub struct Panel {
    /// What it shows, for who cannot see it.
    pub title: String,
    /// Width and height in user units.
    pub size: Point,
    /// The drawing.
    pub drawing: Drawing,
}

/// What one colour means.
pub struct Key {
    /// Classes of the mark.
    pub class: &'static str,
    /// Whether the mark is an area, else a line.
    pub area: bool,
    /// Its meaning.
    pub label: String,
}

impl Key {
    /// A line of `class`.
    pub fn line(class: &'static str, label: &str) -> Self {
        Self { class, area: false, label: label.to_owned() }
    }

    /// An area of `class`.
    pub fn area(class: &'static str, label: &str) -> Self {
        Self { class, area: true, label: label.to_owned() }
    }

    /// The mark alone.
    pub fn mark(&self) -> Drawing {
        let mut drawing = Drawing::default();
        if self.area {
            drawing.rect(self.class, (0.0, 1.0), (18.0, 9.0), "");
        } else {
            drawing.line(self.class, (0.0, 6.0), (18.0, 6.0));
        }
        drawing
    }
}

impl Plot {
    /// Writes the plot and its numbers into `report`'s folder and returns their names in it.
    pub fn write(&self, report: &Path) -> Result<[String; 2]> {
        file::make_folder(&report.join(FOLDER))?;
        let names = ["svg", "csv"].map(|end| format!("{FOLDER}/{}.{end}", self.name));
        file::write(&report.join(&names[0]), self.file().as_bytes())?;
        file::write(&report.join(&names[1]), self.csv.text().as_bytes())?;
        Ok(names)
    }

    /// All panels in one file: title, keys, then rows of panels.
    fn file(&self) -> String {
        const GAP: f64 = 18.0;
        let cell = self.panels.first().map_or((200.0, 0.0), |p| (p.size.0 + GAP, p.size.1 + GAP));
        let columns = ((980.0 / cell.0) as usize).clamp(1, self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns);
        let width = (cell.0 * columns as f64 + GAP)
            .max(self.keys_width() + GAP)
            .max(svg::width(&self.title) * 1.4 + 2.0 * GAP);
        let mut all = Drawing::default();
        all.text("head", (GAP, 28.0), &self.title);
        self.draw_keys(&mut all, (GAP, 40.0));
        for (i, panel) in self.panels.iter().enumerate() {
            let (column, row) = ((i % columns) as f64, (i / columns) as f64);
            all.group((GAP + column * cell.0, 64.0 + row * cell.1), &panel.drawing);
        }
        all.file((width, 64.0 + cell.1 * rows as f64), &self.title)
    }

    fn keys_width(&self) -> f64 {
        self.keys.iter().map(|k| svg::width(&k.label) + 44.0).sum()
    }

    fn draw_keys(&self, all: &mut Drawing, at: Point) {
        let mut x = at.0;
        for key in &self.keys {
            all.group((x, at.1), &key.mark());
            all.text("", (x + 24.0, at.1 + 10.0), &key.label);
            x += svg::width(&key.label) + 44.0;
        }
    }
}
