//! Operators that move values and compute none.

mod cuts;
mod joins;

pub use cuts::MOST_RUNS;

use super::constant::{Dim, Found, MOST_RANK};
use super::fold::position;
use super::tensor::{is_real, type_name};
use super::view::View;
use super::walk::{Call, Walk};
use crate::proto::Element;

impl Walk<'_> {
    pub fn cast(&mut self, call: &Call) -> Found<View> {
        let to = call.with.int("to").unwrap_or(0) as i32;
        if is_real(to) {
            if [Element::Float16, Element::Bfloat16].iter().any(|e| *e as i32 == to) {
                self.rounded += 1;
            }
            return call.data(0);
        }
        Err(format!("to {}; expected real numbers", type_name(to)))
    }

    pub fn reshape(&mut self, call: &Call) -> Found<View> {
        let view = call.data(0)?;
        let to = call.constant_at(1)?.dims_of()?;
        let keeps_zero = call.with.int("allowzero") == Some(1);
        let target = self.target(&view, &to, keeps_zero)?;
        view.reshape(&target, call.site)
    }

    /// The sizes behind the batch that a reshape asks for.
    fn target(&self, view: &View, to: &[Dim], keeps_zero: bool) -> Found<Vec<usize>> {
        let refused = || {
            let of = |d: &Dim| if d.batch { format!("{} x batch", d.n) } else { d.n.to_string() };
            let to: Vec<String> = to.iter().map(of).collect();
            format!(
                "reshapes batch x {:?} to [{}]; expected the batch to stay in front",
                view.dims(),
                to.join(", ")
            )
        };
        let dims = view.dims();
        let (first, rest) = to.split_first().ok_or_else(refused)?;
        if rest.len() > MOST_RANK {
            return Err(format!("{} dimensions; expected {MOST_RANK} at most", to.len()));
        }
        let stays = *first == self.batch() || *first == Dim { n: 1, batch: true };
        let open_first = *first == Dim::from(-1);
        let copied = first.n == 0 && !keeps_zero;
        if !(stays || open_first || copied) {
            return Err(refused());
        }
        let (mut sizes, mut open) = (vec![], None);
        for (i, dim) in rest.iter().enumerate() {
            sizes.push(match dim.known().map_err(|_| refused())? {
                0 if !keeps_zero => *dims.get(i).ok_or_else(refused)?,
                -1 if open.is_none() && !open_first => {
                    open = Some(i);
                    1
                }
                n => usize::try_from(n).map_err(|_| refused())?,
            });
        }
        let count: usize = dims.iter().product();
        let known = sizes.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).ok_or_else(refused)?;
        if let Some(open) = open {
            sizes[open] = count.checked_div(known).ok_or_else(refused)?;
        }
        let made = sizes.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        if made == Some(count) { Ok(sizes) } else { Err(refused()) }
    }

    pub fn squeeze(&mut self, call: &Call) -> Found<View> {
        let view = call.data(0)?;
        let (dims, rank) = (view.dims(), view.axes.len() + 1);
        let axes = match call.axes()? {
            Some(axes) => axes.iter().map(|&a| position(a, rank)).collect::<Found<Vec<_>>>()?,
            None if self.input.batch == Some(1) => return Err("the batch of 1 is squeezed".into()),
            None => (1..rank).filter(|&i| dims[i - 1] == 1).collect(),
        };
        if axes.contains(&0) || axes.iter().any(|&i| dims[i - 1] != 1) {
            return Err(format!(
                "dimensions {axes:?} of batch x {dims:?}; expected ones of size 1"
            ));
        }
        let kept = view.axes.iter().enumerate().filter(|(i, _)| !axes.contains(&(i + 1)));
        let axes = kept.map(|(_, axis)| axis.clone()).collect();
        Ok(View { node: view.node, axes, site: call.site })
    }

    pub fn expand(&mut self, call: &Call) -> Found<View> {
        let view = call.data(0)?;
        let to = call.constant_at(1)?.dims_of()?;
        let dims = view.dims();
        let own = std::iter::once(None).chain(dims.iter().copied().map(Some));
        let fits = |(to, own): (&Dim, Option<usize>)| match own {
            None => *to == self.batch() || *to == Dim::from(1),
            Some(n) => *to == Dim::from(n as i64) || *to == Dim::from(1),
        };
        if to.len() == dims.len() + 1 && to.iter().zip(own).all(fits) {
            return Ok(view);
        }
        Err(format!("batch x {dims:?} is repeated; expected its own shape"))
    }
}

pub fn flatten(call: &Call) -> Found<View> {
    let view = call.data(0)?;
    let (axis, rank) = (call.with.int("axis").unwrap_or(1), view.axes.len() as i64 + 1);
    if axis != 1 && axis != 1 - rank {
        return Err(format!("axis {axis}; expected 1, a vector an image"));
    }
    view.reshape(&[view.dims().iter().product()], call.site)
}

pub fn unsqueeze(call: &Call) -> Found<View> {
    let view = call.data(0)?;
    let axes = call.axes()?.ok_or("axes are missing")?;
    let rank = view.axes.len() + 1 + axes.len();
    let axes = axes.iter().map(|&a| position(a, rank)).collect::<Found<Vec<_>>>()?;
    if axes.contains(&0) {
        return Err("a dimension before the batch".into());
    }
    let mut left = view.axes.iter().cloned();
    let one = |i| if axes.contains(&i) { Some(vec![]) } else { left.next() };
    let made: Option<Vec<_>> = (1..rank).map(one).collect();
    Ok(View { node: view.node, axes: made.ok_or("an axis twice")?, site: call.site })
}

pub fn transpose(call: &Call) -> Found<View> {
    let view = call.data(0)?;
    let rank = view.axes.len() + 1;
    let order: Vec<usize> = match call.with.ints("perm") {
        Some(order) => order.iter().map(|&a| position(a, rank)).collect::<Found<_>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if order.first() != Some(&0) || sorted != (0..rank).collect::<Vec<_>>() {
        return Err(format!("order {order:?}; expected the batch to stay in front"));
    }
    let order: Vec<usize> = order[1..].iter().map(|i| i - 1).collect();
    Ok(view.transpose(&order, call.site))
}
