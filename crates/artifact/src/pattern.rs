//! Names with gaps: what `*` and `?` stand for wherever a flag names parameters.

/// Whether `name` is what `pattern` stands for: `*` is any text, `?` any one character.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = name.chars();
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let after = &pattern[1..];
            matches(after, name) || rest.next().is_some_and(|_| matches(pattern, rest.as_str()))
        }
        Some(wanted) => {
            let found = rest.next().is_some_and(|c| wanted == '?' || c == wanted);
            found && matches(&pattern[wanted.len_utf8()..], rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        let check =
            |pattern, name, expected| assert_eq!(matches(pattern, name), expected, "{pattern}");
        check("conv1.weight", "conv1.weight", true);
        check("conv1", "conv1.weight", false);
        check("conv?.weight", "conv1.weight", true);
        check("conv?.weight", "conv.weight", false);
        check("features.*", "features.0.weight", true);
        check("features.*", "features", false);
        check("*.shortcut.*", "layer2.0.shortcut.0.weight", true);
        check("*.b*s", "a.bias.b.s", true);
        check("*1*s", "layer1.weight", false);
        check("**", "", true);
        check("**é?", "caféx", true);
        check("", "a", false);
    }
}
