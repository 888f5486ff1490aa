//! Runs a plan on images. Buffers of a run are kept for the next: after the first no activation is
//! allocated.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kernels::flat::{self, Map, Output};
use kernels::{Buffer, LANES, Lanes, pack};
use rayon::prelude::*;

use crate::block::BlockOperands;
use crate::flat::FlatOperands;
use crate::plan::{Ready, tasks};
use crate::{Plan, awake};

/// Buffers of past runs.
#[derive(Default)]
pub(crate) struct Rooms {
    /// Of one image each.
    flat: Mutex<Vec<Arena>>,
    /// Of a batch each, and those in which the values of its images cross the split.
    blocks: Mutex<Vec<(Arena, Vec<Option<Buffer>>)>>,
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
        rayon::scope(|_| {
            if Share::of(images.len() / self.image_len()).tasks > 1 {
                awake::with(|| self.run(images))
            } else {
                self.run(images)
            }
        })
    }

    /// Values of one image, all channels.
    fn image_len(&self) -> usize {
        let input = self.maps[0];
        input.channels * input.h * input.w
    }

    fn run(&self, images: &[f32]) -> Vec<f32> {
        let each = self.image_len();
        assert!(images.len().is_multiple_of(each), "whole images");
        let mut logits = vec![0.0; images.len() / each * self.classes];
        if self.split + 1 == self.steps.len() {
            let all = images.par_chunks(each).zip(logits.par_chunks_mut(self.classes));
            let last = self.maps[self.split];
            let share = Share::of(images.len() / each);
            let run = |(image, y): (&[f32], &mut [f32])| {
                let cross = |arena: &mut Arena| {
                    let x = arena.read(self.flat.of[self.split], last.len());
                    flat::to_plain(last, x, y);
                };
                awake::computing(|| self.image(image, share, cross));
            };
            all.for_each(run);
            return logits;
        }
        let chunks = images.chunks(self.together * each);
        for (images, y) in chunks.zip(logits.chunks_mut(self.together * self.classes)) {
            self.batch(images, images.len() / each, y, &mut |_| {});
        }
        logits
    }

    /// Runs `images` as [`Plan::logits`] does, and shows the output of each layer, the input first.
    ///
    /// # Panics
    /// If layers are run image by image, which would show them in another order, or `images` holds a
    /// part of an image.
    pub fn shown(&self, images: &[f32], mut see: impl FnMut(Shown)) {
        assert_eq!(self.split, 0, "a plan of blocks alone");
        let input = self.maps[0];
        let each = input.channels * input.h * input.w;
        assert!(images.len().is_multiple_of(each), "whole images");
        let mut logits = vec![0.0; self.together * self.classes];
        for images in images.chunks(self.together * each) {
            let n = images.len() / each;
            self.batch(images, n, &mut logits[..n * self.classes], &mut see);
        }
    }

    /// Runs one image up to the split and hands the buffers with what crosses it to `cross`.
    fn image(&self, image: &[f32], share: Share, cross: impl FnOnce(&mut Arena)) {
        let make = || Arena::new(self.flat.lens.iter().copied(), self.room);
        let mut arena = taken(&self.rooms.flat, make);
        let len = |n: usize| self.maps[n].len();
        for (n, step) in self.steps[..=self.split].iter().enumerate() {
            let start = Instant::now();
            let mut y = arena.take(self.flat.of[n]);
            match &step.ready {
                Ready::Input => {
                    let (map, values) = (self.maps[0], &mut y[..len(0)]);
                    flat::from_plain(image, Output { map, values, tasks: share.tasks });
                }
                Ready::Flat(layer) => {
                    let mut room = arena.room.take().expect("given back after each step");
                    let read = |n: usize| arena.read(self.flat.of[n], len(n));
                    let inputs: Vec<&[f32]> = step.inputs.iter().map(|n| read(*n)).collect();
                    layer.run(FlatOperands {
                        inputs: &inputs,
                        add: step.add.map_or(&[][..], read),
                        room: &mut room,
                        y: &mut y[..len(n)],
                        tasks: share.tasks,
                    });
                    arena.room = Some(room);
                }
                Ready::Block(_) => unreachable!("blocks begin behind the split"),
            }
            arena.buffers[self.flat.of[n]] = Some(y);
            self.spent(n, start, share.parallel);
        }
        cross(&mut arena);
        given(&self.rooms.flat, arena);
    }

    /// Runs a batch of at most `together` images.
    fn batch(&self, images: &[f32], n: usize, logits: &mut [f32], see: &mut dyn FnMut(Shown)) {
        let make = || {
            let lens = self.blocks.lens.iter().map(|pixels| pixels * self.together);
            // Images that are blocks from the beginning cross nothing.
            let images = if self.split == 0 { 0 } else { self.together };
            let each = || self.crossing.iter().map(|n| self.flat.lens[self.flat.of[*n]]);
            let crossed = (0..images).flat_map(|_| each()).map(|len| Some(Buffer::zeros(len)));
            (Arena::new(lens, 0), crossed.collect())
        };
        let (mut arena, mut crossed) = taken(&self.rooms.blocks, make);
        let lanes = Lanes::of(n);
        self.cross(images, n, (&mut arena, &mut crossed));
        if self.split == 0 {
            let values = arena.read(self.buffer(0), self.block_len(0, lanes));
            see(Shown { layer: 0, channels: self.maps[0].channels, lanes, values });
        }
        for (i, step) in self.steps.iter().enumerate().skip(self.split + 1) {
            let Ready::Block(layer) = &step.ready else { unreachable!("blocks go to the end") };
            let start = Instant::now();
            let mut y = arena.take(self.buffer(i));
            let read = |n: usize| arena.read(self.buffer(n), self.block_len(n, lanes));
            let inputs: Vec<&[f32]> = step.inputs.iter().map(|n| read(*n)).collect();
            let (add, len) = (step.add.map_or(&[][..], read), self.block_len(i, lanes));
            layer.run(BlockOperands { lanes, inputs: &inputs, add, y: &mut y[..len] });
            see(Shown { layer: i, channels: self.maps[i].channels, lanes, values: &y[..len] });
            arena.buffers[self.buffer(i)] = Some(y);
            self.spent(i, start, 1);
        }
        let last = self.steps.len() - 1;
        let y = arena.read(self.buffer(last), self.block_len(last, lanes));
        pack::from_blocks(y, self.classes, lanes, logits);
        given(&self.rooms.blocks, (arena, crossed));
    }

    /// Runs the `n` images up to the split, and makes blocks of what crosses it.
    fn cross(
        &self,
        images: &[f32],
        n: usize,
        (arena, crossed): (&mut Arena, &mut [Option<Buffer>]),
    ) {
        let lanes = Lanes::of(n);
        let each = images.len() / n;
        if self.split == 0 {
            let mut y = arena.take(self.buffer(0));
            pack::to_blocks(images, each, lanes, &mut y[..self.block_len(0, lanes)]);
            arena.buffers[self.buffer(0)] = Some(y);
            return;
        }
        let (share, values) = (Share::of(n), self.crossing.len());
        let crossed = &mut crossed[..n * values];
        images.par_chunks(each).zip(crossed.par_chunks_mut(values)).for_each(|(image, to)| {
            // Buffers change hands, so that nothing is copied.
            let cross = |own: &mut Arena| {
                for (to, n) in to.iter_mut().zip(&self.crossing) {
                    std::mem::swap(to, &mut own.buffers[self.flat.of[*n]]);
                }
            };
            awake::computing(|| self.image(image, share, cross));
        });
        for (i, &value) in self.crossing.iter().enumerate() {
            let start = Instant::now();
            let mut y = arena.take(self.buffer(value));
            let block = self.block_len(value, Lanes::of(1));
            let blocks = y[..self.block_len(value, lanes)].par_chunks_mut(block);
            blocks.zip(crossed.par_chunks(values * LANES)).for_each(|(y, images)| {
                to_block(self.maps[value], images.iter().skip(i).step_by(values), y);
            });
            arena.buffers[self.buffer(value)] = Some(y);
            self.spent(value, start, 1);
        }
    }

    /// The buffer of value `n` among those of blocks.
    fn buffer(&self, n: usize) -> usize {
        let crossed = self.crossing.iter().position(|c| *c == n);
        self.blocks.of[crossed.unwrap_or_else(|| n + self.crossing.len() - self.split - 1)]
    }

    fn block_len(&self, n: usize, lanes: Lanes) -> usize {
        let Map { channels, h, w, .. } = self.maps[n];
        lanes.blocks() * channels * h * w * LANES
    }

    fn spent(&self, n: usize, start: Instant, parallel: usize) {
        let nanos = start.elapsed().as_nanos() as u64 / parallel as u64;
        self.spent[n].fetch_add(nanos, Ordering::Relaxed);
    }

    /// Seconds that each layer has taken since this was last asked, in wall-clock time.
    pub fn take_spent(&self) -> Vec<f64> {
        let take = |nanos: &AtomicU64| nanos.swap(0, Ordering::Relaxed) as f64 * 1e-9;
        self.spent.iter().map(take).collect()
    }
}

