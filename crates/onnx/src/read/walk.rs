//! The walk over the operators that lead to the output.

mod call;
mod finish;
mod order;
mod push;
mod refusal;
mod settle;

use std::collections::BTreeMap;

use artifact::{Error, Result};
use graph::{Op, Shape};

pub use refusal::{refused, unknown};
pub use settle::Settled;

use refusal::SUPPORTED;

use super::Place;
use super::attributes::Attributes;
use super::build::Walked;
use super::constant::{Constant, Dim, Found};
use super::draft::{Draft, Step};
use super::fold::{filled, fold, sizes};
use super::moves;
use super::names::parameter;
use super::shapes::{Input, is_standard};
use super::special::{Counted, Noise};
use super::tensor::{self, is_real, type_name};
use super::view::View;
use crate::proto::{self, Element, Tensor};

/// A decoded file.
pub struct File<'a> {
    pub graph: &'a proto::Graph,
    pub place: &'a Place,
    /// The version of its operators.
    pub opset: i64,
    /// Whether it defines operators of its own.
    pub functions: bool,
}

/// What a name in the file stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Constant(Constant),
    /// A tensor of one number, too large to be written out or of a size that depends on the batch.
    Filled {
        dims: Vec<Dim>,
        value: f32,
    },
    /// What depends on the images.
    Data(View),
    /// What depends on the images, all of a batch in one dimension.
    Joined(View),
    /// What depends on the images, broadcast to these sizes.
    Repeated(View, Vec<usize>),
    Sequence(Vec<Value>),
    Counted(Counted),
    Noise(Noise),
}

/// An operator and the values that it reads.
#[derive(Clone)]
pub struct Call<'a> {
    pub with: Attributes<'a>,
    pub inputs: Vec<Option<Value>>,
    /// The attribute `value`.
    pub value: Option<Constant>,
    /// Its number in the file.
    pub site: usize,
}

/// What was found so far.
pub struct Walk<'a> {
    pub file: &'a File<'a>,
    pub input: &'a Input,
    initializers: BTreeMap<&'a str, &'a Tensor>,
    values: BTreeMap<&'a str, Value>,
    pub drafts: Vec<Draft>,
    pub notes: Vec<String>,
    /// Drafts that put values in order, by what they read and the operator that they are of.
    settled: BTreeMap<(usize, usize, Settled), usize>,
    /// How many initializers of each other type were converted.
    converted: BTreeMap<String, usize>,
    /// Casts to 16 bits.
    pub rounded: usize,
    /// Batch norms that would take the statistics of each batch.
    pub training_norms: usize,
    /// How many more values may be made.
    left: usize,
}

/// How many values may be made beside those that follow from the weights.
const MOST_MADE: usize = 1 << 26;
/// How often the values of the weights may be made anew.
const COPIES: usize = 6;

/// Walks from the images to the output.
pub fn walk<'a>(file: &'a File<'a>, input: &'a Input) -> Result<Walked<'a>> {
    let bad = |what: String| Error::Config(format!("{}: {what}", file.place.origin));
    let [output] = &file.graph.output[..] else {
        let all = file.graph.output.iter().take(8).map(|o| o.name.as_str()).collect::<Vec<_>>();
        let count = file.graph.output.len();
        return Err(bad(format!("{count} outputs ({}); expected one, the logits", all.join(", "))));
    };
    let initializers = file.graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut images = Draft {
        step: Step::Op(Op::Input),
        inputs: vec![],
        shape: input.shape,
        weights: vec![],
        path: None,
        site: usize::MAX,
    };
    let mut first = View::map(0, input.shape, usize::MAX);
    let mut notes = vec![];
    if order::is_channels_last(file.graph, &input.name) {
        images.shape = Shape::new(input.shape.w, input.shape.c, input.shape.h);
        first = View::map(0, images.shape, usize::MAX).transpose(&[1, 2, 0], usize::MAX);
        notes.push("the file has the channels of its images last; here they are first".to_owned());
    }
    let mut walk = Walk {
        file,
        input,
        initializers,
        values: BTreeMap::from([(input.name.as_str(), Value::Data(first))]),
        drafts: vec![images],
        notes,
        settled: BTreeMap::new(),
        converted: BTreeMap::new(),
        rounded: 0,
        training_norms: 0,
        left: MOST_MADE,
    };
    let order = order::order(file.graph, &output.name).map_err(bad)?;
    for &site in &order {
        walk.visit(site)?;
    }
    let unread = file.graph.node.len() - order.len();
    if unread > 0 {
        walk.notes.push(format!("{unread} operators that do not lead to the output are left out"));
    }
    walk.finish(&output.name).map_err(bad)
}

