//! Drafts added to those of a walk, none larger than what a network has.

use graph::{Op, Shape};

use super::super::constant::{Found, MOST_VALUES};
use super::super::draft::{Draft, Step, Weight};
use super::Walk;

impl Walk<'_> {
    /// Refuses a file that makes many large values of few.
    pub fn spend(&mut self, values: usize) -> Found<()> {
        self.afford(values)?;
        self.left -= values;
        Ok(())
    }

    /// As [`Self::spend`], before values are made that count once they are pushed.
    pub fn afford(&self, values: usize) -> Found<()> {
        if values <= self.left {
            return Ok(());
        }
        Err("more values are made than any network has; expected weights to be stored as they are"
            .into())
    }

    /// Adds an operation of a graph.
    pub fn push(&mut self, site: usize, op: Op, inputs: &[usize]) -> Found<usize> {
        self.push_with(site, op, inputs, (None, vec![]))
    }

    /// Adds an operation with tensors, of the module that they name.
    pub fn push_with(
        &mut self,
        site: usize,
        op: Op,
        inputs: &[usize],
        (path, weights): (Option<String>, Vec<Weight>),
    ) -> Found<usize> {
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.shape(i)).collect();
        let shape = op.shape(&shapes)?;
        self.spend(weights.iter().map(|w| w.values.len()).sum())?;
        let (step, inputs) = (Step::Op(op), inputs.to_vec());
        self.add(Draft { step, inputs, shape, weights, path, site })
    }

    /// Adds a part of an operation.
    pub fn push_part(
        &mut self,
        site: usize,
        step: Step,
        inputs: &[usize],
        shape: Shape,
    ) -> Found<usize> {
        // What it may be lowered to has values of its own.
        self.spend(step.most_weights().saturating_mul(shape.c))?;
        let inputs = inputs.to_vec();
        self.add(Draft { step, inputs, shape, weights: vec![], path: None, site })
    }

    fn add(&mut self, draft: Draft) -> Found<usize> {
        let shape = draft.shape;
        let sizes = [shape.c, shape.h, shape.w];
        let values = sizes.into_iter().try_fold(1_usize, usize::checked_mul);
        if !values.is_some_and(|n| (1..=MOST_VALUES).contains(&n)) {
            return Err(format!("makes {shape}; expected 1 to {MOST_VALUES} values an image"));
        }
        self.drafts.push(draft);
        Ok(self.drafts.len() - 1)
    }
}
