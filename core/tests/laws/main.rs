//! The laws that the core promises, tested as laws: all cases where there are few enough,
//! random ones elsewhere, always against a model that is too simple to be wrong.
//!
//! A failure says the law, what was expected and what was seen.

/// Asserts that a law holds: the law, what was expected, what was seen, and of what.
#[cfg(test)]
macro_rules! law {
    ($law:literal, expected $expected:expr, seen $seen:expr, of $($of:tt)+) => {{
        let (expected, seen) = (&$expected, &$seen);
        assert!(
            expected == seen,
            "law broken: {}\n  expected {expected:?}\n      seen {seen:?}\n        of {}",
            $law,
            format_args!($($of)+)
        );
    }};
}

#[cfg(test)]
mod diff;
#[cfg(test)]
mod merge;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod tail;
#[cfg(test)]
mod wire;

/// So many random cases a law; regressions are kept as tests and not in files.
#[cfg(test)]
fn cases(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config { failure_persistence: None, ..proptest::test_runner::Config::with_cases(cases) }
}
