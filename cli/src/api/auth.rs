//! JSON Web Tokens: HS256 with our key and nothing else, no leeway, the claims that
//! simplejwt makes and its words about bad ones.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::response::Denied;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::settings::Secret;

/// An access token lives so long, in seconds.
pub const ACCESS_LIFE_S: i64 = 60 * 60;
/// A refresh token lives so long, in seconds.
pub const REFRESH_LIFE_S: i64 = 24 * 60 * 60;
/// A shorter key could be guessed (RFC 7518, section 3.2), in bytes.
pub const SECRET_BYTES_MIN: usize = 32;
/// Ours have some 300 bytes; a longer one is not even read, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// What simplejwt says of a token that is forged, garbled, expired or not valid yet.
const INVALID: &str = "Token is invalid or expired";

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// For requests.
    Access,
    /// For new access tokens.
    Refresh,
}

impl TokenType {
    fn claim(self) -> &'static str {
        match self {
            TokenType::Access => "access",
            TokenType::Refresh => "refresh",
        }
    }

    fn life_s(self) -> i64 {
        match self {
            TokenType::Access => ACCESS_LIFE_S,
            TokenType::Refresh => REFRESH_LIFE_S,
        }
    }
}

/// The user that a good token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The user with this id, who may be gone by now.
    User(i64),
    /// Something that no user's id is.
    Nobody,
    /// There is no claim.
    Unnamed,
}

impl Subject {
    /// Returns the user's id. No user has id 0.
    pub fn user_id(self) -> std::result::Result<i64, Denied> {
        match self {
            Subject::User(id) => Ok(id),
            Subject::Nobody => Ok(0),
            Subject::Unnamed => Err(Denied::NoUserClaim),
        }
    }
}

/// The keys: one signs, all verify.
#[derive(Debug)]
pub struct Tokens {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
}

#[derive(Serialize)]
struct Claims {
    token_type: &'static str,
    exp: i64,
    iat: i64,
    jti: String,
    user_id: i64,
}

impl Tokens {
    /// Makes tokens with `secret`; those made with `previous` are still good.
    ///
    /// Fails with [`Kind::Usage`] where one of them is too short.
    pub fn new(secret: &Secret, previous: Option<&Secret>) -> Result<Self> {
        // Once a process; a second installation is the same one.
        let _ = PROVIDER.install_default();
        for (name, secret) in [("NEWS_JWT_SECRET", Some(secret)), ("NEWS_JWT_SECRET_PREVIOUS", previous)] {
            let Some(secret) = secret else { continue };
            let bytes = secret.expose().len();
            if bytes < SECRET_BYTES_MIN {
                let why = format!("{name} has {bytes} bytes, fewer than {SECRET_BYTES_MIN}");
                return Err(Failure::new(Kind::Usage, why).hint("make one with `openssl rand -hex 32`"));
            }
        }
        let verifying = [Some(secret), previous].into_iter().flatten();
        Ok(Self {
            signing: EncodingKey::from_secret(secret.expose().as_bytes()),
            verifying: verifying.map(|secret| DecodingKey::from_secret(secret.expose().as_bytes())).collect(),
        })
    }

    /// Makes a token for a user.
    pub fn issue(&self, kind: TokenType, user_id: i64) -> Result<String> {
        let mut jti = [0_u8; 16];
        getrandom::fill(&mut jti).or_fail(Kind::Bug, "no random numbers")?;
        let now = now_s();
        let jti = format!("{:032x}", u128::from_be_bytes(jti));
        let claims = Claims { token_type: kind.claim(), exp: now + kind.life_s(), iat: now, jti, user_id };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .or_fail(Kind::Bug, "cannot sign a token")
    }