impl<'a> Walk<'a> {
    fn visit(&mut self, site: usize) -> Result<()> {
        let file = self.file;
        let node = &file.graph.node[site];
        self.check(node).map_err(|what| refused(file, site, &what))?;
        let call = self.call(node, site)?;
        let mut found = self.run(&call).map_err(|what| refused(file, site, &what))?;
        if let ("Identity", [Value::Constant(c)]) = (node.op_type.as_str(), &mut found[..]) {
            // Equal parameters are stored once; the others are told by what they are called here.
            let own = node.output.first().and_then(|name| parameter(name));
            c.name = own.map(str::to_owned).or(c.name.take());
        }
        for (name, value) in node.output.iter().zip(found) {
            self.values.insert(name, value);
        }
        Ok(())
    }

    fn check(&self, node: &proto::Node) -> Found<()> {
        if Attributes(node).has_subgraph() {
            return Err(
                "control flow; expected a network without: export it with fixed shapes".into()
            );
        }
        if !is_standard(&node.domain) {
            let own = if self.file.functions {
                "; operators that a file defines itself are not read: export without functions"
            } else {
                ""
            };
            let domain = &node.domain;
            return Err(format!("an operator of the domain {domain}; expected standard ones{own}"));
        }
        Ok(())
    }

    fn call(&mut self, node: &'a proto::Node, site: usize) -> Result<Call<'a>> {
        let with = Attributes(node);
        let inputs = node
            .input
            .iter()
            .map(|name| if name.is_empty() { Ok(None) } else { self.value(name, site).map(Some) });
        let inputs = inputs.collect::<Result<_>>()?;
        let value = with
            .tensor("value")
            .map(|t| tensor::constant(t, &format!("node {}", node.name), self.file.place));
        Ok(Call { with, inputs, value: value.transpose()?, site })
    }

    fn value(&mut self, name: &'a str, site: usize) -> Result<Value> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let Some(&stored) = self.initializers.get(name) else {
            let what = format!("reads {name}, which nothing makes");
            return Err(refused(self.file, site, &what));
        };
        let found = tensor::constant(stored, &format!("initializer {name}"), self.file.place)?;
        if is_real(stored.data_type) && stored.data_type != Element::Float as i32 {
            *self.converted.entry(type_name(stored.data_type)).or_default() += 1;
        }
        self.left += COPIES * found.count();
        let found = Value::Constant(Constant { name: Some(name.to_owned()), ..found });
        self.values.insert(name, found.clone());
        Ok(found)
    }

