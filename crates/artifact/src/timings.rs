//! How long a stage took: a file that no digest covers, so that the same work done again, faster or
//! slower, is the same artifact.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::manifest::{self, Manifest};
use crate::yaml::{self, Value};
use crate::{Result, file, names};

/// `timings.yaml`, beside the manifest. What a stage does not time is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timings {
    /// Seconds of the whole stage, over all interruptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Each epoch of a training.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<EpochTiming>,
    /// Each point of a scan, in the order of its rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<PointTiming>,
    /// A packed network, for each batch that was timed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub speeds: Vec<Speed>,
}

/// How long an epoch took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochTiming {
    /// Counted from 1.
    pub epoch: usize,
    /// Seconds of training, without evaluation.
    pub seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
}

/// How long a point of a scan took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointTiming {
    /// Name of the layer's weight.
    pub layer: String,
    /// The ratio.
    pub ratio: f64,
    /// Seconds of this point.
    pub seconds: f64,
}

/// How fast a network answers: medians over several runs, milliseconds an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// Images that come at the same time.
    pub batch: usize,
    /// Threads in use.
    pub threads: usize,
    /// Of the packed network: of each layer the faster kernel.
    pub milliseconds: f64,
    /// Half the distance between the quartiles.
    pub spread: f64,
    /// Of the same network, such channels left out too, where no zero is skipped.
    pub dense_milliseconds: f64,
    /// Processor that it was measured on.
    pub processor: String,
}

impl Timings {
    /// Reads the timings of the artifact in `folder`; none where its stage takes none or the file was
    /// deleted.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) where the file is not what a stage writes.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(names::TIMINGS);
        if file::exists(&path)? {
            return yaml::read(&path);
        }
        let manifest = Manifest::read(folder)?;
        match manifest.format {
            manifest::WITH_TIMES => Self::of_old(&manifest.result, folder),
            _ => Ok(Self::default()),
        }
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        file::write(&folder.join(names::TIMINGS), yaml::text(self).as_bytes())
    }

    /// Those that manifests of format 1 held among the results.
    fn of_old(result: &Value, folder: &Path) -> Result<Self> {
        let speeds = result.get("speeds").cloned();
        let speeds = speeds.map(|s| yaml::from_value(s, &folder.join(names::MANIFEST)));
        Ok(Self {
            seconds: result.get("seconds").and_then(Value::as_f64),
            speeds: speeds.transpose()?.unwrap_or_default(),
            ..Self::default()
        })
    }
}

/// The keys of [`record`](crate::record)s that held times in format 1, at any depth.
const OLD_KEYS: [&str; 3] = ["seconds", "images_per_second", "speeds"];

/// `result` of a manifest of format 1 as a record of today: without times.
pub(crate) fn without_times(result: Value) -> Value {
    match result {
        Value::Mapping(map) => {
            let timeless = map.into_iter().filter(|(k, _)| !k.as_str().is_some_and(is_time));
            Value::Mapping(timeless.map(|(k, v)| (k, without_times(v))).collect())
        }
        Value::Sequence(all) => Value::Sequence(all.into_iter().map(without_times).collect()),
        other => other,
    }
}

fn is_time(key: &str) -> bool {
    OLD_KEYS.contains(&key)
}

/// A line of `metrics.jsonl` or `scan.jsonl` as a record of today: lines of format 1 held times.
///
/// # Errors
/// Where the line is not such a record, in words.
pub fn parse_line<T: serde::de::DeserializeOwned>(line: &str) -> Result<T, serde_json::Error> {
    let mut map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
    map.retain(|key, _| !is_time(key));
    serde_json::from_value(serde_json::Value::Object(map))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Epoch, Scan};

    const OLD: &str = "format: 1\nstage: scanner\nversion: 0.1.0\nseed: 1\nnetwork: null\n\
        inputs: []\noutputs: []\nconfig: null\nresult:\n  \
        baseline: {loss: 1.0, accuracy: 0.5, correct: 1, images: 2}\n  ratios: [0.5]\n  \
        layers: [a]\n  recalibration_images: 0\n  rows:\n  - layer: a\n    ratio: 0.5\n    before: 0\n    \
        pruned: 1\n    weights: 2\n    score: {loss: 1.0, accuracy: 0.5, correct: 1, images: 2}\n    \
        drop: 0.0\n    seconds: 3.5\n  seconds: 7.25\n";

    #[test]
    fn old_manifests_open_and_their_times_are_found() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        file::write(&dir.path().join(names::MANIFEST), OLD.as_bytes()).expect("writes");
        let manifest = Manifest::read(dir.path()).expect("opens");
        let scan: Scan = manifest.result(dir.path()).expect("a record of today");
        assert_eq!(scan.rows.len(), 1);
        assert_eq!(Timings::read(dir.path()).expect("reads").seconds, Some(7.25));
        let (digest, _) = crate::digest::of_file(&dir.path().join(names::MANIFEST)).expect("reads");
        let input = manifest::input("scan", dir.path(), dir.path()).expect("reads");
        assert_eq!(input.sha256, digest, "what was made of an old artifact still names it");
    }

    #[test]
    fn timings_come_back_and_none_are_none() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let epochs = vec![EpochTiming { epoch: 1, seconds: 0.5, images_per_second: 20.0 }];
        let timings = Timings { seconds: Some(1.5), epochs, ..Timings::default() };
        timings.write(dir.path()).expect("writes");
        assert_eq!(Timings::read(dir.path()).expect("reads"), timings);
    }

    #[test]
    fn old_lines_of_metrics_are_read() {
        let line = r#"{"epoch":1,"lr":0.1,"train_loss":2.0,"train_accuracy":0.5,"validation":
            {"loss":1.0,"accuracy":0.5,"correct":1,"images":2},"best":0.5,"revived":0,"seconds":3.0,
            "images_per_second":9.0}"#;
        assert_eq!(parse_line::<Epoch>(line).expect("an epoch").epoch, 1);
        assert!(parse_line::<Epoch>(r#"{"epoch":1}"#).is_err());
    }
}
