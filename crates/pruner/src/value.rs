//! Parsers of numbers on the command line.

use crate::cli::Beta;

/// A share over 0 and below 1.
pub fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        found => {
            Err(format!("expected a fraction over 0 and below 1{}", percent(text, found.ok())))
        }
    }
}

/// A drop of accuracy: 0 or more, below 1.
pub fn drop(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        found => {
            Err(format!("expected a fraction from 0 and below 1{}", percent(text, found.ok())))
        }
    }
}

/// `0.3` or `NAME=0.3`.
pub fn beta(text: &str) -> Result<Beta, String> {
    let (pattern, number) = text.rsplit_once('=').unwrap_or(("*", text));
    match number.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => {
            Ok(Beta { pattern: pattern.to_owned(), value })
        }
        found => Err(format!("expected a fraction from 0 to 1{}", percent(number, found.ok()))),
    }
}

/// What to say where the number looks like a percentage.
fn percent(text: &str, found: Option<f64>) -> String {
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
    fn betas_may_name_layers() {
        let check = |text: &str, pattern: &str, value: f64| {
            let expected = Beta { pattern: pattern.into(), value };
            assert_eq!(beta(text), Ok(expected));
        };
        check("0.3", "*", 0.3);
        check("backbone.conv4.*=0", "backbone.conv4.*", 0.0);
        check("1", "*", 1.0);
        assert!(beta("a=30").expect_err("a percentage").contains("for 30 % say 0.3"));
        assert!(beta("a").is_err() && beta("=").is_err());
    }

    #[test]
    fn drops_may_be_zero() {
        assert_eq!(drop("0"), Ok(0.0));
        assert!(drop("2").expect_err("a percentage").contains("for 2 % say 0.02"));
        assert!(drop("-0.1").is_err() && drop("nan").is_err());
    }
}
