//! Python's ways with text and numbers, which the service we take the place of had:
//! `str.strip()`, and `str()` of an int and a float.

/// Says whether Python's `str.isspace()` holds: Unicode white space, and the separators U+001C..U+001F.
fn is_space(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}') || c.is_whitespace()
}

/// Returns `text` as `str.strip()` does.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Returns `str(float)`: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
pub fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number.is_infinite() {
        return format!("{sign}inf");
    }
    // `{:e}` prints the shortest digits, too: d.ddde-x.
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(|&c| c != '.').collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Digits left of the point.
    let left = exponent + 1;
    if (-3..=16).contains(&left) {
        let body = match usize::try_from(left) {
            Ok(left) if left >= digits.len() => format!("{digits}{}.0", "0".repeat(left - digits.len())),
            Ok(left) if left > 0 => {
                let (whole, rest) = digits.split_at(left);
                format!("{whole}.{rest}")
            }
            Ok(_) | Err(_) => format!("0.{}{digits}", "0".repeat(left.unsigned_abs() as usize)),
        };
        return format!("{sign}{body}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let direction = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{first}{point}{rest}e{direction}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_what_python_strips() {
        // Every character for which str.isspace() holds in Python 3.11.
        let spaces = "\t\n\u{b}\u{c}\r\u{1c}\u{1d}\u{1e}\u{1f} \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\
                      \u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
        assert_eq!(strip(spaces), "");
        for c in ['\u{200b}', '\u{feff}', '\u{180e}', '\u{2060}', '\0', '\u{1b}', '\u{7f}'] {
            assert_eq!(strip(&format!(" {c} ")), c.to_string(), "{c:?}");
        }
        assert_eq!(strip(" a  b "), "a  b");
    }

    #[test]
    fn floats_as_python_prints_them() {
        let table = [
            (1.5, "1.5"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (-2.25, "-2.25"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.000_012_3, "1.23e-05"),
            (123_456_789.0, "123456789.0"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (1e22, "1e+22"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (0.3 + 0.000_000_000_000_000_04, "0.30000000000000004"),
        ];
        for (number, text) in table {
            assert_eq!(float_text(number), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_float_reads_back(number in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO) {
            proptest::prop_assert_eq!(float_text(number).parse::<f64>(), Ok(number));
        }
    }
}
