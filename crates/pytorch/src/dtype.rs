//! Element types: their names in files, their sizes, and how their elements are read.

use half::{bf16, f16};

/// How an element is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of a 32-bit float.
    Bf16,
    /// Byte or boolean.
    Byte,
    /// Signed integer of as many bytes as the type has.
    Integer,
    /// Not read: complex and quantised numbers.
    Refused,
}

/// One element type.
#[derive(Debug)]
pub struct Dtype {
    /// `torch`'s name of it.
    pub name: &'static str,
    /// Bytes an element.
    pub size: usize,
    /// How it is read.
    pub number: Number,
    /// The class of `torch` that its storages are pickled as.
    storage: &'static str,
}

const fn dtype(storage: &'static str, name: &'static str, size: usize, number: Number) -> Dtype {
    Dtype { name, size, number, storage }
}

/// Every storage class that `torch.save` names (torch/storage.py, `_dtype_to_storage_type_map`).
const ALL: [Dtype; 18] = [
    dtype("DoubleStorage", "float64", 8, Number::F64),
    dtype("FloatStorage", "float32", 4, Number::F32),
    dtype("HalfStorage", "float16", 2, Number::F16),
    dtype("BFloat16Storage", "bfloat16", 2, Number::Bf16),
    dtype("ByteStorage", "uint8", 1, Number::Byte),
    dtype("BoolStorage", "bool", 1, Number::Byte),
    dtype("CharStorage", "int8", 1, Number::Integer),
    dtype("ShortStorage", "int16", 2, Number::Integer),
    dtype("IntStorage", "int32", 4, Number::Integer),
    dtype("LongStorage", "int64", 8, Number::Integer),
    dtype("ComplexFloatStorage", "complex64", 8, Number::Refused),
    dtype("ComplexDoubleStorage", "complex128", 16, Number::Refused),
    dtype("QInt8Storage", "qint8", 1, Number::Refused),
    dtype("QUInt8Storage", "quint8", 1, Number::Refused),
    dtype("QInt32Storage", "qint32", 4, Number::Refused),
    dtype("QUInt4x2Storage", "quint4x2", 1, Number::Refused),
    dtype("QUInt2x4Storage", "quint2x4", 1, Number::Refused),
    dtype("UntypedStorage", "untyped", 1, Number::Refused),
];

/// The type that `name` means: `torch`'s name of it or its storage class.
pub fn find(name: &str) -> Option<&'static Dtype> {
    ALL.iter().find(|d| d.name == name || d.storage == name)
}

impl Number {
    /// The float whose bytes are `b`, big-endian or little; exact, as f64 holds all of these.
    pub fn float(self, b: &[u8], big: bool) -> f64 {
        match self {
            Self::F64 => f64::from_le_bytes(ordered(b, big)),
            Self::F32 => f32::from_le_bytes(ordered(b, big)).into(),
            Self::F16 => f16::from_le_bytes(ordered(b, big)).into(),
            Self::Bf16 => bf16::from_le_bytes(ordered(b, big)).into(),
            Self::Byte | Self::Integer | Self::Refused => b[0].into(),
        }
    }
}

/// The signed integer whose bytes are `b`, big-endian or little.
pub fn integer(b: &[u8], big: bool) -> i64 {
    let join = |n: i64, byte: &u8| n << 8 | i64::from(*byte);
    let most = if big { b.first() } else { b.last() };
    let start = if most.is_some_and(|m| *m >= 0x80) { -1 } else { 0 };
    if big { b.iter().fold(start, join) } else { b.iter().rev().fold(start, join) }
}

/// `b`, little-endian.
fn ordered<const N: usize>(b: &[u8], big: bool) -> [u8; N] {
    let mut all: [u8; N] = b.try_into().expect("as many bytes as the type has");
    if big {
        all.reverse();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::integer;

    #[test]
    fn integers_of_all_widths() {
        assert_eq!(integer(&[0xfe], false), -2);
        assert_eq!(integer(&[0x01, 0x80], false), -32767);
        assert_eq!(integer(&[0x80, 0x01], true), -32767);
        assert_eq!(integer(&[7, 0, 0, 0, 0, 0, 0, 0], false), 7);
    }
}
