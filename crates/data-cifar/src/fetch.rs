//! `fetch`: the official archive over the network. Only with the feature `fetch`.

use std::path::Path;

use artifact::{Error, Result, digest, file};
use stage::Common;

use crate::cli::{Fetch, PictureFlags};
use crate::make::{self, Source};

/// Where the official binary archive is.
const URL: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
/// Its SHA-256.
const SHA256: &str = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";

/// Downloads the archive where it is not there yet, checks it, imports it.
pub fn fetch(common: &Common, flags: &Fetch) -> Result<()> {
    let there = file::exists(&flags.archive)?;
    if flags.produce.dry_run && !there {
        stage::print(&format!("would download {URL} to {}", flags.archive.display()));
        return Ok(());
    }
    if !there {
        let bytes = download()?;
        check(&digest::of_bytes(&bytes), URL)?;
        file::make_folder(flags.archive.parent().unwrap_or(Path::new(".")))?;
        file::write(&flags.archive, &bytes)?;
    }
    check(&digest::of_file(&flags.archive)?.0, &flags.archive.display().to_string())?;
    let pictures = PictureFlags::default();
    let from = Source { path: &flags.archive, labels: None, pictures: &pictures };
    make::import_from(common, &flags.produce, &flags.split, &from)
}

fn check(found: &str, place: &str) -> Result<()> {
    if found == SHA256 {
        return Ok(());
    }
    Err(Error::Integrity(format!(
        "{place}: sha256 {found}; the official archive has {SHA256}; remove the file and fetch again"
    )))
}

/// The archive's bytes; it has 170 MB, more than 256 MiB are refused.
#[cfg(feature = "fetch")]
fn download() -> Result<Vec<u8>> {
    let failed = |e: ureq::Error| {
        Error::Missing(format!("{URL}: {e}; download it by hand and run: data-cifar import FILE"))
    };
    tracing::info!("downloading {URL} (170 MB)");
    let mut response = ureq::get(URL).call().map_err(failed)?;
    response.body_mut().with_config().limit(256 << 20).read_to_vec().map_err(failed)
}

#[cfg(not(feature = "fetch"))]
fn download() -> Result<Vec<u8>> {
    Err(Error::Missing(format!(
        "this data-cifar was built without downloading; build it with `cargo build --release -p \
         data-cifar --features fetch`, or download {URL} by hand and run: data-cifar import FILE"
    )))
}
