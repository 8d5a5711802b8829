//! A request's head: judged, and taken apart. No IO.
//!
//! In scope: everything by which two parties could disagree on where a request ends (request smuggling, RFC 9112
//! §11.2). Out of scope: what a field means to the API.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::http::limits::{FIELDS_MAX, Limits};
use crate::http::refusal::Refusal;
use crate::http::request::{Fields, HttpRequest};

/// Whether the answer has a body (RFC 9110 §9.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Head,
    Other,
}

impl Verb {
    /// Returns the verb of a head that may be broken further on.
    pub(super) fn sniff(input: &[u8]) -> Self {
        if input.starts_with(b"HEAD ") { Self::Head } else { Self::Other }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpVersion {
    Http10,
    Http11,
}

/// Whether the connection outlives the exchange (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persist {
    Keep,
    Close,
}

/// How the end of the request's body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(usize),
    Chunked,
}

/// Whether the client waits for a `100 Continue` (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Nothing,
    Continue,
}

/// What the server needs to know of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) verb: Verb,
    pub(super) version: HttpVersion,
    pub(super) persist: Persist,
    pub(super) framing: Framing,
    pub(super) expect: Expect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ParsedHead {
    Partial,
    /// The head ends after `len` bytes. The request has no body yet.
    Complete {
        len: usize,
        head: Head,
        request: HttpRequest,
    },
}

/// Judges the head at the start of `input`, which came from `peer`.
pub(super) fn parse(input: &[u8], limits: &Limits, peer: SocketAddr) -> Result<ParsedHead, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(input).map_err(|error| refusal_of(error, input))?;
    let len = match parsed {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial => input.len(),
    };
    // httparse takes a bare LF for a line's end (RFC 9112 §2.2 allows it); others do not, and that is a quarrel.
    if bare_line_feed(input.get(..len).unwrap_or_default()) {
        return Err(Refusal::Malformed("bare LF in the head"));
    }
    if len > limits.head_bytes_max || (parsed.is_partial() && len == limits.head_bytes_max) {
        return Err(Refusal::HeadTooLarge);
    }
    if parsed.is_partial() {
        return Ok(ParsedHead::Partial);
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed("no request line"));
    };
    let version = if minor == 0 { HttpVersion::Http10 } else { HttpVersion::Http11 };
    let (head, request) = take_apart(method, target, version, request.headers, limits, peer)?;
    Ok(ParsedHead::Complete { len, head, request })
}

fn take_apart(
    method: &str,
    target: &str,
    version: HttpVersion,
    found: &[httparse::Header<'_>],
    limits: &Limits,
    peer: SocketAddr,
) -> Result<(Head, HttpRequest), Refusal> {
    let (authority, path) = split_target(method, target)?;
    let mut seen = SeenFields::new(version);
    let bytes = found.iter().map(|field| field.name.len() + field.value.len()).sum();
    let mut fields = Fields::with_capacity(found.len(), bytes);
    for field in found {
        // An authority in the target outranks the field (RFC 9112 §3.2.2).
        if seen.take(field)? == IsHost::No || authority.is_none() {
            fields.add(field.name, &ascii(field.value));
        }
    }
    if seen.hosts == 0 && version == HttpVersion::Http11 {
        return Err(Refusal::Malformed("no Host field"));
    }
    if let Some(authority) = authority {
        fields.add("Host", authority);
    }
    let head = Head {
        verb: if method == "HEAD" { Verb::Head } else { Verb::Other },
        version,
        persist: match version {
            _ if seen.close => Persist::Close,
            HttpVersion::Http11 => Persist::Keep,
            HttpVersion::Http10 if seen.keep_alive => Persist::Keep,
            HttpVersion::Http10 => Persist::Close,
        },
        framing: seen.framing(limits)?,
        expect: seen.expects,
    };
    // httparse lets tokens through only, and those are ASCII.
    let method = method.parse().map_err(|()| Refusal::Malformed("bad method"))?;
    let target = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    Ok((head, HttpRequest { method, target, fields, body: Vec::new(), peer }))
}

/// Returns the authority, if the target has one, and the path with its query (RFC 9112 §3.2).
fn split_target<'a>(method: &str, target: &'a str) -> Result<(Option<&'a str>, &'a str), Refusal> {
    // RFC 3986 §2.
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Malformed("characters in the target that must be percent-encoded"));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") || method == "CONNECT" {
        return Ok((None, target));
    }
    let rest = ["http://", "https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .and_then(|scheme| target.get(scheme.len()..))
        .ok_or(Refusal::Malformed("the target is not a path"))?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !host_is_valid(authority.as_bytes()) {
        return Err(Refusal::Malformed("bad host in the target"));
    }
    Ok((Some(authority), if path.is_empty() { "/" } else { path }))
}

