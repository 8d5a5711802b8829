//! What goes out is what would be read back.

use news_core::fingerprint::Fingerprint;
use news_core::model::{ID_MAX, Value};
use news_core::profile::JSON_SERVER;
use news_core::wire::{Element, to_json};
use news_core::{Entity, Object};
use proptest::prelude::*;

use crate::cases;

/// Any characters up to the field's limit: quotes, controls, emoji, surrogates' code points
/// excepted, which are no characters, and U+0000, which no row can hold.
fn text(limit: usize) -> impl Strategy<Value = String> {
    let odd = prop::sample::select(
        [
            '"', '\\', '\n', '\r', '\t', '\u{1}', '\u{7f}', '\u{2028}', '\u{feff}', '\u{fffd}', '\u{202e}', '😀', 'ß',
            '/', '<',
        ]
        .as_slice(),
    );
    let one = prop_oneof![odd, any::<char>().prop_filter("U+0000", |c| *c != '\0')];
    let length = prop_oneof![4 => 0..=limit.min(24), 1 => limit..=limit];
    length
        .prop_flat_map(move |length| prop::collection::vec(one.clone(), length))
        .prop_map(|chars| chars.into_iter().collect())
}

fn ids() -> impl Strategy<Value = i64> {
    prop_oneof![1_i64..1000, ID_MAX - 1..=ID_MAX, 1..=ID_MAX]
}

fn objects() -> impl Strategy<Value = Object> {
    let of = |entity: Entity, number: BoxedStrategy<i64>| {
        let texts: Vec<_> = entity.shape().texts.iter().map(|field| text(field.chars_max)).collect();
        (ids(), number, texts)
            .prop_map(move |(id, number, texts)| Object::new(entity.key(id).unwrap(), number, texts).unwrap())
    };
    prop_oneof![of(Entity::Post, any::<i64>().boxed()), of(Entity::Comment, ids().boxed())]
}

fn read<'a>(object: &Object, json: &'a str) -> Element<'a> {
    Element::from_json(object.key().entity(), json.as_bytes()).unwrap()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_object_reads_back_as_itself(object in objects()) {
        let json = to_json(&JSON_SERVER, &object, None);
        let element = read(&object, &json);
        law!("no fault in what we write", expected 0, seen element.faults().len(), of "{json}");
        law!("the fingerprint is the same on both sides",
            expected Some(Fingerprint::of(&object)), seen element.fingerprint(), of "{json}");
        law!("no field differs", expected 0, seen element.differences(&object).len(), of "{json}");
        law!("reading gives back what was written", expected Ok(object), seen element.into_object(), of "{json}");
    }

    /// Key order, escapes and unknown fields are the target's business.
    #[test]
    fn the_shape_of_the_json_does_not_matter(object in objects(), extra in text(256)) {
        let escaped = |text: &str| text.encode_utf16().fold(String::new(), |json, unit| json + &format!("\\u{unit:04x}"));
        let mut members: Vec<String> = object.fields().map(|(name, value)| match value {
            Value::Text(text) => format!("\"{}\" :\n\"{}\"", escaped(name), escaped(text)),
            Value::Number(number) => format!("\"{}\" : \"{number}\"", escaped(name)),
        }).collect();
        members.reverse();
        members.push(format!("\"x{}\":[{{}}],\"id\": \"{}\"", escaped(&extra), object.key().id()));
        let json = format!("{{ {} }}", members.join(" ,\r\n"));
        let element = read(&object, &json);
        // A negative number as a text is no number that a target would write.
        if object.number() < 0 {
            prop_assert!(!element.is_readable(), "expected a fault in {json}");
            return Ok(());
        }
        law!("reading gives back what was written", expected Ok(object), seen element.into_object(), of "{json}");
    }

    #[test]
    fn two_objects_have_one_fingerprint_exactly_if_their_fields_are_equal(one in objects(), other in objects(), cut in any::<prop::sample::Index>()) {
        let json = to_json(&JSON_SERVER, &other, None);
        let element = read(&other, &json);
        if one.key().entity() == other.key().entity() {
            law!("one fingerprint = equal fields",
                expected element.same_fields(&one), seen Fingerprint::of(&one) == Fingerprint::of(&other),
                of "{one:?} and {other:?}");
        }
        // The same characters, cut into fields at another place.
        if one.key().entity() == Entity::Post {
            let [title, body] = one.texts() else { panic!("two texts") };
            let limits = one.key().entity().shape().texts;
            let chars: Vec<char> = title.chars().chain(body.chars()).collect();
            let cut = cut.index(chars.len() + 1).min(limits[0].chars_max).max(chars.len().saturating_sub(limits[1].chars_max));
            let texts = [&chars[..cut], &chars[cut..]].map(|chars| chars.iter().collect::<String>());
            let same = texts[0] == *title;
            let moved = Object::new(one.key(), one.number(), texts).unwrap();
            law!("where one text ends counts",
                expected same, seen Fingerprint::of(&one) == Fingerprint::of(&moved), of "{one:?} and {moved:?}");
        }
    }
}
