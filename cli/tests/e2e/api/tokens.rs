//! Tokens: what a login gives, and what forgers try.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

use super::{SECRET, Service, add_user, bearer};

/// Claims of tokens.
pub struct Claims;

impl Claims {
    /// Of an access token of the first user, good for an hour.
    pub fn access() -> Value {
        Self::of("access", now() + 3600)
    }

    /// Of a token of the first user, made now.
    pub fn of(token_type: &str, exp: i64) -> Value {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let jti = format!("{:032x}", COUNT.fetch_add(1, Ordering::Relaxed));
        json!({ "token_type": token_type, "exp": exp, "iat": now(), "jti": jti, "user_id": 1 })
    }

    /// Of an access token with changes; null takes a claim away.
    pub fn with(changes: &Value) -> Value {
        changed(Self::access(), changes)
    }
}

/// Changes the fields of an object; null takes one away.
pub fn changed(mut object: Value, changes: &Value) -> Value {
    let fields = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    object
}

/// Returns the time in seconds since 1970.
pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Signs whatever it is told to: with HMAC-SHA512 where the header says HS512, not at all where it says none, else
/// with HMAC-SHA256.
pub fn mint(header: &Value, claims: &Value, key: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = match header["alg"].as_str() {
        Some("none") => Vec::new(),
        Some("HS512") => {
            let mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap().chain_update(&signed);
            mac.finalize().into_bytes().to_vec()
        }
        _ => {
            let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(&signed);
            mac.finalize().into_bytes().to_vec()
        }
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn good_header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

#[test]
fn forged_tokens_are_401_everywhere() {
    let service = Service::start();
    let now = now();
    let with_header = |changes: &Value| mint(&changed(good_header(), changes), &Claims::access(), SECRET);
    let with_claims = |changes: &Value| mint(&good_header(), &Claims::with(changes), SECRET);
    let good = mint(&good_header(), &Claims::access(), SECRET);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let none = with_header(&json!({ "alg": "none" }));
    let attacks = [
        ("alg none", none.clone()),
        ("alg none, our signature", format!("{}.{signature}", none.rsplit_once('.').unwrap().0)),
        ("alg None", with_header(&json!({ "alg": "None" }))),
        ("alg NONE", with_header(&json!({ "alg": "NONE" }))),
        ("alg hs256", with_header(&json!({ "alg": "hs256" }))),
        ("HS512 with our key", with_header(&json!({ "alg": "HS512" }))),
        ("HS384", with_header(&json!({ "alg": "HS384" }))),
        ("RS256 with our key as its own", with_header(&json!({ "alg": "RS256" }))),
        ("ES256", with_header(&json!({ "alg": "ES256" }))),
        ("PS256", with_header(&json!({ "alg": "PS256" }))),
        ("EdDSA", with_header(&json!({ "alg": "EdDSA" }))),
        ("no alg", with_header(&json!({ "alg": null }))),
        ("a list of algs", with_header(&json!({ "alg": ["HS256"] }))),
        ("kid: a file", with_header(&json!({ "kid": "../../../dev/null" }))),
        ("kid: SQL", with_header(&json!({ "kid": "x' UNION SELECT 'key" }))),
        ("kid: a command", with_header(&json!({ "kid": "|id" }))),
        (
            "an empty key named by kid",
            mint(&changed(good_header(), &json!({ "kid": "/dev/null" })), &Claims::access(), ""),
        ),
        ("jwk", with_header(&json!({ "jwk": { "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) } }))),
        ("jku", with_header(&json!({ "jku": "http://127.0.0.1:1/keys" }))),
        ("x5u", with_header(&json!({ "x5u": "http://127.0.0.1:1/keys" }))),
        ("x5c", with_header(&json!({ "x5c": ["AAAA"] }))),
        ("crit", with_header(&json!({ "crit": ["exp"] }))),
        ("crit of something unknown", with_header(&json!({ "crit": ["x"], "x": 1 }))),
        ("b64", with_header(&json!({ "crit": ["b64"], "b64": false }))),
        ("zip", with_header(&json!({ "zip": "DEF" }))),
        ("an empty signature", format!("{signed}.")),
        ("no signature", signed.to_owned()),
        ("half a signature", format!("{signed}.{}", &signature[..20])),
        ("too long a signature", format!("{signed}.{signature}AAAA")),
        ("a padded signature", format!("{signed}.{signature}=")),
        ("another signature", format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 32]))),
        ("another key", mint(&good_header(), &Claims::access(), &format!("{SECRET}x"))),
        ("other claims", format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(Claims::access().to_string()))),
        ("parts swapped", format!("{claims}.{header}.{signature}")),
        ("four parts", format!("{good}.x")),
        ("expired this second", with_claims(&json!({ "exp": now }))),
        ("expired", with_claims(&json!({ "exp": now - 1 }))),
        ("no exp", with_claims(&json!({ "exp": null }))),
        ("exp of text", with_claims(&json!({ "exp": "never" }))),
        ("not valid yet", with_claims(&json!({ "nbf": now + 3000 }))),
        ("issued in the future", with_claims(&json!({ "iat": now + 3000 }))),
        ("no jti", with_claims(&json!({ "jti": null }))),
        ("no type", with_claims(&json!({ "token_type": null }))),
        ("a refresh token", mint(&good_header(), &Claims::of("refresh", now + 3600), SECRET)),
        ("another type", with_claims(&json!({ "token_type": "sliding" }))),
        ("nobody's", with_claims(&json!({ "user_id": 987_654 }))),
        ("no user", with_claims(&json!({ "user_id": null }))),
        ("a user of text", with_claims(&json!({ "user_id": "1 OR 1=1" }))),
        ("a user that is a list", with_claims(&json!({ "user_id": [1] }))),
        ("claims that are a list", mint(&good_header(), &json!([1]), SECRET)),
        ("huge", with_claims(&json!({ "x": "y".repeat(10_000) }))),
        ("dots", "..".to_owned()),
    ];
    let mut wire = service.wire();
    for (name, token) in &attacks {
        for (method, path) in [("GET", "/news/posts/"), ("DELETE", "/news/posts/1/")] {
            let bearer = format!("Bearer {token}");
            let reply = wire.send(method, path, &[("Authorization", &bearer)], None).unwrap();
            assert_eq!(reply.status, 401, "{name}: {}", reply.text());
            assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"api\""), "{name}");
        }
    }
    // A token that the head has no room for is not even looked at.
    let mut wire = service.wire();
    let bearer = format!("Bearer {good}{}", "x".repeat(20_000));
    assert_eq!(wire.send("GET", "/news/posts/", &[("Authorization", &bearer)], None).unwrap().status, 431);
    service.ask("GET", "/news/posts/", None).expect(200);
}

#[test]
fn tokens_of_the_previous_key_are_good_until_it_is_taken_away() {
    let old = "an-older-key-of-the-tests-0123456789-abcdef";
    let header = good_header();
    let bearer = format!("Bearer {}", mint(&header, &Claims::access(), old));
    let refresh = mint(&header, &Claims::of("refresh", now() + 3600), old);
    let send = |service: &Service| {
        let authorized = [("Authorization", bearer.as_str())];
        let listed = service.wire().send("GET", "/news/posts/", &authorized, None).unwrap().status;
        let refreshed = service.ask("POST", "/api-auth/token/refresh/", Some(&json!({ "refresh": refresh })));
        (listed, refreshed)
    };
    let (listed, refreshed) = send(&Service::start_with(&[], |news| news.env("NEWS_JWT_SECRET_PREVIOUS", old)));
    assert_eq!((listed, refreshed.status), (200, 200));
    // What is made is signed with the new key.
    let access = refreshed.json()["access"].as_str().unwrap().to_owned();
    let (signed, signature) = access.rsplit_once('.').unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(signed).finalize();
    assert_eq!(signature, URL_SAFE_NO_PAD.encode(mac.into_bytes()));

    let (listed, refreshed) = send(&Service::start());
    assert_eq!((listed, refreshed.status), (401, 401));
}

#[test]
fn a_user_who_is_gone_or_inactive_has_no_use_of_a_token() {
    let service = Service::start();
    service.posts(1, 10);
    let refresh = mint(&good_header(), &Claims::of("refresh", now() + 3600), SECRET);
    let body = json!({ "refresh": refresh });
    service.ask("POST", "/api-auth/token/refresh/", Some(&body)).expect(200);
    let expect_all_401 = |code: &str| {
        let change = json!({ "title": "t", "body": "b" });
        let requests = [
            ("GET", "/news/posts/", None),
            ("GET", "/news/posts/1/", None),
            ("GET", "/news/posts/x/", None),
            ("GET", "/news/posts/?all=true", None),
            ("GET", "/news/posts/1/comments/", None),
            ("POST", "/news/posts/", Some(&change)),
            ("POST", "/news/posts/", None),
            ("PUT", "/news/posts/1/", Some(&change)),
            ("DELETE", "/news/posts/1/", None),
            ("PATCH", "/news/posts/1/", None),
            ("POST", "/api-auth/token/refresh/", Some(&body)),
        ];
        for (method, path, body) in requests {
            let reply = service.ask(method, path, body);
            assert_eq!((reply.status, reply.json()["code"].as_str()), (401, Some(code)), "{method} {path}");
        }
    };
    let mut client = service.db.client();
    client.batch_execute("UPDATE auth_user SET is_active = false").unwrap();
    expect_all_401("user_inactive");
    client.batch_execute("DELETE FROM auth_user").unwrap();
    expect_all_401("user_not_found");
    assert_eq!(service.post_ids(), [1]);
    add_user(&service.db, "other", "true");
    assert_eq!(service.wire().send("GET", "/news/posts/", &[("Authorization", &bearer())], None).unwrap().status, 401);
}
