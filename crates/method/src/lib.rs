//! The flags of a pruning method, for every binary that prunes: what they mean is [`sparsity`]'s business.

pub mod number;

use artifact::{Error, Named, Result, record};
use clap::Args;
use graph::Graph;
use serde::{Serialize, Serializer};
use sparsity::{Allocation, Floors, Method, Ranking, Score, Structure};

/// How weights are chosen.
#[derive(Debug, Clone, Args, Serialize)]
pub struct MethodFlags {
    /// How layers share what is pruned [default: global; with --prune rigl, erk]
    #[arg(long, value_parser = stage::named::<Allocation>())]
    #[serde(serialize_with = "name", skip_serializing_if = "Option::is_none")]
    pub allocation: Option<Allocation>,
    /// What ranks the weights; the smallest go first [default: magnitude; random with --prune rigl from scratch].
    /// Only magnitude and random are allowed with --prune
    #[arg(long, value_parser = stage::named::<Score>())]
    #[serde(serialize_with = "name", skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// Unit of pruning; --sparsity and a plan's ratios are shares of units. Also N:M, such as 3:8
    #[arg(long, value_parser = stage::named::<Structure>(), default_value = "weight")]
    #[serde(serialize_with = "own_name", skip_serializing_if = "is_weight")]
    pub structure: Structure,
    /// Weights that each layer keeps at least; others go in their place
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[serde(skip_serializing_if = "is_zero")]
    pub keep_at_least: u64,
    /// Share of its weights that each layer keeps at least, from 0 and below 1
    #[arg(long, value_name = "D", default_value_t = 0.0, value_parser = number::share, allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "is_zero_share")]
    pub min_density: f64,
    /// Parameters to leave as they are, by name, with * for any text (`linear.*,conv1.weight`)
    #[arg(long, value_name = "PATTERN,...", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// What holds where a flag is not given.
#[derive(Debug, Clone, Copy)]
pub struct MethodDefaults {
    /// How layers share what is pruned.
    pub allocation: Allocation,
    /// What ranks the weights.
    pub score: Score,
}

impl Default for MethodDefaults {
    fn default() -> Self {
        Self { allocation: Allocation::Global, score: Score::Magnitude }
    }
}

impl MethodFlags {
    /// The method for `graph`, whose `biases` may be pruned too; `seed` is that of random scores.
    ///
    /// # Errors
    /// [`artifact::Error::Config`] where --exclude names nothing, or all that could be pruned.
    pub fn method(
        &self,
        graph: &Graph,
        biases: bool,
        defaults: MethodDefaults,
        seed: u64,
    ) -> Result<Method> {
        if let (Structure::Nm(_), Some(allocation)) = (self.structure, self.allocation) {
            return Err(Error::Config(format!(
                "--allocation {}: has no effect with --structure {}, which prunes the same share of every group",
                allocation.name(),
                self.structure.name()
            )));
        }
        let floors = Floors { weights: self.keep_at_least, density: self.min_density };
        let score = self.score.unwrap_or(defaults.score);
        Ok(Method {
            ranking: Ranking { score, structure: self.structure, floors, seed },
            allocation: self.allocation.unwrap_or(defaults.allocation),
            excluded: sparsity::excluded(&self.exclude, graph, biases)?,
        })
    }
}

/// What records say of `method` under this schedule.
pub fn record(method: &Method, schedule: &str) -> record::Method {
    // N of M is itself how layers share what is pruned.
    let allocation = match method.ranking.structure {
        Structure::Nm(_) => "uniform",
        _ => method.allocation.name(),
    };
    record::Method {
        score: method.ranking.score.name().to_owned(),
        structure: method.ranking.structure.name().to_owned(),
        allocation: allocation.to_owned(),
        schedule: schedule.to_owned(),
    }
}

/// Writes a value by its name, for serde.
///
/// # Errors
/// Those of the serialiser.
#[allow(clippy::ref_option, reason = "serde's form")]
pub fn name<T: Named, S: Serializer>(own: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    own.map(Named::name).serialize(to)
}

/// As [`name`], of what is always there.
///
/// # Errors
/// Those of the serialiser.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
pub fn own_name<T: Named, S: Serializer>(own: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(own.name())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_weight(structure: &Structure) -> bool {
    *structure == Structure::Weight
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(floor: &u64) -> bool {
    *floor == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero_share(floor: &f64) -> bool {
    *floor == 0.0
}
