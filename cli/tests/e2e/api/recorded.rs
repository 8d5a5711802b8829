//! The recorded answers of the service we take the place of (`cli/tests/api`): cases in order, each answer compared
//! by status and content. Tokens are compared by type and lifetime, and hosts and the ids of what the cases made
//! by where they come from.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::tokens::{Claims, changed, mint, now};
use super::wire::Reply;
use super::{SECRET, Service};

/// What the cases call things: tokens, and ids of what they made.
type Names = BTreeMap<String, String>;
/// Ids of what the cases made, by the first letters of their names (`p_`, `c_`).
type Ids = BTreeMap<(String, i64), String>;

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_recorded_case_gets_the_recorded_answer() {
    gets_the_recorded_answers(&Service::start());
}

#[test]
fn the_clients_of_a_replica_notice_nothing() {
    let service = Service::start_with(&["--replica"], |news| news);
    service.db.client().batch_execute("UPDATE auth_user SET is_staff = true").unwrap();
    gets_the_recorded_answers(&service);
}

fn gets_the_recorded_answers(service: &Service) {
    fill(service);
    let password = service.news.run_with(["user", "passwd", "admin"], "admin\n");
    password.ok();
    let (cases, expected, accepted) = (read("cases.json"), read("expected.json"), read("accepted.json"));
    let cases = cases.as_array().unwrap();
    assert_eq!(expected["meta"]["cases"], cases.len());
    let wants: BTreeMap<&str, &Value> =
        expected["responses"].as_array().unwrap().iter().map(|want| (want["id"].as_str().unwrap(), want)).collect();
    let mut want_ids = Ids::new();
    for saved in wants.values().filter_map(|want| want["saved"].as_object()) {
        remember(saved, &mut want_ids);
    }

    let mut runner = Runner::new(service);
    let answers: Vec<(Reply, Option<Value>)> = cases.iter().map(|case| runner.run(case)).collect();
    let mut differences = Vec::new();
    for (case, (reply, json)) in cases.iter().zip(&answers) {
        let id = case["id"].as_str().unwrap();
        let found = difference(wants[id], reply, json.as_ref(), &want_ids, &runner.ids);
        match (found, accepted.get(id)) {
            (Some(found), None) => differences.push(format!("{id}: {found}")),
            (None, Some(_)) => differences.push(format!("{id}: an accepted difference, but it matches")),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    let matched = cases.len() - differences.len();
    assert!(differences.is_empty(), "{matched} of {} match\n{}", cases.len(), differences.join("\n"));
}

/// JSONPlaceholder's posts and comments, and nobody but the admin.
fn fill(service: &Service) {
    let sql = "INSERT INTO news_post (id, user_id, title, body)
               SELECT id, \"userId\", title, body
               FROM jsonb_to_recordset($1::text::jsonb -> 'posts') AS p (id bigint, \"userId\" bigint, title text, body text)";
    let comments = "INSERT INTO news_comment (id, post_id, name, email, body)
                    SELECT id, \"postId\", name, email, body FROM jsonb_to_recordset($1::text::jsonb -> 'comments')
                        AS c (id bigint, \"postId\" bigint, name text, email text, body text)";
    let mut client = service.db.client();
    let data = read("jsonplaceholder.json").to_string();
    assert_eq!(client.execute(sql, &[&data]).unwrap(), 100);
    assert_eq!(client.execute(comments, &[&data]).unwrap(), 500);
    for table in ["news_post", "news_comment"] {
        let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))");
        client.batch_execute(&sql).unwrap();
    }
}

struct Runner<'a> {
    service: &'a Service,
    names: Names,
    ids: Ids,
}

impl<'a> Runner<'a> {
    fn new(service: &'a Service) -> Self {
        let login = json!({ "username": "admin", "password": "admin" }).to_string();
        let pair = service
            .wire()
            .send("POST", "/api-auth/token/", &[("Content-Type", "application/json")], Some(login.as_bytes()))
            .unwrap();
        let pair = pair.expect(200).json();
        let (access, refresh) = (pair["access"].as_str().unwrap(), pair["refresh"].as_str().unwrap());
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        let with = |changes: Value| mint(&header, &Claims::with(&changes), SECRET);
        let refresh_with =
            |changes: Value| mint(&header, &changed(Claims::of("refresh", now() + 24 * 3600), &changes), SECRET);
        let wrong_secret = format!("{SECRET}x");
        let names = [
            ("access", access.to_owned()),
            ("refresh", refresh.to_owned()),
            ("minted", with(json!({}))),
            ("expired", with(json!({ "exp": now() - 3600, "iat": now() - 7200 }))),
            ("alg_none", mint(&json!({ "alg": "none", "typ": "JWT" }), &Claims::access(), SECRET)),
            ("hs512", mint(&json!({ "alg": "HS512", "typ": "JWT" }), &Claims::access(), SECRET)),
            ("wrong_secret", mint(&header, &Claims::access(), &wrong_secret)),
            ("tampered", flip_signature(access)),
            ("no_exp", with(json!({ "exp": null }))),
            ("no_iat", with(json!({ "iat": null }))),
            ("no_jti", with(json!({ "jti": null }))),
            ("no_type", with(json!({ "token_type": null }))),
            ("no_user", with(json!({ "user_id": null }))),
            ("unknown_user", with(json!({ "user_id": 987_654 }))),
            ("text_user", with(json!({ "user_id": "not-a-number" }))),
            ("future_iat", with(json!({ "iat": now() + 3000 }))),
            ("future_nbf", with(json!({ "nbf": now() + 3000 }))),
            ("wrong_type", with(json!({ "token_type": "sliding" }))),
            ("refresh_minted", refresh_with(json!({}))),
            ("refresh_expired", refresh_with(json!({ "exp": now() - 3600, "iat": now() - 7200 }))),
            ("refresh_alg_none", mint(&json!({ "alg": "none" }), &Claims::of("refresh", now() + 3600), SECRET)),
            ("refresh_wrong_secret", mint(&header, &Claims::of("refresh", now() + 3600), &wrong_secret)),
            ("refresh_tampered", flip_signature(refresh)),
            ("refresh_unknown_user", refresh_with(json!({ "user_id": 987_654 }))),
            ("refresh_no_jti", refresh_with(json!({ "jti": null }))),
        ];
        let names = names.into_iter().map(|(name, token)| (name.to_owned(), token)).collect();
        Self { service, names, ids: Ids::new() }
    }

    /// Returns the Authorization that a case asks for.
    fn authorization(&self, auth: &str) -> Option<String> {
        let access = &self.names["access"];
        Some(match auth {
            "none" => return None,
            "garbage" => "Bearer garbage".to_owned(),
            "empty-bearer" => "Bearer".to_owned(),
            "three-parts" => format!("Bearer {access} more"),
            "wrong-scheme" => format!("Token {access}"),
            "lowercase-scheme" => format!("bearer {access}"),
            "refresh-as-access" => format!("Bearer {}", self.names["refresh"]),
            token => format!("Bearer {}", self.names[&token.replace('-', "_")]),
        })
    }

    fn run(&mut self, case: &Value) -> (Reply, Option<Value>) {
        let path = self.fill(case["path"].as_str().unwrap());
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in case["headers"].as_object().into_iter().flatten() {
            headers.push((name.clone(), self.fill(value.as_str().unwrap())));
        }
        if let Some(value) = self.authorization(case["auth"].as_str().unwrap_or("none")) {
            headers.push(("Authorization".to_owned(), value));
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = case["body"].as_str().map(|body| self.fill(body));
        let method = case["method"].as_str().unwrap();
        let reply = self.service.wire().send(method, &path, &headers, body.as_deref().map(str::as_bytes)).unwrap();
        let is_json = reply.header("content-type").is_some_and(|media| media.contains("json"));
        let json: Option<Value> = if is_json { serde_json::from_slice(&reply.body).ok() } else { None };
        if let (Some(json), Some(save)) = (&json, case["save"].as_object()) {
            let pick =
                |(name, pointer): (&String, &Value)| Some((name.clone(), json.pointer(pointer.as_str()?)?.clone()));
            let saved: Map<String, Value> = save.iter().filter_map(pick).collect();
            for (name, value) in &saved {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.names.insert(name.clone(), text);
            }
            remember(&saved, &mut self.ids);
        }
        (reply, json)
    }

    /// Puts names' values in: `/news/posts/{p_new}/`.
    fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.names {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }
}

fn remember(saved: &Map<String, Value>, ids: &mut Ids) {
    for (name, value) in saved {
        if let (Some(kind), Some(id)) = (name.get(..2), value.as_i64()) {
            ids.insert((kind.to_owned(), id), name.clone());
        }
    }
}

/// Changes one character in the middle of a token's signature.
fn flip_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (start, rest) = signature.split_at(signature.len() / 2);
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{start}{other}{}", &rest[1..])
}

/// Says how an answer differs from the recorded one.
fn difference(want: &Value, reply: &Reply, json: Option<&Value>, want_ids: &Ids, ids: &Ids) -> Option<String> {
    if want["status"] != reply.status {
        return Some(format!("status: want {}, got {}: {}", want["status"], reply.status, reply.text()));
    }
    match (want.get("body"), json) {
        (Some(want), Some(got)) => {
            let (want, got) = (normal(want, None, false, want_ids), normal(got, None, false, ids));
            (want != got).then(|| format!("want {want}\n     got {got}"))
        }
        (Some(want), None) => Some(format!("want JSON {want}, got {}", reply.text())),
        // The original's HTML pages are not ours.
        (None, _) if want["text"] == "" && !reply.body.is_empty() => {
            Some(format!("want nothing, got {}", reply.text()))
        }
        (None, _) => None,
    }
}

/// Takes out of a value what differs from run to run.
fn normal(value: &Value, key: Option<&str>, in_comment: bool, ids: &Ids) -> Value {
    match value {
        Value::Object(fields) => {
            let of_comment = fields.contains_key("post_id") || fields.contains_key("email");
            let normal = |(name, value): (&String, &Value)| (name.clone(), normal(value, Some(name), of_comment, ids));
            Value::Object(fields.iter().map(normal).collect())
        }
        Value::Array(items) => items.iter().map(|item| normal(item, key, in_comment, ids)).collect(),
        Value::Number(number) => {
            let kind = if key == Some("post_id") || !in_comment { "p_" } else { "c_" };
            let id = number.as_i64().filter(|_| matches!(key, Some("id" | "post_id")));
            let name = id.and_then(|id| ids.get(&(kind.to_owned(), id)));
            name.map_or_else(|| value.clone(), |name| Value::String(format!("{{{name}}}")))
        }
        Value::String(text) => Value::String(normal_text(text, ids)),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

fn normal_text(text: &str, ids: &Ids) -> String {
    if let Some(token) = token(text) {
        return token;
    }
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return text.to_owned();
    };
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    let mut normal = format!("http://HOST{path}");
    if let Some((before, behind)) = path.split_once("/posts/") {
        let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let id = behind[..digits].parse().ok().and_then(|id| ids.get(&("p_".to_owned(), id)));
        if let Some(name) = id {
            normal = format!("http://HOST{before}/posts/{{{name}}}{}", &behind[digits..]);
        }
    }
    normal
}

/// Returns a token's type and lifetime: `<jwt access 60min>`.
fn token(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, _] = parts.as_slice() else { return None };
    let part = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    part(header)?.get("alg")?;
    let claims = part(claims)?;
    let minutes = (claims["exp"].as_i64()? - claims["iat"].as_i64()?) / 60;
    Some(format!("<jwt {} {minutes}min>", claims["token_type"].as_str()?))
}
