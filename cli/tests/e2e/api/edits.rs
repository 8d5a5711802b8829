//! Conditional requests: two editors do not overwrite each other.

use serde_json::json;

use super::Service;

#[test]
fn an_entity_tag_saves_a_download_and_an_overwrite() {
    let service = Service::start();
    let post = service.ask("POST", "/news/posts/", Some(&json!({ "title": "t", "body": "b" }))).expect(201);
    let path = format!("/news/posts/{}/", post.json()["id"]);
    let comment = json!({ "name": "n", "email": "a@x.org", "body": "b" });
    let comment = service.ask("POST", &format!("{path}comments/"), Some(&comment)).expect(201);
    let comment_path = format!("/news/comments/{}/", comment.json()["id"]);
    let changes = [
        (path, post, json!({ "title": "t", "body": "changed" })),
        (comment_path, comment, json!({ "name": "n", "email": "a@x.org", "body": "changed" })),
    ];
    for (path, made, change) in &changes {
        let first = service.ask("GET", path, None).expect(200);
        let tag = first.header("etag").unwrap();
        assert_eq!(made.header("etag"), Some(tag), "what was made is what is read");
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        let with = |method, name, value: &str, body| service.ask_with(method, path, &[(name, value)], body);

        let known = with("GET", "If-None-Match", tag, None).expect(304);
        assert_eq!((known.body.len(), known.header("etag")), (0, Some(tag)));
        with("HEAD", "If-None-Match", &format!("W/{tag}, \"x\""), None).expect(304);
        with("GET", "If-None-Match", "\"x\"", None).expect(200);

        // Another layout is another representation, of the same object.
        let indented = with("GET", "Accept", "application/json; indent=2", None).expect(200);
        let indented_tag = indented.header("etag").unwrap();
        assert_ne!(indented_tag, tag);

        with("PUT", "If-Match", "\"x\"", Some(change)).expect(412);
        with("DELETE", "If-Match", "\"x\"", None).expect(412);
        with("PUT", "If-Match", &format!("W/{tag}"), Some(change)).expect(412);
        assert_eq!(service.ask("GET", path, None).json(), first.json());
        let edited = with("PUT", "If-Match", indented_tag, Some(change)).expect(200);
        let new_tag = edited.header("etag").unwrap();
        assert_ne!(new_tag, tag);
        with("PUT", "If-Match", tag, Some(change)).expect(412);
        with("PUT", "If-Match", "*", Some(change)).expect(200);
        with("DELETE", "If-Match", tag, None).expect(412);
        with("GET", "If-None-Match", tag, None).expect(200);
    }
    for (path, _, change) in changes.iter().rev() {
        let tag = service.ask("GET", path, None).header("etag").unwrap().to_owned();
        service.ask_with("DELETE", path, &[("If-Match", &tag)], None).expect(204);
        // What is not there is missing, whatever its version was to be.
        service.ask_with("DELETE", path, &[("If-Match", &tag)], None).expect(404);
        service.ask_with("PUT", path, &[("If-Match", "*")], Some(change)).expect(404);
    }
}

#[test]
fn of_many_editors_who_saw_the_same_version_one_wins() {
    let service = Service::start();
    service.posts(1, 10);
    let tag = service.ask("GET", "/news/posts/1/", None).header("etag").unwrap().to_owned();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let edit = |n: usize| {
            let body = json!({ "title": format!("editor {n}"), "body": "b" });
            service.ask_with("PUT", "/news/posts/1/", &[("If-Match", &tag)], Some(&body)).status
        };
        let threads: Vec<_> = (0..16).map(|n| scope.spawn(move || edit(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(super::tally(statuses), [(200, 1), (412, 15)].into());
}
