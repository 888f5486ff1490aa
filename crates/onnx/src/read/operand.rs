//! Constants beside what the images become: one number, or one a channel.

use std::rc::Rc;

use graph::Op;
use graph::op::{Scale, Shift};

use super::constant::{Constant, Found, uniform};
use super::draft::weights;
use super::names::parameter;
use super::view::View;
use super::walk::Walk;

/// A constant operand, broadcast to the channels.
pub struct Operand {
    pub values: Rc<Vec<f32>>,
    /// The number that all values are.
    pub same: Option<f32>,
    /// The parameter that it is.
    pub name: Option<String>,
}

impl Operand {
    pub fn map(&self, of: impl Fn(f32) -> f32) -> Self {
        let values = self.values.iter().map(|v| of(*v)).collect();
        Self { values: Rc::new(values), same: self.same.map(of), name: None }
    }
}

impl Walk<'_> {
    /// This number for each of `channels`.
    pub fn number(&self, value: f32, channels: usize) -> Found<Operand> {
        self.afford(channels)?;
        Ok(Operand { values: Rc::new(vec![value; channels]), same: Some(value), name: None })
    }

    /// A constant that broadcasts to the channels of `view`.
    pub fn operand(&mut self, view: &View, c: &Constant) -> Found<Operand> {
        let shape = self.shape(view.node);
        // A number becomes one a channel.
        self.afford(shape.c)?;
        let values = c.real()?;
        let name = c.name.as_deref().and_then(parameter).map(str::to_owned);
        let refused = || {
            format!(
                "a constant {}of shape {:?} with batch x {:?}; expected one number, or one a channel: a value for each pixel has no place in a graph",
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
            // A constant of the size of the map may still be one number a channel.
            let wide =
                c.dims.iter().rev().zip(view.dims().iter().rev()).all(|(a, b)| *a == 1 || a == b);
            let ahead = c.dims.len() < rank || c.dims[0] == 1;
            let found =
                Some(channels).filter(|_| wide && ahead).and_then(|at| each(c, at, &values));
            let values = Rc::new(found.ok_or_else(refused)?);
            self.spend(c.count())?;
            let values = match values[..] {
                [one] => Rc::new(vec![one; shape.c]),
                _ => values,
            };
            return Ok(Operand { same: uniform(&values), values, name: None });
        }
        let same = uniform(&values).filter(|_| name.is_none());
        Ok(Operand { values, same, name })
    }

    pub fn scale(&mut self, site: usize, node: usize, by: Operand) -> Found<usize> {
        self.told(&by);
        let op = Op::Scale(Scale { frozen: by.name.is_none() });
        self.push_with(site, op, &[node], (by.name, weights(vec![("", by.values)])))
    }

    pub fn shift(&mut self, site: usize, node: usize, by: Operand) -> Found<usize> {
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

/// The number of each index of dimension `at`, where the other dimensions change nothing.
fn each(c: &Constant, at: usize, values: &[f32]) -> Option<Vec<f32>> {
    let inner: usize = c.dims[at + 1..].iter().product();
    let of = |i: usize| i / inner % c.dims[at];
    let mut found = vec![None; c.dims[at]];
    for (i, v) in values.iter().enumerate() {
        let one: &mut Option<f32> = &mut found[of(i)];
        if one.get_or_insert(*v) != v {
            return None;
        }
    }
    found.into_iter().collect()
}
