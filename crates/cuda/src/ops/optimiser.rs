//! The optimisers' steps, over all parameters in one launch.

use std::cell::RefCell;

use artifact::Result;
use cudarc::driver::LaunchConfig;
use kernels::optimiser::{Adam, Corrected, Sgd};

use crate::buffer::bytes_of;
use crate::compile::{Kernel, Source};
use crate::launch::{BLOCK, address_of, launch};
use crate::{Buffer, Gpu, Kind};

/// Values of a block, as the kernels' `PIECE`.
const PIECE: usize = 4096;

/// A parameter with what goes with it. Weight and states are f32 and of one length.
#[derive(Clone, Copy)]
pub struct Parameter<'a> {
    /// Its values.
    pub weight: &'a Buffer,
    /// What the optimiser keeps: the velocity, or mean and square; or the weight's average.
    pub states: [Option<&'a Buffer>; 2],
    /// Its gradient, f32 or an activation, in rows that may have zeros behind.
    pub grad: Option<&'a Buffer>,
    /// A byte a value: 0 where it is and stays zero.
    pub mask: Option<&'a Buffer>,
    /// What kernels read instead of the weight, likewise in rows that may have zeros behind.
    pub copy: Option<&'a Buffer>,
    /// Values of a row.
    pub row: usize,
}

/// A parameter as the kernels declare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Entry {
    weight: u64,
    first: u64,
    second: u64,
    grad: u64,
    mask: u64,
    copy: u64,
    count: i32,
    row: i32,
    grad_row: i32,
    copy_row: i32,
    grad_narrow: i32,
    copy_narrow: i32,
}

/// All parameters as they lie on the device, kept from step to step.
#[derive(Default)]
pub struct Fused {
    known: RefCell<Option<Known>>,
}

struct Known {
    entries: Vec<Entry>,
    table: Buffer,
    pieces: Buffer,
    blocks: usize,
    /// Sums of squares a block, and then the factor on gradients.
    squares: Buffer,
    factor: Buffer,
}

impl Parameter<'_> {
    /// As the kernels for activations of `kind` read it.
    fn entry(&self, kind: Kind) -> Entry {
        let count = self.weight.len();
        let rows = count / self.row;
        assert_eq!(rows * self.row, count, "rows of {}", self.row);
        let plain = |b: &&Buffer| b.kind() == Kind::F32 && b.len() == count;
        assert!(self.states.iter().flatten().all(plain) && plain(&self.weight), "f32 values");
        assert!(self.mask.is_none_or(|m| m.kind() == Kind::U8 && m.len() == count), "mask");
        for padded in [self.grad, self.copy].into_iter().flatten() {
            assert!(padded.kind() == Kind::F32 || padded.kind() == kind, "f32 or activations");
            assert!(padded.len() >= count && padded.len().is_multiple_of(rows), "rows");
        }
        let long = |b: Option<&Buffer>| b.map_or(self.row, |b| b.len() / rows) as i32;
        let narrow = |b: Option<&Buffer>| i32::from(b.is_some_and(|b| b.kind() != Kind::F32));
        Entry {
            weight: self.weight.address(),
            first: address_of(self.states[0]),
            second: address_of(self.states[1]),
            grad: address_of(self.grad),
            mask: address_of(self.mask),
            copy: address_of(self.copy),
            count: count as i32,
            row: self.row as i32,
            grad_row: long(self.grad),
            copy_row: long(self.copy),
            grad_narrow: narrow(self.grad),
            copy_narrow: narrow(self.copy),
        }
    }
}

impl Fused {
    /// A step of gradient descent with activations of `kind`. Gradients are first put into `limit`, and then their norm under
    /// `norm`, if there are such.
    pub fn sgd(
        &self,
        (gpu, kind): (&Gpu, Kind),
        parameters: &[Parameter],
        sgd: Sgd,
        clip: (Option<f32>, Option<f32>),
    ) -> Result<()> {
        assert!(parameters.iter().all(|p| p.grad.is_some() && p.states[0].is_some()), "a velocity");
        self.with((gpu, kind), parameters, |known| {
            let (limit, factor) = known.clip(gpu, kind, clip)?;
            launch!(
                gpu,
                kernel("sgd", kind),
                blocks(known.blocks),
                known.table.address(),
                known.pieces.address(),
                factor,
                limit,
                sgd.lr,
                sgd.momentum,
                sgd.weight_decay,
                i32::from(sgd.nesterov)
            );
            Ok(())
        })
    }

