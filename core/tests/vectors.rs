//! The test vectors, natively. `scripts/wasm` runs the same ones on wasm32 under Node,
//! through the same calls.

#[cfg(test)]
#[path = "../wasm/src/calls.rs"]
mod calls;
#[cfg(test)]
#[path = "../wasm/src/split.rs"]
mod split;
#[cfg(test)]
#[path = "../wasm/src/stream.rs"]
mod stream;

#[cfg(test)]
mod tests {
    use news_core::Entity;
    use news_core::wire::Element;
    use serde::Deserialize;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::calls;
    use super::stream::{Comparison, Form, Side, Wants};

    const LIMIT: usize = 20_000;

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

    impl Case {
        fn check(&self, how: &str, seen: &str) {
            let seen: Value = serde_json::from_str(seen).unwrap();
            let agrees = match (&self.answer, &self.error) {
                (Some(answer), None) => seen == *answer,
                (None, Some(error)) => seen["error"].as_str().is_some_and(|seen| seen.contains(error)),
                (_, _) => false,
            };
            let expected =
                || self.answer.as_ref().map_or_else(|| format!("an error with {:?}", self.error), Value::to_string);
            assert!(
                agrees,
                "{}, {how}\n  expected {}\n      seen {seen}\n        of {}",
                self.name,
                expected(),
                self.request
            );
        }
    }

    fn cases(vectors: &str, cases_min: usize) -> Vec<Case> {
        let Vectors { cases } = serde_json::from_str(vectors).unwrap();
        assert!(cases.len() >= cases_min, "expected at least {cases_min} cases, saw {}", cases.len());
        cases
    }

    fn run(vectors: &str, cases_min: usize, call: fn(&[u8]) -> String) {
        for case in cases(vectors, cases_min) {
            case.check("whole", &call(case.request.get().as_bytes()));
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

    /// One side of a comparison: what is left of its bytes.
    struct Feed<'a> {
        side: Side,
        form: Form,
        bytes: &'a [u8],
        has_ended: bool,
    }

    impl Feed<'_> {
        fn push(&mut self, comparison: &mut Comparison, bytes: usize) -> Wants {
            let (piece, rest) = self.bytes.split_at(bytes.min(self.bytes.len()));
            self.has_ended |= piece.is_empty();
            self.bytes = rest;
            comparison.push(self.side, self.form, piece)
        }
    }

    type Bytes = (Form, Vec<u8>);

    /// Compares two sides as the comparison wants them. `piece` has the length of the next piece.
    fn compare(entity: Entity, rows: &Bytes, listing: &Bytes, mut piece: impl FnMut(Side, usize) -> usize) -> String {
        let feed = |side, (form, bytes)| Feed { side, form, bytes, has_ended: false };
        let mut rows = feed(Side::Rows, (rows.0, &rows.1));
        let mut listing = feed(Side::Listing, (listing.0, &listing.1));
        let mut comparison = Comparison::new(entity);
        let mut wants = Wants::Listing;
        loop {
            let next = match wants {
                Wants::Rows => &mut rows,
                Wants::Listing => &mut listing,
                Wants::Nothing if !rows.has_ended => &mut rows,
                Wants::Nothing if !listing.has_ended => &mut listing,
                Wants::Nothing | Wants::Fault => return comparison.done(LIMIT),
            };
            let bytes = piece(next.side, next.bytes.len());
            wants = next.push(&mut comparison, bytes);
        }
    }

