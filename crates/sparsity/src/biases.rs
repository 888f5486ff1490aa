//! Entries of biases, which no allocation shares out.

use artifact::Result;
use graph::{Param, Role};

use crate::{Current, Floors, Masks, Ranking, Score, Structure};

/// Prunes the `entries` smallest of each bias that is not excluded; 0 leaves them as they are.
///
/// # Errors
/// [`artifact::Error::Config`] where a bias has fewer entries, or more are pruned already.
pub fn prune_biases(
    current: Current,
    entries: u64,
    excluded: &[String],
    masks: &mut Masks,
) -> Result<()> {
    let (score, structure) = (Score::Magnitude, Structure::Weight);
    let ranking = Ranking { score, structure, floors: Floors::NONE, seed: 0 };
    let open = |p: &&Param| p.role == Role::Bias && !excluded.contains(&p.name);
    if entries == 0 {
        return Ok(());
    }
    for param in current.graph.params().iter().filter(open) {
        let own = ranking.units(current.graph, param)?;
        ranking.prune(current, &own, entries, masks)?;
    }
    Ok(())
}
