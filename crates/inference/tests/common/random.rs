//! Small networks of all kinds of layers, at random.

use geometry::Window;
use graph::op::{AveragePool, MaxPool};
use graph::{Activation, AdaptiveAverage, Shape};
use inference::{Kind, LayerNorm, Network, Source};
use seed::{Stream, stream};

use super::layers::{Builder, Grouping, start};
use super::zoo;

/// Layers, and what is drawn of them.
struct Maker {
    net: Builder,
    random: Stream,
    /// Layers that others may read.
    values: Vec<usize>,
}

/// A network of this many steps, its weights, rows and columns pruned: some channels are constant, and
/// some nobody reads.
pub fn network(steps: usize, seed: u64) -> Network {
    let net = start(3);
    let mut maker = Maker { net, random: stream(seed, "test/random", 0), values: vec![0] };
    let first = maker.net.conv(0, 4, 3);
    maker.values = vec![first];
    for _ in 0..steps {
        let next = maker.step();
        maker.values.push(next);
    }
    let ends = [maker.any(), *maker.values.last().expect("the first convolution")];
    let end = maker.concat(&ends);
    let end = if maker.random.chance(0.3) { maker.flatten(end) } else { end };
    let Maker { net, mut random, .. } = maker;
    let mut network = net.finish(end);
    zoo::prune_weights(&mut network, 0.2, &mut random);
    zoo::prune_rows(&mut network, 0.3, &mut random);
    zoo::prune_columns(&mut network, 0.3, &mut random);
    network
}

impl Maker {
    fn step(&mut self) -> usize {
        let x = self.any();
        match self.below(12) {
            0 | 1 => self.conv(x),
            2 => self.grouped(x),
            3 => self.norm(x),
            4 => self.layer_norm(x),
            5 => {
                let all = [x, self.any(), self.any()];
                let count = 2 + self.below(2);
                self.concat(&all[..count])
            }
            6 => self.slice(x),
            7 => self.shuffle(x),
            8 => self.pad_channels(x),
            9 => self.sum(x),
            10 => self.gate(x),
            _ => self.pool(x),
        }
    }

    fn below(&mut self, count: usize) -> usize {
        self.random.below(count)
    }

    fn any(&mut self) -> usize {
        let i = self.below(self.values.len());
        self.values[i]
    }

    fn channels(&mut self, x: usize) -> usize {
        self.net.layer(x).shape.c
    }

    /// Adds an activation to layer `x`, or none.
    fn activate(&mut self, x: usize) -> usize {
        let all = [
            None,
            Some(Activation::Relu),
            Some(Activation::Sigmoid),
            Some(Activation::HardSigmoid),
            Some(Activation::Silu),
        ];
        let which = self.below(all.len());
        self.net.layer(x).activation = all[which];
        x
    }

    fn conv(&mut self, x: usize) -> usize {
        let (outputs, kernel) = (1 + self.below(6), [1, 3][self.below(2)]);
        let y = self.net.conv(x, outputs, kernel);
        let other = self.any();
        if self.channels(other) == outputs {
            self.net.layer(y).add = Some(other);
        }
        self.activate(y)
    }

    /// A convolution in two groups, or of each channel alone.
    fn grouped(&mut self, x: usize) -> usize {
        let c = self.channels(x);
        let groups = if c.is_multiple_of(2) && self.random.chance(0.3) { 2 } else { c };
        let y = self.net.grouped(x, c, Grouping { kernel: 3, groups });
        self.activate(y)
    }

    fn norm(&mut self, x: usize) -> usize {
        let groups = self.channels(x);
        let y = self.net.grouped(x, groups, Grouping { kernel: 1, groups });
        self.activate(y)
    }

    /// Rarely: it keeps all channels that it reads.
    fn layer_norm(&mut self, x: usize) -> usize {
        if self.random.chance(0.7) {
            let y = self.net.same(Kind::Copy, &[x]);
            return self.activate(y);
        }
        let norm = LayerNorm { eps: 1e-3, weight: vec![], bias: vec![] };
        self.net.same(Kind::LayerNorm(norm), &[x])
    }

    fn gather(&mut self, inputs: &[usize], sources: Vec<Source>) -> usize {
        let shape = Shape { c: sources.len(), ..self.net.layer(inputs[0]).shape };
        let y = self.net.push(Kind::Gather(sources), inputs, shape);
        self.activate(y)
    }

    fn concat(&mut self, inputs: &[usize]) -> usize {
        let mut sources = Vec::new();
        for (input, x) in inputs.iter().enumerate() {
            sources
                .extend((0..self.channels(*x)).map(|channel| Source::Channel { input, channel }));
        }
        let most = 12;
        sources.truncate(most);
        self.gather(inputs, sources)
    }

    fn slice(&mut self, x: usize) -> usize {
        let c = self.channels(x);
        let start = self.below(c);
        let end = start + 1 + self.below(c - start);
        self.gather(&[x], (start..end).map(first).collect())
    }

    fn shuffle(&mut self, x: usize) -> usize {
        let c = self.channels(x);
        let groups = (2..=3).find(|groups| c.is_multiple_of(*groups)).unwrap_or(1);
        self.gather(&[x], (0..c).map(|i| first(i % groups * (c / groups) + i / groups)).collect())
    }

    fn pad_channels(&mut self, x: usize) -> usize {
        let c = self.channels(x);
        let zeros = [(); 2].map(|()| vec![Source::Value(0.0); self.below(3)]);
        let [before, after] = zeros;
        let own = (0..c).map(first);
        self.gather(&[x], before.into_iter().chain(own).chain(after).collect())
    }

    /// The sum with another of as many channels, or with a convolution of it.
    fn sum(&mut self, x: usize) -> usize {
        let (c, other) = (self.channels(x), self.any());
        let other = if self.channels(other) == c { other } else { self.net.conv(other, c, 3) };
        let y = self.net.same(Kind::Add, &[x, other]);
        self.activate(y)
    }

    fn gate(&mut self, x: usize) -> usize {
        let shape = Shape::new(self.channels(x), 1, 1);
        let means = self.net.push(Kind::AdaptiveAverage(AdaptiveAverage::GLOBAL), &[x], shape);
        let gate = self.net.conv(means, shape.c, 1);
        let gate = self.activate(gate);
        self.net.same(Kind::Multiply, &[x, gate])
    }

    fn pool(&mut self, x: usize) -> usize {
        let window = Window::square(3, 1, 1);
        let pool = if self.random.chance(0.5) {
            Kind::MaxPool(MaxPool { window, ceil: false })
        } else {
            let count_padding = self.random.chance(0.5);
            Kind::AveragePool(AveragePool { window, ceil: false, count_padding })
        };
        self.net.same(pool, &[x])
    }

    fn flatten(&mut self, x: usize) -> usize {
        let shape = Shape::new(self.net.layer(x).shape.count(), 1, 1);
        let y = self.net.push(Kind::Flatten, &[x], shape);
        self.activate(y)
    }
}

fn first(channel: usize) -> Source {
    Source::Channel { input: 0, channel }
}
