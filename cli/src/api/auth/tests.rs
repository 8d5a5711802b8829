//! Claims, forged and odd tokens, headers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{KeyInit, Mac};
use serde_json::json;

use super::hs256::HmacSha256;
use super::*;

const NOW: i64 = 1_700_000_000;

fn secret(letter: &str) -> Secret {
    Secret::new(letter.repeat(SECRET_BYTES_MIN))
}

fn tokens() -> Tokens {
    Tokens::new(&secret("k"), Some(&secret("p"))).unwrap()
}

/// Signs whatever it is told to, with HMAC-SHA256.
fn mint(header: &Value, claims: &Value, key: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut mac = HmacSha256::new_from_slice(key.repeat(SECRET_BYTES_MIN).as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn good() -> Value {
    json!({ "token_type": "access", "exp": NOW + 60, "iat": NOW, "jti": "j", "user_id": 1 })
}

fn with(changes: &Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[test]
fn claims() {
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let table = [
        (json!({}), Ok(Subject::User(1))),
        (json!({ "iat": "absent" }), Ok(Subject::User(1))),
        (json!({ "exp": NOW + 1 }), Ok(Subject::User(1))),
        (json!({ "exp": 1_700_000_001.5 }), Ok(Subject::User(1))),
        (json!({ "aud": "x" }), Ok(Subject::User(1))),
        (json!({ "user_id": "17" }), Ok(Subject::User(17))),
        (json!({ "user_id": "not-a-number" }), Ok(Subject::Nobody)),
        (json!({ "user_id": null }), Ok(Subject::Nobody)),
        (json!({ "user_id": 1.5 }), Ok(Subject::Nobody)),
        (json!({ "user_id": "absent" }), Ok(Subject::Unnamed)),
        (json!({ "exp": NOW }), Err(INVALID)),
        (json!({ "exp": NOW - 1 }), Err(INVALID)),
        (json!({ "exp": "soon" }), Err(INVALID)),
        (json!({ "exp": null }), Err(INVALID)),
        // The clocks of several machines differ by a little; what has expired has expired.
        (json!({ "iat": NOW + 60, "nbf": NOW + 60, "exp": NOW + 99 }), Ok(Subject::User(1))),
        (json!({ "iat": NOW + 61 }), Err(INVALID)),
        (json!({ "nbf": NOW + 61 }), Err(INVALID)),
        (json!({ "nbf": NOW, "iat": NOW + 61 }), Err(INVALID)),
        (json!({ "iat": i64::MAX }), Err(INVALID)),
        (json!({ "nbf": "x" }), Err(INVALID)),
        (json!({ "exp": "absent" }), Err("Token has no 'exp' claim")),
        (json!({ "exp": "absent", "jti": "absent" }), Err("Token has no 'exp' claim")),
        (json!({ "jti": "absent", "token_type": "absent" }), Err("Token has no id")),
        (json!({ "token_type": "absent" }), Err("Token has no type")),
        (json!({ "token_type": "refresh" }), Err("Token has wrong type")),
        (json!({ "token_type": 1 }), Err("Token has wrong type")),
    ];
    for (changes, expected) in table {
        let token = mint(&header, &with(&changes), "k");
        assert_eq!(tokens().check_at(&token, Some(TokenType::Access), NOW), expected, "{changes}");
    }
    let refresh = mint(&header, &with(&json!({ "token_type": "refresh" })), "k");
    assert_eq!(tokens().check_at(&refresh, Some(TokenType::Refresh), NOW), Ok(Subject::User(1)));
    assert_eq!(tokens().check_at(&refresh, None, NOW), Ok(Subject::User(1)));
}

#[test]
fn attacks() {
    let check = |token: &str| tokens().check_at(token, Some(TokenType::Access), NOW);
    let plain = mint(&json!({ "alg": "HS256" }), &good(), "k");
    assert_eq!(check(&plain), Ok(Subject::User(1)));
    assert_eq!(check(&mint(&json!({ "alg": "HS256" }), &good(), "p")), Ok(Subject::User(1)), "the previous key");

    let headers = [
        json!({ "alg": "none" }),
        json!({ "alg": "None" }),
        json!({ "alg": "hs256" }),
        json!({ "alg": "HS384" }),
        json!({ "alg": "HS512" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "ES256" }),
        json!({ "alg": null }),
        json!({ "alg": ["HS256"] }),
        json!({}),
        json!([]),
        json!({ "alg": "HS256", "kid": "../../dev/null" }),
        json!({ "alg": "HS256", "kid": "' OR 1=1" }),
        json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "a2s" } }),
        json!({ "alg": "HS256", "jku": "http://x" }),
        json!({ "alg": "HS256", "x5u": "http://x" }),
        json!({ "alg": "HS256", "crit": ["exp"] }),
        json!({ "alg": "HS256", "crit": ["b64"], "b64": false }),
        json!({ "alg": "HS256", "zip": "DEF" }),
    ];
    for header in headers {
        assert_eq!(check(&mint(&header, &good(), "k")), Err(INVALID), "{header}");
    }

    let (signed, signature) = plain.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let none = mint(&json!({ "alg": "none" }), &good(), "k");
    let half = &signature[..20];
    let others = [
        String::new(),
        "garbage".to_owned(),
        "aaa.bbb.ccc".to_owned(),
        "..".to_owned(),
        format!("{signed}."),
        signed.to_owned(),
        format!("{signed}.{half}"),
        format!("{signed}.{signature}AA"),
        format!("{signed}.{signature}="),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(with(&json!({ "user_id": 2 })).to_string())),
        format!("{}.", none.rsplit_once('.').unwrap().0),
        format!("{plain}.x"),
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode("x".repeat(32))),
        mint(&json!({ "alg": "HS256" }), &good(), "x"),
        mint(&json!({ "alg": "HS256" }), &json!([1]), "k"),
        mint(&json!({ "alg": "HS256" }), &with(&json!({ "x": "y".repeat(TOKEN_BYTES_MAX) })), "k"),
    ];
    for token in others {
        assert_eq!(check(&token), Err(INVALID), "{token:.200}");
    }
}