    /// Compares whole sides, sides cut once after each of their bytes, byte by byte, and in pieces at random.
    fn compare_in_every_way(entity: Entity, rows: &Bytes, listing: &Bytes, mut check: impl FnMut(&str, &str)) {
        check("whole", &compare(entity, rows, listing, |_, left| left));
        check("byte by byte", &compare(entity, rows, listing, |_, left| left.min(1)));
        for side in [Side::Rows, Side::Listing] {
            let length = if side == Side::Rows { rows.1.len() } else { listing.1.len() };
            for cut in 1..length {
                let piece = |of: Side, left: usize| if of == side && left == length { cut } else { left };
                check(&format!("{side:?} cut at {cut}"), &compare(entity, rows, listing, piece));
            }
        }
        let mut seed = 20u32;
        for round in 0..20 {
            let piece = |_, left: usize| {
                seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12345);
                left.min(1 + (seed >> 16) as usize % 90)
            };
            check(&format!("at random, {round}"), &compare(entity, rows, listing, piece));
        }
    }

    #[derive(Deserialize)]
    struct Sides<'a> {
        entity: String,
        #[serde(borrow)]
        local: &'a RawValue,
        #[serde(borrow)]
        target: &'a RawValue,
    }

    fn entity(name: &str) -> Option<Entity> {
        Entity::ALL.into_iter().find(|entity| entity.plural() == name)
    }

    fn json_of(value: &RawValue) -> Bytes {
        (Form::Json, value.get().as_bytes().to_vec())
    }

    /// Writes the records of a listing, as the service does.
    fn records_of(entity: Entity, json: &RawValue) -> Bytes {
        let elements: Vec<&RawValue> = serde_json::from_str(json.get()).unwrap();
        let mut bytes = Vec::new();
        let mut record = |id: i64, kind: u64, print: u128| {
            bytes.extend(id.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend(print.to_le_bytes());
        };
        for json in &elements {
            let element = Element::from_json(entity, json.get().as_bytes()).unwrap();
            match (element.key(), element.fingerprint()) {
                (None, _) => record(0, 2, 0),
                (Some(key), None) => record(key.id(), 1, 0),
                (Some(key), Some(print)) => record(key.id(), 0, print.0),
            }
        }
        record(i64::try_from(elements.len()).unwrap(), 255, 0);
        (Form::Records, bytes)
    }

    /// What of [`calls::diff`]'s answer a stream answers, too.
    fn summary(answer: &Value) -> Value {
        let pairs = answer["differences"].as_array().unwrap().iter();
        let pairs: Vec<Value> =
            pairs.map(|d| json!([format!("{}/{}", d["entity"].as_str().unwrap(), d["id"]), d["kind"]])).collect();
        json!([pairs, answer["equal"], answer["nameless"]])
    }

    #[test]
    fn a_stream_finds_what_the_call_finds_however_it_is_cut() {
        for case in cases(include_str!("vectors/diff.json"), 60) {
            let sides: Sides<'_> = serde_json::from_str(case.request.get()).unwrap();
            let Some(entity) = entity(&sides.entity) else { continue };
            let (rows, listing) = (json_of(sides.local), json_of(sides.target));
            let check = |how: &str, seen: &str| {
                let seen: Value = serde_json::from_str(seen).unwrap();
                let agrees = match (&case.answer, &case.error) {
                    (Some(answer), _) => {
                        seen["error"].is_null()
                            && summary(answer)
                                == json!([seen["differences"], seen["counts"]["equal"], seen["counts"]["nameless"]])
                    }
                    (None, _) if !sides.target.get().starts_with('[') => {
                        seen["error"] == "the target's listing: expected a JSON array, found '{'"
                    }
                    (None, error) => seen["error"].as_str().unwrap().contains(error.as_ref().unwrap()),
                };
                assert!(agrees, "{}, {how}: {seen} of {}", case.name, case.request);
            };
            compare_in_every_way(entity, &rows, &listing, check);
            if case.answer.is_some() {
                let (rows, listing) = (records_of(entity, sides.local), records_of(entity, sides.target));
                compare_in_every_way(entity, &rows, &listing, check);
            }
        }
    }

    #[derive(Deserialize)]
    struct Streams {
        entity: String,
        rows: (u8, String),
        listing: (u8, String),
    }

    fn bytes_of((form, text): &(u8, String)) -> Bytes {
        match form {
            0 => {
                let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
                (Form::Records, (0..text.len() / 2).map(byte).collect())
            }
            _ => (Form::Json, text.as_bytes().to_vec()),
        }
    }

    #[test]
    fn a_stream_of_records_is_read_however_it_is_cut() {
        for case in cases(include_str!("vectors/stream.json"), 20) {
            let streams: Streams = serde_json::from_str(case.request.get()).unwrap();
            let (rows, listing) = (bytes_of(&streams.rows), bytes_of(&streams.listing));
            compare_in_every_way(entity(&streams.entity).unwrap(), &rows, &listing, |how, seen| case.check(how, seen));
        }
    }

    #[test]
    fn an_element_without_end_is_refused() {
        let mut comparison = Comparison::new(Entity::Post);
        comparison.push(Side::Listing, Form::Json, b"[\"");
        let piece = vec![b'x'; 1 << 20];
        let pushes = (1..10).find(|_| comparison.push(Side::Listing, Form::Json, &piece) == Wants::Fault);
        assert_eq!(pushes, Some(4));
        assert!(comparison.done(LIMIT).contains("element 1 has more than 4194304 bytes"));
    }

    #[test]
    fn a_side_keeps_its_form() {
        let mut comparison = Comparison::new(Entity::Post);
        comparison.push(Side::Listing, Form::Json, b"[");
        assert_eq!(comparison.push(Side::Listing, Form::Records, b"x"), Wants::Fault);
        assert_eq!(comparison.refuse("a later fault"), Wants::Fault);
        assert!(comparison.done(LIMIT).contains("records and JSON cannot be mixed"));
    }
}
