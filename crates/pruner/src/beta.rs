//! `--beta` on the command line.

use method::number::percent;

use crate::cli::Beta;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
