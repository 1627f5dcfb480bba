//! Numbers as people read them: 0.0123 ± 0.0004, 3.2·10⁻⁷.

use serde::{Deserialize, Deserializer, Serialize};

/// The exponent e in superscript digits.
pub(crate) fn superscript(e: i32) -> String {
    e.to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32(0x2070 + (digit as u32 - '0' as u32)).unwrap_or(digit),
        })
        .collect()
}

/// Up to four significant digits, with a power of ten if plain digits would be long.
pub(crate) fn short(v: f64) -> String {
    significant(v, 4, true)
}

/// A whole number as people write it: 10000, 10_000 or 1e4.
///
/// # Errors
/// The end of a sentence that says why the text is no whole number.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    let parts = plain.split('_').all(|part| part.bytes().any(|b| b.is_ascii_digit()));
    let digits = plain.replace('_', "");
    if let (true, Ok(number)) = (parts, digits.parse()) {
        return Ok(number);
    }
    match digits.parse::<f64>() {
        // Above 2^53 floats skip integers, so the text was no count.
        Ok(v) if parts && v.fract() == 0.0 && (0.0..9e15).contains(&v) => Ok(v as u64),
        _ => Err("not a whole number from 0 on, as 10000, 10_000 or 1e4".into()),
    }
}

/// The value and its standard error, with two digits of the error and no line break between them; the value alone if the error is zero or
/// unknown.
pub(crate) fn plus_minus(value: f64, error: f64) -> String {
    // An error below 1e-12 of the value is rounding.
    if !(error > 0.0 && error.is_finite() && value.is_finite() && error > 1e-12 * value.abs()) {
        return short(value);
    }
    let digits = if value == 0.0 { 2 } else { ((value.abs() / error).log10().floor() as i32 + 2).clamp(1, 12) };
    if value.abs().max(error) < 1e-3 || value.abs() >= 1e5 {
        let exponent = if value == 0.0 { error.log10().floor() } else { value.abs().log10().floor() } as i32;
        let scale = 10f64.powi(exponent);
        let places = (digits - 1).max(0) as usize;
        return format!("({}\u{a0}±\u{a0}{:.places$})·10{}", minus(value / scale, places), error / scale, superscript(exponent));
    }
    let places = (1 - error.log10().floor() as i32).clamp(0, 12) as usize;
    format!("{}\u{a0}±\u{a0}{error:.places$}", minus(value, places))
}

/// A setting of a config, or one of its swept values. Numbers lose decimals that are zero.
pub(crate) fn setting(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(v) if *v == 0.0 || (1e-4..1e7).contains(&v.abs()) => v.to_string().replace('-', "−"),
        toml::Value::Float(v) => short(*v),
        other => other.to_string(),
    }
}

/// As [`setting`], for a swept value that is already text.
pub(crate) fn swept(text: &str) -> String {
    match text.parse() {
        Ok(v) if text.contains('.') => setting(&toml::Value::Float(v)),
        _ => text.into(),
    }
}

/// The name of a choice in a config, such as `stein`.
pub(crate) fn word(choice: impl Serialize) -> String {
    serde_json::json!(choice).as_str().unwrap_or_default().into()
}

/// A number in a JSON file; null means a number that is not finite.
pub(crate) fn or_nan<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// v with this many decimals, and a minus sign as wide as a digit.
pub(crate) fn minus(v: f64, places: usize) -> String {
    format!("{v:.places$}").replace('-', "−")
}

fn significant(v: f64, digits: i32, trim: bool) -> String {
    if v == 0.0 {
        return "0".into();
    }
    if !v.is_finite() {
        return "not finite".into();
    }
    let exponent = v.abs().log10().floor() as i32;
    if !(-4..6).contains(&exponent) {
        let mantissa = v / 10f64.powi(exponent);
        return format!("{}·10{}", significant(mantissa, digits.min(3), trim), superscript(exponent));
    }
    let places = (digits - 1 - exponent).clamp(0, 12) as usize;
    let text = minus(v, places);
    if trim && text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_as_they_were_meant() {
        let read = |text: &str| setting(&text.parse().unwrap());
        for (text, want) in [
            ("0.0", "0"),
            ("6.0", "6"),
            ("-0.25", "−0.25"),
            ("1e-7", "1·10⁻⁷"),
            ("0.012345", "0.012345"),
            ("12", "12"),
            ("'auto'", "auto"),
            ("true", "true"),
        ] {
            assert_eq!(read(text), want);
        }
        assert_eq!(
            (swept("0.0"), swept("12"), swept("1.5 wide"), swept("inf")),
            ("0".into(), "12".into(), "1.5 wide".into(), "inf".into())
        );
    }

    #[test]
    fn counts_are_read_as_people_write_them() {
        for (text, want) in [("0", 0), ("7", 7), ("10_000", 10_000), ("1e4", 10_000), ("1E4", 10_000), ("2.5e3", 2500), ("1_0e1", 100)] {
            assert_eq!(count(text), Ok(want), "{text}");
        }
        assert_eq!(count("18446744073709551615"), Ok(u64::MAX));
        for text in ["", "-1", "1.5", "1e-1", "nan", "inf", "1e16", "_", "1__0", "_1", "0x10", "1 000", "1,000", "ten"] {
            assert!(count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_well() {
        assert_eq!(short(0.0), "0");
        assert_eq!(short(12.5), "12.5");
        assert_eq!(short(-0.05), "−0.05");
        assert_eq!(short(123456.7), "123457");
        assert_eq!(short(3.21e-7), "3.21·10⁻⁷");
        assert_eq!(short(1e-300), "1·10⁻³⁰⁰");
        assert_eq!(plus_minus(1.23456, 0.0123), "1.235\u{a0}±\u{a0}0.012");
        assert_eq!(plus_minus(1.234e-6, 5.6e-8), "(1.23\u{a0}±\u{a0}0.06)·10⁻⁶");
        assert_eq!(plus_minus(-1.23456, 0.0123), "−1.235\u{a0}±\u{a0}0.012");
        assert_eq!(plus_minus(0.5, 0.0), "0.5");
        assert_eq!(plus_minus(3.1e73, 1e50), "3.1·10⁷³");
        assert_eq!(plus_minus(f64::NAN, 1.0), "not finite");
    }
}
