//! The provenance chain as the page shows it.

use artifact::record::Method;
use artifact::size::thousands;
use artifact::{manifest, yaml};
use serde::Serialize;

use crate::chain::{Chain, Link, Record, Stage, State};
use crate::format::{bytes, bytes_like, percent, seconds};

/// One artifact of the chain.
#[derive(Serialize)]
pub struct Step {
    stage: String,
    path: String,
    version: String,
    seed: u64,
    network: Option<String>,
    sha256: String,
    summary: String,
    config: String,
    inputs: Vec<Source>,
    outputs: Vec<Product>,
}

#[derive(Serialize)]
struct Source {
    role: String,
    path: String,
    sha256: String,
    /// `same`, `changed` or `missing`.
    state: &'static str,
    says: &'static str,
}

#[derive(Serialize)]
struct Product {
    file: String,
    size: String,
    sha256: String,
}

/// Every artifact of `chain`, each behind those that it was made from.
pub fn steps(chain: &Chain) -> Vec<Step> {
    chain.stages.iter().map(step).collect()
}

/// A line for each input that is no longer what was read.
pub fn warnings(chain: &Chain) -> Vec<String> {
    let line = |(stage, link): (&Stage, &Link)| {
        let (role, path, reader) = (&link.input.role, &link.input.path, &stage.path);
        format!("{path} ({role} of {reader}): {}", says(link.state))
    };
    chain.doubtful().map(line).collect()
}

fn step(stage: &Stage) -> Step {
    let m = &stage.manifest;
    Step {
        stage: m.stage.clone(),
        path: stage.path.clone(),
        version: m.version.clone(),
        seed: m.seed,
        network: m.network.as_ref().map(|n| format!("{}, graph {}", n.spec, n.digest)),
        sha256: stage.sha256.clone(),
        summary: summary(stage),
        config: yaml::text(&m.config),
        inputs: stage.links.iter().map(source).collect(),
        outputs: m.outputs.iter().map(product).collect(),
    }
}

fn source(link: &Link) -> Source {
    let (state, says) = match link.state {
        State::Same => ("same", "unchanged"),
        State::Changed => ("changed", says(link.state)),
        State::Missing => ("missing", says(link.state)),
    };
    let manifest::Input { role, path, sha256 } = link.input.clone();
    Source { role, path, sha256, state, says }
}

fn says(state: State) -> &'static str {
    match state {
        State::Same => "unchanged",
        State::Changed => "changed since",
        State::Missing => "not found",
    }
}

fn product(output: &manifest::Output) -> Product {
    Product { file: output.file.clone(), size: bytes(output.bytes), sha256: output.sha256.clone() }
}

fn summary(stage: &Stage) -> String {
    let took = stage.timings.seconds;
    match &stage.record {
        Record::Dataset(d) => format!(
            "{} classes of {} images of {}: {} to train, {} to validate, {}",
            d.classes.len(),
            d.source,
            d.shape.to_string().replace(" x ", " × "),
            thousands(d.images.train as u64),
            thousands(d.images.validation as u64),
            match d.images.test {
                0 => "none to test (test scores are those of the validation images)".to_owned(),
                test => format!("{} to test", thousands(test as u64)),
            }
        ),
        Record::Training(t) => trained(t.epochs, t.best_epoch, took),
        Record::SparseTraining(t) => {
            let pruned = t.method.as_ref().map(|m| pruned(m, t.sparsity.of_prunable));
            format!("{}; {}", trained(t.epochs, t.best_epoch, took), pruned.unwrap_or_default())
        }
        Record::Pruning(p) => {
            let round = p.round.map_or(String::new(), |r| format!(", round {r}"));
            format!("{}{round}", pruned(&p.method(), p.sparsity.of_prunable))
        }
        Record::Finetuning(f) => {
            let within = f
                .method
                .as_ref()
                .filter(|m| !["one-shot", "rounds"].contains(&m.schedule.as_str()));
            let pruned = within.map(|m| format!("; {}", pruned(m, f.sparsity.of_prunable)));
            trained(f.epochs, f.best_epoch, took) + &pruned.unwrap_or_default()
        }
        Record::Scan(s) => {
            format!("{} layers at {} ratios{}", s.layers.len(), s.ratios.len(), in_time(took))
        }
        Record::Deployment(d) => format!(
            "{} values, {} of {}, held against its checkpoint on {} test images",
            d.kind(),
            bytes_like(d.bytes, d.dense_bytes),
            bytes(d.dense_bytes),
            thousands(d.verification.images as u64)
        ),
        Record::Other => String::new(),
    }
}

/// What `method` did.
fn pruned(method: &Method, sparsity: f64) -> String {
    let Method { score, structure, allocation, schedule } = method;
    let structure = match structure.as_str() {
        "weight" => String::new(),
        "block4" => ", in blocks of four".to_owned(),
        other => format!(", {other}"),
    };
    let schedule = match schedule.as_str() {
        // The rounds have their numbers.
        "one-shot" | "rounds" => String::new(),
        other => format!(", {other}"),
    };
    let left = percent(sparsity, 2);
    format!("{left} of the weights pruned by {score} ({allocation}{structure}{schedule})")
}

fn trained(epochs: usize, best: usize, took: Option<f64>) -> String {
    let s = if epochs == 1 { "" } else { "s" };
    format!("{epochs} epoch{s}, the best was {best}{}", in_time(took))
}

/// The end of a sentence about what `took` so many seconds, where that is known.
fn in_time(took: Option<f64>) -> String {
    took.map_or_else(String::new, |took| format!(", {}", seconds(took)))
}
