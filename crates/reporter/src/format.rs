//! Numbers as people read them. What is not finite becomes a dash, so that no page says NaN.

/// Shown where there is no number.
pub const NONE: &str = "–";

/// A fraction as percent with `digits` decimals: `93.10 %`.
pub fn percent(fraction: f64, digits: usize) -> String {
    finite(fraction, |f| format!("{:.digits$} %", f * 100.0 + 0.0))
}

/// A difference of two fractions in percentage points, signed where it is below zero: `0.30`.
pub fn points(difference: f64, digits: usize) -> String {
    finite(difference, |d| {
        let text = format!("{:.digits$}", d * 100.0);
        match text.strip_prefix('-') {
            Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
            Some(rest) => format!("−{rest}"),
            None => text,
        }
    })
}

/// As [`points`], with a plus sign where it is over zero.
pub fn signed_points(difference: f64, digits: usize) -> String {
    let text = points(difference, digits);
    let over = text.chars().any(|c| matches!(c, '1'..='9')) && !text.starts_with('−');
    if over { format!("+{text}") } else { text }
}

/// Bytes in the unit that suits: `2.20 MiB`, `34.5 KiB`, `12 B`.
pub fn bytes(count: u64) -> String {
    bytes_like(count, count)
}

/// Bytes in the unit that suits `whole`, unless too little of it would show: `0.25 MiB`.
pub fn bytes_like(count: u64, whole: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match (count, whole) {
        (_, MIB..) if count >= MIB / 10 => format!("{:.2} MiB", artifact::size::mib(count)),
        (KIB.., _) => format!("{:.1} KiB", count as f64 / KIB as f64),
        _ => format!("{count} B"),
    }
}

/// A large count in short: `605.8 M`, `12.3 k`, `512`.
pub fn short(count: f64) -> String {
    let scaled = |unit: f64, name: &str| {
        let text = format!("{:.1}", count / unit);
        format!("{} {name}", text.strip_suffix(".0").unwrap_or(&text))
    };
    match count {
        c if !c.is_finite() => NONE.to_owned(),
        c if c >= 1e9 => format!("{:.2} G", c / 1e9),
        c if c >= 1e6 => scaled(1e6, "M"),
        c if c >= 1e3 => scaled(1e3, "k"),
        c => format!("{c:.0}"),
    }
}

/// Seconds in words: `4 s`, `12 min 3 s`, `2 h 5 min`.
pub fn seconds(seconds: f64) -> String {
    finite(seconds, |s| {
        let s = s.round() as u64;
        match s {
            0..60 => format!("{s} s"),
            60..3600 => format!("{} min {} s", s / 60, s % 60),
            _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
        }
    })
}

/// How many times `part` goes into `whole`: `8.8×`; a dash for none.
pub fn times(whole: u64, part: u64) -> String {
    if part == 0 { NONE.to_owned() } else { format!("{:.1}×", whole as f64 / part as f64) }
}

/// Milliseconds to three figures of `like`, without the unit: `0.213`, `15.3`.
pub fn milliseconds(count: f64, like: f64) -> String {
    let digits = (2.0 - like.log10().floor()).clamp(0.0, 5.0) as usize;
    finite(count, |c| format!("{c:.digits$}"))
}

/// How `now` compares with `before` milliseconds: `2.9× faster`, `1.1× slower`.
pub fn faster(before: f64, now: f64) -> String {
    match before / now {
        ratio if !ratio.is_finite() || ratio <= 0.0 => NONE.to_owned(),
        ratio if ratio < 0.95 => format!("{:.1}× slower", 1.0 / ratio),
        ratio if ratio < 1.05 => "as fast".to_owned(),
        ratio => format!("{ratio:.1}× faster"),
    }
}

/// `text` with the middle left out where it is over `limit` characters.
pub fn middle(text: &str, limit: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= limit {
        return text.to_owned();
    }
    let head = (limit - 1) / 2;
    let tail = limit - 1 - head;
    all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect()
}

/// `text` whose units and arrows do not part from their numbers at a line's end.
pub fn unbroken(text: &str) -> String {
    [" →", " %", " MiB", " KiB", " B", " M", " k", " G", " points", " ms"]
        .iter()
        .fold(text.to_owned(), |t, unit| t.replace(unit, &unit.replace(' ', "\u{a0}")))
}

fn finite(value: f64, show: impl Fn(f64) -> String) -> String {
    if value.is_finite() { show(value) } else { NONE.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        let check = |found: String, expected: &str| assert_eq!(found, expected);
        check(percent(0.931, 2), "93.10 %");
        check(percent(-0.0, 0), "0 %");
        check(percent(f64::NAN, 1), NONE);
        check(points(0.003, 2), "0.30");
        check(points(-0.003, 1), "−0.3");
        check(points(-0.000_01, 1), "0.0");
        check(signed_points(0.01, 1), "+1.0");
        check(signed_points(0.000_01, 1), "0.0");
        check(signed_points(-0.01, 1), "−1.0");
        check(bytes(12), "12 B");
        check(bytes(35_328), "34.5 KiB");
        check(bytes(262_144), "256.0 KiB");
        check(bytes_like(262_144, 2 << 20), "0.25 MiB");
        check(bytes_like(1_024, 2 << 20), "1.0 KiB");
        check(bytes(2 << 20), "2.00 MiB");
        check(short(605_754_368.0), "605.8 M");
        check(short(1_587_000_000.0), "1.59 G");
        check(short(12_000.0), "12 k");
        check(short(f64::INFINITY), NONE);
        check(seconds(7_500.0), "2 h 5 min");
        check(times(10, 0), NONE);
        check(milliseconds(0.21349, 0.21349), "0.213");
        check(milliseconds(0.3, 15.26), "0.3");
        check(milliseconds(f64::NAN, 0.0), NONE);
        check(faster(2.9, 1.0), "2.9× faster");
        check(faster(1.0, 1.0), "as fast");
        check(faster(1.0, 1.25), "1.2× slower");
        check(faster(0.0, 0.0), NONE);
        check(middle("backbone.conv0.weight", 11), "backb…eight");
        check(unbroken("90.0 % of 2 MiB"), "90.0\u{a0}% of 2\u{a0}MiB");
    }
}
