//! The end of a walk.

use super::super::build::Walked;
use super::super::constant::Found;
use super::{Value, Walk};

impl<'a> Walk<'a> {
    /// What was found, once all operators are walked.
    pub fn finish(mut self, output: &str) -> Found<Walked<'a>> {
        self.conclude();
        let value = self.values.get(output).cloned();
        let Some(Value::Data(view)) = value else {
            return Err(format!("its output {output} does not depend on the images"));
        };
        let named = |what| format!("output {output}: {what}");
        let view = self.settle(view).map_err(named)?;
        let shape = self.drafts[view.node].shape;
        let dims = view.dims();
        if !shape.is_vector() || !view.has_channels_at(shape, 0) {
            return Err(named(format!("batch x {dims:?}; expected batch x classes")));
        }
        Ok(Walked { file: self.file, drafts: self.drafts, output: view.node, notes: self.notes })
    }

    /// What was done to many values, told once.
    fn conclude(&mut self) {
        for (kind, count) in std::mem::take(&mut self.converted) {
            self.notes.push(format!("{count} tensors of type {kind} are converted to f32"));
        }
        if self.rounded > 0 {
            let count = self.rounded;
            self.notes
                .push(format!("{count} casts to 16 bits are left out: all is computed in f32"));
        }
        if self.training_norms > 0 {
            let count = self.training_norms;
            self.notes.push(format!(
                "{count} batch norms are in training mode; here they use their stored statistics in inference"
            ));
        }
    }
}
