//! An answer as plain data, and the problems that become answers, in Django REST framework's words.

use news_core::Entity;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value, json};

use super::forms::Invalid;
use super::negotiate::DocLayout;
use super::operator::prints::Side;
use crate::pool::PoolPlace;
use crate::store::records::List;

/// What goes behind the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Empty,
    /// All of it.
    Bytes(Vec<u8>),
    /// Fingerprints of one side, read while they are sent.
    Prints(Entity, Side),
    /// A whole list, read from the database while it is sent.
    List(List, DocLayout),
    /// All objects of an entity, by their ids, read while they are sent.
    Rows(Entity, DocLayout),
}

/// An answer. Content-Length and Date are the server's business.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers, in the order they are sent.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// What is held until the answer has left.
    pub held: Option<PoolPlace>,
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty, held: None }
    }

    /// An answer with a body of a media type.
    pub fn bytes(status: u16, media_type: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("Content-Type", media_type.to_owned())], body: Body::Bytes(body), held: None }
    }

    /// An answer in JSON.
    pub fn json(status: u16, value: &impl Serialize, layout: DocLayout) -> Self {
        Self::bytes(status, "application/json", to_json(value, layout))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Says whether it has this header.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(has, _)| *has == name)
    }

    /// Holds a place until the answer has left.
    #[must_use]
    pub fn holding(mut self, place: Option<PoolPlace>) -> Self {
        self.held = place;
        self
    }

    /// A list in JSON, sent while it is read.
    pub fn list(list: List, layout: DocLayout) -> Self {
        Self::streamed(Body::List(list, layout))
    }

    /// All objects of an entity in JSON, by their ids, sent while they are read.
    pub fn rows(entity: Entity, layout: DocLayout) -> Self {
        Self::streamed(Body::Rows(entity, layout))
    }

    fn streamed(body: Body) -> Self {
        Self { status: 200, headers: vec![("Content-Type", "application/json".to_owned())], body, held: None }
    }
}

/// Writes JSON: compact, or indented. U+2028 and U+2029 are escaped, so that it is JavaScript, too.
pub fn to_json(value: &impl Serialize, layout: DocLayout) -> Vec<u8> {
    let mut out = Vec::new();
    let written = match layout.indent {
        None => value.serialize(&mut serde_json::Serializer::new(&mut out)),
        Some(spaces) => {
            let indent = vec![b' '; usize::from(spaces)];
            value
                .serialize(&mut serde_json::Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(&indent)))
        }
    };
    if let Err(error) = written {
        // Plain structs and string keys: serde_json refuses none of them.
        log::error!("cannot write JSON: {error}");
    }
    escape_separators(out)
}

fn escape_separators(json: Vec<u8>) -> Vec<u8> {
    if !json.windows(3).any(|bytes| matches!(bytes, [0xE2, 0x80, 0xA8 | 0xA9])) {
        return json;
    }
    let text = String::from_utf8_lossy(&json);
    text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").into_bytes()
}

/// Why credentials are not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No bearer token at all.
    Missing,
    /// `Bearer` with nothing or too much behind it.
    BadHeader,
    /// The access token is not good: why.
    BadAccess(&'static str),
    /// The refresh token, or the one to verify, is not good: why.
    BadToken(&'static str),
    /// The token names no user.
    NoUserClaim,
    /// The user is gone.
    UnknownUser,
    /// The user may not log in.
    InactiveUser,
    /// Name and password do not fit.
    BadLogin,
}

/// Why a request gets no 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// 404; `Not found.`, or which object it is.
    NotFound(&'static str),
    /// 401
    Denied(Denied),
    /// 400, by field.
    Invalid(Invalid),
    /// 400, as a whole.
    Malformed(String),
    /// 400: links cannot be made of such a Host.
    BadHost,
    /// 405; the method.
    Method(String),
    /// 406
    NotAcceptable,
    /// 412
    Precondition,
    /// 415; the media type.
    Unsupported(String),
    /// 503: try again. What is away, for the client.
    Unavailable(&'static str),
    /// 504: the answer to a write was lost, so a client must not send it again without a look.
    Unknown,
    /// 500
    Internal,
    /// A refusal of the console's endpoints, with a code for programs.
    Coded(Box<Coded>),
}

/// A refusal with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// The status.
    pub status: u16,
    /// What it is, in a word.
    pub code: &'static str,
    /// What it is, in words.
    pub detail: String,
    /// Further keys of the answer.
    pub more: Map<String, Value>,
}

impl Coded {
    /// Makes a problem of it.
    pub fn problem(status: u16, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::Coded(Box::new(Self { status, code, detail: detail.into(), more: Map::new() }))
    }
}

/// What a client is told while PostgreSQL is away.
pub const DATABASE_AWAY: &str = "The database is unavailable. Try again in a moment.";
/// What a client is told while all sessions are busy.
pub const DATABASE_BUSY: &str = "The database is busy. Try again in a moment.";
/// What a client is told of a write whose fate is unknown.
const UNKNOWN: &str =
    "The connection to the database was lost. The change may have been made: look before you send it again.";
/// A client may try again after so long, in seconds: a restart of PostgreSQL takes about one.
const RETRY_AFTER_S: &str = "1";

/// What an unauthenticated client is told to bring (RFC 6750, section 3).
const CHALLENGE: &str = "Bearer realm=\"api\"";

impl Problem {
    /// Returns the answer.
    pub fn into_response(self, layout: DocLayout) -> Response {
        let detail = |status, text: &str| Response::json(status, &json!({ "detail": text }), layout);
        match self {
            Problem::NotFound(what) => detail(404, what),
            Problem::Denied(denied) => denied.into_response(layout),
            Problem::Invalid(invalid) => Response::json(400, &invalid, layout),
            Problem::Malformed(why) => detail(400, &why),
            Problem::BadHost => detail(400, "Invalid Host header."),
            Problem::Method(name) => detail(405, &format!("Method \"{name}\" not allowed.")),
            Problem::NotAcceptable => detail(406, "Could not satisfy the request Accept header."),
            Problem::Precondition => detail(412, "The object has changed since."),
            Problem::Unsupported(media) => detail(415, &format!("Unsupported media type \"{media}\" in request.")),
            Problem::Unavailable(why) => detail(503, why).header("Retry-After", RETRY_AFTER_S),
            Problem::Unknown => detail(504, UNKNOWN),
            Problem::Internal => detail(500, "Internal server error."),
            Problem::Coded(coded) => coded.into_response(layout),
        }
    }
}

impl Coded {
    fn into_response(self, layout: DocLayout) -> Response {
        let Self { status, code, detail, more } = self;
        let mut body = json!({ "detail": detail, "code": code });
        if let Some(fields) = body.as_object_mut() {
            fields.extend(more);
        }
        let response = Response::json(status, &body, layout);
        if status == 503 { response.header("Retry-After", RETRY_AFTER_S) } else { response }
    }
}

/// A refusal's JSON; its keys are in the order of the service we take the place of.
#[derive(Serialize)]
struct RefusalBody<'a> {
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    messages: &'a [TokenMessage],
}