    /// A step of Adam or `AdamW`, as [`Self::sgd`].
    pub fn adam(
        &self,
        (gpu, kind): (&Gpu, Kind),
        parameters: &[Parameter],
        adam: Adam,
        clip: (Option<f32>, Option<f32>),
    ) -> Result<()> {
        let two = |p: &Parameter| p.grad.is_some() && p.states.iter().all(Option::is_some);
        assert!(parameters.iter().all(two), "two moments");
        self.with((gpu, kind), parameters, |known| {
            let (limit, factor) = known.clip(gpu, kind, clip)?;
            let c = Corrected::new(adam);
            launch!(
                gpu,
                kernel("adam", kind),
                blocks(known.blocks),
                known.table.address(),
                known.pieces.address(),
                factor,
                limit,
                c.size,
                c.root,
                adam.betas.0,
                adam.betas.1,
                adam.eps,
                c.penalty,
                c.shrink
            );
            Ok(())
        })
    }

    /// Moves each parameter's first state, its average, towards it.
    pub fn follow(&self, gpu: &Gpu, parameters: &[Parameter], decay: f32) -> Result<()> {
        assert!(parameters.iter().all(|p| p.states[0].is_some()), "an average");
        self.with((gpu, Kind::F32), parameters, |known| {
            let (kernel, grid) = (kernel("follow", Kind::F32), blocks(known.blocks));
            launch!(gpu, kernel, grid, known.table.address(), known.pieces.address(), decay);
            Ok(())
        })
    }

    /// Writes each parameter's copy, of activations of `kind` or f32.
    pub fn copy(&self, (gpu, kind): (&Gpu, Kind), parameters: &[Parameter]) -> Result<()> {
        self.with((gpu, kind), parameters, |known| {
            let (kernel, grid) = (kernel("copy", kind), blocks(known.blocks));
            launch!(gpu, kernel, grid, known.table.address(), known.pieces.address());
            Ok(())
        })
    }

    /// Runs `then` with the table of `parameters` on the device: the one that is there, if nothing
    /// moved since.
    fn with(
        &self,
        (gpu, kind): (&Gpu, Kind),
        parameters: &[Parameter],
        then: impl FnOnce(&Known) -> Result<()>,
    ) -> Result<()> {
        let entries: Vec<Entry> = parameters.iter().map(|p| p.entry(kind)).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let mut known = self.known.borrow_mut();
        if known.as_ref().is_none_or(|known| known.entries != entries) {
            *known = Some(Known::new(gpu, entries)?);
        }
        then(known.as_ref().expect("just made"))
    }
}

impl Known {
    fn new(gpu: &Gpu, entries: Vec<Entry>) -> Result<Self> {
        let of = |(k, e): (usize, &Entry)| {
            (0..e.count).step_by(PIECE).map(move |first| [k as i32, first]).collect::<Vec<_>>()
        };
        let pieces: Vec<[i32; 2]> = entries.iter().enumerate().flat_map(of).collect();
        Ok(Self {
            table: gpu.upload_bytes(bytes_of(&entries))?,
            blocks: pieces.len(),
            squares: gpu.room(Kind::F32, 2 * pieces.len())?,
            factor: gpu.room(Kind::F32, 1)?,
            pieces: gpu.upload_bytes(bytes_of(&pieces))?,
            entries,
        })
    }

    /// The limit of each gradient, and the address of the factor on all of them.
    fn clip(
        &self,
        gpu: &Gpu,
        kind: Kind,
        (value, norm): (Option<f32>, Option<f32>),
    ) -> Result<(f32, u64)> {
        let limit = value.unwrap_or(f32::INFINITY);
        let Some(norm) = norm else { return Ok((limit, 0)) };
        let (table, pieces) = (self.table.address(), self.pieces.address());
        let (squares, factor) = (self.squares.address(), self.factor.address());
        let grid = blocks(self.blocks);
        launch!(gpu, kernel("squares", kind), grid, table, pieces, limit, squares);
        let count = self.blocks as i32;
        launch!(gpu, kernel("clip_factor", kind), blocks(1), squares, count, norm, factor);
        Ok((limit, factor))
    }
}

fn kernel(name: &'static str, kind: Kind) -> Kernel {
    Source::Optimiser.narrow(name, kind)
}

fn blocks(count: usize) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (count as u32, 1, 1),
        block_dim: (BLOCK as u32, 1, 1),
        shared_mem_bytes: 0,
    }
}
