//! Channels in another place, zeros around maps, vectors of maps; a factor and a summand a channel.

use anyhow::Result;
use kernels::border::Border;
use kernels::channels::{Shuffle, Span};
use kernels::norm::Plane;
use kernels::{Lanes, Sides, Size as Map};

use super::place::{Place, Size};
use super::{Case, Kind};
use crate::Tensor;
use crate::ops::{
    Concat, CropBorders, Flatten, PadBorders, PadChannels, ScaleChannels, ScaleChannelsGrad,
    ShiftChannels, ShiftChannelsGrad, ShuffleChannels, SliceChannels, Unflatten, apply,
};

const IMAGES: usize = 17;
const H: usize = 3;
const W: usize = 5;

/// Channels of the parts.
const CONCAT: [&[usize]; 3] = [&[16, 8, 24], &[3, 16], &[7]];
/// All channels, the first of some, and the one behind the last.
const SPANS: [[usize; 3]; 4] = [[32, 8, 24], [24, 3, 20], [7, 0, 6], [16, 0, 16]];
/// Channels and groups.
const SHUFFLES: [[usize; 2]; 3] = [[16, 2], [24, 3], [7, 7]];
/// Channels; pixels at the top, the left, the bottom and the right.
const BORDERS: [(usize, [usize; 4]); 3] =
    [(16, [0, 1, 2, 0]), (7, [1, 1, 1, 1]), (8, [3, 0, 0, 4])];
/// Channels.
const CHANNELS: [usize; 3] = [16, 7, 320];

pub(super) fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = CONCAT.into_iter().map(concat).collect();
    all.extend(SPANS.into_iter().flat_map(span));
    all.extend(SHUFFLES.into_iter().map(shuffle));
    all.extend(BORDERS.into_iter().flat_map(|(channels, sides)| border(channels, sides)));
    all.extend(CHANNELS.into_iter().flat_map(flat));
    all.extend(CHANNELS.into_iter().flat_map(each_channel));
    all
}

fn random(place: &Place, name: &str, size: Size) -> Result<Tensor> {
    place.activation(&place.random(name, IMAGES * size.iter().product::<usize>()), size)
}

/// What `run` makes of a random activation of one size in one of another.
fn moved(
    name: String,
    from: Size,
    to: Size,
    run: impl Fn(&Tensor, &Tensor) -> Result<()> + 'static,
) -> Case {
    Case::new(name, Kind::Moved, move |place| {
        let (x, y) = (random(place, "x", from)?, place.activation_room(IMAGES, to)?);
        run(&y, &x)?;
        place.read(&y, IMAGES, to)
    })
}

fn concat(parts: &'static [usize]) -> Case {
    Case::new(format!("concat {parts:?}"), Kind::Moved, move |place| {
        let each = parts.iter().enumerate();
        let sources: Vec<Tensor> = each
            .map(|(k, channels)| random(place, &format!("part {k}"), [*channels, H, W]))
            .collect::<Result<_>>()?;
        let size = [parts.iter().sum(), H, W];
        let y = place.activation_room(IMAGES, size)?;
        let op = Concat { channels: parts.to_vec(), pixels: H * W };
        apply(&op, &y, &sources.iter().collect::<Vec<_>>())?;
        place.read(&y, IMAGES, size)
    })
}

fn span([channels, start, end]: [usize; 3]) -> [Case; 2] {
    let span = Span { channels, start, end, pixels: H * W };
    let (all, some) = ([channels, H, W], [end - start, H, W]);
    let name = format!("{start} to {end} of {channels}");
    [
        moved(format!("slice {name}"), all, some, move |y, x| apply(&SliceChannels(span), y, &[x])),
        moved(format!("pad-channels {name}"), some, all, move |y, x| {
            apply(&PadChannels(span), y, &[x])
        }),
    ]
}

fn shuffle([channels, groups]: [usize; 2]) -> Case {
    let (op, size) = (Shuffle { channels, groups, pixels: H * W }, [channels, H, W]);
    moved(format!("shuffle {channels} in {groups}"), size, size, move |y, x| {
        apply(&ShuffleChannels(op), y, &[x])
    })
}

fn border(channels: usize, [top, left, bottom, right]: [usize; 4]) -> [Case; 2] {
    let sides = Sides { top, left, bottom, right };
    let border = Border { size: Map { h: H, w: W }, sides };
    let (inner, outer) = ([channels, H, W], [channels, border.output().h, border.output().w]);
    let name = format!("{channels} by {sides}");
    [
        moved(format!("pad-borders {name}"), inner, outer, move |y, x| {
            apply(&PadBorders { border, channels }, y, &[x])
        }),
        moved(format!("crop-borders {name}"), outer, inner, move |y, x| {
            apply(&CropBorders { border, channels }, y, &[x])
        }),
    ]
}

fn flat(channels: usize) -> [Case; 2] {
    let (map, vector, pixels) = ([channels, H, W], [channels * H * W, 1, 1], H * W);
    [
        moved(format!("flatten {channels}"), map, vector, move |y, x| {
            apply(&Flatten { pixels, channels }, y, &[x])
        }),
        moved(format!("unflatten {channels}"), vector, map, move |y, x| {
            apply(&Unflatten { pixels, channels }, y, &[x])
        }),
    ]
}

/// A factor and a summand a channel, and their gradients.
fn each_channel(channels: usize) -> [Case; 4] {
    let (size, lanes) = ([channels, H, W], Lanes::of(IMAGES));
    let plane = Plane { lanes, channels, pixels: H * W };
    let forward = move |name: &str, run: fn(Plane, &Tensor, [&Tensor; 2]) -> Result<()>| {
        Case::new(format!("{name} {channels}"), Kind::Operation, move |place| {
            let each = place.plain(place.random("each", channels))?;
            let (x, y) = (random(place, "x", size)?, place.activation_room(IMAGES, size)?);
            run(plane, &y, [&x, &each])?;
            place.read(&y, IMAGES, size)
        })
    };
    let backward = move |name: &str, run: fn(Plane, &Tensor, [&Tensor; 2]) -> Result<()>| {
        Case::new(format!("{name} {channels}"), Kind::Operation, move |place| {
            let (dy, x) = (random(place, "dy", size)?, random(place, "x", size)?);
            let each = place.room(channels)?;
            run(plane, &each, [&dy, &x])?;
            each.host()
        })
    };
    [
        forward("scale-channels", |plane, y, s| apply(&ScaleChannels(plane), y, &s)),
        forward("shift-channels", |plane, y, s| apply(&ShiftChannels(plane), y, &s)),
        backward("scale-channels-grad", |plane, y, s| apply(&ScaleChannelsGrad(plane), y, &s)),
        backward("shift-channels-grad", |plane, y, s| apply(&ShiftChannelsGrad(plane), y, &s[..1])),
    ]
}
