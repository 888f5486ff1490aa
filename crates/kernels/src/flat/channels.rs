//! Channels and borders of one image.

use super::image::rows;
use super::{Image, Map, Output};
use crate::channels::{self, Source};
use crate::{Sides, Size};

/// Writes the channels that `sources` name, of `inputs`.
pub fn gather(inputs: &[Image], sources: &[Source], y: Output) {
    assert_eq!(sources.len(), y.map.channels, "channels");
    for x in inputs {
        check(*x, &y);
    }
    channels::check(sources, |input| inputs[input].map.channels);
    let map = y.map;
    y.each_channel(|c, y| match sources[c] {
        Source::Channel { input, channel } => copy(inputs[input], channel, (map, y)),
        Source::Value(value) => rows(map, y).for_each(|row| row.fill(value)),
    });
}

/// Writes `x` with zeros that count as pixels on its sides.
pub fn pad_borders(sides: Sides, x: Image, y: Output) {
    let Sides { top, left, bottom, right } = sides;
    let (from, map) = (x.map, y.map);
    let size = Size { h: from.h + top + bottom, w: from.w + left + right };
    assert_eq!((Size { h: map.h, w: map.w }, map.channels), (size, from.channels), "sizes");
    x.check();
    y.each_channel(|c, channel| {
        let within = rows(map, channel).skip(top).take(from.h);
        for (i, row) in within.enumerate() {
            row[left..left + from.w].copy_from_slice(x.row(c, i));
        }
    });
}

/// Refuses an image of another height and width than the output's.
fn check(x: Image, y: &Output) {
    x.check();
    assert_eq!((x.map.h, x.map.w), (y.map.h, y.map.w), "sizes");
}

/// Writes a channel of `x` to where its pixels lie as the map says.
fn copy(x: Image, channel: usize, (map, y): (Map, &mut [f32])) {
    if x.map.pad == map.pad {
        return y.copy_from_slice(x.channel(channel));
    }
    for (i, row) in rows(map, y).enumerate() {
        row.copy_from_slice(x.row(channel, i));
    }
}
