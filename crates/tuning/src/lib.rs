//! Measurements of this machine, and what was compiled for it, kept from run to run.
//!
//! Which of two kernels is faster depends on the machine: it is measured, once, and kept in a file
//! of the user's cache folder by the processor's name. A second run decides as the first did, which
//! matters beyond the time saved: kernels round differently, and a run must come out the same. What
//! is measured is the callers' business.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use artifact::{Error, Result, digest, file, yaml};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The environment variable that names the folder of measurements.
pub const CACHE: &str = "SECATEUR_CACHE";

/// Measurements of one kind, by what was measured.
pub struct Table<T> {
    file: &'static str,
    known: OnceLock<Mutex<BTreeMap<String, T>>>,
}

impl<T: Copy + Serialize + DeserializeOwned> Table<T> {
    /// The measurements that are kept in `file` of the cache folder.
    pub const fn new(file: &'static str) -> Self {
        Self { file, known: OnceLock::new() }
    }

    /// What is known of `what` on this machine; `measure` is called where nothing is.
    ///
    /// # Panics
    /// If a measurement panicked before.
    pub fn get(&self, what: &str, measure: impl FnOnce() -> T) -> T {
        if let Some(found) = self.peek(what) {
            return found;
        }
        let key = key(what);
        // Not under the lock: what is measured takes the threads' help, and one of them may come
        // back here meanwhile.
        let found = measure();
        let found = self.keep_first(&key, found).unwrap_or_else(|e| {
            tracing::warn!(
                "measurements of kernels are not kept, and another run may round to other weights: {e}"
            );
            found
        });
        *self.lock().entry(key).or_insert(found)
    }

    /// What is known of `what` on this machine, without measuring.
    pub fn peek(&self, what: &str) -> Option<T> {
        self.lock().get(&key(what)).copied()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, T>> {
        let known = self.known.get_or_init(|| Mutex::new(self.read()));
        known.lock().expect("no panic while held")
    }

    /// Adds a measurement to the file; where another process was first, its stands.
    fn keep_first(&self, key: &str, found: T) -> Result<T> {
        let Some(folder) = folder() else {
            let what = "neither SECATEUR_CACHE nor XDG_CACHE_HOME nor HOME names a folder";
            return Err(Error::Missing(what.into()));
        };
        file::make_folder(&folder)?;
        file::alone(&folder, || {
            let mut all = self.read();
            let first = *all.entry(key.to_owned()).or_insert(found);
            file::write(&folder.join(self.file), yaml::text(&all).as_bytes())?;
            Ok(first)
        })
    }

    fn read(&self) -> BTreeMap<String, T> {
        let Some(path) = folder().map(|folder| folder.join(self.file)) else {
            return BTreeMap::new();
        };
        let known = match file::exists(&path) {
            Ok(false) => return BTreeMap::new(),
            Ok(true) => yaml::read(&path),
            Err(e) => Err(e),
        };
        known.unwrap_or_else(|e| {
            tracing::warn!("{e}; measuring anew: other measurements may round to other weights");
            BTreeMap::new()
        })
    }
}

/// The bytes that `make` makes of `source`, kept in the cache folder under `name` and the digest of
/// `source`; made anew where they are not there or not whole.
pub fn made(name: &str, source: &str, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let Some(folder) = folder() else { return make() };
    let path = folder.join(format!("{name}-{}", &digest::of_bytes(source.as_bytes())[..16]));
    if let Some(bytes) = whole(&path) {
        return Ok(bytes);
    }
    let bytes = make()?;
    let kept = [digest::of_bytes(&bytes).as_bytes(), &bytes].concat();
    if let Err(e) = file::make_folder(&folder).and_then(|()| file::write(&path, &kept)) {
        tracing::warn!("{} is not kept: {e}", path.display());
    }
    Ok(bytes)
}

/// The bytes of a file behind their digest, if they are what it says.
fn whole(path: &Path) -> Option<Vec<u8>> {
    let all = file::read(path).ok()?;
    let (digest, bytes) = all.split_at_checked(64)?;
    (digest == digest::of_bytes(bytes).as_bytes()).then(|| bytes.to_vec())
}

/// The fastest of some runs, in seconds, after one that does not count: of many where they are short, of few where
/// they are long. Short runs go on for some milliseconds: so long a processor may take to its full speed, and
/// another program may slow it down.
pub fn seconds(run: impl FnMut()) -> f64 {
    seconds_when_warm(0.0, run)
}

/// As [`seconds`], after runs for `warm` seconds that do not count.
pub fn seconds_when_warm(warm: f64, mut run: impl FnMut()) -> f64 {
    const ENOUGH: usize = 20;
    /// Seconds that short runs take together.
    const SHORT: f64 = 0.01;
    /// Seconds after which no further run begins.
    const LONG: f64 = 0.06;
    let begun = Instant::now();
    run();
    while begun.elapsed().as_secs_f64() < warm {
        run();
    }
    let (begun, mut runs, mut best) = (Instant::now(), 0, f64::INFINITY);
    loop {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
        let spent = begun.elapsed().as_secs_f64();
        if spent > LONG || runs >= ENOUGH && spent > SHORT {
            return best;
        }
    }
}

/// The processor's name, for people and as a key.
pub fn processor() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let text = file::read_text(Path::new("/proc/cpuinfo")).unwrap_or_else(|e| {
            tracing::warn!("{e}");
            String::new()
        });
        named(&text).unwrap_or_else(|| {
            let name = std::env::consts::ARCH;
            tracing::warn!(
                "the processor's name is not known; measurements are kept for {name}: those of \
                 another processor of this kind may round to other weights"
            );
            name.to_owned()
        })
    })
}

