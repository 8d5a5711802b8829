//! JSON Web Tokens: HS256 with our key and nothing else, the claims that simplejwt makes and its words about bad ones.
//!
//! A token that one of our keys signed is remembered, so that its signature is not computed for each request; its times
//! are judged each time.

mod hs256;
#[cfg(test)]
mod tests;
mod verified;

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde_json::{Map, Value};

use self::verified::Verified;
use super::response::Denied;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::secret::Secret;

/// An access token lives so long, in seconds.
pub const ACCESS_LIFE_S: i64 = 60 * 60;
/// A refresh token lives so long, in seconds.
pub const REFRESH_LIFE_S: i64 = 24 * 60 * 60;
/// A shorter key could be guessed (RFC 7518, section 3.2), in bytes.
pub const SECRET_BYTES_MIN: usize = 32;
/// Ours have some 300 bytes; a longer one is not even read, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// The clock of another machine may be this far ahead of ours, in seconds: a token that it has just issued is valid here, too.
const CLOCKS_DIFFER_S: i64 = 60;

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
    fn read(claims: &Map<String, Value>) -> Self {
        match claims.get("user_id") {
            None => Subject::Unnamed,
            Some(Value::Number(number)) => number.as_i64().map_or(Subject::Nobody, Subject::User),
            // Newer versions of simplejwt write the id as text.
            Some(Value::String(text)) if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().map_or(Subject::Nobody, Subject::User)
            }
            Some(_) => Subject::Nobody,
        }
    }

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
    verified: Verified,
}

/// What we write into a token.
#[derive(Serialize)]
struct Issued {
    token_type: &'static str,
    exp: i64,
    iat: i64,
    jti: String,
    user_id: i64,
}

/// What is read of a token, by any issuer that has our key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claims {
    /// The later of `iat` and `nbf`, in seconds since 1970; nothing where one of them is not a time.
    begins_s: Option<i64>,
    exp: Claim<i64>,
    jti: Claim<()>,
    token_type: Claim<TokenType>,
    subject: Subject,
}

/// A claim of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim<T> {
    Absent,
    /// It is there, and is not what it should be.
    Odd,
    Is(T),
}

impl<T> Claim<T> {
    fn read(claims: &Map<String, Value>, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Self {
        claims.get(name).map_or(Claim::Absent, |claim| read(claim).map_or(Claim::Odd, Claim::Is))
    }
}

impl Tokens {
    /// Makes tokens with `secret`; those made with `previous` are still good.
    ///
    /// Fails with [`Kind::Usage`] where one of them is too short.
    pub fn new(secret: &Secret, previous: Option<&Secret>) -> Result<Self> {
        // Once a process; a second installation is the same one.
        let _ = hs256::PROVIDER.install_default();
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
            verified: Verified::default(),
        })
    }

    /// Makes a token for a user.
    pub fn issue(&self, kind: TokenType, user_id: i64) -> Result<String> {
        let mut jti = [0_u8; 16];
        getrandom::fill(&mut jti).or_fail(Kind::Bug, "no random numbers")?;
        let now = now_s();
        let jti = format!("{:032x}", u128::from_be_bytes(jti));
        let claims = Issued { token_type: kind.claim(), exp: now + kind.life_s(), iat: now, jti, user_id };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .or_fail(Kind::Bug, "cannot sign a token")
    }

    /// Checks a token: of `kind`, or of any. Returns its user, or what is wrong with it.
    pub fn check(&self, token: &str, kind: Option<TokenType>) -> std::result::Result<Subject, &'static str> {
        self.check_at(token, kind, now_s())
    }

    fn check_at(&self, token: &str, kind: Option<TokenType>, now: i64) -> std::result::Result<Subject, &'static str> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(INVALID);
        }
        self.verified.get_or_verify(token, || self.verify(token)).ok_or(INVALID)?.judge(kind, now)
    }

    /// Returns the claims of a token that one of our keys signed.
    fn verify(&self, token: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are judged by `judge`, in the order that the messages need; an audience that we did not ask for does no
        // harm.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let data = self
            .verifying
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation).ok())?;
        is_plain(&data.header).then(|| Claims::read(&data.claims))
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

impl Claims {
    fn read(claims: &Map<String, Value>) -> Self {
        let mut begins = ["iat", "nbf"].into_iter().filter_map(|name| claims.get(name)).map(seconds);
        Self {
            begins_s: begins.try_fold(i64::MIN, |latest, time| Some(latest.max(time?))),
            exp: Claim::read(claims, "exp", seconds),
            jti: Claim::read(claims, "jti", |_| Some(())),
            token_type: Claim::read(claims, "token_type", |claim| {
                [TokenType::Access, TokenType::Refresh].into_iter().find(|kind| claim == kind.claim())
            }),
            subject: Subject::read(claims),
        }
    }

    /// Judges the claims at the time `now`, in seconds since 1970, for a token of `kind`, or of any.
    fn judge(self, kind: Option<TokenType>, now: i64) -> std::result::Result<Subject, &'static str> {
        if self.begins_s.is_none_or(|begins| begins > now.saturating_add(CLOCKS_DIFFER_S)) {
            return Err(INVALID);
        }
        match self.exp {
            Claim::Absent => return Err("Token has no 'exp' claim"),
            Claim::Is(exp) if exp > now => {}
            Claim::Is(_) | Claim::Odd => return Err(INVALID),
        }
        if self.jti == Claim::Absent {
            return Err("Token has no id");
        }
        match (kind, self.token_type) {
            (None, _) => {}
            (Some(_), Claim::Absent) => return Err("Token has no type"),
            (Some(kind), Claim::Is(found)) if found == kind => {}
            (Some(_), Claim::Is(_) | Claim::Odd) => return Err("Token has wrong type"),
        }
        Ok(self.subject)
    }
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
