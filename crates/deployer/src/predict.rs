//! `deployer predict`: the classes of pictures.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::printable;
use artifact::{Error, file};
use cifar::photo::Photo;
use cifar::pictures;
use clap::Args;
use inference::{Answer, Model};
use serde::Serialize;
use stage::Common;

use crate::text::{shortened, table};

/// Flags of `deployer predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// A packed file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Pictures of any size (PNG, JPEG, WebP, BMP), or folders of them
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Classes shown of each picture, the most probable first
    #[arg(long, default_value_t = 3, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
}

/// What one picture shows.
#[derive(Serialize)]
struct Shown {
    /// Its path; what is not UTF-8 stands as U+FFFD in it.
    image: String,
    classes: Vec<Class>,
}

#[derive(Serialize)]
struct Class {
    class: String,
    probability: f64,
}

impl Predict {
    /// Decodes, asks the network and prints.
    pub fn run(&self, common: &Common) -> Result<()> {
        let model = Model::open(&self.file)?;
        let (mut shown, mut failed) = (vec![], vec![]);
        for paths in listed(&self.images)?.chunks(TOGETHER) {
            let (mut photos, mut read) = (vec![], vec![]);
            for path in paths {
                match Photo::open(path) {
                    Ok(photo) => {
                        photos.push(photo);
                        read.push(path);
                    }
                    Err(e) => failed.push(e),
                }
            }
            let answers = model.classify(&photos)?;
            for (path, answers) in read.into_iter().zip(answers) {
                shown.push(self.shown(path, answers)?);
            }
        }
        // Where nothing could be read there is nothing to show.
        let any = !shown.is_empty() || failed.is_empty();
        if common.json && any {
            stage::print_json(&shown);
        } else if any {
            stage::print(&text(&shown));
        }
        match failed.len() {
            0 => Ok(()),
            1 => Err(failed.remove(0).into()),
            // The exit code is the first failure's.
            more => {
                failed[1..].iter().for_each(|e| tracing::error!("{e}"));
                let first = failed.remove(0);
                Err(anyhow::Error::new(first).context(format!("{more} pictures were not read")))
            }
        }
    }

    fn shown(&self, path: &Path, answers: Vec<Answer>) -> artifact::Result<Shown> {
        if answers.iter().any(|a| !a.probability.is_finite()) {
            return Err(Error::Integrity(format!(
                "{}: the network's answer to {} is no number; verify it against its checkpoint",
                self.file.display(),
                path.display()
            )));
        }
        let class = |a: Answer| Class { class: a.class, probability: a.probability };
        let classes = answers.into_iter().take(self.top as usize).map(class).collect();
        Ok(Shown { image: path.display().to_string(), classes })
    }
}

/// Pictures that are asked about together.
const TOGETHER: usize = 64;

/// The files named, and the pictures in the folders named, sorted. What else is in these is told.
fn listed(named: &[PathBuf]) -> artifact::Result<Vec<PathBuf>> {
    let mut all = vec![];
    for path in named {
        if file::is_folder(path)? {
            let (found, passed) = pictures::of_folder(path)?;
            if let Some(told) = cifar::told(&passed) {
                tracing::info!("{}: {told}", printable(&path.display().to_string()));
            }
            all.extend(found);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

fn text(all: &[Shown]) -> String {
    let most = all.iter().map(|s| s.classes.len()).max().unwrap_or(0);
    let cell = |c: &Class| format!("{} {:.1} %", c.class, c.probability * 100.0);
    let line = |s: &Shown| {
        let name = shortened(&printable(&s.image), 34);
        std::iter::once(name).chain(s.classes.iter().map(cell)).collect()
    };
    let headings: Vec<String> = std::iter::once("picture".to_owned())
        .chain((1..=most).map(|i| if i == 1 { "class".to_owned() } else { format!("or ({i})") }))
        .collect();
    table(&headings.iter().map(String::as_str).collect::<Vec<_>>(), all.iter().map(line))
}
