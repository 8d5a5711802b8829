//! The whole of it without a socket: requests in, replies out, time an argument.

use serde_json::Value;

use super::*;

fn start(mode: Mode, faults: &str) -> FakeApi {
    with_rules(Rules { mode, ..Rules::default() }, faults)
}

fn with_rules(rules: Rules, faults: &str) -> FakeApi {
    let faults: Faults = serde_json::from_str(faults).unwrap();
    assert_eq!(faults.fault(), None);
    let token = Some(Secret::new("s3cret".to_owned()));
    FakeApi::new(Setup { rules, profile: None, data: Data::own(rules).unwrap(), faults, seed: 1, token })
}

fn ask(method: &str, target: &str, body: &str) -> Ask {
    Ask {
        method: method.into(),
        target: target.into(),
        host: "h".into(),
        media_type: Some("application/json".into()),
        authorization: None,
        is_new: false,
        lacks: None,
        body: body.into(),
    }
}

fn reply_at(api: &FakeApi, ask: &Ask, now: Instant) -> Reply {
    let turn = api.arrive(ask);
    api.answer(ask, &turn, now)
}

/// Sends `"PUT /posts/5 {…}"`, and returns the status and the content.
fn send(api: &FakeApi, request: &str) -> (u16, String) {
    send_at(api, request, Instant::now())
}

