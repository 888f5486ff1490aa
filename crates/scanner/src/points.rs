//! The points of an unfinished scan on disk, a line each, and back after an interruption.

use std::path::Path;

use artifact::record::ScanRow;
use artifact::timings::PointTiming;
use artifact::{Result, digest, file};
use serde::{Deserialize, Serialize};

/// A measured point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// What was measured.
    pub row: ScanRow,
    /// Seconds that it took.
    pub seconds: f64,
}

impl Point {
    /// How long it took.
    pub fn timing(&self) -> PointTiming {
        PointTiming { layer: self.row.layer.clone(), ratio: self.row.ratio, seconds: self.seconds }
    }
}

/// What comes before a point on its line: the digest of the rest, and a space.
const DIGEST: usize = 64;

/// The points at `path`, as far as they are the first of `planned` (layer, ratio) and each line is what
/// its digest says. A line that a kill cut short, one that was changed or that stands twice, and all
/// behind it are removed from the file and measured again: that gives the same rows.
pub fn read(path: &Path, planned: &[(String, f64)]) -> Result<Vec<Point>> {
    if !file::exists(path)? {
        return Ok(vec![]);
    }
    let bytes = file::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.iter().zip(planned);
    let sound: Vec<Point> = pairs.map_while(|(line, plan)| sound(line, plan)).collect();
    if sound.len() < lines.len() {
        tracing::warn!(
            "{}: {} of {} lines are not whole or not of this scan; these points are measured again",
            path.display(),
            lines.len() - sound.len(),
            lines.len()
        );
    }
    let kept: String = sound.iter().map(|point| line(point) + "\n").collect();
    file::write(path, kept.as_bytes())?;
    Ok(sound)
}

/// Appends `point`.
pub fn append(path: &Path, point: &Point) -> Result<()> {
    file::append_line(path, &line(point))
}

fn line(point: &Point) -> String {
    let json = serde_json::to_string(point).expect("plain numbers and text");
    format!("{} {json}", digest::of_bytes(json.as_bytes()))
}

fn sound(line: &str, (layer, ratio): &(String, f64)) -> Option<Point> {
    let (found, rest) = line.split_at_checked(DIGEST)?;
    let json = rest.strip_prefix(' ')?;
    if digest::of_bytes(json.as_bytes()) != found {
        return None;
    }
    let point: Point = serde_json::from_str(json).ok()?;
    (point.row.layer == *layer && point.row.ratio == *ratio).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::record::Score;

    fn point(ratio: f64) -> Point {
        let score = Score { loss: 0.1, accuracy: 0.5, correct: 1, images: 2 };
        let (layer, drop) = ("conv1.weight".to_owned(), 0.1);
        let row = ScanRow { layer, ratio, before: 0, pruned: 1, weights: 2, score, drop };
        Point { row, seconds: 1.0 }
    }

    const RATIOS: [f64; 3] = [0.1, 0.5, 0.9];

    /// Reads a file of the lines of all points, changed by `change`; how many were kept.
    fn kept(change: impl Fn(&mut Vec<u8>)) -> usize {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("points.jsonl");
        let all: String = RATIOS.iter().map(|r| line(&point(*r)) + "\n").collect();
        let mut bytes = all.into_bytes();
        change(&mut bytes);
        file::write(&path, &bytes).expect("writes");
        let planned = RATIOS.map(|r| ("conv1.weight".to_owned(), r));
        let found = read(&path, &planned).expect("reads");
        assert_eq!(found, RATIOS[..found.len()].iter().map(|r| point(*r)).collect::<Vec<_>>());
        assert_eq!(read(&path, &planned).expect("reads"), found, "what was kept is sound");
        append(&path, &point(RATIOS[found.len().min(2)])).expect("appends");
        found.len()
    }

    #[test]
    fn whole_lines_come_back() {
        assert_eq!(kept(|_| ()), 3);
    }

    #[test]
    fn a_torn_line_is_measured_again() {
        assert_eq!(kept(|bytes| bytes.truncate(bytes.len() - 9)), 2);
        assert_eq!(kept(|bytes| bytes.extend(b"{\"row")), 3);
    }

    #[test]
    fn a_changed_line_and_all_behind_it_are_measured_again() {
        let length = line(&point(0.1)).len() + 1;
        for at in (0..length).step_by(7) {
            assert_eq!(kept(|bytes| bytes[at] ^= 4), 0, "byte {at}");
            assert_eq!(kept(|bytes| bytes[length + at] ^= 4), 1, "byte {at} of the second line");
        }
        assert_eq!(kept(|bytes| bytes[0] = 0xFF), 0, "not UTF-8");
    }

    #[test]
    fn a_line_that_stands_twice_hides_no_point() {
        let first = line(&point(0.1)).len() + 1;
        assert_eq!(kept(|bytes| bytes.splice(0..0, bytes[..first].to_vec()).for_each(drop)), 1);
    }
}