    /// Checks a token: of `kind`, or of any. Returns whom it names, or what is wrong with it.
    pub fn check(&self, token: &str, kind: Option<TokenType>) -> std::result::Result<Subject, &'static str> {
        self.check_at(token, kind, now_s())
    }

    fn check_at(&self, token: &str, kind: Option<TokenType>, now: i64) -> std::result::Result<Subject, &'static str> {
        let claims = self.verified(token).ok_or(INVALID)?;
        judge(&claims, kind, now)
    }

    /// Returns the claims of a token that one of our keys signed.
    fn verified(&self, token: &str) -> Option<Map<String, Value>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are judged by `judge`, without leeway and in the order that the messages need;
        // an audience that we did not ask for does no harm.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let data = self
            .verifying
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation).ok())?;
        is_plain(&data.header).then_some(data.claims)
    }
}

/// Says whether a header points at no key of its own and asks for nothing critical: we make none such.
fn is_plain(header: &Header) -> bool {
    header.kid.is_none()
        && header.jwk.is_none()
        && header.jku.is_none()
        && header.x5u.is_none()
        && header.x5c.is_none()
        && header.x5t.is_none()
        && header.x5t_s256.is_none()
        && header.crit.is_none()
        && header.enc.is_none()
        && header.zip.is_none()
}

fn judge(claims: &Map<String, Value>, kind: Option<TokenType>, now: i64) -> std::result::Result<Subject, &'static str> {
    for claim in ["iat", "nbf"] {
        if let Some(time) = claims.get(claim)
            && seconds(time).is_none_or(|time| time > now)
        {
            return Err(INVALID);
        }
    }
    let Some(exp) = claims.get("exp") else { return Err("Token has no 'exp' claim") };
    if seconds(exp).is_none_or(|exp| exp <= now) {
        return Err(INVALID);
    }
    if !claims.contains_key("jti") {
        return Err("Token has no id");
    }
    if let Some(kind) = kind {
        match claims.get("token_type") {
            None => return Err("Token has no type"),
            Some(Value::String(claim)) if claim == kind.claim() => {}
            Some(_) => return Err("Token has wrong type"),
        }
    }
    Ok(match claims.get("user_id") {
        None => Subject::Unnamed,
        Some(Value::Number(number)) => number.as_i64().map_or(Subject::Nobody, Subject::User),
        // Newer versions of simplejwt write the id as text.
        Some(Value::String(text)) if text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().map_or(Subject::Nobody, Subject::User)
        }
        Some(_) => Subject::Nobody,
    })
}

/// Reads a NumericDate (RFC 7519, section 2), which may have a fraction.
fn seconds(claim: &Value) -> Option<i64> {
    let Value::Number(number) = claim else { return None };
    number.as_i64().or_else(|| {
        let time = number.as_f64().filter(|time| time.is_finite())?;
        // A cast of a float saturates: a time far away stays far away.
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds are what is wanted")]
        Some(time as i64)
    })
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Reads an Authorization header: the token behind `Bearer`, which is spelled so.
pub fn bearer(header: Option<&str>) -> std::result::Result<&str, Denied> {
    let mut parts = header.unwrap_or_default().split_ascii_whitespace();
    if parts.next() != Some("Bearer") {
        return Err(Denied::Missing);
    }
    match (parts.next(), parts.next()) {
        (Some(token), None) => Ok(token),
        (_, _) => Err(Denied::BadHeader),
    }
}

// jsonwebtoken's own providers bring RSA or a C build with them; we need one algorithm.

type HmacSha256 = Hmac<Sha256>;

struct Hs256(HmacSha256);

impl Hs256 {
    fn new(algorithm: Algorithm, key: &[u8]) -> JwtResult<Self> {
        if algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        HmacSha256::new_from_slice(key).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), SignatureError> {
        // In constant time, and of the full length only.
        self.0.clone().chain_update(message).verify_slice(signature).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

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
            (json!({ "iat": NOW + 1 }), Err(INVALID)),
            (json!({ "nbf": NOW + 1 }), Err(INVALID)),
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
}