/// Makes a block of up to sixteen images.
fn to_block<'a>(map: Map, images: impl Iterator<Item = &'a Option<Buffer>>, y: &mut [f32]) {
    let (mut all, mut real) = ([&[][..]; LANES], 0);
    for (place, image) in all.iter_mut().zip(images) {
        *place = &image.as_ref().expect("swapped, never taken")[..map.len()];
        real += 1;
    }
    flat::to_block(map, &all[..real], y);
}

/// The output of a layer for some images.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Which of the network's layers.
    pub layer: usize,
    channels: usize,
    lanes: Lanes,
    /// In blocks of sixteen images, some of which may be empty.
    values: &'a [f32],
}

impl Shown<'_> {
    /// All values of the images, in any order.
    pub fn values(&self) -> impl Iterator<Item = f32> {
        (0..self.channels).flat_map(|channel| self.channel(channel))
    }

    /// The values of one channel.
    pub fn channel(&self, channel: usize) -> impl Iterator<Item = f32> {
        let plane = self.values.len() / (self.lanes.blocks() * self.channels);
        (0..self.lanes.blocks()).flat_map(move |block| {
            let values = &self.values[(block * self.channels + channel) * plane..][..plane];
            let real = self.lanes.real(block);
            values.chunks_exact(LANES).flat_map(move |vector| vector[..real].iter().copied())
        })
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
