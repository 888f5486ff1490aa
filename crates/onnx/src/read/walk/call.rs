//! What an operator reads.

use super::super::constant::{Constant, Data, Dim, Found, few_axes};
use super::super::view::View;
use super::{Call, Value};

impl Call<'_> {
    /// The same operator with other inputs.
    pub fn with_inputs(&self, inputs: Vec<Option<Value>>) -> Self {
        Self { inputs, value: self.value.clone(), ..*self }
    }

    /// Input `i`, which depends on the images.
    pub fn data(&self, i: usize) -> Found<View> {
        Self::viewed(i, self.inputs.get(i))
    }

    /// The view of an input, the one of number `i`.
    pub fn viewed(i: usize, input: Option<&Option<Value>>) -> Found<View> {
        match input {
            Some(Some(Value::Data(view))) => Ok(view.clone()),
            Some(Some(Value::Joined(_))) => {
                Err(format!("input {i} mixes images of a batch; expected each kept apart"))
            }
            Some(Some(Value::Repeated(_, dims))) => Err(format!(
                "input {i} is repeated to batch x {dims:?}; supported for a sum or product alone"
            )),
            Some(Some(_)) => {
                Err(format!("input {i} is a constant; expected what the images become"))
            }
            Some(None) | None => Err(format!("input {i} is missing")),
        }
    }

    /// Input `i`, if it is given, which must be a constant.
    pub fn constant_if(&self, i: usize) -> Found<Option<Constant>> {
        match self.inputs.get(i) {
            None | Some(None) => Ok(None),
            Some(Some(Value::Constant(c))) => Ok(Some(c.clone())),
            Some(Some(Value::Filled { dims, .. })) => {
                let dims: Vec<i64> = dims.iter().map(|d| d.n).collect();
                Err(format!("input {i} ({dims:?}) depends on the batch size; expected a constant"))
            }
            Some(Some(_)) => Err(format!("input {i} depends on the images; expected a constant")),
        }
    }

    /// Input `i`, a constant.
    pub fn constant_at(&self, i: usize) -> Found<Constant> {
        self.constant_if(i)?.ok_or_else(|| format!("input {i} is missing"))
    }

    /// Input `i`, if it is given: real weights.
    pub fn weights_if(&self, i: usize) -> Found<Option<Constant>> {
        let found = self.constant_if(i)?;
        match &found {
            Some(Constant { data: Data::Whole(_), name, .. }) => Err(format!(
                "input {i} ({}) holds whole numbers; expected real weights: quantised networks are not read",
                name.as_deref().unwrap_or("without name")
            )),
            Some(Constant { dims, name, .. }) if dims.contains(&0) => Err(format!(
                "input {i} ({}) of shape {dims:?} holds no values; expected some",
                name.as_deref().unwrap_or("without name")
            )),
            _ => Ok(found),
        }
    }

    /// Input `i`: real weights.
    pub fn weights(&self, i: usize) -> Found<Constant> {
        self.weights_if(i)?.ok_or_else(|| format!("input {i} is missing"))
    }

    /// Axes, as an attribute or as input 1.
    pub fn axes(&self) -> Found<Option<Vec<i64>>> {
        match self.with.ints("axes") {
            Some(axes) => few_axes(axes.to_vec()).map(Some),
            None => self.constant_if(1)?.map(|c| few_axes(c.integers()?)).transpose(),
        }
    }

    /// The value of a `Constant`.
    pub fn constant(&self) -> Found<Constant> {
        let whole = |v: &[i64]| v.iter().map(|&n| Dim::from(n)).collect::<Vec<_>>();
        let with = self.with;
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        if let Some(n) = with.int("value_int") {
            return Ok(Constant::whole(&[], vec![n.into()]));
        }
        if let Some(v) = with.float("value_float") {
            return Ok(Constant::floats(&[], vec![v]));
        }
        if let Some(v) = with.ints("value_ints") {
            return Ok(Constant::whole(&[v.len()], whole(v)));
        }
        if let Some(v) = with.floats("value_floats") {
            return Ok(Constant::floats(&[v.len()], v.to_vec()));
        }
        Err("no value that is a number".into())
    }
}
