//! Names from outside, made fit for a terminal.

/// `text` with every character escaped that would move the cursor, colour or hide what stands
/// beside it: control characters and those that turn the direction of writing.
pub fn printable(text: &str) -> String {
    escaped(text, steers)
}

/// As [`printable`], of a text of several lines: line ends and tabs stay.
pub fn printable_lines(text: &str) -> String {
    escaped(text, |c| steers(c) && c != '\n' && c != '\t')
}

fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    c.is_control() || turns
}

fn escaped(text: &str, which: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if which(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stay_and_controls_do_not() {
        assert_eq!(printable("Möhre 'a'/\"b\" 猫"), "Möhre 'a'/\"b\" 猫");
        assert_eq!(printable_lines("a\tb\r\n\u{9b}2J"), "a\tb\\r\n\\u{9b}2J");
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}gpj"), "a\\u{1b}[2J\\nb\\u{202e}gpj");
    }
}