/// What is wrong with an access token.
#[derive(Serialize)]
struct TokenMessage {
    token_class: &'static str,
    token_type: &'static str,
    message: &'static str,
}

impl Denied {
    fn into_response(self, layout: DocLayout) -> Response {
        let message = match self {
            Denied::BadAccess(message) => {
                Some(TokenMessage { token_class: "AccessToken", token_type: "access", message })
            }
            Denied::Missing
            | Denied::BadHeader
            | Denied::BadToken(_)
            | Denied::NoUserClaim
            | Denied::UnknownUser
            | Denied::InactiveUser
            | Denied::BadLogin => None,
        };
        let (detail, code) = match self {
            Denied::Missing => ("Authentication credentials were not provided.", None),
            Denied::BadHeader => {
                ("Authorization header must contain two space-delimited values", Some("bad_authorization_header"))
            }
            Denied::BadAccess(_) => ("Given token not valid for any token type", Some("token_not_valid")),
            Denied::BadToken(message) => (message, Some("token_not_valid")),
            Denied::NoUserClaim => ("Token contained no recognizable user identification", Some("token_not_valid")),
            Denied::UnknownUser => ("User not found", Some("user_not_found")),
            Denied::InactiveUser => ("User is inactive", Some("user_inactive")),
            Denied::BadLogin => ("No active account found with the given credentials", None),
        };
        let body = RefusalBody { detail, code, messages: message.as_slice() };
        Response::json(401, &body, layout).header("WWW-Authenticate", CHALLENGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_javascript_too() {
        let json = |layout| {
            String::from_utf8(to_json(&serde_json::json!({ "a": "\u{2028}é\u{2029}", "b": [] }), layout)).unwrap()
        };
        assert_eq!(json(DocLayout::default()), r#"{"a":"\u2028é\u2029","b":[]}"#);
        assert_eq!(json(DocLayout { indent: Some(2) }), "{\n  \"a\": \"\\u2028é\\u2029\",\n  \"b\": []\n}");
    }

    #[test]
    fn the_keys_of_refusals_are_in_the_originals_order() {
        for (denied, expected) in [
            (Denied::Missing, r#"{"detail":"Authentication credentials were not provided."}"#),
            (Denied::UnknownUser, r#"{"detail":"User not found","code":"user_not_found"}"#),
            (
                Denied::BadAccess("Token has no id"),
                r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token has no id"}]}"#,
            ),
        ] {
            let Body::Bytes(body) = Problem::Denied(denied).into_response(DocLayout::default()).body else { panic!() };
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
    }

    #[test]
    fn statuses() {
        let table = [
            (Problem::NotFound("Not found."), 404),
            (Problem::Denied(Denied::Missing), 401),
            (Problem::Method("PATCH".to_owned()), 405),
            (Problem::NotAcceptable, 406),
            (Problem::Unavailable("x"), 503),
            (Problem::Unknown, 504),
        ];
        for (problem, status) in table {
            let response = problem.into_response(DocLayout::default());
            assert_eq!(response.status, status);
            let has = |name| response.headers.iter().any(|(has, _)| *has == name);
            assert_eq!((has("WWW-Authenticate"), has("Retry-After")), (status == 401, status == 503));
        }
    }
}
