//! Accuracy against sparsity: every fine-tuned network of a sweep or of iterative rounds.

use super::axis::Axis;
use super::frame::Frame;
use super::{Key, Plot};
use crate::csv::{Csv, Field};
use crate::format;

/// One fine-tuned network.
pub struct Point {
    /// Its folder.
    pub label: String,
    /// Pruned over prunable weights.
    pub sparsity: f64,
    /// Test accuracy of the pruned network as it came; NaN where it had been tuned before.
    pub as_is: f64,
    /// After its norm statistics were recalibrated; NaN likewise.
    pub recalibrated: f64,
    /// After fine-tuning.
    pub tuned: f64,
}

/// Class, meaning and values of a curve.
type Series = (&'static str, &'static str, fn(&Point) -> f64);

const SERIES: [Series; 3] = [
    ("line orange dashed", "pruned, as it came", |p| p.as_is),
    ("line orange", "pruned, recalibrated", |p| p.recalibrated),
    ("line blue", "fine-tuned", |p| p.tuned),
];

/// The curve through `points`, and the accuracy of the `dense` network.
pub fn plot(name: &str, mut points: Vec<Point>, dense: Option<f64>) -> Plot {
    points.sort_by(|a, b| a.sparsity.total_cmp(&b.sparsity));
    let x =
        Axis::percent(points.iter().map(|p| p.sparsity * 100.0), "of the prunable weights pruned");
    let all = points.iter().flat_map(|p| SERIES.map(|s| s.2(p))).chain(dense);
    let y = Axis::percent(all.map(|a| a * 100.0), "");
    let mut frame = Frame::new(("Test accuracy", ""), (480.0, 270.0), x, y);
    frame.level("line gray dashed", dense.unwrap_or(f64::NAN) * 100.0);
    for series in SERIES {
        draw(&mut frame, series, &points);
    }
    let mut keys: Vec<Key> = SERIES.iter().rev().map(|s| Key::line(s.0, s.1)).collect();
    if let Some(dense) = dense {
        let label = format!("dense: {}", format::percent(dense, 1));
        keys.push(Key::line("line gray dashed", &label));
    }
    Plot {
        name: name.to_owned(),
        title: "Accuracy against sparsity".into(),
        caption: "Each dot is one fine-tuned network of the chains below, iterative rounds \
                  included; all of the same dense run."
            .into(),
        keys,
        csv: csv(&points),
        panels: vec![frame.panel()],
    }
}

fn draw(frame: &mut Frame, (class, label, y): Series, points: &[Point]) {
    let value = |p: &Point| (p.sparsity * 100.0, y(p) * 100.0);
    let line = frame.places(&points.iter().map(value).collect::<Vec<_>>());
    frame.drawing.polyline(class, &line);
    let color = class.split(' ').nth(1).unwrap_or_default();
    for point in points {
        if let [place] = frame.places(&[value(point)])[..] {
            let says = format!(
                "{}: {} pruned, {label}: {}",
                point.label,
                format::percent(point.sparsity, 1),
                format::percent(y(point), 2)
            );
            frame.drawing.dot(&format!("dot {color}"), place, &says);
        }
    }
}

fn csv(points: &[Point]) -> Csv {
    let mut csv = Csv::new(&["run", "sparsity", "as_is", "recalibrated", "tuned"]);
    for p in points {
        let numbers = [p.sparsity, p.as_is, p.recalibrated, p.tuned].map(Field::Number);
        csv.row([Field::Text(&p.label)].into_iter().chain(numbers));
    }
    csv
}
