//! Elements: right ones, and all the wrong ones.

use super::*;
use crate::profile::{Dialect, Field};
use alloc::string::ToString;
use alloc::vec;

fn read(entity: Entity, json: &str) -> Element<'_> {
    Element::from_json(entity, json.as_bytes()).unwrap()
}

#[test]
fn an_object_reads_back() {
    let json = r#"{"postId":3,"id":7,"name":"a \"b\"","email":"a@b.cd","body":"x\ny\u2028😀"}"#;
    let object = read(Entity::Comment, json).into_object().unwrap();
    let json = to_json(&JSON_SERVER, &object, None);
    let again = read(Entity::Comment, &json);
    assert!(again.same_fields(&object));
    assert_eq!(again.fingerprint(), Some(Fingerprint::of(&object)));
    let mut fields = Vec::new();
    assert!(again.write_fields(&mut fields));
    assert_eq!(Fingerprint::of_written(&fields), Fingerprint::of(&object));
    assert_eq!(again.key(), Some(object.key()));
}

#[test]
fn ids_may_be_texts_and_unknown_fields_are_passed_over() {
    let element = read(
        Entity::Post,
        r#"{"id":"5","userId":1,"title":"t","body":"b","tags":[[{"x":null}]],"longer than a name":1}"#,
    );
    assert_eq!((element.id(), element.is_readable()), (Some(5), true));
}

