//! Activations as words of four channels.

use super::Layout;
use crate::{LANES, Size};

/// Four channels of a pixel of one image, the first in the lowest byte.
pub type Word = u32;

/// Words that hold `channels`.
pub fn quads(channels: usize) -> usize {
    channels.div_ceil(4)
}

/// The shape of some maps, and how they are laid out in words.
#[derive(Debug, Clone, Copy)]
pub struct Maps {
    /// How the images lie in the words.
    pub layout: Layout,
    /// Channels of an image.
    pub channels: usize,
    /// Pixels of a channel.
    pub size: Size,
}

impl Maps {
    /// Words that they take.
    pub fn words(&self) -> usize {
        self.layout.words(self.channels, self.size)
    }

    /// Bytes of the images.
    pub fn bytes(&self) -> usize {
        self.layout.images() * self.channels * self.size.pixels()
    }

    /// Calls `f` with (byte, word, place in the word) of each byte.
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (size, vectors) = (self.size, self.layout.map(self.size).pixels());
        for i in 0..self.bytes() {
            let (map, pixel) = (i / size.pixels(), i % size.pixels());
            let (image, channel) = (map / self.channels, map % self.channels);
            let place = self.layout.place(size, image, pixel / size.w, pixel % size.w);
            let map = place.block * quads(self.channels) + channel / 4;
            f(i, (map * vectors + place.vector) * LANES + place.lane, channel % 4);
        }
    }

    /// Their words; bytes without a channel or pixel become `rest`.
    pub fn to_words(&self, images: &[u8], rest: u8) -> Vec<Word> {
        assert_eq!(images.len(), self.bytes(), "images");
        let mut words = vec![[rest; 4]; self.words()];
        self.each(|byte, word, place| words[word][place] = images[byte]);
        words.into_iter().map(Word::from_le_bytes).collect()
    }

    /// The images of `words`.
    pub fn from_words(&self, words: &[Word]) -> Vec<u8> {
        assert_eq!(words.len(), self.words(), "words");
        let mut images = vec![0; self.bytes()];
        self.each(|byte, word, place| images[byte] = words[word].to_le_bytes()[place]);
        images
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lanes;

    #[test]
    fn there_and_back() {
        let batch = |n| Layout::Images(Lanes::of(n));
        for (layout, channels) in
            [(batch(1), 1), (batch(3), 4), (batch(16), 5), (batch(33), 3), (Layout::Tiles, 5)]
        {
            let maps = Maps { layout, channels, size: Size { h: 2, w: 3 } };
            let bytes: Vec<u8> = (0..maps.bytes()).map(|i| (i % 251) as u8).collect();
            let words = maps.to_words(&bytes, 9);
            assert_eq!(maps.from_words(&words), bytes);
            let last = words.last().expect("there are words").to_le_bytes()[3];
            let full = layout.images().is_multiple_of(LANES) && channels.is_multiple_of(4);
            assert!(full || last == 9, "what is no channel is the rest");
        }
    }
}
