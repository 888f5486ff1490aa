//! Runs a plan on images. Buffers of a run are kept for the next: after the first no activation is
//! allocated.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kernels::flat::{self, Map};
use kernels::{Buffer, LANES, Lanes, pack};
use rayon::prelude::*;

use crate::Plan;
use crate::plan::{Ready, tasks};

/// Buffers of past runs.
#[derive(Default)]
pub(crate) struct Rooms {
    /// Of one image each.
    flat: Mutex<Vec<Arena>>,
    /// Of a batch each, and its images' values that cross the split.
    blocks: Mutex<Vec<(Arena, Buffer)>>,
}

/// Buffers by number; one that is being written is taken out.
struct Arena {
    buffers: Vec<Option<Buffer>>,
    room: Option<Buffer>,
}

impl Arena {
    fn new(lens: impl Iterator<Item = usize>, room: usize) -> Self {
        let buffers = lens.map(|len| Some(Buffer::zeros(len))).collect();
        Self { buffers, room: Some(Buffer::zeros(room)) }
    }

    /// The first `len` values of buffer `n`.
    fn read(&self, n: usize, len: usize) -> &[f32] {
        &self.buffers[n].as_ref().expect("nothing reads what it writes")[..len]
    }

    fn take(&mut self, n: usize) -> Buffer {
        self.buffers[n].take().expect("given back after each step")
    }
}

fn taken<T>(pool: &Mutex<Vec<T>>, make: impl FnOnce() -> T) -> T {
    let found = pool.lock().expect("no panic while held").pop();
    found.unwrap_or_else(make)
}

fn given<T>(pool: &Mutex<Vec<T>>, used: T) {
    pool.lock().expect("no panic while held").push(used);
}

impl Plan {
    /// The logits `(n, classes)` of `images`, which are `(n, channels, rows, columns)`.
    ///
    /// # Panics
    /// If `images` holds a part of an image.
    pub fn logits(&self, images: &[f32]) -> Vec<f32> {
        // All of it on a thread of the pool: entered from outside layer by layer, each layer would
        // wait for a thread to wake up.
        rayon::scope(|_| self.run(images))
    }

    fn run(&self, images: &[f32]) -> Vec<f32> {
        let input = self.maps[0];
        let each = input.channels * input.h * input.w;
        assert!(images.len().is_multiple_of(each), "whole images");
        let mut logits = vec![0.0; images.len() / each * self.classes];
        if self.split + 1 == self.steps.len() {
            let all = images.par_chunks(each).zip(logits.par_chunks_mut(self.classes));
            let last = self.maps[self.split];
            let share = Share::of(images.len() / each);
            let run = |(image, y): (&[f32], &mut [f32])| {
                self.image(image, share, |_, x| flat::to_plain(last, x, y));
            };
            all.for_each(run);
            return logits;
        }
        let chunks = images.chunks(self.together * each);
        for (images, y) in chunks.zip(logits.chunks_mut(self.together * self.classes)) {
            self.batch(images, images.len() / each, y);
        }
        logits
    }

    /// Runs one image up to the split and hands what crosses it to `cross`, with its number among
    /// these.
    fn image(&self, image: &[f32], share: Share, mut cross: impl FnMut(usize, &[f32])) {
        let make = || Arena::new(self.flat.lens.iter().copied(), self.room);
        let mut arena = taken(&self.rooms.flat, make);
        let len = |n: usize| self.maps[n].len();
        for (n, step) in self.steps[..=self.split].iter().enumerate() {
            let start = Instant::now();
            let mut y = arena.take(self.flat.of[n]);
            match &step.ready {
                Ready::Input => flat::from_plain(self.maps[0], image, &mut y[..len(0)]),
                Ready::Flat(layer) => {
                    let mut room = arena.room.take().expect("given back after each step");
                    let read = |n: usize| arena.read(self.flat.of[n], len(n));
                    let add = step.add.map_or(&[][..], read);
                    let to = (&mut room[..], &mut y[..len(n)]);
                    layer.run(step.inputs.map(read), add, to, share.tasks);
                    arena.room = Some(room);
                }
                Ready::Block(_) => unreachable!("blocks begin behind the split"),
            }
            arena.buffers[self.flat.of[n]] = Some(y);
            self.spent(n, start, share.parallel);
        }
        for (i, n) in self.crossing.iter().enumerate() {
            cross(i, arena.read(self.flat.of[*n], len(*n)));
        }
        given(&self.rooms.flat, arena);
    }

