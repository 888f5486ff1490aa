//! Operators on values one by one, and their broadcasting.

use std::rc::Rc;

use graph::op::{Scale, Shift};
use graph::{Activation, Op, Shape};

use super::constant::{Constant, Dim, Found, uniform};
use super::draft::{Step, weights};
use super::names::parameter;
use super::view::View;
use super::walk::{Call, Value, Walk, unknown};

/// A constant operand, broadcast to the channels.
struct Operand {
    values: Rc<Vec<f32>>,
    /// The number that all values are.
    same: Option<f32>,
    /// The parameter that it is.
    name: Option<String>,
}

impl Operand {
    fn map(&self, of: impl Fn(f32) -> f32) -> Self {
        let values = self.values.iter().map(|v| of(*v)).collect();
        Self { values: Rc::new(values), same: self.same.map(of), name: None }
    }
}

impl Walk<'_> {
    /// A function of each value of one input.
    pub fn function(&mut self, kind: &str, call: &Call) -> Found<View> {
        let with = call.with;
        let alpha = |usual: f32| with.float("alpha").unwrap_or(usual);
        let op = |a: Activation| Step::Op(Op::Activation(a));
        let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
        let step = match kind {
            "Relu" => op(Activation::Relu),
            "LeakyRelu" => op(Activation::LeakyRelu { slope: alpha(0.01) }),
            "Sigmoid" => op(Activation::Sigmoid),
            "HardSwish" => op(Activation::HardSwish),
            "HardSigmoid" => {
                let beta = with.float("beta").unwrap_or(0.5);
                if !near(alpha(0.2), 1.0 / 6.0) || !near(beta, 0.5) {
                    let alpha = alpha(0.2);
                    return Err(format!(
                        "alpha {alpha} and beta {beta}; supported are 1/6 and 0.5"
                    ));
                }
                op(Activation::HardSigmoid)
            }
            "Gelu" => match with.text("approximate").as_deref() {
                None | Some("none") => op(Activation::Gelu),
                Some("tanh") => op(Activation::GeluTanh),
                Some(other) => return Err(format!("approximate {other}; expected none or tanh")),
            },
            "Clip" => clip(call)?,
            "Erf" => Step::Erf,
            "Tanh" => Step::Tanh,
            "Sqrt" => Step::Sqrt,
            "Reciprocal" => Step::Reciprocal,
            "Neg" => {
                let view = call.data(0)?;
                let shape = self.shape(view.node);
                let minus =
                    Operand { values: Rc::new(vec![-1.0; shape.c]), same: None, name: None };
                let node = self.scale(call.site, view.node, minus)?;
                return Ok(View { node, ..view });
            }
            _ => return Err(unknown()),
        };
        let view = call.data(0)?;
        let shape = self.shape(view.node);
        let node = self.push_part(call.site, step, &[view.node], shape);
        Ok(View { node, ..view })
    }

    pub fn of_two(&mut self, kind: &str, call: &Call) -> Found<View> {
        let operand = |i: usize| call.inputs.get(i).cloned().flatten().ok_or("an input is missing");
        match (operand(0)?, operand(1)?) {
            (Value::Data(a), Value::Data(b)) => self.of_data(kind, call.site, a, b),
            (Value::Data(x), Value::Constant(c)) => self.with_constant(kind, call.site, x, &c),
            (Value::Constant(c), Value::Data(x)) => self.of_constant(kind, call.site, x, &c),
            (Value::Data(x), Value::Filled { value, dims }) => {
                let c = self.one_number(&x, &dims, value)?;
                self.with_constant(kind, call.site, x, &c)
            }
            (Value::Filled { value, dims }, Value::Data(x)) => {
                let c = self.one_number(&x, &dims, value)?;
                self.of_constant(kind, call.site, x, &c)
            }
            _ => Err("constants of the batch's size; expected what the images become".into()),
        }
    }

    /// A tensor of one number beside `x`, as that number.
    fn one_number(&self, x: &View, dims: &[Dim], value: f32) -> Found<Constant> {
        let sizes = x.dims().into_iter().map(|n| Dim::from(n as i64));
        let own: Vec<Dim> = std::iter::once(self.batch()).chain(sizes).collect();
        let fits = |(a, b): (&Dim, &Dim)| *a == Dim::from(1) || a == b;
        if dims.len() <= own.len() && dims.iter().rev().zip(own.iter().rev()).all(fits) {
            return Ok(Constant::floats(&[], vec![value]));
        }
        let dims: Vec<i64> = dims.iter().map(|d| d.n).collect();
        Err(format!("a constant of shape {dims:?} with batch x {:?}", x.dims()))
    }

    pub fn sum(&mut self, call: &Call) -> Found<View> {
        let mut sum = call.data(0)?;
        for i in 1..call.inputs.len() {
            sum = self.of_data("Add", call.site, sum, call.data(i)?)?;
        }
        Ok(sum)
    }

    fn of_data(&mut self, kind: &str, site: usize, a: View, b: View) -> Found<View> {
        let (a, b) = (self.settle(a)?, self.settle(b)?);
        let (x, y) = (self.shape(a.node), self.shape(b.node));
        if a.axes == b.axes && x == y {
            let (a_node, mut b_node) = (a.node, b.node);
            let op = match kind {
                "Add" => Op::Add,
                "Mul" => Op::Multiply,
                "Sub" => {
                    let minus =
                        Operand { values: Rc::new(vec![-1.0; y.c]), same: None, name: None };
                    b_node = self.scale(site, b_node, minus)?;
                    Op::Add
                }
                "Div" if y.c == 1 => {
                    let node = self.push_part(site, Step::Ratio, &[a.node, b.node], x);
                    return Ok(View { node, ..a });
                }
                _ => return Err("of two values that depend on the images".into()),
            };
            let node = self.push(site, op, &[a_node, b_node])?;
            return Ok(View { node, ..a });
        }
        let fits = |a: &View, x: Shape, b: &View, y: Shape| is_broadcast(a, x, b, y);
        if kind == "Mul" && fits(&b, y, &a, x).is_some() {
            return self.of_data(kind, site, b, a);
        }
        let step = match (kind, fits(&a, x, &b, y)) {
            ("Mul", Some(Broadcast::Vector)) => {
                let node = self.push(site, Op::Multiply, &[a.node, b.node])?;
                return Ok(View { node, ..a });
            }
            ("Mul", Some(Broadcast::Pixels)) => Step::PixelProduct,
            ("Sub", Some(Broadcast::Pixels)) => Step::Less,
            ("Div", Some(Broadcast::Pixels)) => Step::Ratio,
            _ => {
                let (a, b) = (a.dims(), b.dims());
                return Err(format!(
                    "batch x {a:?} and batch x {b:?}; expected equal shapes, or a product of a map and a \
                     vector of its channels"
                ));
            }
        };
        let node = self.push_part(site, step, &[a.node, b.node], x);
        Ok(View { node, ..a })
    }

    /// A constant that broadcasts to the channels of `view`.
    fn operand(&mut self, view: &View, c: &Constant) -> Found<Operand> {
        let shape = self.shape(view.node);
        // A number becomes one a channel.
        self.spend(shape.c)?;
        let values = c.real()?;
        let name = c.name.as_deref().and_then(parameter).map(str::to_owned);
        let refused = || {
            format!(
                "a constant {}of shape {:?} with batch x {:?}; expected one number, or one a channel",
                name.as_ref().map_or(String::new(), |n| format!("{n} ")),
                c.dims,
                view.dims()
            )
        };
        let rank = view.axes.len() + 1;
        if c.dims.len() > rank {
            return Err(refused());
        }
        if let [one] = values[..] {
            // One number is a parameter where a module has it.
            let name = name.filter(|n| n.contains('.'));
            return Ok(Operand { values: Rc::new(vec![one; shape.c]), same: Some(one), name });
        }
        let at = view.channel_axis(shape).ok_or_else(refused)?;
        let from_end = rank - 1 - (at + 1);
        let channels = c.dims.len().checked_sub(from_end + 1).ok_or_else(refused)?;
        let fits = |(i, n): (usize, &usize)| if i == channels { *n == shape.c } else { *n == 1 };
        if !c.dims.iter().enumerate().all(fits) {
            // A constant of the size of the map may still be one number.
            let wide =
                c.dims.iter().rev().zip(view.dims().iter().rev()).all(|(a, b)| *a == 1 || a == b);
            return match uniform(&values).filter(|_| wide && c.dims.len() < rank) {
                Some(one) => {
                    Ok(Operand { values: Rc::new(vec![one; shape.c]), same: Some(one), name: None })
                }
                None => Err(refused()),
            };
        }
        let same = uniform(&values).filter(|_| name.is_none());
        Ok(Operand { values, same, name })
    }

    /// `x` and then the constant.
    fn with_constant(&mut self, kind: &str, site: usize, x: View, c: &Constant) -> Found<View> {
        let view = self.settle(x)?;
        let (by, node) = (self.operand(&view, c)?, view.node);
        let shape = self.shape(node);
        let one = |by: &Operand| by.same.ok_or("by more than one number");
        let node = match kind {
            "Add" => self.shift(site, node, by)?,
            "Sub" => self.shift(site, node, by.map(|v| -v))?,
            "Mul" => self.scale(site, node, by)?,
            "Div" => self.scale(site, node, by.map(|v| 1.0 / v))?,
            "Pow" => {
                let power = one(&by)?;
                let step = if power == 0.5 { Step::Sqrt } else { Step::Power(power) };
                self.push_part(site, step, &[node], shape)
            }
            "Max" => {
                let step = Step::Clip { low: one(&by)?, high: f32::INFINITY };
                self.push_part(site, step, &[node], shape)
            }
            "Min" => {
                let step = Step::Clip { low: f32::NEG_INFINITY, high: one(&by)? };
                self.push_part(site, step, &[node], shape)
            }
            _ => return Err(unknown()),
        };
        Ok(View { node, ..view })
    }

    /// The constant and then `x`.
    fn of_constant(&mut self, kind: &str, site: usize, x: View, c: &Constant) -> Found<View> {
        match kind {
            "Add" | "Mul" | "Max" | "Min" => self.with_constant(kind, site, x, c),
            "Sub" => {
                let minus = Constant::floats(&[], vec![-1.0]);
                let x = self.with_constant("Mul", site, x, &minus)?;
                self.with_constant("Add", site, x, c)
            }
            "Div" => {
                let shape = self.shape(x.node);
                let node = self.push_part(site, Step::Reciprocal, &[x.node], shape);
                self.with_constant("Mul", site, View { node, ..x }, c)
            }
            _ => Err("a constant to the power of what the images become".into()),
        }
    }

    fn scale(&mut self, site: usize, node: usize, by: Operand) -> Found<usize> {
        self.told(&by);
        let op = Op::Scale(Scale { frozen: by.name.is_none() });
        self.push_with(site, op, &[node], (by.name, weights(vec![("", by.values)])))
    }

    fn shift(&mut self, site: usize, node: usize, by: Operand) -> Found<usize> {
        self.told(&by);
        let op = Op::Shift(Shift { frozen: by.name.is_none() });
        self.push_with(site, op, &[node], (by.name, weights(vec![("", by.values)])))
    }

    fn told(&mut self, by: &Operand) {
        if let (Some(name), Some(_), true) = (&by.name, by.same, by.values.len() > 1) {
            self.notes.push(format!("the parameter {name}, one number, becomes one a channel"));
        }
    }
}

