//! The rows of a scan on disk, one JSON line each, and back after an interruption.

use std::path::Path;

use artifact::record::ScanRow;
use artifact::{Result, file};

/// The whole rows at `path`; a line that a kill cut short is dropped from the file.
pub fn read(path: &Path) -> Result<Vec<ScanRow>> {
    if !path.exists() {
        return Ok(vec![]);
    }
    let text = file::read_text(path)?;
    let whole: Vec<ScanRow> =
        text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    let kept: String = text.split_inclusive('\n').take(whole.len()).collect();
    if kept.ends_with('\n') || kept.is_empty() {
        file::write(path, kept.as_bytes())?;
        return Ok(whole);
    }
    // The last row was whole but for its line end.
    file::write(path, format!("{kept}\n").as_bytes())?;
    Ok(whole)
}

/// Appends `row`.
///
/// # Panics
/// Never: a row is plain numbers and text.
pub fn append(path: &Path, row: &ScanRow) -> Result<()> {
    file::append_line(path, &serde_json::to_string(row).expect("plain numbers and text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::record::Score;

    fn row(ratio: f64) -> ScanRow {
        let score = Score { loss: 0.1, accuracy: 0.5, correct: 1, images: 2 };
        let (layer, drop, seconds) = ("conv".to_owned(), 0.1, 0.01);
        ScanRow { layer, ratio, before: 0, pruned: 1, weights: 2, score, drop, seconds }
    }

    #[test]
    fn a_cut_line_is_dropped_and_the_rest_kept() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("rows");
        assert!(read(&path).expect("none yet").is_empty());
        append(&path, &row(0.4)).expect("writes");
        let whole = file::read(&path).expect("reads");
        file::write(&path, &[whole.as_slice(), &whole[..20]].concat()).expect("writes");
        assert_eq!(read(&path).expect("reads"), [row(0.4)]);
        append(&path, &row(0.5)).expect("writes");
        assert_eq!(read(&path).expect("reads"), [row(0.4), row(0.5)]);
    }
}
