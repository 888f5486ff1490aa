//! Bounds on a file before it is decoded: a message of two bytes becomes one of some hundred in memory.

use artifact::Error;

/// The most operators of a network.
const MOST_NODES: usize = 1 << 17;
/// The most messages in a file.
const MOST_MESSAGES: usize = 1 << 20;
/// The most values in a file that are no plain bytes.
const MOST_FIELDS: usize = 1 << 24;

/// Why a file is not decoded.
#[derive(Debug, PartialEq)]
pub enum Refused {
    /// It is no protocol buffer.
    Damaged(String),
    /// It has more of something than any network.
    TooLarge(String),
}

impl Refused {
    /// With the file's name.
    pub fn named(self, origin: &str) -> Error {
        match self {
            Self::Damaged(what) => {
                Error::Integrity(format!("{origin}: not a whole ONNX file: {what}"))
            }
            Self::TooLarge(what) => Error::Config(format!("{origin}: {what}")),
        }
    }
}

/// The messages that are decoded, each with the fields that are messages themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Other,
}

impl Kind {
    /// What the field `tag` of this message holds, if it is a message.
    fn inner(self, tag: u64) -> Option<Self> {
        Some(match (self, tag) {
            (Self::Model, 7) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph | Self::Attribute, 5) => Self::Tensor,
            (Self::Node, 5) => Self::Attribute,
            // Types and shapes nest as deep as the schema, and no deeper.
            (Self::Model, 8 | 14)
            | (Self::Graph, 11 | 12)
            | (Self::Node, 9)
            | (Self::Tensor, 13) => Self::Other,
            _ => return None,
        })
    }

    /// Whether field `tag` is a packed list whose values take more memory than in the file.
    fn grows(self, tag: u64) -> bool {
        matches!((self, tag), (Self::Tensor, 1 | 5 | 7 | 11) | (Self::Attribute, 8))
    }
}

/// What was counted so far.
#[derive(Debug, Default)]
struct Count {
    nodes: usize,
    messages: usize,
    fields: usize,
}

/// Refuses what would take more memory than a network does, or whose lengths lead beyond the file.
pub fn check(bytes: &[u8]) -> Result<(), Refused> {
    walk(bytes, Kind::Model, &mut Count::default())
}

/// Nesting follows [`Kind`], so that its depth is bounded.
fn walk(mut bytes: &[u8], kind: Kind, count: &mut Count) -> Result<(), Refused> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        count.fields += 1;
        match key & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
            2 => {
                let length = varint(&mut bytes)?;
                inside(take(&mut bytes, length)?, kind, key >> 3, count)?;
            }
            5 => drop(take(&mut bytes, 4)?),
            other => return Err(Refused::Damaged(format!("a field of type {other}"))),
        }
        count.check()?;
    }
    Ok(())
}

fn inside(bytes: &[u8], kind: Kind, tag: u64, count: &mut Count) -> Result<(), Refused> {
    if kind.grows(tag) {
        count.fields += bytes.len();
    }
    let Some(inner) = kind.inner(tag) else { return Ok(()) };
    count.messages += 1;
    count.nodes += usize::from(inner == Kind::Node);
    // Types and names have nothing in them that is counted apart.
    if inner != Kind::Other {
        return walk(bytes, inner, count);
    }
    count.fields += bytes.len();
    Ok(())
}

impl Count {
    fn check(&self) -> Result<(), Refused> {
        let most = [
            (self.nodes, MOST_NODES, "operators"),
            (self.messages, MOST_MESSAGES, "messages"),
            (self.fields, MOST_FIELDS, "fields"),
        ];
        match most.into_iter().find(|(found, most, _)| found > most) {
            None => Ok(()),
            Some((_, most, what)) => {
                Err(Refused::TooLarge(format!("more than {most} {what}; a network has fewer")))
            }
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Refused> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(bytes, 1)? else { unreachable!("one byte was taken") };
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Refused::Damaged("a number of more than ten bytes".into()))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Refused> {
    let taken = usize::try_from(length).ok().and_then(|n| bytes.split_at_checked(n));
    let Some((first, rest)) = taken else {
        let what = format!("a length of {length} where {} bytes are left", bytes.len());
        return Err(Refused::Damaged(what));
    };
    *bytes = rest;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(tag: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag << 3 | 2];
        let mut length = inner.len();
        while length > 0x7f {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(inner);
        bytes
    }

    #[test]
    fn lengths_beyond_the_file_are_damage() {
        let damaged = |bytes: &[u8]| matches!(check(bytes), Err(Refused::Damaged(_)));
        assert!(damaged(&[7 << 3 | 2, 200, 1, 0]));
        assert!(damaged(&[8, 0xff]));
        assert!(damaged(&[0xff; 20]));
        assert!(damaged(&field(7, &[1 << 3 | 2, 5, 0])));
        assert_eq!(check(&field(7, &field(1, &[]))), Ok(()));
    }

    #[test]
    fn a_million_empty_operators_are_refused_before_they_are_made() {
        let nodes = [1 << 3 | 2, 0].repeat(1 << 20);
        let error = check(&field(7, &nodes)).expect_err("too many").named("net.onnx");
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("more than 131072 operators"), "{error}");
    }

    #[test]
    fn subgraphs_are_not_looked_into() {
        let mut graph = vec![];
        for _ in 0..1000 {
            graph = field(1, &field(5, &field(6, &graph)));
        }
        assert_eq!(check(&field(7, &graph)), Ok(()));
    }
}