    /// Runs a batch of at most `together` images.
    fn batch(&self, images: &[f32], n: usize, logits: &mut [f32]) {
        let crossing: usize = self.crossing.iter().map(|n| self.maps[*n].len()).sum();
        let make = || {
            let lens = self.blocks.lens.iter().map(|pixels| pixels * self.together);
            // Images that are blocks from the beginning cross nothing.
            let crossed = if self.split == 0 { 0 } else { self.together * crossing };
            (Arena::new(lens, 0), Buffer::zeros(crossed))
        };
        let (mut arena, mut crossed) = taken(&self.rooms.blocks, make);
        let lanes = Lanes::of(n);
        self.cross(images, (n, crossing), (&mut arena, &mut crossed));
        for (i, step) in self.steps.iter().enumerate().skip(self.split + 1) {
            let Ready::Block(layer) = &step.ready else { unreachable!("blocks go to the end") };
            let start = Instant::now();
            let mut y = arena.take(self.buffer(i));
            let read = |n: usize| arena.read(self.buffer(n), self.block_len(n, lanes));
            let add = step.add.map_or(&[][..], read);
            let len = self.block_len(i, lanes);
            layer.run(lanes, step.inputs.map(read), add, &mut y[..len]);
            arena.buffers[self.buffer(i)] = Some(y);
            self.spent(i, start, 1);
        }
        let last = self.steps.len() - 1;
        let y = arena.read(self.buffer(last), self.block_len(last, lanes));
        pack::from_blocks(y, self.classes, lanes, logits);
        given(&self.rooms.blocks, (arena, crossed));
    }

    /// Runs the images up to the split, and makes blocks of what crosses it.
    fn cross(
        &self,
        images: &[f32],
        (n, crossing): (usize, usize),
        (arena, crossed): (&mut Arena, &mut Buffer),
    ) {
        let lanes = Lanes::of(n);
        let each = images.len() / n;
        if self.split == 0 {
            let mut y = arena.take(self.buffer(0));
            pack::to_blocks(images, each, lanes, &mut y[..self.block_len(0, lanes)]);
            arena.buffers[self.buffer(0)] = Some(y);
            return;
        }
        let share = Share::of(n);
        let to = crossed[..n * crossing].par_chunks_mut(crossing);
        images.par_chunks(each).zip(to).for_each(|(image, to)| {
            let mut at = 0;
            self.image(image, share, |_, x| {
                to[at..at + x.len()].copy_from_slice(x);
                at += x.len();
            });
        });
        let mut at = 0;
        for &value in &self.crossing {
            let map = self.maps[value];
            let start = Instant::now();
            let mut y = arena.take(self.buffer(value));
            let block = self.block_len(value, Lanes::of(1));
            let blocks = y[..self.block_len(value, lanes)].par_chunks_mut(block);
            blocks.zip(crossed[..n * crossing].par_chunks(crossing * LANES)).for_each(|(y, x)| {
                let mut images = [&[][..]; LANES];
                let real = x.len() / crossing;
                for (image, x) in images.iter_mut().zip(x.chunks_exact(crossing)) {
                    *image = &x[at..at + map.len()];
                }
                flat::to_block(map, &images[..real], y);
            });
            arena.buffers[self.buffer(value)] = Some(y);
            at += map.len();
            self.spent(value, start, 1);
        }
    }

    /// The buffer of value `n` among those of blocks.
    fn buffer(&self, n: usize) -> usize {
        let crossed = self.crossing.iter().position(|c| *c == n);
        self.blocks.of[crossed.unwrap_or(n + self.crossing.len() - self.split - 1)]
    }

    fn block_len(&self, n: usize, lanes: Lanes) -> usize {
        let Map { channels, h, w, .. } = self.maps[n];
        lanes.blocks() * channels * h * w * LANES
    }

    fn spent(&self, n: usize, start: Instant, parallel: usize) {
        let nanos = start.elapsed().as_nanos() as u64 / parallel as u64;
        self.spent[n].fetch_add(nanos, Ordering::Relaxed);
    }

    /// Seconds that each layer has taken since this was last asked, by the clock on the wall.
    pub fn take_spent(&self) -> Vec<f64> {
        let take = |nanos: &AtomicU64| nanos.swap(0, Ordering::Relaxed) as f64 * 1e-9;
        self.spent.iter().map(take).collect()
    }
}

/// How images share the threads.
#[derive(Clone, Copy)]
struct Share {
    /// Parts that a layer of one image is split into.
    tasks: usize,
    /// Images that are run at the same time.
    parallel: usize,
}

impl Share {
    fn of(images: usize) -> Self {
        let threads = rayon::current_num_threads();
        if images >= threads {
            return Self { tasks: 1, parallel: threads };
        }
        Self { tasks: tasks(), parallel: images }
    }
}
