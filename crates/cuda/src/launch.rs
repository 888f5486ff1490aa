//! Launching kernels: the sizes of grids, and arguments.

use artifact::Result;
use cudarc::driver::{CudaFunction, LaunchConfig};

use crate::compile::{Kernel, Source};
use crate::{Buffer, Gpu, Kind};

/// Threads of a block, as the kernels' `BLOCK`.
pub(crate) const BLOCK: usize = 256;
/// Threads of a warp, as the kernels' `WARP`.
const WARP: usize = 32;
/// Blocks of a launch over a line of work: threads loop over the rest.
const MOST: usize = 1 << 14;
/// Blocks of a launch over columns, over all columns: enough for every multiprocessor several
/// times, few enough that adding up their sums is nothing.
const COLUMN_BLOCKS: usize = 1056;
/// Rows that a thread of such a launch has at least, where there are as many.
const ROWS: usize = 4;

/// Launches `kernel` of `gpu` on `config` with the arguments, in the kernel's order: numbers of the
/// kernel's types, and addresses.
macro_rules! launch {
    ($gpu:expr, $kernel:expr, $config:expr, $($argument:expr),+ $(,)?) => {{
        use cudarc::driver::PushKernelArg as _;
        let (kernel, config) = ($kernel, $config);
        let function = $gpu.function(kernel)?;
        let stream = $gpu.stream();
        let mut launch = stream.launch_builder(&function);
        $(
            let argument = $argument;
            launch.arg(&argument);
        )+
        // SAFETY: each call below `ops` checks that the buffers hold what the kernel reads and
        // writes, and passes arguments of the types that it declares.
        let launched = unsafe { launch.launch(config) };
        $gpu.check(kernel.name, launched.map(drop))?;
    }};
}
pub(crate) use launch;

impl Gpu {
    pub(crate) fn function(&self, kernel: Kernel) -> Result<CudaFunction> {
        self.programs.borrow_mut().function(kernel)
    }
}

impl Source {
    /// The kernel `name` for activations of `kind`, 16 bytes at a time where `len` of them allow it.
    pub(crate) fn kernel(self, name: &'static str, kind: Kind, len: usize) -> Kernel {
        Kernel { source: self, name, kind, wide: len.is_multiple_of(16 / kind.size()) }
    }

    /// The kernel `name` for activations of `kind`, one at a time.
    pub(crate) fn narrow(self, name: &'static str, kind: Kind) -> Kernel {
        Kernel { source: self, name, kind, wide: false }
    }
}

impl Kernel {
    /// Activations at a time.
    pub(crate) fn vector(self) -> usize {
        if self.wide { 16 / self.kind.size() } else { 1 }
    }
}

/// A launch of a thread for each of `count`.
pub(crate) fn line(count: usize) -> LaunchConfig {
    let blocks = count.div_ceil(BLOCK).clamp(1, MOST);
    LaunchConfig {
        grid_dim: (blocks as u32, 1, 1),
        block_dim: (BLOCK as u32, 1, 1),
        shared_mem_bytes: 0,
    }
}

/// A launch over `rows` of `lanes`: threads side by side have lanes side by side, and each a part of
/// the rows. The number of blocks that share a column is the grid's first dimension.
pub(crate) fn columns(rows: usize, lanes: usize) -> LaunchConfig {
    let (tiles, wide, tall) = tile(lanes);
    let blocks = rows.div_ceil(tall * ROWS).clamp(1, (COLUMN_BLOCKS / tiles).max(1));
    LaunchConfig {
        grid_dim: (blocks as u32, tiles as u32, 1),
        block_dim: (wide as u32, tall as u32, 1),
        shared_mem_bytes: 0,
    }
}

/// As [`columns`] with a block for each of `groups` of rows.
pub(crate) fn groups(groups: usize, lanes: usize) -> LaunchConfig {
    let (tiles, wide, tall) = tile(lanes);
    LaunchConfig {
        grid_dim: (groups as u32, tiles as u32, 1),
        block_dim: (wide as u32, tall as u32, 1),
        shared_mem_bytes: 0,
    }
}

/// A launch over `rows`, each of which a warp works on by itself.
pub(crate) fn warps(rows: usize) -> LaunchConfig {
    let tall = BLOCK / WARP;
    LaunchConfig {
        grid_dim: (rows.div_ceil(tall).clamp(1, MOST) as u32, 1, 1),
        block_dim: (WARP as u32, tall as u32, 1),
        shared_mem_bytes: 0,
    }
}

/// Tiles that `lanes` are split into, lanes of each, and threads of a block over each other.
fn tile(lanes: usize) -> (usize, usize, usize) {
    let tiles = lanes.div_ceil(BLOCK);
    let wide = lanes.div_ceil(tiles);
    (tiles, wide, BLOCK / wide)
}

/// The launch that adds up the sums of blocks for `channels`.
pub(crate) fn channels(channels: usize) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (channels.div_ceil(8) as u32, 1, 1),
        block_dim: (8, 32, 1),
        shared_mem_bytes: 0,
    }
}

/// The address of what may be missing.
pub(crate) fn address_of(buffer: Option<&Buffer>) -> u64 {
    buffer.map_or(0, Buffer::address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launches_cover_their_work() {
        for lanes in [1, 3, 8, 18, 32, 255, 256, 257, 288, 2304] {
            for rows in [1, 5, 1000, 1 << 20] {
                let config = columns(rows, lanes);
                let (wide, tall) = (config.block_dim.0 as usize, config.block_dim.1 as usize);
                assert!(wide * config.grid_dim.1 as usize >= lanes, "{lanes}");
                assert!(wide * tall <= BLOCK && tall > 0 && config.grid_dim.0 > 0, "{lanes}");
            }
        }
        assert_eq!([warps(0), warps(8), warps(9)].map(|w| w.grid_dim.0), [1, 1, 2]);
        assert_eq!(line(0).grid_dim.0, 1);
        assert_eq!(line(257).grid_dim.0, 2);
    }
}
