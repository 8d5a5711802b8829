//! The test vectors, natively. `scripts/wasm` runs the same ones on wasm32 under Node,
//! through the same calls.

#[cfg(test)]
#[path = "../wasm/src/calls.rs"]
mod calls;

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::calls;

    #[derive(Deserialize)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        request: Box<RawValue>,
        /// The answer, or
        answer: Option<Value>,
        /// what its error contains.
        error: Option<String>,
    }

    fn run(vectors: &str, cases_min: usize, call: fn(&[u8]) -> String) {
        let Vectors { cases } = serde_json::from_str(vectors).unwrap();
        assert!(cases.len() >= cases_min, "expected at least {cases_min} cases, saw {}", cases.len());
        for case in cases {
            let seen: Value = serde_json::from_str(&call(case.request.get().as_bytes())).unwrap();
            let agrees = match (&case.answer, &case.error) {
                (Some(answer), None) => seen == *answer,
                (None, Some(error)) => seen["error"].as_str().is_some_and(|seen| seen.contains(error)),
                (_, _) => false,
            };
            let expected = case.answer.map_or_else(|| format!("an error with {:?}", case.error), |a| a.to_string());
            assert!(agrees, "{}\n  expected {expected}\n      seen {seen}\n        of {}", case.name, case.request);
        }
    }

    #[test]
    fn merge() {
        run(include_str!("vectors/merge.json"), 300, calls::merge);
    }

    #[test]
    fn diff() {
        run(include_str!("vectors/diff.json"), 60, calls::diff);
    }
}
