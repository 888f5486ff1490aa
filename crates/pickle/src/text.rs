//! Literals of protocol 0, which stand in lines of text.

use super::literal::Literal;
use super::value::{Node, Value};

/// `I`: an integer, or a boolean as 00 or 01.
pub fn int(line: &str) -> Result<Value<'static>, String> {
    match line {
        "00" => Ok(Value::Bool(false)),
        "01" => Ok(Value::Bool(true)),
        _ => long(line),
    }
}

/// `L`: an integer, an L behind it.
pub fn long(line: &str) -> Result<Value<'static>, String> {
    let digits = line.strip_suffix('L').unwrap_or(line);
    digits.parse().map(Value::Int).map_err(|_| "a number that is no integer of 64 bits".to_owned())
}

/// `F`: a float.
pub fn float(line: &str) -> Result<Value<'static>, String> {
    line.parse().map(Value::Float).map_err(|_| "a number that is no float".to_owned())
}

/// `S`: a byte string in quotes, with the escapes of Python 2's repr.
pub fn string(line: &[u8]) -> Result<Literal<'_>, String> {
    let ([b'\'', quoted @ .., b'\''] | [b'"', quoted @ .., b'"']) = line else {
        return Err("a string without its quotes".to_owned());
    };
    if !quoted.contains(&b'\\') {
        return Ok(Literal::Value(Value::Bytes(quoted)));
    }
    let (mut out, mut rest) = (Vec::with_capacity(quoted.len()), quoted);
    while let [first, after @ ..] = rest {
        rest = after;
        out.push(if *first == b'\\' { escaped(&mut rest)? } else { *first });
    }
    Ok(Literal::Node(Node::Bytes(out)))
}

/// The byte that the escape at the front of `rest` means, its backslash already taken.
fn escaped(rest: &mut &[u8]) -> Result<u8, String> {
    let (code, after) = rest.split_first().ok_or("an escape without an end")?;
    *rest = after;
    match code {
        b'\\' | b'\'' | b'"' => Ok(*code),
        b'n' => Ok(b'\n'),
        b'r' => Ok(b'\r'),
        b't' => Ok(b'\t'),
        b'x' => hex(rest, 2).map(|n| n as u8),
        other => Err(format!("the escape \\{}", other.escape_ascii())),
    }
}

/// `V`: text in raw-unicode-escape, which is latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub fn unicode(line: &[u8]) -> Result<Literal<'_>, String> {
    if let Ok(text) = std::str::from_utf8(line)
        && text.is_ascii()
        && !text.contains('\\')
    {
        return Ok(Literal::Value(Value::Text(text)));
    }
    let (mut out, mut rest) = (String::new(), line);
    while let [first, after @ ..] = rest {
        let digits = match after.first() {
            Some(b'u') if *first == b'\\' => 4,
            Some(b'U') if *first == b'\\' => 8,
            _ => {
                out.push(char::from(*first));
                rest = after;
                continue;
            }
        };
        rest = &after[1..];
        let code = hex(&mut rest, digits)?;
        out.push(
            char::from_u32(code).ok_or_else(|| format!("U+{code:04X}, which is no character"))?,
        );
    }
    Ok(Literal::Node(Node::Text(out)))
}

/// The next `n` hexadecimal digits.
fn hex(rest: &mut &[u8], n: usize) -> Result<u32, String> {
    let (digits, after) = rest.split_at_checked(n).ok_or("an escape without an end")?;
    *rest = after;
    let text = std::str::from_utf8(digits).unwrap_or_default();
    u32::from_str_radix(text, 16).map_err(|_| "an escape that is not hexadecimal".to_owned())
}