fn send_at(api: &FakeApi, request: &str, now: Instant) -> (u16, String) {
    let mut words = request.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let reply = reply_at(api, &ask(word(), word(), word()), now);
    (reply.answer.status, reply.answer.body.text())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Sends one request after the other; each must get its status, and content that contains the text.
fn converse(api: &FakeApi, turns: &[(&str, u16, &str)]) {
    for (request, status, expected) in turns {
        let (got, text) = send(api, request);
        assert_eq!(got, *status, "{request}: {text}");
        assert!(text.contains(expected), "{request}: {text}");
    }
}

#[test]
fn strict_keeps_what_it_acknowledges() {
    converse(
        &start(Mode::Strict, "{}"),
        &[
            ("GET /posts/5", 200, "\"id\":5,"),
            ("POST /posts {\"userId\":1,\"id\":900,\"title\":\"a\",\"body\":\"b\"}", 201, "\"id\":900,\"title\":\"a\""),
            (
                "POST /posts {\"userId\":1,\"id\":900,\"title\":\"x\",\"body\":\"y\"}",
                500,
                "Insert failed, duplicate id",
            ),
            ("GET /posts/900", 200, "\"title\":\"a\""),
            ("PUT /posts/900 {\"id\":1,\"title\":\"z\"}", 200, "{\"id\":900,\"title\":\"z\"}"),
            ("PATCH /posts/900 {\"id\":1,\"body\":\"p\"}", 200, "{\"id\":900,\"title\":\"z\",\"body\":\"p\"}"),
            ("PUT /posts/901 {\"title\":\"z\"}", 404, "{}"),
            ("POST /posts {\"title\":\"no id\"}", 201, "{\"title\":\"no id\",\"id\":901}"),
            ("DELETE /posts/900", 200, "{}"),
            ("DELETE /posts/900", 404, "{}"),
            ("GET /posts/900", 404, "{}"),
            ("PUT /posts {}", 404, "{}"),
            ("POST /posts/5 {}", 404, "{}"),
            ("POST /posts [1]", 400, "SyntaxError"),
            ("GET /users", 404, "{}"),
            ("POST /comments {\"postId\":7777,\"id\":900}", 201, "7777"),
            ("DELETE /posts/1", 200, "{}"),
            ("GET /comments?postId=1", 200, "[]"),
            ("GET /comments/900", 200, "7777"),
        ],
    );
}

#[test]
fn strict_with_dropped_orphans() {
    let rules = Rules { orphans: Orphans::Go, ..Rules::default() };
    converse(
        &with_rules(rules, "{}"),
        &[
            ("POST /comments {\"postId\":7777,\"id\":900}", 201, ""),
            ("DELETE /comments/1", 200, "{}"),
            ("GET /comments/900", 404, "{}"),
            ("DELETE /posts/2", 200, "{}"),
            ("GET /comments?postId=2", 200, "[]"),
            ("POST /comments {\"postId\":null,\"id\":901}", 201, ""),
            ("DELETE /posts/3", 500, "TypeError"),
            ("GET /posts/3", 404, "{}"),
            ("GET /comments/11", 200, "\"postId\":3"),
        ],
    );
}

#[test]
fn pretending_changes_nothing() {
    let api = start(Mode::Pretend, "{}");
    let before = send(&api, "GET /db").1;
    converse(
        &api,
        &[
            ("POST /posts {\"id\":900,\"title\":\"a\"}", 201, "{\"id\":101,\"title\":\"a\"}"),
            ("POST /posts {\"id\":900,\"title\":\"a\"}", 201, "\"id\":101"),
            ("POST /comments {\"name\":\"a\"}", 201, "{\"name\":\"a\",\"id\":501}"),
            ("GET /posts/101", 404, "{}"),
            ("PUT /posts/101 {}", 500, "TypeError"),
            ("PUT /posts/5 {\"id\":6,\"title\":\"t\"}", 200, "{\"id\":5,\"title\":\"t\"}"),
            ("PATCH /posts/101 {\"id\":6}", 200, "{\"id\":6}"),
            ("DELETE /posts/5", 200, "{}"),
            ("DELETE /posts/999", 200, "{}"),
        ],
    );
    assert_eq!(send(&api, "GET /db").1, before);
}

#[test]
fn own_ids_and_duplicates() {
    let api = start(Mode::OwnIds, "{}");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (status, text) = send(&api, "POST /posts {\"id\":900,\"title\":\"a\"}");
        assert_eq!(status, 201);
        ids.push(json(&text)["id"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    converse(
        &api,
        &[
            ("GET /posts/900", 404, "{}"),
            (&format!("GET /posts/{}", ids[0]), 200, "\"title\":\"a\""),
            ("HEAD /posts/5", 400, ""),
            ("GET /comments?_page=2&_limit=3", 200, "[]"),
            (&format!("POST /posts {{\"title\":\"{}\"}}", "x".repeat(101 * 1024)), 500, ""),
            ("DELETE /posts/1", 200, "{}"),
            ("GET /comments/1", 200, "\"postId\":1"),
        ],
    );
    let api = start(Mode::Duplicates, "{}");
    converse(
        &api,
        &[
            ("POST /posts {\"id\":5,\"title\":\"second\"}", 201, "{\"id\":5,"),
            ("GET /posts/5", 200, "\"userId\":1"),
            ("DELETE /posts/5", 200, "{}"),
            ("GET /posts/5", 200, "second"),
            ("HEAD /posts/5", 200, ""),
            ("GET /posts/5", 404, "{}"),
        ],
    );
    assert_eq!(json(&send(&api, "GET /__counts").1)["posts"]["5"]["creates"], 1);
}

#[test]
fn media_types() {
    for (mode, media_type, expected) in [
        (Mode::Strict, "text/plain", "{\"id\":5}"),
        (Mode::Strict, "application/x-www-form-urlencoded", "{\"{\\\"title\\\":\\\"t\\\"}\":\"\",\"id\":5}"),
        (Mode::Strict, "Application/JSON; charset=utf-8", "{\"title\":\"t\",\"id\":5}"),
        (Mode::Pretend, "text/plain", "{\"id\":5}"),
        (Mode::OwnIds, "text/plain", "{\"title\":\"t\",\"id\":5}"),
        (Mode::Duplicates, "text/plain", "{\"title\":\"t\",\"id\":5}"),
    ] {
        let mut ask = ask("PUT", "/posts/5", "{\"title\":\"t\"}");
        ask.media_type = Some(media_type.into());
        let reply = reply_at(&start(mode, "{}"), &ask, Instant::now());
        assert_eq!((reply.answer.status, reply.answer.body.text().as_str()), (200, expected), "{mode:?} {media_type}");
    }
}

#[test]
fn faults_before_and_after_the_write() {
    for (faults, stored, status, sending) in [
        ("{\"fail_before\":1}", false, Some(500..=504), Sending::Whole),
        ("{\"fail_after\":1}", true, Some(500..=504), Sending::Whole),
        ("{\"cut_before\":1}", false, None, Sending::Cut),
        ("{\"cut_after\":1}", true, None, Sending::Cut),
        ("{\"lose_writes\":1}", false, Some(201..=201), Sending::Whole),
    ] {
        let api = start(Mode::Strict, faults);
        let reply = reply_at(&api, &ask("POST", "/posts", "{\"id\":900}"), Instant::now());
        if let Some(range) = status {
            assert!(range.contains(&reply.answer.status), "{faults}: {}", reply.answer.status);
        }
        assert!(reply.sending == sending || (sending == Sending::Cut && reply.sending == Sending::HalfCut), "{faults}");
        assert_eq!(send(&api, "PUT /__faults {}").0, 200);
        assert_eq!(send(&api, "GET /posts/900").0, if stored { 200 } else { 404 }, "{faults}");
    }
}

#[test]
fn late_writes_come_into_force_when_due() {
    let at = |start: Instant, ms| start + Duration::from_millis(ms);
    for (faults, status) in [("{\"late_acks_ms\":1000}", 201), ("{\"late_writes_ms\":1000,\"fail_after\":1}", 500)] {
        let (api, begin) = (start(Mode::Strict, faults), Instant::now());
        let (got, _) = send_at(&api, "POST /posts {\"id\":900,\"title\":\"first\"}", begin);
        assert_eq!(got / 100, status / 100);
        send(&api, "PUT /__faults {}");
        assert_eq!(send_at(&api, "GET /posts/900", at(begin, 999)).0, 404);
        assert_eq!(send_at(&api, "GET /posts/900", at(begin, 1000)).0, 200);
    }
    // Meanwhile somebody else was faster: the late one is refused, as it would be at the real one.
    let (api, begin) = (start(Mode::Strict, "{\"late_acks_ms\":1000}"), Instant::now());
    send_at(&api, "POST /posts {\"id\":900,\"title\":\"late\"}", begin);
    send(&api, "PUT /__faults {}");
    assert_eq!(send_at(&api, "POST /posts {\"id\":900,\"title\":\"now\"}", begin).0, 201);
    assert!(send_at(&api, "GET /posts/900", at(begin, 2000)).1.contains("now"));
    let tally = &json(&send(&api, "GET /__counts").1)["posts"]["900"];
    assert_eq!((&tally["creates"], &tally["refused"]), (&1.into(), &1.into()));
}

#[test]
fn refusals() {
    let api = start(
        Mode::Strict,
        "{\"status_for\":{\"posts/900\":422,\"comments/7\":403},\"reject_text\":[\"forbidden word\"]}",
    );
    converse(
        &api,
        &[
            ("POST /posts {\"id\":900}", 422, "posts/900"),
            ("POST /posts {\"id\":901}", 201, ""),
            ("PUT /comments/7 {}", 403, "comments/7"),
            ("GET /comments/7", 200, ""),
            ("PUT /posts/5 {\"body\":\"a forbidden word\"}", 422, "forbidden word"),
            ("PUT /posts/5 {\"body\":\"mended\"}", 200, "mended"),
        ],
    );
    converse(&start(Mode::Strict, "{\"html\":true}"), &[("GET /posts", 200, "<!DOCTYPE html>")]);
    converse(
        &start(Mode::Strict, "{\"forbid\":\"writes\"}"),
        &[("GET /posts", 200, "["), ("DELETE /posts/1", 403, "")],
    );
    converse(&start(Mode::Strict, "{\"forbid\":\"all\"}"), &[("GET /posts", 403, "")]);
    let api = start(Mode::Strict, "{\"require_token\":true}");
    for (authorization, status) in
        [(None, 401), (Some("Bearer wrong"), 401), (Some("Basic s3cret"), 401), (Some("bearer s3cret"), 200)]
    {
        let ask = Ask { authorization: authorization.map(str::to_owned), ..ask("GET", "/posts", "") };
        assert_eq!(reply_at(&api, &ask, Instant::now()).answer.status, status, "{authorization:?}");
    }
}

#[test]
fn throttled_requests_are_told_when_to_come_again() {
    for (form, expected) in [("seconds", Some("1")), ("date", Some(" GMT")), ("none", None)] {
        let api = start(Mode::Strict, &format!("{{\"throttle\":2,\"retry_after\":\"{form}\"}}"));
        let now = Instant::now();
        let statuses: Vec<u16> = (0..3).map(|_| send_at(&api, "GET /posts/1", now).0).collect();
        assert_eq!(statuses, [200, 200, 429]);
        let reply = reply_at(&api, &ask("GET", "/posts/1", ""), now);
        let header =
            reply.answer.headers.iter().find(|(name, _)| *name == "Retry-After").map(|(_, value)| value.as_str());
        assert_eq!(header.is_some(), expected.is_some());
        assert!(header.unwrap_or_default().ends_with(expected.unwrap_or_default()), "{header:?}");
    }
}

#[test]
fn lists_cut_shuffled_and_counted() {
    let list = |faults: &str| reply_at(&start(Mode::Strict, faults), &ask("GET", "/posts", ""), Instant::now());
    let total =
        |reply: &Reply| reply.answer.headers.iter().find(|(name, _)| *name == "X-Total-Count").map(|(_, n)| n.clone());
    let whole = list("{}");
    assert_eq!((whole.sending, total(&whole)), (Sending::Whole, None));
    assert_eq!(json(&whole.answer.body.text()).as_array().unwrap().len(), 100);
    assert_eq!(list("{\"cut_listing\":\"connection\"}").sending, Sending::HalfCut);
    assert_eq!(list("{\"cut_listing\":\"text\"}").sending, Sending::HalfTold);
    let items = list("{\"cut_listing\":\"items\"}");
    assert_eq!((json(&items.answer.body.text()).as_array().unwrap().len(), total(&items)), (50, Some("100".into())));
    let shuffled = list("{\"order\":\"shuffled\",\"total\":\"always\"}");
    assert_eq!(total(&shuffled), Some("100".into()));
    let ids = |reply: &Reply| {
        let list = json(&reply.answer.body.text());
        list.as_array().unwrap().iter().map(|record| record["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let mut sorted = ids(&shuffled);
    assert_ne!(sorted, ids(&whole));
    sorted.sort_unstable();
    assert_eq!(sorted, ids(&whole));
}

#[test]
fn journal_counts_and_reset() {
    let api = start(Mode::Strict, "{}");
    let before = send(&api, "GET /db").1;
    converse(
        &api,
        &[
            ("POST /posts {\"id\":900}", 201, ""),
            ("DELETE /posts/900", 200, ""),
            ("POST /posts {\"id\":900}", 201, ""),
            ("PUT /comments/1 {}", 200, ""),
        ],
    );
    let journal = json(&send(&api, "GET /__requests").1);
    let row = |at: usize| (journal[at]["method"].clone(), journal[at]["path"].clone(), journal[at]["status"].clone());
    assert_eq!(row(2), ("DELETE".into(), "/posts/900".into(), 200.into()));
    let counts = json(&send(&api, "GET /__counts").1);
    assert_eq!(counts["posts"]["900"], serde_json::json!({"creates": 2, "updates": 0, "deletes": 1, "refused": 0}));
    assert_eq!(counts["comments"]["1"]["updates"], 1);
    assert_eq!(counts["requests"], serde_json::json!({"GET": 1, "POST": 2, "DELETE": 1, "PUT": 1}));
    assert_eq!(send(&api, "POST /__reset"), (200, "{}".into()));
    assert_eq!(json(&send(&api, "GET /__requests").1), serde_json::json!([]));
    assert_eq!(send(&api, "GET /db").1, before);
    assert_eq!(send(&api, "DELETE /__reset").0, 405);
}

#[test]
fn faults_can_be_replaced_but_not_by_nonsense() {
    let api = start(Mode::Strict, "{}");
    for (body, status) in
        [("{\"latency_ms\":5}", 200), ("{\"latenzy\":5}", 400), ("{\"cut_after\":3}", 400), ("", 400), ("{}", 200)]
    {
        let request = ask("PUT", "/__faults", body);
        assert_eq!(reply_at(&api, &request, Instant::now()).answer.status, status, "{body}");
    }
    assert_eq!(json(&send(&api, "GET /__faults").1)["latency_ms"], 0);
}
