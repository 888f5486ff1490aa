//! Layers with weights, and what is noise in training.

use std::rc::Rc;

use geometry::Size;
use graph::op::{BatchNorm, Dropout, LayerNorm};
use graph::{Conv, Linear, Op};

use super::constant::{Constant, Data, Found, uniform};
use super::draft::{Step, weights};
use super::fold::{position, transposed};
use super::names::{module, parameter};
use super::view::{View, whole};
use super::walk::{Call, Walk};
use super::windows::window;

/// Real values, shared.
type Values = Rc<Vec<f32>>;

impl Walk<'_> {
    pub fn conv(&mut self, call: &Call) -> Found<View> {
        let weight = call.weights(1)?;
        if weight.dims.len() == 3 {
            return self.along_channels(call, &weight);
        }
        let node = self.map(call.data(0)?)?;
        let [outputs, per_group, h, w] = weight.dims[..] else {
            return Err(format!("weights of shape {:?}; expected 4 dimensions", weight.dims));
        };
        let stated = call.with.sizes("kernel_shape", &[h, w])?;
        if stated != [h, w] {
            let dims = &weight.dims;
            return Err(format!("kernel_shape {stated:?} and weights of shape {dims:?}"));
        }
        let groups = call.with.int("group").unwrap_or(1);
        let groups = usize::try_from(groups).ok().filter(|g| (1..1 << 24).contains(g));
        let groups = groups.ok_or("no groups")?;
        let window = window(call.with, Size { h, w }, self.shape(node).size())?;
        let bias = bias(call, 2, outputs)?;
        let inputs = per_group.saturating_mul(groups);
        let op = Op::Conv(Conv { inputs, outputs, window, groups, bias: bias.is_some() });
        let path = module(weight.name.as_deref());
        let mut with = vec![("weight", weight.real()?)];
        with.extend(bias.map(|b| ("bias", b)));
        let node = self.push_with(call.site, op, &[node], (path, weights(with)))?;
        Ok(View::map(node, self.shape(node), call.site))
    }

    pub fn gemm(&mut self, call: &Call) -> Found<View> {
        let weight = call.weights(1)?;
        let [rows, columns] = weight.dims[..] else {
            return Err(format!("weights of shape {:?}; expected 2 dimensions", weight.dims));
        };
        if call.with.int("transA").unwrap_or(0) != 0 {
            return Err("transA; expected images x features".into());
        }
        let along = call.with.int("transB").unwrap_or(0) != 0;
        let (inputs, outputs) = if along { (columns, rows) } else { (rows, columns) };
        let path = module(weight.name.as_deref());
        let values = weight.real()?;
        let values = if along { values } else { Rc::new(transposed(&values, columns)) };
        let factor = |name: &str| call.with.float(name).unwrap_or(1.0);
        let bias = bias(call, 2, outputs)?.map(|b| scaled(b, factor("beta")));
        let values = scaled(values, factor("alpha"));
        let view = call.data(0)?;
        if view.axes.len() != 1 {
            return Err(format!("batch x {:?}; expected batch x features", view.dims()));
        }
        self.linear(
            call.site,
            &view,
            Linear { inputs, outputs, bias: bias.is_some() },
            (path, values, bias),
        )
    }

    pub fn mat_mul(&mut self, call: &Call) -> Found<View> {
        if let Some(matrix) = call.weights_if(0).ok().flatten() {
            let node = self.map(call.data(1)?)?;
            let shape = self.shape(node);
            let [n, size] = matrix_of(&matrix)?;
            if size != shape.h {
                return Err(format!("a matrix of {n}x{size} times maps of {shape}"));
            }
            let shape = graph::Shape { h: n, ..shape };
            let node = self.push_part(call.site, Step::Rows(matrix.real()?), &[node], shape)?;
            return Ok(View::map(node, shape, call.site));
        }
        let (view, weight) = (call.data(0)?, call.weights(1)?);
        let [inputs, outputs] = matrix_of(&weight)?;
        let shape = self.shape(view.node);
        if view.is_map(shape) && !view.has_channels_at(shape, 2) {
            if inputs != shape.w {
                return Err(format!("maps of {shape} times a matrix of {inputs}x{outputs}"));
            }
            let step = Step::Columns(weight.real()?);
            let shape = graph::Shape { w: outputs, ..shape };
            let node = self.push_part(call.site, step, &[view.node], shape)?;
            return Ok(View::map(node, shape, call.site));
        }
        let values = Rc::new(transposed(&weight.real()?, outputs));
        let path = module(weight.name.as_deref());
        let sizes = Linear { inputs, outputs, bias: false };
        self.linear(call.site, &view, sizes, (path, values, None))
    }

    /// A linear layer over the last dimension. Where that is a map flattened in another order, its weights
    /// are put in the order of the graph.
    pub fn linear(
        &mut self,
        site: usize,
        view: &View,
        sizes: Linear,
        (path, values, bias): (Option<String>, Values, Option<Values>),
    ) -> Found<View> {
        let shape = self.shape(view.node);
        let (view, values) = match self.settle(view.clone()) {
            Ok(view) => (view, values),
            Err(_) if view.axes.len() == 1 && sizes.inputs == shape.count() => {
                let node = self.settled(view, Op::Flatten)?;
                let vector = View::vector(node, self.shape(node), view.site);
                (vector, Rc::new(reordered(&values, sizes.inputs, |i| view.place(shape, i))))
            }
            Err(what) => return Err(what),
        };
        let last = view.axes.len().checked_sub(1).ok_or("over numbers without a dimension")?;
        if !view.has_channels_at(self.shape(view.node), last) {
            let dims = view.dims();
            return Err(format!("over the last of batch x {dims:?}; expected the channels there"));
        }
        let mut with = vec![("weight", values)];
        with.extend(bias.map(|b| ("bias", b)));
        let with = (path, weights(with));
        let node = self.push_with(site, Op::Linear(sizes), &[view.node], with)?;
        Ok(View { site, ..view.with_channels(node, self.shape(node), last) })
    }

    pub fn batch_norm(&mut self, call: &Call) -> Found<View> {
        let view = self.settle(call.data(0)?)?;
        let shape = self.shape(view.node);
        if !view.has_channels_at(shape, 0) {
            return Err(format!("batch x {:?}; expected the channels first", view.dims()));
        }
        let [weight, bias, mean, var] =
            [1, 2, 3, 4].map(|i| channel_values(&call.weights(i), shape.c));
        let (weight, bias, mean, var) = (weight?, bias?, mean?, var?);
        let name = [&weight, &mean].into_iter().find_map(|c| module(c.name.as_deref()));
        let affine = !does_nothing(&weight, &bias)?;
        let mut with = vec![];
        if affine {
            with.extend([("weight", weight.real()?), ("bias", bias.real()?)]);
        }
        with.extend([("running_mean", mean.real()?), ("running_var", var.real()?)]);
        if call.with.is_training() {
            self.training_norms += 1;
        }
        let eps = call.with.float("epsilon").unwrap_or(1e-5);
        // ONNX's momentum is the weight of the old statistics.
        let momentum = rest(call.with.float("momentum").unwrap_or(0.9));
        let op = Op::BatchNorm(BatchNorm { eps, momentum, affine });
        let node = self.push_with(call.site, op, &[view.node], (name, weights(with)))?;
        Ok(View { node, site: call.site, ..view })
    }

    pub fn layer_norm(&mut self, call: &Call) -> Found<View> {
        let view = self.settle(call.data(0)?)?;
        let shape = self.shape(view.node);
        let rank = view.axes.len() + 1;
        let axis = position(call.with.int("axis").unwrap_or(-1), rank)?;
        let axis = axis.checked_sub(1).ok_or("over the batch")?;
        let [channels, ..] = whole(shape);
        let over: Vec<_> = view.axes[axis..].iter().flatten().copied().collect();
        if over != channels {
            return Err(format!(
                "over dimensions {} and up of batch x {:?}; expected the channels alone",
                axis + 1,
                view.dims()
            ));
        }
        let weight = channel_values(&call.weights(1), shape.c)?;
        let bias = call.weights_if(2)?.map(|c| channel_values(&Ok(c), shape.c)).transpose()?;
        let zeros = || Constant::floats(&[shape.c], vec![0.0; shape.c]);
        let bias = bias.unwrap_or_else(zeros);
        let affine = !does_nothing(&weight, &bias)?;
        let mut with = vec![];
        if affine {
            with.extend([("weight", weight.real()?), ("bias", bias.real()?)]);
        }
        let eps = call.with.float("epsilon").unwrap_or(1e-5);
        let op = Op::LayerNorm(LayerNorm { eps, affine });
        let with = (module(weight.name.as_deref()), weights(with));
        let node = self.push_with(call.site, op, &[view.node], with)?;
        Ok(View { node, site: call.site, ..view })
    }

    pub fn dropout(&mut self, call: &Call) -> Found<View> {
        let view = call.data(0)?;
        let given = call.constant_if(1)?.map(|c| c.scalar()).transpose()?;
        let ratio = call.with.float("ratio").or(given).unwrap_or(0.5);
        if ratio == 0.0 {
            return Ok(view);
        }
        // The shortest decimal, as its author wrote it.
        let probability = ratio.to_string().parse().map_err(|_| format!("ratio {ratio}"))?;
        let node = self.push(call.site, Op::Dropout(Dropout { probability }), &[view.node])?;
        Ok(View { node, ..view })
    }
}