#[test]
fn fields_that_are_not_ours_are_named_up_to_a_limit() {
    let mut seen = OtherFields::default();
    let mut names = |json: &str| {
        seen.take(&read(Entity::Post, json));
        seen.names().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(r#"{"id":5,"userId":1,"title":"t","body":"b"}"#), "");
    // A comment's fields are not a post's.
    assert_eq!(names(r#"{"id":5,"slug":null,"body":"b","email":{"id":1}}"#), "email slug");
    assert_eq!(names(r#"{"created\u0041t":1,"slug":2}"#), "createdAt email slug");
    assert_eq!(names(r#"["id"]"#), "createdAt email slug");
    let long = "x".repeat(50);
    assert!(names(&alloc::format!(r#"{{"{long}":1}}"#)).ends_with(&alloc::format!(" {}…", "x".repeat(40))));
    let many =
        |range: core::ops::Range<u32>| range.map(|n| alloc::format!(r#""f{n}":1"#)).collect::<Vec<_>>().join(",");
    let of_one = read(Entity::Post, &alloc::format!("{{{}}}", many(0..9))).into_owned(1);
    let mut seen = OtherFields::default();
    seen.take(&of_one);
    assert_eq!(seen.names().count(), 5);
    for n in 0..30 {
        seen.take(&read(Entity::Post, &alloc::format!("{{{}}}", many(n..n + 1))));
    }
    assert_eq!(seen.names().count(), 20);
    let mut all = OtherFields::default();
    all.join(seen.clone());
    assert_eq!(all, seen);
}

#[test]
fn an_id_with_a_leading_zero_is_another_text_than_the_number() {
    for (id, read) in [(r#""7""#, Some(7)), (r#""007""#, None), (r#""0""#, Some(0)), (r#""-7""#, None), (r#""""#, None)]
    {
        let json = alloc::format!(r#"{{"id":{id},"userId":1,"title":"t","body":"b"}}"#);
        assert_eq!(Element::from_json(Entity::Post, json.as_bytes()).unwrap().id(), read, "{id}");
    }
    assert!("posts/7".parse::<Key>().is_ok());
    assert!("posts/007".parse::<Key>().is_err());
}

#[test]
fn a_byte_order_mark_in_front_of_json_is_passed_over() {
    let element =
        Element::from_json(Entity::Post, b"\xef\xbb\xbf{\"id\":7,\"userId\":1,\"title\":\"\",\"body\":\"\"}").unwrap();
    assert_eq!((element.id(), element.is_readable()), (Some(7), true));
}

#[test]
fn every_fault_is_named() {
    let faults = |json| {
        let element = read(Entity::Post, json);
        element.faults().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        faults(r#"{"id":1.5,"userId":null,"title":7}"#),
        vec![
            "id: a fraction instead of a number",
            "userId: null instead of a number",
            "title: a number instead of a text",
            "body: missing",
        ]
    );
    assert_eq!(faults("[1]"), vec!["id: a list instead of an object"]);
    assert_eq!(faults("null"), vec!["id: null instead of an object"]);
    assert_eq!(faults(r#"{"id":"+5","userId":1,"title":"","body":""}"#), vec!["id: \"+5\" instead of a number"]);
}

#[test]
fn differences_name_the_field_and_both_values() {
    let object = read(Entity::Post, r#"{"id":1,"userId":1,"title":"a","body":"b"}"#).into_object().unwrap();
    let there = read(Entity::Post, r#"{"id":1,"userId":2,"title":"a","body":null}"#);
    assert_eq!(
        there.differences(&object),
        vec![
            FieldDifference { field: "userId", local: "1".into(), target: Some("2".into()) },
            FieldDifference { field: "body", local: "b".into(), target: None },
        ]
    );
}

#[test]
fn nul_and_surrogates() {
    let element = read(Entity::Post, r#"{"id":1,"userId":1,"title":"a\u0000b","body":"b"}"#);
    assert_eq!(element.into_object().unwrap_err()[0].to_string(), "title: contains U+0000");
    // What is no Unicode is one field's fault, and hides nothing else.
    for json in [
        &br#"{"id":1,"userId":2,"title":"a\ud800","body":"b"}"#[..],
        b"{\"id\":1,\"userId\":2,\"title\":\"\xff\",\"body\":\"b\"}",
    ] {
        let element = Element::from_json(Entity::Post, json).unwrap();
        assert_eq!((element.id(), element.fingerprint()), (Some(1), None));
        assert!(element.faults()[0].to_string().starts_with("title: not Unicode"), "{:?}", element.faults());
    }
    assert!(Element::from_json(Entity::Post, br#"{"id":1,"title":"\ud800"#).is_err());
}

#[test]
fn long_texts_are_told_apart_and_kept_short() {
    let fields = |body: &str| {
        let json = alloc::format!(r#"{{"id":1,"userId":1,"title":"t","body":"{body}"}}"#);
        let element = read(Entity::Post, &json);
        let mut fields = Vec::new();
        assert!(element.write_fields(&mut fields));
        assert_eq!(element.fingerprint(), Some(Fingerprint::of_written(&fields)));
        let kept = element.into_owned(100);
        assert!(kept.text_bytes() <= 1 + 100 + '…'.len_utf8(), "{}", kept.text_bytes());
        fields
    };
    let (long, other) = ("é".repeat(5000), alloc::format!("{}e", "é".repeat(4999)));
    assert_eq!(fields(&long), fields(&long));
    assert_ne!(fields(&long), fields(&other));
    assert!(fields(&long).len() < 100);
    // A text of the longest that an object of ours may have is there as it is.
    assert!(fields(&"x".repeat(4096)).len() > 4096);
}

#[test]
fn fields_lie_where_the_profile_says() {
    let posts = Dialect {
        number: Field { write: &["author"], read: &["author", "id"] },
        texts: [Field { write: &["title"], read: &["title", "raw"] }, Field::at(&["content", "body"]), Field::NONE],
        ..JSON_SERVER.posts
    };
    let profile = Profile { wrap: &["data"], posts, ..JSON_SERVER.clone() };
    let shown =
        r#"{"id":5,"author":{"id":7,"name":"x"},"title":{"raw":"t","rendered":"<p>t"},"content":{"body":"b"},"x":1}"#;
    let element = Element::read(&profile, Entity::Post, shown.as_bytes()).unwrap();
    assert_eq!(element.others, vec!["x"]);
    let object = element.into_object().unwrap();
    let sent = r#"{"data":{"author":7,"content":{"body":"b"},"id":5,"title":"t"}}"#;
    assert_eq!(to_json(&profile, &object, None), sent);
    for (json, faults) in [
        (
            r#"{"id":5,"author":7,"title":null,"content":[]}"#,
            [
                "userId: a number in the object's place instead of a number",
                "title: null in the object's place instead of a text",
                "body: a list in the object's place instead of a text",
            ]
            .as_slice(),
        ),
        (r#"{"id":5,"author":{"id":7},"title":{"raw":"t"},"content":{}}"#, &["body: missing"]),
        // The last of duplicate keys wins here, too.
        (r#"{"id":5,"author":{"id":7},"title":7,"title":{"raw":"t"},"content":{"body":1,"body":"b"}}"#, &[]),
    ] {
        let element = Element::read(&profile, Entity::Post, json.as_bytes()).unwrap();
        let found: Vec<String> = element.faults().iter().map(ToString::to_string).collect();
        assert_eq!(found, faults, "{json}");
    }
}
