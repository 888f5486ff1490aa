//! The command line, and the order of the work.

use std::path::{Path, PathBuf};

use artifact::record::Report;
use artifact::{Result, digest, file, names};
use clap::{Parser, Subcommand};
use serde::Serialize;
use stage::{Common, Job, Produce};

use crate::chain::{Chain, Record};
use crate::page::{self, Contents};
use crate::view::View;
use crate::{deployed, figures, list, provenance, table};

/// Makes one page from manifests: tables, plots and provenance of a pruning chain.
#[derive(Debug, Parser)]
#[command(
    name = "reporter",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    produce: Option<Produce>,
    /// Title of the page [default: "Pruning report: NETWORK"]
    #[arg(long)]
    title: Option<String>,
    /// Artifacts of finetuner, pruner, trainer, scanner or deployer; several make a sweep
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    #[command(subcommand)]
    sub: Option<Sub>,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// List the artifacts below a folder (--json has paths at full length)
    List {
        /// The folder
        folder: PathBuf,
    },
}

/// The settings that change the report.
#[derive(Serialize)]
struct Config {
    title: String,
    /// Digests of the times that the page shows: no digest of an artifact covers them. Artifacts of
    /// earlier versions have no such files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    timings: Vec<String>,
}

impl stage::Command for Cli {
    const SECTION: &'static str = "reporter";

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self) -> anyhow::Result<()> {
        match (&self.sub, &self.produce) {
            (Some(Sub::List { folder }), _) => show_list(&self.common, folder)?,
            (None, Some(produce)) => report(&self, produce)?,
            (None, None) => unreachable!("clap asks for --out or a command"),
        }
        Ok(())
    }
}

fn show_list(common: &Common, folder: &Path) -> Result<()> {
    let entries = list::entries(folder)?;
    if common.json {
        stage::print_json(&entries);
    } else {
        stage::print(&list::table(&entries));
    }
    Ok(())
}

fn report(cli: &Cli, produce: &Produce) -> Result<()> {
    let view = View::of(Chain::read(&cli.folders, &produce.out)?)?;
    let network = view.network();
    let title = cli.title.clone().unwrap_or_else(|| format!("Pruning report: {network}"));
    let inputs: Vec<(&str, &Path)> = view.chain.given.iter().map(|&i| input(&view, i)).collect();
    let config = Config { title, timings: timings(&view)? };
    if let Some(job) = Job::start((&cli.common, produce), "reporter", &config, &inputs)? {
        write(job, &config.title, &view)?;
        summary(&view, &produce.out.join(names::REPORT));
    }
    Ok(())
}

fn timings(view: &View) -> Result<Vec<String>> {
    let files = view.chain.stages.iter().map(|stage| stage.folder.join(names::TIMINGS));
    let mut digests = vec![];
    for path in files {
        if file::exists(&path)? {
            digests.push(digest::of_file(&path)?.0);
        }
    }
    Ok(digests)
}

fn input(view: &View, index: usize) -> (&'static str, &Path) {
    let stage = &view.chain.stages[index];
    let role = match stage.record {
        Record::Scan(_) => "scan",
        Record::Deployment(_) => "deployed",
        _ => "checkpoint",
    };
    (role, &stage.folder)
}

fn write(job: Job, title: &str, view: &View) -> Result<()> {
    let figures = figures::all(view)?;
    let groups = table::groups(view);
    let html = page::render(&Contents { title, view, groups: &groups, figures: &figures });
    file::write(&job.path(names::REPORT), html.as_bytes())?;
    let mut outputs = vec![names::REPORT.to_owned()];
    for plot in figures.all() {
        outputs.extend(plot.write(job.folder())?);
    }
    let record = Report {
        title: title.to_owned(),
        rows: groups.iter().map(|g| g.rows.len()).sum(),
        plots: figures.all().map(|p| p.name.clone()).collect(),
    };
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    job.finish(None, &record, &outputs)
}

/// What a person wants to see at once, on stderr.
fn summary(view: &View, page: &Path) {
    for warning in provenance::warnings(&view.chain) {
        tracing::warn!("{warning}");
    }
    let groups = table::groups(view);
    if !groups.is_empty() {
        tracing::info!("{}", table::terminal(&groups));
    }
    for packed in view.packed() {
        tracing::info!("{}", deployed::line(view, packed));
    }
    tracing::info!("page: {}", page.display());
}
