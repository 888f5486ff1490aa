//! How hard the built-in set is: every number that makes it easier or harder.
//!
//! Lengths are in units of the image's side, colours in `[0, 1]`; a pair is a range that each
//! image draws from. Changing one changes the set, so all results on it have to be measured again.

/// Radius of the object.
pub const RADIUS: (f64, f64) = (0.28, 0.42);
/// How far the object's centre lies off the image's.
pub const OFFSET: f64 = 0.12;
/// Stretch of the object along one of its axes.
pub const SQUASH: (f64, f64) = (0.8, 1.25);
/// Least distance in RGB between the object's colour and the background's two.
pub const CONTRAST: f64 = 0.5;
/// Distance in RGB between the two ends of a colour gradient, on the object.
pub const SHADING: f64 = 0.15;
/// Amplitude of the texture on background and object.
pub const TEXTURE: (f64, f64) = (0.03, 0.16);
/// Pieces of clutter behind the object: none to this many.
pub const CLUTTER: usize = 3;
/// Size of a piece of clutter.
pub const CLUTTER_SIZE: (f64, f64) = (0.05, 0.16);
/// Pieces that cover part of the object: none to this many.
pub const OCCLUDERS: usize = 1;
/// Size of an occluder.
pub const OCCLUDER_SIZE: (f64, f64) = (0.08, 0.16);
/// Weight of a pixel's neighbours in the blur (0: sharp, 0.25: strong).
pub const BLUR: (f64, f64) = (0.0, 0.2);
/// Contrast of the whole image.
pub const FADE: (f64, f64) = (0.7, 1.0);
/// Shift of the whole image's brightness, up or down.
pub const BRIGHTNESS: f64 = 0.15;
/// Standard deviation of the noise on each channel.
pub const NOISE: (f64, f64) = (0.01, 0.06);
