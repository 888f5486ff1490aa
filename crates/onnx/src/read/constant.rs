//! Values that do not depend on the images.

use std::rc::Rc;

/// What does not fit, without the node that it is about.
pub type Found<T> = std::result::Result<T, String>;

/// The most dimensions of a tensor.
pub const MOST_RANK: usize = 64;
/// The most values of a tensor.
pub const MOST_VALUES: usize = 1 << 31;

/// How many values a tensor of these sizes holds, where a size of 0 counts as 1: lists are made as long as a
/// dimension, whether or not another is empty. None where they are more than any tensor has.
pub fn extent(dims: &[usize]) -> Option<usize> {
    let count = dims.iter().try_fold(1_usize, |n, d| n.checked_mul((*d).max(1)))?;
    (dims.len() <= MOST_RANK && count <= MOST_VALUES).then_some(count)
}

/// These axes, unless they are more than a tensor has.
pub fn few_axes(axes: Vec<i64>) -> Found<Vec<i64>> {
    if axes.len() <= MOST_RANK {
        return Ok(axes);
    }
    Err(format!("{} axes; expected {MOST_RANK} at most", axes.len()))
}

/// A whole number, or so many times the batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dim {
    pub n: i64,
    pub batch: bool,
}

/// A number that is known.
impl From<i64> for Dim {
    fn from(n: i64) -> Self {
        Self { n, batch: false }
    }
}

impl Dim {
    /// The number.
    pub fn known(self) -> Found<i64> {
        if self.batch { Err("a number that depends on the batch size".into()) } else { Ok(self.n) }
    }
}

/// The values of a constant, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Floats(Rc<Vec<f32>>),
    /// Whole numbers, and truth values as 0 and 1.
    Whole(Rc<Vec<Dim>>),
}

/// A tensor whose values are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    pub dims: Vec<usize>,
    pub data: Data,
    /// The initializer that it is, if it is one, moved or reshaped.
    pub name: Option<String>,
}

impl Constant {
    pub fn floats(dims: &[usize], values: Vec<f32>) -> Self {
        Self { dims: dims.to_vec(), data: Data::Floats(Rc::new(values)), name: None }
    }

    pub fn whole(dims: &[usize], values: Vec<Dim>) -> Self {
        Self { dims: dims.to_vec(), data: Data::Whole(Rc::new(values)), name: None }
    }

    pub fn count(&self) -> usize {
        match &self.data {
            Data::Floats(v) => v.len(),
            Data::Whole(v) => v.len(),
        }
    }

    /// Whether both are the same values in memory.
    pub fn shares(&self, other: &Self) -> bool {
        match (&self.data, &other.data) {
            (Data::Floats(a), Data::Floats(b)) => Rc::ptr_eq(a, b),
            (Data::Whole(a), Data::Whole(b)) => Rc::ptr_eq(a, b),
            (Data::Floats(_), Data::Whole(_)) | (Data::Whole(_), Data::Floats(_)) => false,
        }
    }

    /// Its real numbers, shared.
    pub fn real(&self) -> Found<Rc<Vec<f32>>> {
        match &self.data {
            Data::Floats(v) => Ok(Rc::clone(v)),
            Data::Whole(v) => {
                let all = v.iter().map(|d| Ok(d.known()? as f32));
                Ok(Rc::new(all.collect::<Found<_>>()?))
            }
        }
    }

    /// Its whole numbers.
    pub fn dims_of(&self) -> Found<Vec<Dim>> {
        match &self.data {
            Data::Whole(v) => Ok(v.to_vec()),
            Data::Floats(_) => Err("real numbers; expected whole ones".into()),
        }
    }

    /// Its whole numbers, none of which may depend on the batch size.
    pub fn integers(&self) -> Found<Vec<i64>> {
        self.dims_of()?.into_iter().map(Dim::known).collect()
    }

    /// Its single real number.
    pub fn scalar(&self) -> Found<f32> {
        match self.real()?[..] {
            [one] => Ok(one),
            _ => Err(format!("a tensor of shape {:?}; expected a single number", self.dims)),
        }
    }
}

/// The number that all values are, if they are equal.
pub fn uniform(values: &[f32]) -> Option<f32> {
    let first = *values.first()?;
    values.iter().all(|v| *v == first).then_some(first)
}
