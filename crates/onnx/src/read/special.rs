//! What exporters write around the operators themselves: noise of training, values repeated for a product,
//! sequences of parts, and pixels by number where a reshape was meant.

use graph::Op;
use graph::op::StochasticDepth;

use super::constant::{Constant, Dim, Found};
use super::fold::position;
use super::moves::MOST_RUNS;
use super::view::View;
use super::walk::{Call, Value, Walk};

/// Whole numbers: those of an image, and so many more for each image before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Sizes of the dimensions behind the batch.
    dims: Vec<usize>,
    step: i64,
    own: Vec<i64>,
}

/// One random number an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// From 0 to 1.
    Uniform,
    /// 1 with this probability, else 0.
    Kept(f32),
    /// The same, divided by the probability.
    Grown(f32),
}

impl Walk<'_> {
    /// What an operator makes of such values; None where it reads none.
    pub fn special(&mut self, kind: &str, call: &Call) -> Found<Option<Value>> {
        let input = |i: usize| call.inputs.get(i).and_then(Option::as_ref);
        let found = match (kind, input(0), input(1)) {
            ("RandomUniformLike", Some(of), _) => Value::Noise(self.noise(call, of)?),
            ("Cast" | "Identity", Some(same @ (Value::Noise(_) | Value::Counted(_))), _) => {
                same.clone()
            }
            ("Less", Some(Value::Noise(Noise::Uniform)), Some(Value::Constant(p))) => {
                Value::Noise(Noise::Kept(p.scalar()?))
            }
            ("Div", Some(Value::Noise(Noise::Kept(p))), Some(Value::Constant(by))) => {
                if by.scalar()? != *p {
                    return Err(
                        "noise that is divided by another number than its probability".into()
                    );
                }
                Value::Noise(Noise::Grown(*p))
            }
            ("Mul", Some(Value::Data(x)), Some(Value::Noise(Noise::Grown(p))))
            | ("Mul", Some(Value::Noise(Noise::Grown(p))), Some(Value::Data(x))) => {
                Value::Data(self.depth(call.site, x, *p)?)
            }
            ("Range", Some(Value::Constant(start)), Some(Value::Constant(end))) => {
                let step = call.constant_at(2)?;
                let open = end.dims_of().is_ok_and(|d| d[..] == [Dim { n: 1, batch: true }]);
                if !open || start.integers()? != [0] || step.integers()? != [1] {
                    return Ok(None);
                }
                Value::Counted(Counted { dims: vec![], step: 1, own: vec![0] })
            }
            ("Unsqueeze", Some(Value::Counted(c)), _) => Value::Counted(c.unsqueezed(call)?),
            ("Add" | "Mul", Some(Value::Counted(c)), Some(Value::Constant(by)))
            | ("Add" | "Mul", Some(Value::Constant(by)), Some(Value::Counted(c))) => {
                Value::Counted(c.with(kind, by)?)
            }
            ("Reshape", Some(Value::Data(x)), Some(Value::Constant(to))) => {
                if to.dims_of()? != [Dim::from(-1)] {
                    return Ok(None);
                }
                Value::Joined(x.clone())
            }
            ("Gather", Some(Value::Joined(x)), Some(by)) => Value::Data(self.counted(call, x, by)?),
            ("Reshape", Some(Value::Joined(x)), _) => {
                let x = Some(Value::Data(x.clone()));
                let inputs = [vec![x], call.inputs[1..].to_vec()].concat();
                Value::Data(self.reshape(&call.with_inputs(inputs))?)
            }
            ("Expand", Some(Value::Data(x)), Some(Value::Constant(to))) => {
                let dims = to.dims_of()?;
                match self.repeated(x, &dims) {
                    Some(sizes) if sizes != x.dims() => Value::Repeated(x.clone(), sizes),
                    _ => return Ok(None),
                }
            }
            ("Add" | "Mul", Some(a), Some(b)) => {
                let Some(inputs) = together(a, b) else { return Ok(None) };
                Value::Data(self.of_two(kind, &call.with_inputs(inputs))?)
            }
            ("SplitToSequence", Some(Value::Data(_)), _) => Value::Sequence(self.sequence(call)?),
            ("SequenceAt", Some(Value::Sequence(parts)), _) => {
                let at = call.constant_at(1)?.integers()?;
                let at = position(*at.first().ok_or("no number")?, parts.len())?;
                parts[at].clone()
            }
            _ => return Ok(None),
        };
        Ok(Some(found))
    }

    fn noise(&self, call: &Call, of: &Value) -> Found<Noise> {
        let bounds =
            [call.with.float("low").unwrap_or(0.0), call.with.float("high").unwrap_or(1.0)];
        let an_image = match of {
            Value::Filled { dims, .. } => {
                dims.first() == Some(&self.batch()) && dims[1..].iter().all(|d| *d == Dim::from(1))
            }
            Value::Constant(c) => self.input.batch == Some(c.count() as i64),
            _ => false,
        };
        if bounds == [0.0, 1.0] && an_image {
            return Ok(Noise::Uniform);
        }
        Err("random numbers; supported is one an image, as stochastic depth has it".into())
    }

    fn depth(&mut self, site: usize, x: &View, keep: f32) -> Found<View> {
        // The shortest decimal, as its author wrote it.
        let keep: f64 = keep.to_string().parse().map_err(|_| format!("probability {keep}"))?;
        let probability = ((1.0 - keep) * 1e8).round() / 1e8;
        let op = Op::StochasticDepth(StochasticDepth { probability });
        let node = self.push(site, op, &[x.node])?;
        Ok(View { node, ..x.clone() })
    }

    /// All values of a batch by their number: a reshape, where they are counted one by one.
    fn counted(&self, call: &Call, x: &View, by: &Value) -> Found<View> {
        let count: usize = x.dims().iter().product();
        let in_order = |own: &[i64]| own.iter().copied().eq(0..count as i64);
        match by {
            Value::Counted(c) if c.step == count as i64 && in_order(&c.own) => {
                x.reshape(&c.dims, call.site)
            }
            Value::Constant(c) if self.input.batch == Some(1) && c.dims.first() == Some(&1) => {
                if !in_order(&c.integers()?) {
                    return Err("values by number, in another order".into());
                }
                x.reshape(&c.dims[1..], call.site)
            }
            _ => Err("values by number; supported is a reshape written so".into()),
        }
    }

    /// The sizes that a value is broadcast to, if it can be.
    fn repeated(&self, x: &View, to: &[Dim]) -> Option<Vec<usize>> {
        let dims = x.dims();
        let (first, rest) = to.split_first()?;
        if rest.len() != dims.len() || *first != self.batch() && *first != Dim::from(1) {
            return None;
        }
        let one = |(to, own): (&Dim, &usize)| {
            let to = usize::try_from(to.known().ok()?).ok()?;
            (to == *own || *own == 1).then_some(to).or((to == 1).then_some(*own))
        };
        rest.iter().zip(&dims).map(one).collect()
    }

    fn sequence(&mut self, call: &Call) -> Found<Vec<Value>> {
        if call.with.int("keepdims") == Some(0) {
            return Err("parts without their dimension".into());
        }
        let sizes = call.constant_at(1)?;
        if !sizes.dims.is_empty() {
            return self.split(call);
        }
        let view = call.data(0)?;
        let axis = position(call.with.int("axis").unwrap_or(0), view.axes.len() + 1)?;
        let at = axis.checked_sub(1).ok_or("a part of the batch")?;
        let (size, part) = (view.dims()[at] as i64, sizes.integers()?[0].max(1));
        let count = (size as u64).div_ceil(part as u64);
        if count > MOST_RUNS as u64 {
            return Err(format!("{count} parts of {part} of {size}; expected {MOST_RUNS} at most"));
        }
        let all: Vec<Dim> =
            (0..size).step_by(part as usize).map(|i| Dim::from(part.min(size - i))).collect();
        let inputs = vec![
            Some(Value::Data(view)),
            Some(Value::Constant(Constant::whole(&[all.len()], all))),
        ];
        self.split(&call.with_inputs(inputs))
    }
}