/// Rows and columns of a matrix.
fn matrix_of(c: &Constant) -> Found<[usize; 2]> {
    match c.dims[..] {
        [rows, columns] => Ok([rows, columns]),
        _ => Err(format!("a constant of shape {:?}; expected a matrix", c.dims)),
    }
}

/// Input `i`: a value an output; None where it is missing or adds nothing.
pub fn bias(call: &Call, i: usize, outputs: usize) -> Found<Option<Values>> {
    let Some(found) = call.weights_if(i)? else { return Ok(None) };
    let named = found.name.as_deref().and_then(parameter).is_some();
    let values = found.real()?;
    if !named && uniform(&values) == Some(0.0) {
        return Ok(None);
    }
    match values.len() {
        n if n == outputs => Ok(Some(values)),
        1 => Ok(Some(Rc::new(vec![values[0]; outputs]))),
        n => Err(format!("{n} biases; expected {outputs}")),
    }
}

/// A value for each of `c` channels.
fn channel_values(found: &Found<Constant>, c: usize) -> Found<Constant> {
    let found = found.clone()?;
    if found.count() == c && matches!(found.data, Data::Floats(_)) {
        return Ok(found);
    }
    let name = found.name.as_deref().unwrap_or("a constant");
    Err(format!("{name} of shape {:?}; expected {c} values, one a channel", found.dims))
}