/// Returns a value with `?` for each byte that is not ASCII: its charset is unknown (RFC 9110 §5.5).
fn ascii(value: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(value) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        Ok(_) | Err(_) => value.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsHost {
    Yes,
    No,
}

/// The fields that frame a message, as found so far.
struct SeenFields {
    version: HttpVersion,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects: Expect,
}

impl SeenFields {
    fn new(version: HttpVersion) -> Self {
        Self {
            version,
            hosts: 0,
            length: None,
            chunked: false,
            close: false,
            keep_alive: false,
            expects: Expect::Nothing,
        }
    }

    /// Looks at a field by its name.
    fn take(&mut self, field: &httparse::Header<'_>) -> Result<IsHost, Refusal> {
        let named = |name: &str| field.name.eq_ignore_ascii_case(name);
        // By their lengths most fields are none of these.
        match field.name.len() {
            4 if named("Host") => return self.host(field.value).map(|()| IsHost::Yes),
            14 if named("Content-Length") => self.length(field.value)?,
            17 if named("Transfer-Encoding") => self.coding(field.value)?,
            10 if named("Connection") => self.connection(field.value),
            6 if named("Expect") => self.expect(field.value)?,
            _ => {}
        }
        Ok(IsHost::No)
    }

    /// RFC 9112 §3.2: exactly one, and a valid one.
    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.hosts += 1;
        match (self.hosts, host_is_valid(value)) {
            (1, true) => Ok(()),
            (1, false) => Err(Refusal::Malformed("bad Host field")),
            _ => Err(Refusal::Malformed("several Host fields")),
        }
    }

    /// RFC 9112 §6.3: digits, and once. Equal repetitions may be taken; they are refused.
    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        const BAD: Refusal = Refusal::Malformed("bad Content-Length");
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(BAD);
        }
        let length = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or(BAD)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Refusal::Malformed("several Content-Length fields")),
        }
    }

    /// RFC 9112 §6.1: `chunked` is the only coding known here, and it comes once.
    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::Malformed("bad Transfer-Encoding"));
        }
        self.chunked = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for token in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9110 §10.1.1: an HTTP/1.0 client cannot mean it.
    fn expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        match self.version {
            HttpVersion::Http10 => Ok(()),
            HttpVersion::Http11 if value.eq_ignore_ascii_case(b"100-continue") => {
                self.expects = Expect::Continue;
                Ok(())
            }
            HttpVersion::Http11 => Err(Refusal::Expectation),
        }
    }

    fn framing(&self, limits: &Limits) -> Result<Framing, Refusal> {
        match (self.chunked, self.length, self.version) {
            (true, Some(_), _) => Err(Refusal::Malformed("both Content-Length and Transfer-Encoding")),
            // RFC 9112 §6.1: faulty framing.
            (true, None, HttpVersion::Http10) => Err(Refusal::Malformed("Transfer-Encoding in HTTP/1.0")),
            (true, None, HttpVersion::Http11) => Ok(Framing::Chunked),
            (false, None, _) => Ok(Framing::None),
            (false, Some(length), _) => usize::try_from(length)
                .ok()
                .filter(|&length| length <= limits.body_bytes_max)
                .map(Framing::Length)
                .ok_or(Refusal::BodyTooLarge),
        }
    }
}

