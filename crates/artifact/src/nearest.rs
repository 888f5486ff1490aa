//! "Did you mean": the candidate closest to what was typed.

/// ` (did you mean X?)` where a candidate is close, else the list of all where it is short.
pub fn hint<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = candidates.into_iter().collect();
    let scored = all.iter().map(|c| (strsim::normalized_damerau_levenshtein(typed, c), *c));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, best)) if score > 0.5 => format!(" (did you mean {best}?)"),
        _ if all.len() <= 12 => format!(" (known: {})", all.join(", ")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn close_names_are_offered_and_far_ones_listed() {
        assert_eq!(hint("resnet81", ["vgg-lab", "resnet18"]), " (did you mean resnet18?)");
        assert_eq!(hint("q", ["vgg-lab", "resnet18"]), " (known: vgg-lab, resnet18)");
    }
}
