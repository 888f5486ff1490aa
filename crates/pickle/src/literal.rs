//! Values that stand in the pickle themselves.

use super::input::Input;
use super::opcode as op;
use super::text;
use super::value::{Node, Value};

/// What an opcode spells.
#[derive(Debug, PartialEq)]
pub enum Literal<'a> {
    /// A value.
    Value(Value<'a>),
    /// Text or bytes that had to be decoded.
    Node(Node<'a>),
}

/// What `code` and the bytes after it spell, if it is such a code.
pub fn literal<'a>(code: u8, input: &mut Input<'a>) -> Result<Option<Literal<'a>>, String> {
    Ok(Some(Literal::Value(match code {
        op::NONE => Value::None,
        op::NEWTRUE => Value::Bool(true),
        op::NEWFALSE => Value::Bool(false),
        op::BININT => Value::Int(i64::from(input.number(4)? as u32 as i32)),
        op::BININT1 => Value::Int(input.number(1)? as i64),
        op::BININT2 => Value::Int(input.number(2)? as i64),
        op::LONG1 => long(input.counted(1)?),
        op::LONG4 => long(input.counted(4)?),
        op::BINFLOAT => Value::Float(f64::from_bits(input.number(8)?.swap_bytes())),
        op::SHORT_BINUNICODE => unicode(input.counted(1)?),
        op::BINUNICODE => unicode(input.counted(4)?),
        op::BINUNICODE8 => unicode(input.counted(8)?),
        op::SHORT_BINSTRING | op::SHORT_BINBYTES => Value::Bytes(input.counted(1)?),
        op::BINSTRING | op::BINBYTES => Value::Bytes(input.counted(4)?),
        op::BINBYTES8 | op::BYTEARRAY8 => Value::Bytes(input.counted(8)?),
        op::INT => text::int(input.text_line()?)?,
        op::LONG => text::long(input.text_line()?)?,
        op::FLOAT => text::float(input.text_line()?)?,
        op::STRING => return text::string(input.line()?).map(Some),
        op::UNICODE => return text::unicode(input.line()?).map(Some),
        _ => return Ok(None),
    })))
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

/// Python writes half a surrogate pair as well, which no text of ours can hold.
fn unicode(bytes: &[u8]) -> Value<'_> {
    std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Value) {
        let found = literal(bytes[0], &mut Input::new(&bytes[1..]));
        assert_eq!(found, Ok(Some(Literal::Value(expected))), "{bytes:?}");
    }

    fn decoded(bytes: &[u8], expected: Node) {
        let found = literal(bytes[0], &mut Input::new(&bytes[1..]));
        assert_eq!(found, Ok(Some(Literal::Node(expected))), "{bytes:?}");
    }

    #[test]
    fn numbers_and_text() {
        check(b"J\xfe\xff\xff\xff", Value::Int(-2));
        check(b"K\xff", Value::Int(255));
        check(b"M\x01\x02", Value::Int(0x201));
        check(b"\x8a\x00", Value::Int(0));
        check(b"\x8a\x02\x00\x80", Value::Int(-32768));
        let nine = b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00";
        check(nine, Value::Long(b"\0\0\0\0\0\0\0\x80\0"));
        check(b"\x8b\x01\x00\x00\x00\x07", Value::Int(7));
        check(b"\x8c\x01a", Value::Text("a"));
        check(b"X\x02\x00\x00\x00\xc3\xbc", Value::Text("ü"));
        check(b"\x8d\x01\0\0\0\0\0\0\0a", Value::Text("a"));
        check(b"U\x01\xff", Value::Bytes(b"\xff"));
        check(b"\x8e\x01\0\0\0\0\0\0\0\xff", Value::Bytes(b"\xff"));
        check(b"\x96\x01\0\0\0\0\0\0\0\xff", Value::Bytes(b"\xff"));
        check(b"G\x3f\xe0\0\0\0\0\0\0", Value::Float(0.5));
        check(b"\x8c\x03\xed\xa0\x80", Value::Bytes(b"\xed\xa0\x80"));
    }

    #[test]
    fn lines_of_protocol_0() {
        check(b"I-12\n", Value::Int(-12));
        check(b"I01\n", Value::Bool(true));
        check(b"I00\n", Value::Bool(false));
        check(b"L5L\n", Value::Int(5));
        check(b"F-0.25\n", Value::Float(-0.25));
        check(b"S'plain'\n", Value::Bytes(b"plain"));
        check(b"Vplain\n", Value::Text("plain"));
        decoded(b"S'a\\x00\\n\\\\'\n", Node::Bytes(b"a\0\n\\".to_vec()));
        decoded(b"V\\u005c\xfc\\U0001f600\n", Node::Text("\\ü😀".to_owned()));
        for wrong in
            [&b"Ix\n"[..], b"L99999999999999999999L\n", b"S'a\n", b"S'\\q'\n", b"V\\ud800\n"]
        {
            assert!(literal(wrong[0], &mut Input::new(&wrong[1..])).is_err(), "{wrong:?}");
        }
    }
}