/// How a value is broadcast to a map.
enum Broadcast {
    /// One value a channel.
    Vector,
    /// One value a pixel.
    Pixels,
}

/// How `b` is broadcast to `a`, if a graph can do that.
fn is_broadcast(a: &View, x: Shape, b: &View, y: Shape) -> Option<Broadcast> {
    let at = a.channel_axis(x)?;
    let rest = |v: &View| {
        let others = v.axes.iter().enumerate().filter(|(i, _)| *i != at);
        others.map(|(_, axis)| axis.clone()).collect::<Vec<_>>()
    };
    if a.axes.len() != b.axes.len() {
        return None;
    }
    if y == Shape::vector(x.c) && b.has_channels_at(y, at) {
        return Some(Broadcast::Vector);
    }
    let single = y == (Shape { c: 1, ..x }) && b.axes[at].is_empty() && rest(a) == rest(b);
    single.then_some(Broadcast::Pixels)
}

fn clip(call: &Call) -> Found<Step> {
    let bound = |i: usize, name: &str, open: f32| -> Found<f32> {
        let given = call.constant_if(i)?.map(|c| c.scalar()).transpose()?;
        Ok(call.with.float(name).or(given).unwrap_or(open))
    };
    let low = bound(1, "min", f32::NEG_INFINITY)?;
    Ok(Step::Clip { low, high: bound(2, "max", f32::INFINITY)? })
}
