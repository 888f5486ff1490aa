//! Operators on values one by one, and their broadcasting.

use graph::{Activation, Op, Shape};

use super::bounds::clipped;
use super::constant::{Constant, Dim, Found};
use super::draft::Step;
use super::operand::Operand;
use super::view::{Axis, Factor, View};
use super::walk::{Call, Value, Walk, unknown};

impl Walk<'_> {
    /// A function of each value of one input.
    pub fn function(&mut self, kind: &str, call: &Call) -> Found<View> {
        let with = call.with;
        let alpha = |usual: f32| with.float("alpha").unwrap_or(usual);
        let op = |a: Activation| Step::Op(Op::Activation(a));
        let step = match kind {
            "Relu" => op(Activation::Relu),
            "LeakyRelu" => op(Activation::LeakyRelu { slope: alpha(0.01) }),
            "Sigmoid" => op(Activation::Sigmoid),
            "HardSwish" => op(Activation::HardSwish),
            "HardSigmoid" => return self.hard_sigmoid(call),
            "PRelu" => return self.sloped(call),
            "Abs" => return self.absolute(call),
            "Gelu" => match with.text("approximate").as_deref() {
                None | Some("none") => op(Activation::Gelu),
                Some("tanh") => op(Activation::GeluTanh),
                Some(other) => return Err(format!("approximate {other}; expected none or tanh")),
            },
            "Clip" => clipped(call)?,
            "Erf" => Step::Erf,
            "Tanh" => Step::Tanh,
            "Sqrt" => Step::Sqrt,
            "Reciprocal" => Step::Reciprocal,
            "Neg" => {
                let view = call.data(0)?;
                let node = self.minus(call.site, view.node)?;
                return Ok(View { node, ..view });
            }
            _ => return Err(unknown()),
        };
        let view = call.data(0)?;
        let shape = self.shape(view.node);
        let node = self.push_part(call.site, step, &[view.node], shape)?;
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

    /// The sum, mean, largest or smallest of any number of inputs.
    pub fn of_many(&mut self, kind: &str, call: &Call) -> Found<View> {
        let by = if matches!(kind, "Max" | "Min") { kind } else { "Add" };
        let mut inputs = call.inputs.clone();
        // What depends on the images first, for the constants to be put to.
        inputs.sort_by_key(|v| !matches!(v, Some(Value::Data(_))));
        let mut found = Call::viewed(0, inputs.first())?;
        for other in inputs.iter().skip(1) {
            let inputs = vec![Some(Value::Data(found)), other.clone()];
            found = self.of_two(by, &call.with_inputs(inputs))?;
        }
        if kind != "Mean" {
            return Ok(found);
        }
        let by = Constant::floats(&[], vec![inputs.len() as f32]);
        self.with_constant("Div", call.site, found, &by)
    }

    pub fn of_data(&mut self, kind: &str, site: usize, a: View, b: View) -> Found<View> {
        let (x, y) = (self.shape(a.node), self.shape(b.node));
        // Split channels stay so where both have them so.
        let alike = a.axes == b.axes && x == y || is_alike(&a, &b) && y == Shape::vector(x.c);
        let (a, b) = if alike { (a, b) } else { (self.settle(a)?, self.settle(b)?) };
        let (x, y) = (self.shape(a.node), self.shape(b.node));
        if a.axes == b.axes && x == y {
            let (a_node, mut b_node) = (a.node, b.node);
            let op = match kind {
                "Add" => Op::Add,
                "Mul" => Op::Multiply,
                "Sub" => {
                    b_node = self.minus(site, b_node)?;
                    Op::Add
                }
                "Max" | "Min" => {
                    let node = self.extreme(kind, site, a_node, b_node)?;
                    return Ok(View { node, ..a });
                }
                "Div" if y.c == 1 => {
                    let node = self.push_part(site, Step::Ratio, &[a.node, b.node], x)?;
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
        let node = self.push_part(site, step, &[a.node, b.node], x)?;
        Ok(View { node, ..a })
    }

    /// `x` and then the constant.
    pub fn with_constant(&mut self, kind: &str, site: usize, x: View, c: &Constant) -> Found<View> {
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
                self.push_part(site, step, &[node], shape)?
            }
            "Max" | "Min" => self.bounded(kind, site, node, &by)?,
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
                let node = self.push_part(site, Step::Reciprocal, &[x.node], shape)?;
                self.with_constant("Mul", site, View { node, ..x }, c)
            }
            _ => Err("a constant to the power of what the images become".into()),
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

/// Whether `b` has the channels of `a` in the same dimensions, and no pixels.
fn is_alike(a: &View, b: &View) -> bool {
    let is_pixels = |axis: &[Factor]| axis.iter().all(|f| f.axis != Axis::Channel);
    let fits = |(a, b): (&Vec<Factor>, &Vec<Factor>)| a == b || b.is_empty() && is_pixels(a);
    a.axes.len() == b.axes.len() && a.axes.iter().zip(&b.axes).all(fits)
}

/// How `b` is broadcast to `a`, if a graph can do that.
fn is_broadcast(a: &View, x: Shape, b: &View, y: Shape) -> Option<Broadcast> {
    if is_alike(a, b) && y == Shape::vector(x.c) {
        return Some(Broadcast::Vector);
    }
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