/// Tells whether `value` can be a host with an optional port (RFC 9110 §7.2; RFC 3986 §3.2.2), by its characters.
fn host_is_valid(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%[]".contains(byte))
}

fn bare_line_feed(head: &[u8]) -> bool {
    head.first() == Some(&b'\n') || head.windows(2).any(|pair| matches!(pair, [before, b'\n'] if *before != b'\r'))
}

fn refusal_of(error: httparse::Error, input: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::HeadTooLarge,
        httparse::Error::Version if names_a_version(input) => Refusal::Version,
        httparse::Error::Version => Refusal::Malformed("bad version"),
        httparse::Error::HeaderName => Refusal::Malformed("bad field name"),
        httparse::Error::HeaderValue => Refusal::Malformed("bad field value"),
        httparse::Error::NewLine => Refusal::Malformed("bad line end"),
        httparse::Error::Status | httparse::Error::Token => Refusal::Malformed("bad request line"),
    }
}

/// Tells whether the request line has three words, the last of which is `HTTP/digit.digit`.
fn names_a_version(input: &[u8]) -> bool {
    let line = input.trim_ascii_start().split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (version, rest) = (words.nth(2), words.next());
    matches!((version, rest), (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: [&str; 4] = [
        "GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: keep-alive, x\r\n\r\n",
        "POST http://other/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nX-News-Peer: 1.1.1.1:1\r\n\r\n",
        "\r\nHEAD * HTTP/1.1\r\nHost: [::1]\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nA: \u{e9}\r\n\r\n",
    ];
    const SPLICES: [&str; 12] =
        ["\r\n", "\n", "\r", "\0", " ", "\t", ":", "Content-Length: 7\r\n", "Host: y\r\n", ",", "\u{ff}", "HTTP/1.1"];

    /// What is let through has one end and one meaning: no field that frames it is doubled, and nothing in it could be
    /// taken for the end of a line.
    #[test]
    fn what_is_let_through_is_beyond_doubt() {
        let peer = SocketAddr::from(([1, 1, 1, 1], 1));
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        let mut passed = 0;
        for _ in 0..40_000 {
            let mut input = SEEDS[random(SEEDS.len())].as_bytes().to_vec();
            for _ in 0..random(4) {
                let at = random(input.len());
                match random(3) {
                    0 => input[at] = u8::try_from(random(256)).unwrap(),
                    1 => drop(input.remove(at)),
                    _ => drop(input.splice(at..at, SPLICES[random(SPLICES.len())].bytes())),
                }
            }
            let Ok(ParsedHead::Complete { len, head, request }) = parse(&input, &Limits::default(), peer) else {
                continue;
            };
            passed += 1;
            assert!(input[..len].ends_with(b"\r\n\r\n"), "{input:?}");
            let plain = |text: &str| text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
            assert!(request.target.bytes().all(|byte| byte.is_ascii_graphic()), "{request:?}");
            assert!(request.fields.iter().all(|(name, value)| plain(name) && plain(value)), "{request:?}");
            let text = String::from_utf8_lossy(&input[..len]).to_ascii_lowercase();
            assert!(text.lines().filter(|line| line.starts_with("host:")).count() <= 1, "{text}");
            let (length, coding) = (request.fields.get("content-length"), request.fields.get("transfer-encoding"));
            match head.framing {
                Framing::None => assert_eq!((length, coding), (None, None)),
                Framing::Length(length) => {
                    let told = request.fields.get("content-length").map(str::trim);
                    assert_eq!((told.and_then(|told| told.parse().ok()), coding), (Some(length), None));
                }
                Framing::Chunked => {
                    assert!(length.is_none() && coding.is_some_and(|c| c.eq_ignore_ascii_case("chunked")));
                }
            }
        }
        assert!(passed > 5_000, "only {passed} were let through: the test shows little");
    }
}
