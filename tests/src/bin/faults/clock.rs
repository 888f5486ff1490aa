//! Takes out of records what a clock measured.

use std::path::Path;

use artifact::names;
use artifact::yaml::{self, Value};

/// Keys under which times lie.
const TIMES: [&str; 5] =
    ["seconds", "images_per_second", "milliseconds", "dense_milliseconds", "speeds"];

/// The bytes of the file `name` without its times.
pub fn without(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    let lines = has_lines(name);
    if !lines && name != names::MANIFEST {
        return bytes;
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let parts: Vec<&str> = if lines { text.lines().collect() } else { vec![&text] };
    let parsed: Option<Vec<Value>> =
        parts.into_iter().map(|part| yaml::parse(part, Path::new(name)).ok()).collect();
    match parsed {
        None => bytes,
        Some(mut all) => {
            all.iter_mut().for_each(strip);
            yaml::text(&all).into_bytes()
        }
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Mapping(map) => {
            for key in TIMES {
                map.remove(key);
            }
            let file = map.get("file").and_then(Value::as_str).unwrap_or_default();
            if has_lines(file) {
                map.remove("sha256");
                map.remove("bytes");
            }
            map.values_mut().for_each(strip);
        }
        Value::Sequence(all) => all.iter_mut().for_each(strip),
        _ => {}
    }
}

fn has_lines(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "jsonl")
}