#[test]
fn what_is_issued_is_good() {
    for kind in [TokenType::Access, TokenType::Refresh] {
        let token = tokens().issue(kind, 7).unwrap();
        assert_eq!(tokens().check(&token, Some(kind)), Ok(Subject::User(7)));
        assert_eq!(tokens().check_at(&token, Some(kind), now_s() + kind.life_s() + 1), Err(INVALID));
    }
    let short = Secret::new("x".repeat(SECRET_BYTES_MIN - 1));
    for (secret, previous) in [(&short, None), (&secret("k"), Some(&short))] {
        let failure = Tokens::new(secret, previous).unwrap_err();
        assert_eq!((failure.kind(), failure.hints().len()), (Kind::Usage, 1));
    }
}

#[test]
fn authorization_headers() {
    let table = [
        (None, Err(Denied::Missing)),
        (Some(""), Err(Denied::Missing)),
        (Some("bearer x"), Err(Denied::Missing)),
        (Some("Basic x"), Err(Denied::Missing)),
        (Some("x"), Err(Denied::Missing)),
        (Some("Bearer"), Err(Denied::BadHeader)),
        (Some("Bearer "), Err(Denied::BadHeader)),
        (Some("Bearer a b"), Err(Denied::BadHeader)),
        (Some("Bearer  a"), Ok("a")),
        (Some("Bearer a"), Ok("a")),
    ];
    for (header, expected) in table {
        assert_eq!(bearer(header), expected, "{header:?}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(token in ".*", header in ".*", claims in ".*") {
        let _ = tokens().check(&token, None);
        let _ = bearer(Some(&header));
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let _ = tokens().check(&format!("{}.{}.x", part(&header), part(&claims)), None);
    }
}

#[test]
fn a_token_that_is_remembered_still_expires() {
    let tokens = tokens();
    let token = mint(&json!({ "alg": "HS256", "typ": "JWT" }), &good(), "k");
    for (now, expected) in [
        (NOW, Ok(Subject::User(1))),
        (NOW + 59, Ok(Subject::User(1))),
        (NOW + 60, Err(INVALID)),
        (NOW - 61, Err(INVALID)),
    ] {
        assert_eq!(tokens.check_at(&token, Some(TokenType::Access), now), expected, "{now}");
        assert_eq!(tokens.check_at(&token, Some(TokenType::Refresh), NOW), Err("Token has wrong type"));
    }
}
