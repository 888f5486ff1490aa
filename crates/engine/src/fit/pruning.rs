//! Masks that change within a training. The run owns them: network, optimiser and average follow.

use std::collections::BTreeMap;

use anyhow::Result;
use artifact::{Named, record};
use sparsity::allocation::Target;
use sparsity::schedule::{Change, Course, regrow};
use sparsity::{Current, Masks, Method, Schedule};

use super::Run;
use crate::Tensor;

/// What changes the masks of a training, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Pruning {
    /// Which weights go.
    pub method: Method,
    /// At which steps.
    pub course: Course,
}

impl Pruning {
    /// What records say of it.
    pub fn record(&self) -> record::Method {
        let schedule = match self.course.schedule {
            // The pruner's is another thing.
            Schedule::OneShot => "one-shot in training",
            other => other.name(),
        };
        method::record(&self.method, schedule)
    }
}

/// What the next step does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// It moves the weights.
    Plain,
    /// It moves no weight; its gradients decide which weights replace this share of the kept ones.
    Regrow(f64),
}

impl Run<'_> {
    /// Changes the masks, if that is due before the next step.
    pub(super) fn change_masks(&mut self) -> Result<Kind> {
        let Some(pruning) = self.fit.pruning else { return Ok(Kind::Plain) };
        match pruning.course.at(self.steps_done()) {
            None => {}
            Some(Change::Regrow(share)) => return Ok(Kind::Regrow(share)),
            Some(Change::Free) => {
                let freed = pruning.method.freed(self.net.graph(), &self.masks)?;
                if freed != self.masks {
                    self.bind(freed)?;
                    // Peste et al. 2021 do so too: the momentum is that of another network.
                    self.optimiser.reset(self.net)?;
                    self.position.reset_at = self.steps_done();
                }
            }
            Some(Change::Prune(sparsity)) => {
                let tensors = self.net.tensors()?;
                let nan = |t: &artifact::tensors::Tensor| {
                    t.as_f32().is_some_and(|values| values.iter().any(|v| v.is_nan()))
                };
                if let Some((name, _)) = tensors.iter().find(|(_, t)| nan(t)) {
                    return Err(self.diverged(&format!("a value of {name} is NaN")));
                }
                let masks = &self.masks;
                let graph = self.net.graph();
                let current = Current { graph, tensors: &tensors, masks, measured: None };
                let choice = pruning.method.prune(current, Target { sparsity, rate: None })?;
                self.position.reasons = choice.reasons;
                self.bind(choice.masks)?;
            }
        }
        Ok(Kind::Plain)
    }

    /// Replaces the share `share` of the kept weights, as `gradients` (in the order of the table) have it.
    pub(super) fn regrow(&mut self, gradients: &[Option<Tensor>], share: f64) -> Result<()> {
        let Some(pruning) = self.fit.pruning else { return Ok(()) };
        let (net, tensors) = (&*self.net, self.net.tensors()?);
        let mut by_name = BTreeMap::new();
        for (index, param) in net.graph().params().iter().enumerate() {
            if let (Some(gradient), Some(_)) = (&gradients[index], self.masks.get(&param.name)) {
                let values = net.gradient_values(index, gradient)?;
                if values.iter().any(|v| v.is_nan()) {
                    return Err(self.diverged(&format!("the gradient of {} is NaN", param.name)));
                }
                by_name.insert(param.name.clone(), values);
            }
        }
        let (graph, tensors, masks) = (net.graph(), &tensors, &self.masks);
        let current = Current { graph, tensors, masks, measured: None };
        let masks = regrow(&pruning.method, current, &by_name, share)?;
        self.bind(masks)
    }

    /// Puts `masks` in the place of the present ones.
    pub(super) fn bind(&mut self, masks: Masks) -> Result<()> {
        if masks == self.masks {
            return Ok(());
        }
        let mut tensors = self.net.tensors()?;
        masks.apply(&mut tensors);
        self.net.set(&tensors)?;
        if let Some(average) = &mut self.average {
            let mut tensors = average.tensors(self.net)?;
            masks.apply(&mut tensors);
            average.restore(self.net, &tensors)?;
        }
        self.net.set_masks(&masks);
        self.optimiser.bind(self.net, &masks)?;
        self.masks = masks;
        Ok(())
    }

    /// Whether the masks are those of the end, so that an epoch may be the best.
    pub(super) fn is_settled(&self) -> bool {
        self.fit.pruning.is_none_or(|p| p.course.last_change() < self.steps_done())
    }

    /// The share of the prunable weights that is pruned now, where training prunes.
    pub(super) fn sparsity(&self) -> Option<f64> {
        self.fit.pruning?;
        let graph = self.net.graph();
        let pruned: u64 = graph.prunable().map(|p| self.masks.pruned_of(&p.name)).sum();
        let total: u64 = graph.prunable().map(|p| p.count() as u64).sum();
        Some(pruned as f64 / total.max(1) as f64)
    }
}
