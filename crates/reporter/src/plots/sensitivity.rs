//! Sensitivity: how the accuracy falls as one layer alone is pruned, a panel a layer.

use artifact::record::{Scan, ScanRow};
use artifact::size::thousands;

use super::axis::Axis;
use super::frame::Frame;
use super::{Key, Panel, Plot};
use crate::csv::{Csv, Field};
use crate::format;

const SIZE: (f64, f64) = (290.0, 176.0);

/// The curves of `scan` of the network `label`; the file is called `name`.
pub fn plot(name: &str, label: &str, scan: &Scan) -> Plot {
    let baseline = format::percent(scan.baseline.accuracy, 1);
    Plot {
        name: name.to_owned(),
        title: format!("Sensitivity of each layer, {label}"),
        caption: format!(
            "Each panel prunes one layer alone, by magnitude, and leaves the others as they are. \
             Accuracy on {} validation images; all panels share their axes.",
            thousands(scan.baseline.images as u64)
        ),
        keys: vec![
            Key::line("line blue", "one layer pruned"),
            Key::line("line gray dashed", &format!("nothing pruned: {baseline}")),
        ],
        panels: scan.layers.iter().map(|layer| panel(layer, scan)).collect(),
        csv: csv(scan),
    }
}

fn panel(layer: &str, scan: &Scan) -> Panel {
    let rows: Vec<&ScanRow> = scan.rows.iter().filter(|r| r.layer == layer).collect();
    let x = Axis::percent(scan.rows.iter().map(|r| r.ratio * 100.0), "of the layer pruned");
    let all = scan.rows.iter().map(|r| r.score.accuracy).chain([scan.baseline.accuracy]);
    let y = Axis::percent(all.map(|a| a * 100.0), "");
    let mut frame = Frame::new((layer, &worst(&rows)), SIZE, x, y);
    frame.level("line gray dashed", scan.baseline.accuracy * 100.0);
    let values: Vec<(f64, f64)> =
        rows.iter().map(|r| (r.ratio * 100.0, r.score.accuracy * 100.0)).collect();
    let line = frame.places(&values);
    frame.drawing.polyline("line blue", &line);
    for value in &values {
        if let [place] = frame.places(&[*value])[..] {
            let says = format!("{layer}: {:.0} % pruned, accuracy {:.2} %", value.0, value.1);
            frame.drawing.dot("dot blue", place, &says);
        }
    }
    frame.panel()
}

fn worst(rows: &[&ScanRow]) -> String {
    match rows.iter().max_by(|a, b| a.drop.total_cmp(&b.drop)) {
        None => "not scanned".to_owned(),
        Some(row) => format!(
            "at most {} points lost, at {}",
            format::points(row.drop.max(0.0), 1),
            format::percent(row.ratio, 0)
        ),
    }
}

fn csv(scan: &Scan) -> Csv {
    let mut csv = Csv::new(&["layer", "ratio", "pruned", "weights", "accuracy", "loss", "drop"]);
    for r in &scan.rows {
        csv.row([
            Field::Text(&r.layer),
            Field::Number(r.ratio),
            Field::Count(r.pruned),
            Field::Count(r.weights),
            Field::Number(r.score.accuracy),
            Field::Number(r.score.loss),
            Field::Number(r.drop),
        ]);
    }
    csv
}
