//! Names from outside, made fit for a terminal.

use std::fmt::Write as _;

/// `text` with every character escaped that would move the cursor, colour or hide what stands
/// beside it: control characters and those that turn the direction of writing.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
        if c.is_control() || turns {
            write!(out, "{}", c.escape_default()).expect("writing to a String cannot fail");
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stay_and_controls_do_not() {
        assert_eq!(printable("Möhre 'a'/\"b\" 猫"), "Möhre 'a'/\"b\" 猫");
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}gpj"), "a\\u{1b}[2J\\nb\\u{202e}gpj");
    }
}