    fn run(&mut self, call: &Call) -> Found<Vec<Value>> {
        let kind = call.with.0.op_type.as_str();
        let first = call.inputs.first().cloned().flatten();
        let one = |value: Value| Ok(vec![value]);
        if let Some(found) = self.special(kind, call)? {
            return one(found);
        }
        match (kind, first) {
            ("Constant", _) => return one(Value::Constant(call.constant()?)),
            ("ConstantOfShape", _) => {
                let found = filled(&call.constant_at(0)?.dims_of()?, call.value.as_ref())?;
                if let Value::Constant(c) = &found {
                    self.spend(c.count())?;
                }
                return one(found);
            }
            ("Shape", Some(Value::Data(view))) => {
                let all: Vec<Dim> =
                    std::iter::once(self.batch()).chain(known(&view.dims())).collect();
                return one(Value::Constant(sizes(call.with, &all)));
            }
            ("Identity" | "Cast" | "CastLike", Some(same @ Value::Filled { .. })) => {
                return one(same);
            }
            _ => {}
        }
        // Of the second input the type alone counts.
        let read = if kind == "CastLike" { 1 } else { call.inputs.len() };
        let constants: Option<Vec<Option<Constant>>> = call
            .inputs
            .iter()
            .take(read)
            .map(|v| match v {
                None => Some(None),
                Some(Value::Constant(c)) => Some(Some(c.clone())),
                Some(_) => None,
            })
            .collect();
        if let Some(constants) = constants {
            if kind == "Expand" && constants.len() == 2 {
                let found = expanded(&constants)?;
                if let Value::Constant(c) = &found {
                    self.spend(c.count())?;
                }
                return one(found);
            }
            let found = fold(call.with, &constants)?;
            if let Some(found) = found {
                if !constants.iter().flatten().any(|c| c.shares(&found)) {
                    self.spend(found.count())?;
                }
                return one(Value::Constant(found));
            }
            return Err(format!("of constants alone; supported are {SUPPORTED}"));
        }
        self.data(kind, call)
    }

    fn data(&mut self, kind: &str, call: &Call) -> Found<Vec<Value>> {
        let found = match kind {
            "Conv" => self.conv(call)?,
            "Gemm" => self.gemm(call)?,
            "MatMul" => self.mat_mul(call)?,
            "BatchNormalization" => self.batch_norm(call)?,
            "LayerNormalization" => self.layer_norm(call)?,
            "Dropout" => self.dropout(call)?,
            "Softmax" | "LogSoftmax" => self.softmax(kind, call)?,
            "MaxPool" => self.max_pool(call)?,
            "AveragePool" => self.average_pool(call)?,
            "GlobalAveragePool" => self.global("mean", call)?,
            "GlobalMaxPool" => self.global("max", call)?,
            "ReduceMean" | "ReduceMax" | "ReduceSum" => self.reduce(kind, call)?,
            "Add" | "Sub" | "Mul" | "Div" | "Pow" => self.of_two(kind, call)?,
            "Max" | "Min" | "Sum" | "Mean" => self.of_many(kind, call)?,
            "Concat" => self.concat(call)?,
            "Slice" => self.slice(call)?,
            "Gather" => self.gather(call)?,
            "Split" => return self.split(call),
            "Pad" => self.pad(call)?,
            "Reshape" => self.reshape(call)?,
            "Flatten" => moves::flatten(call)?,
            "Squeeze" => self.squeeze(call)?,
            "Unsqueeze" => moves::unsqueeze(call)?,
            "Transpose" => moves::transpose(call)?,
            "Expand" => self.expand(call)?,
            "Identity" | "CastLike" => call.data(0)?,
            "Cast" => self.cast(call)?,
            _ => self.function(kind, call)?,
        };
        Ok(vec![Value::Data(found)])
    }

    /// The first dimension of every value that depends on the images.
    pub fn batch(&self) -> Dim {
        self.input.batch.map_or(Dim { n: 1, batch: true }, Dim::from)
    }

    pub fn shape(&self, node: usize) -> Shape {
        self.drafts[node].shape
    }
}

/// A constant broadcast, perhaps to a size that depends on the batch.
fn expanded(inputs: &[Option<Constant>]) -> Found<Value> {
    let (Some(x), Some(to)) = (&inputs[0], &inputs[1]) else {
        return Err("an input is missing".into());
    };
    let to = to.dims_of()?;
    if x.count() == 1 && x.dims.len() <= to.len() && to.iter().all(|d| d.batch || d.n > 1) {
        return filled(&to, Some(x));
    }
    let dims: Option<Vec<usize>> =
        to.iter().map(|d| usize::try_from(d.known().ok()?).ok()).collect();
    let dims = dims.ok_or("expands to a size that depends on the batch")?;
    Ok(Value::Constant(super::fold::expand(x, &dims)?))
}

fn known(dims: &[usize]) -> impl Iterator<Item = Dim> {
    dims.iter().map(|&n| Dim::from(n as i64))
}