/// A value that is repeated beside one of that size: the operator repeats it itself.
fn together(a: &Value, b: &Value) -> Option<Vec<Option<Value>>> {
    let (x, sizes, other, first) = match (a, b) {
        (Value::Repeated(x, sizes), Value::Data(other)) => (x, sizes, other, true),
        (Value::Data(other), Value::Repeated(x, sizes)) => (x, sizes, other, false),
        _ => return None,
    };
    if other.dims() != *sizes {
        return None;
    }
    let (x, other) = (Some(Value::Data(x.clone())), Some(Value::Data(other.clone())));
    Some(if first { vec![x, other] } else { vec![other, x] })
}

impl Counted {
    fn unsqueezed(&self, call: &Call) -> Found<Self> {
        let axes = call.axes()?.ok_or("axes are missing")?;
        let rank = 1 + self.dims.len() + axes.len();
        let axes = axes.iter().map(|&a| position(a, rank)).collect::<Found<Vec<_>>>()?;
        let mut left = self.dims.iter();
        let one = |i| if axes.contains(&i) { Some(1) } else { left.next().copied() };
        let dims: Option<Vec<usize>> = (1..rank).map(one).collect();
        Ok(Self { dims: dims.ok_or("an axis twice")?, ..self.clone() })
    }

    fn with(&self, kind: &str, by: &Constant) -> Found<Self> {
        let rank = self.dims.len() + 1;
        let dims = match by.dims.len().checked_sub(rank) {
            Some(0) if by.dims[0] == 1 => &by.dims[1..],
            None => &by.dims[..],
            _ => return Err("numbers of images; expected numbers of an image".into()),
        };
        let by = Constant { dims: dims.to_vec(), ..by.clone() };
        let own = self.own.iter().map(|&n| Dim::from(n)).collect();
        let own = super::fold::of_two(kind, &Constant::whole(&self.dims, own), &by)?;
        let step = match (kind, by.integers()?.as_slice()) {
            ("Mul", [n]) => self.step.checked_mul(*n).ok_or("numbers beyond 64 bits")?,
            ("Mul", _) => return Err("a product with many numbers".into()),
            _ => self.step,
        };
        Ok(Self { dims: own.dims.clone(), step, own: own.integers()? })
    }
}