/// Whether scale and shift were made up by an exporter for a norm that has none.
fn does_nothing(weight: &Constant, bias: &Constant) -> Found<bool> {
    let named = |c: &Constant| module(c.name.as_deref()).is_some();
    let are = |c: &Constant, value| Ok::<_, String>(uniform(&c.real()?) == Some(value));
    Ok(!named(weight) && !named(bias) && are(weight, 1.0)? && are(bias, 0.0)?)
}

fn scaled(values: Values, factor: f32) -> Values {
    if factor == 1.0 { values } else { Rc::new(values.iter().map(|v| v * factor).collect()) }
}

/// Rows of `inputs` values, each of which goes to its place.
fn reordered(values: &[f32], inputs: usize, place: impl Fn(usize) -> usize) -> Vec<f32> {
    let places: Vec<usize> = (0..inputs).map(place).collect();
    let mut out = vec![0.0; values.len()];
    for (row, to) in values.chunks_exact(inputs).zip(out.chunks_exact_mut(inputs)) {
        for (v, &at) in row.iter().zip(&places) {
            to[at] = *v;
        }
    }
    out
}

/// `1 - x`, rounded to what decimals of f32 mean: 0.1 of 0.9.
fn rest(x: f32) -> f32 {
    let decimal: f64 = x.to_string().parse().unwrap_or(f64::from(x));
    (((1.0 - decimal) * 1e8).round() / 1e8) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momenta_are_those_of_pytorch() {
        assert_eq!([0.9, 0.99, 0.997, 1.0, 0.0].map(rest), [0.1, 0.01, 0.003, 0.0, 1.0]);
    }
}
