//! The name that somebody probably meant.

/// Below this likeness (Jaro-Winkler, of 1) two names have nothing to do with each other; clap draws
/// its line at 0.7, too.
const LIKENESS_MIN: f64 = 0.7;

/// Returns the one of `known` that is most like `name`, if any is.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = known.into_iter().map(|one| (one, strsim::jaro_winkler(name, one)));
    let best = likeness.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.filter(|(_, likeness)| *likeness >= LIKENESS_MIN).map(|(one, _)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_or_none() {
        let known = ["database_url", "target_url", "target_token", "serve.listen"];
        for (name, expected) in [
            ("databse_url", Some("database_url")),
            ("target_toke", Some("target_token")),
            ("serve.lisen", Some("serve.listen")),
            ("xyzzy", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
