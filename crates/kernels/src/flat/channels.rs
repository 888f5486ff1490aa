//! Channels and borders of one image.

use super::image::rows;
use super::{Image, Output};
use crate::channels::Shuffle;
use crate::{Sides, Size};

/// Writes the channels of all `inputs`, one image after the other.
pub fn concat(inputs: &[Image], y: Output) {
    let channels: usize = inputs.iter().map(|x| x.map.channels).sum();
    assert_eq!(channels, y.map.channels, "channels");
    for x in inputs {
        check(*x, &y);
    }
    gather(y, |mut channel| {
        let is_within = |x: &&Image| {
            let within = channel < x.map.channels;
            channel -= if within { 0 } else { x.map.channels };
            within
        };
        let x = inputs.iter().find(is_within).expect("an input of each channel");
        Some(Source { x: *x, channel })
    });
}

/// Writes the channels of `x` from number `start` on, as many as `y` has.
pub fn slice_channels(start: usize, x: Image, y: Output) {
    assert!(start + y.map.channels <= x.map.channels, "channels");
    check(x, &y);
    gather(y, |channel| Some(Source { x, channel: start + channel }));
}

/// Writes `x` as the channels of `y` from number `start` on, and zeros as the others.
pub fn pad_channels(start: usize, x: Image, y: Output) {
    assert!(start + x.map.channels <= y.map.channels, "channels");
    check(x, &y);
    let span = start..start + x.map.channels;
    gather(y, |channel| span.contains(&channel).then(|| Source { x, channel: channel - start }));
}

/// Writes the channels of `x` in the order of a shuffle in `groups`.
pub fn shuffle(groups: usize, x: Image, y: Output) {
    let (channels, pixels) = (x.map.channels, x.map.h * x.map.w);
    assert!(channels == y.map.channels && channels.is_multiple_of(groups), "channels");
    check(x, &y);
    let shuffle = Shuffle { channels, groups, pixels };
    gather(y, |channel| Some(Source { x, channel: shuffle.source(channel) }));
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

/// A channel of an image.
struct Source<'a> {
    x: Image<'a>,
    channel: usize,
}

/// Writes each channel: that which `source` says, or zeros.
fn gather<'a>(y: Output, source: impl Fn(usize) -> Option<Source<'a>> + Sync) {
    let map = y.map;
    y.each_channel(|c, y| match source(c) {
        None => y.fill(0.0),
        Some(Source { x, channel }) if x.map.pad == map.pad => {
            y.copy_from_slice(x.channel(channel));
        }
        Some(Source { x, channel }) => {
            for (i, row) in rows(map, y).enumerate() {
                row.copy_from_slice(x.row(channel, i));
            }
        }
    });
}
