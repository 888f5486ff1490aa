//! Parsers of numbers on the command line.

/// A share over 0 and below 1.
///
/// # Errors
/// What was expected, where it is none.
pub fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        found => {
            Err(format!("expected a fraction over 0 and below 1{}", percent(text, found.ok())))
        }
    }
}

/// A share from 0 and below 1.
///
/// # Errors
/// As [`fraction`].
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        found => {
            Err(format!("expected a fraction from 0 and below 1{}", percent(text, found.ok())))
        }
    }
}

/// What to say where the number looks like a percentage.
pub fn percent(text: &str, found: Option<f64>) -> String {
    match found {
        Some(value) if (2.0..100.0).contains(&value) => {
            // Rounded: 0.07 comes of 7 / 100 with an error in the last place.
            format!("; for {text} % say {}", (value * 1e10).round() / 1e12)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_and_what_looks_like_one() {
        let check = |text: &str, expected: &str| {
            let found = fraction(text).map_or_else(|e| e, |v| v.to_string());
            assert_eq!(found, expected, "{text}");
        };
        check("0.9", "0.9");
        check("1e-3", "0.001");
        check("90", "expected a fraction over 0 and below 1; for 90 % say 0.9");
        check("7", "expected a fraction over 0 and below 1; for 7 % say 0.07");
        check("99.9", "expected a fraction over 0 and below 1; for 99.9 % say 0.999");
        for text in ["0", "1", "1.2", "-0.1", "abc", "nan", "inf", "", "-90", "100"] {
            check(text, "expected a fraction over 0 and below 1");
        }
    }

    #[test]
    fn shares_may_be_zero() {
        assert_eq!(share("0"), Ok(0.0));
        assert!(share("2").expect_err("a percentage").contains("for 2 % say 0.02"));
        assert!(share("-0.1").is_err() && share("nan").is_err());
    }
}
