//! Values on the command line: text in, checked value or a clear error out.

use std::net::SocketAddr;
use std::time::Duration;

use news_core::Key;

/// Parses `90s`, `15m`, `2h`, `30d`, `250ms` and `0`. A number without a unit is refused: `30` could mean days as well as seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| String::from("expected a time such as 90s, 15m, 2h or 30d"))?;
    let ms_per_unit: u64 = match unit {
        "ms" => 1,
        "" if number == 0 => 1,
        "" => return Err(String::from("expected a time with a unit, such as 90s, 15m, 2h or 30d")),
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("unknown unit {unit:?}; expected a time such as 90s, 15m, 2h or 30d")),
    };
    number.checked_mul(ms_per_unit).map(Duration::from_millis).ok_or_else(|| String::from("too long"))
}

/// Parses the interval of runs: a [`duration`] of at least a second and at most a year.
pub fn period(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        period if (Duration::from_secs(1)..=Duration::from_hours(24 * 365)).contains(&period) => Ok(period),
        _ => Err(String::from("expected a time from 1s to 365d")),
    }
}

/// Parses a rate in requests per second: above 0, at most 100,000.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 100_000.0 => Ok(rate),
        Ok(_) | Err(_) => Err(String::from("expected requests per second, more than 0 and at most 100000")),
    }
}

/// Parses an address to listen on: `127.0.0.1:8000`, `[::1]:0`, or `localhost:8000`, which is resolved when it is bound.
pub fn listen(text: &str) -> Result<String, String> {
    let is_one = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = !host.is_empty() && !host.contains([':', '/', '@', ' ']);
        is_host && port.parse::<u16>().is_ok() && !port.starts_with('+')
    });
    if is_one || text.parse::<SocketAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err(String::from("expected an address with a port, such as 127.0.0.1:8000, [::1]:8000 or localhost:8000"))
    }
}

/// Parses an origin as browsers write it, `https://app.example:8443`, or `*` for all of them.
pub fn origin(text: &str) -> Result<String, String> {
    const WRONG: &str = "expected an origin such as https://app.example or http://localhost:5173, without a path, or *";
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b))
    };
    if text == "*" || host.is_some_and(is_host) { Ok(text.to_owned()) } else { Err(String::from(WRONG)) }
}

/// Parses a plan's checksum: hexadecimal digits, as `--dry-run` prints them.
pub fn checksum(text: &str) -> Result<String, String> {
    if (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(String::from("expected the 16 hexadecimal digits that --dry-run prints"))
}

/// Parses `posts/5` or `comments/7`.
pub fn key(text: &str) -> Result<Key, String> {
    text.parse().map_err(|error: news_core::model::BadKey| error.to_string())
}

/// Parses `2/4`: the second of four shards.
pub fn shard(text: &str) -> Result<news_core::shard::Shard, String> {
    text.parse()
}

/// Parses the number of a run: 1 or more.
pub fn run_id(text: &str) -> Result<i64, String> {
    text.parse()
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| String::from("expected the number of a run; `news runs` lists them"))
}

/// Parses `5%`, `5` or `12.5%` into a share between 0 and 1.
pub fn percent(text: &str) -> Result<f64, String> {
    match text.strip_suffix('%').unwrap_or(text).parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        Ok(_) | Err(_) => Err(String::from("expected a percentage such as 5% or 12.5%, at most 100%")),
    }
}

/// Parses `posts/5=422`: an object and the status it gets, an error of HTTP.
pub fn status_for(text: &str) -> Result<(Key, u16), String> {
    let (name, status) = text.split_once('=').ok_or("expected KEY=CODE, such as posts/5=422")?;
    match status.parse() {
        Ok(status) if (400..=599).contains(&status) => Ok((key(name)?, status)),
        Ok(_) | Err(_) => Err(String::from("expected a status from 400 to 599")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in
            [("0", 0), ("90s", 90_000), ("250ms", 250), ("15m", 900_000), ("2h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "30", "1000", "m", "-5", "5 m", "5w", "1.5h", "99999999999999999999", "99999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_to_listen() {
        for text in ["127.0.0.1:8000", "[::1]:0", "localhost:8000", "api.example:80"] {
            assert_eq!(listen(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "8000",
            ":8000",
            "localhost",
            "localhost:",
            "localhost:+1",
            "localhost:65536",
            "::1",
            "http://x:80",
            "a b:1",
        ] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "NaN", "inf", "x"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares() {
        for (text, share) in [("0", 0.0), ("5%", 0.05), ("12.5", 0.125), ("100%", 1.0)] {
            assert_eq!(percent(text), Ok(share), "{text}");
        }
        for text in ["", "%", "-1", "101", "NaN", "5 %"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn statuses() {
        assert_eq!(
            status_for("posts/5=422").map(|(key, status)| (key.to_string(), status)),
            Ok(("posts/5".into(), 422))
        );
        for text in ["", "posts/5", "posts/5=", "posts/5=200", "posts/0=422", "=422", "posts/5=4220"] {
            assert!(status_for(text).is_err(), "{text}");
        }
    }
}
