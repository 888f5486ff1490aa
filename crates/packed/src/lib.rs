//! The packed file: a pruned checkpoint as positions and values of what is kept, compressed.
//!
//! [`pack()`] makes the bytes of one file that opens as ordinary safetensors, [`unpack()`] reads them
//! and believes nothing: a file that was cut, changed or made for another network is refused before
//! anything is allocated for it. [`inspect()`] tells where the bytes went. `docs/format.md`
//! describes the file. Writing it to a disk and running the network are others' business.

mod check;
mod codebook;
mod contents;
mod file;
#[cfg(test)]
mod hostile;
mod inspect;
mod integers;
mod pack;
mod places;
mod planes;
mod record;
mod stored;
mod unpack;
mod values;

pub use contents::{Contents, Encode, Info, Options, Values};
pub use inspect::{Inspection, Row, inspect};
pub use integers::{Calibration, Equalised, Integers, Range, has_weight};
pub use pack::pack;
pub use record::{FORMAT, Positions};
pub use unpack::{IntegerWeights, Packed, unpack};
