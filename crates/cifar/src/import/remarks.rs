//! What a user should know of the pictures that were taken.

use std::collections::BTreeMap;

use artifact::printable;

use super::folder::Picture;
use super::part::Part;
use super::pictures::Seen;
use crate::{Fit, Fitting, Size};

/// The most that one side may be of the other without a remark where the middle is cropped.
const MOST_RATIO: usize = 50;

/// Gathers them while pictures are decoded, part by part.
pub struct Remarks {
    cropped: bool,
    /// For each part, in the order of its pictures.
    digests: Vec<Vec<[u8; 32]>>,
    current: Vec<[u8; 32]>,
    /// (part, picture) of the first picture of an animation, and of strips; how many there are.
    moving: Counted,
    strips: Counted,
}

/// How many pictures there are of a kind, and the (part, index) of the first.
#[derive(Default)]
struct Counted {
    count: usize,
    first: Option<(usize, usize)>,
}

impl Counted {
    fn add(&mut self, place: (usize, usize)) {
        self.count += 1;
        self.first.get_or_insert(place);
    }

    /// `what` with the count and the example, where there is one.
    fn told(&self, pictures: &[Vec<Picture>; 3], what: &str) -> Option<String> {
        let (part, index) = self.first?;
        let name = printable(&pictures[part][index].name);
        let n = self.count;
        let s = if n == 1 { "" } else { "s" };
        Some(format!("{n} picture{s} {what} (such as {name})"))
    }
}

impl Remarks {
    /// Of pictures that are made to fit so.
    pub fn new(fitting: Option<Fitting>) -> Self {
        Self {
            cropped: fitting.is_some_and(|fitting| fitting.fit == Fit::Crop),
            digests: vec![],
            current: vec![],
            moving: Counted::default(),
            strips: Counted::default(),
        }
    }

    /// Notes the next picture of the part.
    pub fn add(&mut self, seen: Seen) {
        let place = (self.digests.len(), self.current.len());
        let Size { height, width } = seen.size;
        if seen.moves {
            self.moving.add(place);
        }
        if self.cropped && height.max(width) > MOST_RATIO * height.min(width) {
            self.strips.add(place);
        }
        self.current.push(seen.digest);
    }

    /// The next picture is one of the next part.
    pub fn end_part(&mut self) {
        self.digests.push(std::mem::take(&mut self.current));
    }

    /// All remarks on `pictures`, part by part in their order.
    pub fn told(&self, pictures: &[Vec<Picture>; 3]) -> Vec<String> {
        let strips =
            format!("with one side over {MOST_RATIO} times the other: only the middle is taken");
        let mut told: Vec<String> = [
            self.moving.told(pictures, "of which only the first of an animation is taken"),
            self.strips.told(pictures, &strips),
        ]
        .into_iter()
        .flatten()
        .collect();
        for (a, b) in [
            (Part::Test, Part::Train),
            (Part::Validation, Part::Train),
            (Part::Test, Part::Validation),
        ] {
            told.extend(self.shared(pictures, a, b));
        }
        told
    }

    /// The pictures of the part `of` that are in the part `within` too.
    fn shared(&self, pictures: &[Vec<Picture>; 3], of: Part, within: Part) -> Option<String> {
        let digests = |part: Part| self.digests[part as usize].iter().enumerate();
        let known: BTreeMap<_, usize> = digests(within).map(|(i, digest)| (digest, i)).collect();
        let mut both = digests(of).filter_map(|(i, digest)| Some((i, *known.get(digest)?)));
        let (i, j) = both.next()?;
        let n = 1 + both.count();
        let s = if n == 1 { " is" } else { "s are" };
        let name = |part: Part, i: usize| printable(&pictures[part as usize][i].name);
        Some(format!(
            "{n} {} picture{s} among the {} pictures too, byte for byte (such as {}, which is {})",
            of.name(),
            within.name(),
            name(of, i),
            name(within, j)
        ))
    }
}
