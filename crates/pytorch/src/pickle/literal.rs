//! Values that stand in the pickle themselves.

use super::input::Input;
use super::opcode as op;
use super::value::Value;

/// The value that `code` and the bytes after it spell, if it is such a code.
pub fn literal<'a>(code: u8, input: &mut Input<'a>) -> Result<Option<Value<'a>>, String> {
    Ok(Some(match code {
        op::NONE => Value::Plain("None"),
        op::NEWTRUE => Value::Bool(true),
        op::NEWFALSE => Value::Bool(false),
        op::BININT => Value::Int(i64::from(input.number(4)? as u32 as i32)),
        op::BININT1 => Value::Int(input.number(1)? as i64),
        op::BININT2 => Value::Int(input.number(2)? as i64),
        op::LONG1 => long(input.counted(1)?),
        op::LONG4 => long(input.counted(4)?),
        op::BINFLOAT => input.take(8).map(|_| Value::Plain("a float"))?,
        op::SHORT_BINUNICODE | op::SHORT_BINSTRING => text(input.counted(1)?),
        op::BINUNICODE | op::BINSTRING => text(input.counted(4)?),
        op::BINUNICODE8 => text(input.counted(8)?),
        op::SHORT_BINBYTES => input.counted(1).map(|_| Value::Plain("bytes"))?,
        op::BINBYTES => input.counted(4).map(|_| Value::Plain("bytes"))?,
        op::BINBYTES8 | op::BYTEARRAY8 => input.counted(8).map(|_| Value::Plain("bytes"))?,
        _ => return Ok(None),
    }))
}

/// Two's complement of any length.
fn long(bytes: &[u8]) -> Value<'_> {
    if bytes.len() > 8 {
        return Value::Long(bytes);
    }
    let fill = if bytes.last().is_some_and(|b| *b >= 0x80) { 0xff } else { 0 };
    let mut whole = [fill; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(whole))
}

/// Python 2 wrote names as byte strings; what is not UTF-8 is no name that matters here.
fn text(bytes: &[u8]) -> Value<'_> {
    std::str::from_utf8(bytes).map_or(Value::Plain("bytes"), Value::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text() {
        let check = |bytes: &[u8], expected| {
            let found = literal(bytes[0], &mut Input::new(&bytes[1..]));
            assert_eq!(found, Ok(Some(expected)), "{bytes:?}");
        };
        check(b"J\xfe\xff\xff\xff", Value::Int(-2));
        check(b"K\xff", Value::Int(255));
        check(b"M\x01\x02", Value::Int(0x201));
        check(b"\x8a\x00", Value::Int(0));
        check(b"\x8a\x02\x00\x80", Value::Int(-32768));
        check(
            b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00",
            Value::Long(b"\0\0\0\0\0\0\0\x80\0"),
        );
        check(b"\x8b\x01\x00\x00\x00\x07", Value::Int(7));
        check(b"\x8c\x01a", Value::Text("a"));
        check(b"X\x02\x00\x00\x00\xc3\xbc", Value::Text("ü"));
        check(b"U\x01\xff", Value::Plain("bytes"));
        check(b"G\0\0\0\0\0\0\0\0", Value::Plain("a float"));
    }
}
