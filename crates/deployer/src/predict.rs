//! `deployer predict`: the classes of pictures.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::{Error, file};
use cifar::photo::Photo;
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
    /// PNG or JPEG files of any size, or folders of them
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
    image: PathBuf,
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
        for paths in pictures(&self.images)?.chunks(TOGETHER) {
            let (mut photos, mut read) = (vec![], vec![]);
            for path in paths {
                match file::read(path).and_then(|bytes| Photo::decode(&bytes, path)) {
                    Ok(photo) => {
                        photos.push(photo);
                        read.push(path);
                    }
                    Err(e) => failed.push(e),
                }
            }
            let answers = model.classify(&photos);
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
        Ok(Shown { image: path.to_owned(), classes })
    }
}

/// Pictures that are asked about together.
const TOGETHER: usize = 64;

/// The files named, and those in the folders named, sorted.
fn pictures(named: &[PathBuf]) -> artifact::Result<Vec<PathBuf>> {
    let mut all = vec![];
    for path in named {
        if file::is_folder(path)? {
            all.extend(of_folder(path)?);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

fn of_folder(folder: &Path) -> artifact::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::read(folder, &e))?;
    let mut found = vec![];
    for entry in entries {
        let path = entry.map_err(|e| Error::read(folder, &e))?.path();
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if ["png", "jpg", "jpeg"].contains(&ending.to_ascii_lowercase().as_str()) {
            found.push(path);
        }
    }
    if found.is_empty() {
        let what = "holds no .png, .jpg or .jpeg";
        return Err(Error::Missing(format!("{}: {what}", folder.display())));
    }
    found.sort();
    Ok(found)
}

fn text(all: &[Shown]) -> String {
    let most = all.iter().map(|s| s.classes.len()).max().unwrap_or(0);
    let cell = |c: &Class| format!("{} {:.1} %", c.class, c.probability * 100.0);
    let line = |s: &Shown| {
        let name = shortened(&s.image.display().to_string(), 34);
        std::iter::once(name).chain(s.classes.iter().map(cell)).collect()
    };
    let headings: Vec<String> = std::iter::once("picture".to_owned())
        .chain((1..=most).map(|i| if i == 1 { "class".to_owned() } else { format!("or ({i})") }))
        .collect();
    table(&headings.iter().map(String::as_str).collect::<Vec<_>>(), all.iter().map(line))
}
