//! Replies, as rows: method, status, body and what they mean.

use super::*;
use crate::profile::{Dialect, JSON_SERVER, JSON_SERVER_1, Pages, Total};
use alloc::string::ToString;

fn http(status: u16, body: &str) -> Reply {
    Reply::Http { status, retry_after: None, location: None, body: body.to_string() }
}

#[test]
fn statuses() {
    let key: Key = "posts/5".parse().unwrap();
    let json = r#"{"id":"5","userId":1,"title":"t","body":"b"}"#;
    let object = Element::from_json(key.entity(), json.as_bytes()).unwrap().into_object().unwrap();
    let sent = Some(Sent { object: &object, parent: None, kept: None });
    let rows = [
        (Method::Get, 200, json, Answer::Equal),
        (Method::Get, 200, r#"{"id":5,"title":"x"}"#, Answer::Different),
        (Method::Get, 200, r#"{"id":6,"title":"x"}"#, Answer::Unreadable),
        (Method::Get, 200, r#"{"id":"005","title":"x"}"#, Answer::Unreadable),
        (Method::Get, 200, r#"{"error":"no"}"#, Answer::Unreadable),
        (Method::Get, 200, "", Answer::Unreadable),
        (Method::Get, 200, "<html>", Answer::Unreadable),
        (Method::Get, 200, " [ ] ", Answer::Gone),
        (Method::Get, 200, "{}", Answer::Gone),
        (Method::Get, 200, "null", Answer::Gone),
        (Method::Get, 200, "\u{feff}{}", Answer::Gone),
        (Method::Get, 200, "nullify", Answer::Unreadable),
        (Method::Get, 404, "{}", Answer::Gone),
        (Method::Post, 201, json, Answer::Accepted),
        (Method::Post, 500, "Error: Insert failed, duplicate id", Answer::Broken),
        (Method::Post, 422, "id has already been taken", Answer::Exists),
        (Method::Post, 422, "title is too short", Answer::Refused),
        (Method::Post, 409, "", Answer::Exists),
        (Method::Put, 409, "", Answer::Refused),
        (Method::Put, 204, "", Answer::Accepted),
        (Method::Put, 200, "OK", Answer::Accepted),
        (Method::Put, 200, "\n<!DOCTYPE html><p>Welcome to our network", Answer::Unreadable),
        (Method::Put, 302, "", Answer::Redirected),
        (Method::Delete, 200, "{}", Answer::Accepted),
        (Method::Delete, 200, "<html>", Answer::Unreadable),
        (Method::Delete, 410, "", Answer::Gone),
        (Method::Delete, 408, "", Answer::Lost),
        (Method::Put, 502, "", Answer::Lost),
        (Method::Post, 504, "", Answer::Lost),
        (Method::Post, 503, "", Answer::Broken),
        (Method::Delete, 425, "", Answer::Throttled),
        (Method::Delete, 999, "", Answer::Broken),
    ];
    for (method, status, body, answer) in rows {
        let told = read(&JSON_SERVER, method, key, sent, &http(status, body));
        assert_eq!(told.answer, answer, "{method:?} {status} {body}");
    }
}

#[test]
fn a_create_by_put_whose_condition_fails_has_found_the_object() {
    let posts = Dialect { create: JSON_SERVER.posts.update, ..JSON_SERVER.posts };
    let by_put = Profile { posts, ..JSON_SERVER.clone() };
    for (profile, method, status, answer) in [
        (&by_put, Method::Post, 412, Answer::Exists),
        (&by_put, Method::Post, 409, Answer::Exists),
        (&by_put, Method::Post, 201, Answer::Accepted),
        (&by_put, Method::Post, 404, Answer::Gone),
        // Nobody has asked for a condition here: it is a gateway's, or about this object alone.
        (&by_put, Method::Put, 412, Answer::Refused),
        (&JSON_SERVER, Method::Post, 412, Answer::Refused),
    ] {
        let told = read(profile, method, "posts/5".parse().unwrap(), None, &http(status, ""));
        assert_eq!(told.answer, answer, "{method:?} {status}");
    }
}

#[test]
fn a_403_that_is_not_about_the_object_is_about_the_credentials() {
    for (body, answer) in [
        (r#"{"detail":"Only users who are staff may write here.","code":"not_staff"}"#, Answer::Unauthorized),
        (r#"{"detail":"The service was started without --replica.","code":"no_replica"}"#, Answer::Unauthorized),
        (r#"{"detail":"no","code":"permission_denied"}"#, Answer::Forbidden),
        ("not_staff", Answer::Forbidden),
    ] {
        let told = read(&JSON_SERVER, Method::Put, "posts/5".parse().unwrap(), None, &http(403, body));
        assert_eq!(told.answer, answer, "{body}");
    }
}

#[test]
fn the_id_a_post_is_answered_with() {
    let key: Key = "posts/101".parse().unwrap();
    for (body, named) in [
        (r#"{"id":101}"#, Named::AsSent),
        (r#"{"id":"101"}"#, Named::AsSent),
        (r#"{"id":7}"#, Named::Other(TargetId::number(7))),
        (r#"{"id":"af3c"}"#, Named::Other(TargetId::text("af3c").unwrap())),
        (r#"{"id":null}"#, Named::AsSent),
        ("", Named::AsSent),
    ] {
        assert_eq!(read(&JSON_SERVER, Method::Post, key, None, &http(201, body)).named, named, "{body}");
    }
}

#[test]
fn a_stray_is_told_by_its_fields() {
    let key: Key = "posts/5".parse().unwrap();
    let json = r#"{"id":5,"userId":1,"title":"t","body":"b"}"#;
    let object = Element::from_json(key.entity(), json.as_bytes()).unwrap().into_object().unwrap();
    for (status, body, answer) in [
        (200, r#"{"id":"af3c","userId":1,"title":"t","body":"b"}"#, Answer::Equal),
        (200, r#"{"id":"af3c","userId":1,"title":"x","body":"b"}"#, Answer::Different),
        (200, r#"{"id":"af3c","use"#, Answer::Broken),
        (404, "{}", Answer::Gone),
    ] {
        let sent = Some(Sent { object: &object, parent: None, kept: None });
        assert_eq!(read_stray(&JSON_SERVER, key, sent, &http(status, body)).answer, answer, "{status} {body}");
    }
}

#[test]
fn what_is_kept_of_a_body_is_bounded_and_has_no_control_characters() {
    assert_eq!(kept("{\n  \"a\": \"\u{1b}[31m\u{202e}\0é\"}"), "{   \"a\": \" [31m  é\"}");
    assert_eq!(kept(&"é".repeat(3000)).chars().count(), KEPT_CHARS_MAX);
}

#[test]
fn excerpts_are_one_short_line() {
    assert_eq!(excerpt("<p>\n  no\u{1b}[31m\tway</p>"), "no [31m way");
    assert_eq!(excerpt("a\u{202e}b\u{2028}c"), "a b c");
    assert_eq!(excerpt(&"é".repeat(300)).chars().count(), 201);
}

#[test]
fn an_object_is_read_where_the_profile_has_it() {
    let profile = Profile { item: &["data", "post"], ..JSON_SERVER.clone() };
    let key: Key = "posts/5".parse().unwrap();
    let json = r#"{"id":5,"userId":1,"title":"t","body":"b"}"#;
    let object = Element::from_json(key.entity(), json.as_bytes()).unwrap().into_object().unwrap();
    let inside = |item: &str| format!(r#"{{"data":{{"post":{item}}}}}"#);
    let read = |method, body: &str| {
        read(&profile, method, key, Some(Sent { object: &object, parent: None, kept: None }), &http(200, body))
    };
    for (body, answer) in [
        (inside(json).as_str(), Answer::Equal),
        (&inside(r#"{"id":5}"#), Answer::Different),
        (&inside("null"), Answer::Gone),
        (&inside("[]"), Answer::Gone),
        ("{}", Answer::Gone),
        // The profile is wrong, or somebody else answers: nothing is known of the object.
        (json, Answer::Unreadable),
        (r#"{"data":{"id":5}}"#, Answer::Unreadable),
        (r#"{"data":null}"#, Answer::Unreadable),
    ] {
        assert_eq!(read(Method::Get, body).answer, answer, "{body}");
    }
    assert_eq!(read(Method::Post, &inside(r#"{"id":101}"#)).named, Named::Other(TargetId::number(101)));
    for (body, echo) in [
        (inside(json).as_str(), Echo::Shown),
        (&inside(r#"{"id":6}"#), Echo::OtherObject),
        (json, Echo::Plain),
        (r#"{"errors":["no"]}"#, Echo::Denial),
    ] {
        assert_eq!(read(Method::Put, body).echo, echo, "{body}");
    }
}

#[test]
fn a_search_tells_that_there_is_none_only_if_its_page_is_the_whole() {
    let pages = Pages::Next { field: &["next"], total: Total::Body(&["count"]) };
    let profile = Profile { pages, envelope: &["results"], ..JSON_SERVER_1.clone() };
    for (count, next, key, answer) in [
        (1, "null", 7, Answer::Gone),
        (2, r#""?page=2""#, 7, Answer::Unfiltered),
        (2, "null", 7, Answer::Unfiltered),
        (2, r#""?page=2""#, 5, Answer::Different),
    ] {
        let record = format!(r#"{{"id":"a","key":{key},"userId":1,"title":"t","body":"b"}}"#);
        let body = format!(r#"{{"count":{count},"next":{next},"results":[{record}]}}"#);
        let told = read(&profile, Method::Get, "posts/5".parse().unwrap(), None, &http(200, &body));
        assert_eq!(told.answer, answer, "{body}");
    }
}