/// The processor's name in the text of `/proc/cpuinfo`. (On Arm it holds numbers in its place.)
fn named(cpuinfo: &str) -> Option<String> {
    let value = |key: &str| {
        let rest = cpuinfo.lines().find_map(|line| line.strip_prefix(key))?;
        let value = rest.trim_start_matches([' ', '\t', ':']).trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    value("model name").or_else(|| {
        let (maker, part) = (value("CPU implementer")?, value("CPU part")?);
        Some(format!("Arm implementer {maker} part {part}"))
    })
}

fn key(what: &str) -> String {
    format!("{}: {what}", processor())
}

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os(CACHE).map(PathBuf::from);
    let usual = || {
        let home = || std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        cache.map(|c| c.join("secateur"))
    };
    named.or_else(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_run_counts_and_slow_ones_are_few() {
        let mut runs = 0;
        let fastest = seconds(|| {
            runs += 1;
            std::thread::sleep(std::time::Duration::from_millis(if runs == 3 { 1 } else { 4 }));
        });
        assert!((3..=21).contains(&runs), "{runs}");
        assert!((0.001..0.0035).contains(&fastest), "{fastest}");
        let mut runs = 0;
        seconds(|| {
            runs += 1;
            std::thread::sleep(std::time::Duration::from_millis(70));
        });
        assert_eq!(runs, 2);
    }

    #[test]
    fn processors_have_names() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(named(text).as_deref(), expected);
        check("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: fpu", Some("AMD EPYC"));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        check(arm, Some("Arm implementer 0x41 part 0xd0c"));
        check("model name\t: \n", None);
        check("", None);
    }

    #[test]
    fn what_is_not_whole_is_made_anew() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("made");
        let write = |bytes: &[u8]| file::write(&path, bytes).expect("writes");
        assert_eq!(whole(&path), None, "no file");
        write(&[digest::of_bytes(b"code").as_bytes(), b"code"].concat());
        assert_eq!(whole(&path).as_deref(), Some(&b"code"[..]));
        write(&[digest::of_bytes(b"code").as_bytes(), b"cod"].concat());
        assert_eq!(whole(&path), None, "cut short");
        write(b"short");
        assert_eq!(whole(&path), None, "no digest");
    }

    #[test]
    fn what_is_known_is_not_measured_again() {
        static TABLE: Table<f64> = Table::new("test-known.yaml");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let known = BTreeMap::from([(key("a"), 2.5)]);
        let path = dir.path().join(TABLE.file);
        file::write(&path, yaml::text(&known).as_bytes()).expect("writes");
        TABLE.known.get_or_init(|| Mutex::new(yaml::read(&path).expect("reads")));
        assert_eq!(TABLE.get("a", || panic!("it is known")), 2.5);
        assert_eq!((TABLE.peek("a"), TABLE.peek("b")), (Some(2.5), None));
        assert!(!processor().is_empty());
    }
}
