//! A request's head: judged, and written anew for tiny_http. No IO.
//!
//! In scope: everything by which two parties could disagree on where a request ends (request smuggling, RFC 9112
//! §11.2), and what tiny_http would choke on. Out of scope: what a field means to the API.

use crate::door::limits::{FIELDS_MAX, Limits};
use crate::door::refusal::Refusal;

/// Tells the handler who asks: `X-News-Peer: ip:port`. A client's own is dropped.
pub const PEER_FIELD: &str = "X-News-Peer";
/// Ties a request to the upstream it travels on: `X-News-Ticket: slot-number`. A client's own is dropped.
pub(super) const TICKET_FIELD: &str = "X-News-Ticket";

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
pub(super) enum Version {
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

/// What the door needs to know of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) verb: Verb,
    pub(super) version: Version,
    pub(super) persist: Persist,
    pub(super) framing: Framing,
    pub(super) expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Partial,
    /// The head ends after `len` bytes.
    Complete {
        len: usize,
        head: Head,
    },
}

/// Judges the head at the start of `input`. When it is whole and good, `out` gets its request line and fields for
/// tiny_http, without the fields of the hop (RFC 9110 §7.6.1), of the framing, and without the final empty line.
pub(super) fn parse(input: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<Parsed, Refusal> {
    out.clear();
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
        return Ok(Parsed::Partial);
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed("no request line"));
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let head = rewrite(method, target, version, request.headers, limits, out)?;
    Ok(Parsed::Complete { len, head })
}

fn rewrite(
    method: &str,
    target: &str,
    version: Version,
    fields: &[httparse::Header<'_>],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<Head, Refusal> {
    let (authority, path) = split_target(method, target)?;
    for part in [method, " ", if path.starts_with('?') { "/" } else { "" }, path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    let mut seen = Seen::new(version);
    for field in fields {
        let passed = match Field::of(field.name) {
            Field::Passed => true,
            Field::Host => {
                seen.host(field.value)?;
                // An authority in the target outranks the field (RFC 9112 §3.2.2).
                authority.is_none()
            }
            Field::Dropped => false,
            Field::Framing(take) => {
                take(&mut seen, field.value)?;
                false
            }
        };
        if passed {
            push_field(out, field.name, field.value);
        }
    }
    if seen.hosts == 0 && version == Version::Http11 {
        return Err(Refusal::Malformed("no Host field"));
    }
    if let Some(authority) = authority {
        push_field(out, "Host", authority.as_bytes());
    }
    Ok(Head {
        verb: if method == "HEAD" { Verb::Head } else { Verb::Other },
        version,
        persist: match version {
            _ if seen.close => Persist::Close,
            Version::Http11 => Persist::Keep,
            Version::Http10 if seen.keep_alive => Persist::Keep,
            Version::Http10 => Persist::Close,
        },
        framing: seen.framing(limits)?,
        expect: seen.expects,
    })
}

/// Returns the authority, if the target has one, and the path with its query (RFC 9112 §3.2).
fn split_target<'a>(method: &str, target: &'a str) -> Result<(Option<&'a str>, &'a str), Refusal> {
    // tiny_http reads ASCII only, and everything else must come percent-encoded anyway (RFC 3986 §2).
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
        .ok_or(Refusal::Malformed("the target is no path"))?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !host_is_valid(authority.as_bytes()) {
        return Err(Refusal::Malformed("bad host in the target"));
    }
    Ok((Some(authority), if path.is_empty() { "/" } else { path }))
}

/// Appends `name: value`, with `?` for what is not ASCII: tiny_http would close the connection without a word.
fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    if value.is_ascii() {
        out.extend_from_slice(value);
    } else {
        out.extend(value.iter().map(|&byte| if byte.is_ascii() { byte } else { b'?' }));
    }
    out.extend_from_slice(b"\r\n");
}

/// What is done with a field, by its name.
#[derive(Clone, Copy)]
enum Field {
    Passed,
    Host,
    /// Read at the door, and not passed on.
    Framing(fn(&mut Seen, &[u8]) -> Result<(), Refusal>),
    Dropped,
}

impl Field {
    fn of(name: &str) -> Self {
        const NAMES: [(&str, Field); 13] = [
            ("Host", Field::Host),
            ("Content-Length", Field::Framing(Seen::length)),
            ("Transfer-Encoding", Field::Framing(Seen::coding)),
            ("Connection", Field::Framing(Seen::connection)),
            ("Expect", Field::Framing(Seen::expect)),
            ("Keep-Alive", Field::Dropped),
            ("Proxy-Connection", Field::Dropped),
            // tiny_http takes `TE: identity` for leave to hold a whole streamed answer in memory.
            ("TE", Field::Dropped),
            ("Trailer", Field::Dropped),
            // With `Connection: upgrade` tiny_http would give the rest of the connection away.
            ("Upgrade", Field::Dropped),
            ("HTTP2-Settings", Field::Dropped),
            (PEER_FIELD, Field::Dropped),
            (TICKET_FIELD, Field::Dropped),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(Self::Passed, |&(_, field)| field)
    }
}

/// The fields that frame a message, as found so far.
struct Seen {
    version: Version,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects: Expect,
}

impl Seen {
    fn new(version: Version) -> Self {
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

    #[expect(clippy::unnecessary_wraps, reason = "one of a kind with the other fields")]
    fn connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for token in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
        Ok(())
    }

    /// RFC 9110 §10.1.1: an HTTP/1.0 client cannot mean it.
    fn expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        match self.version {
            Version::Http10 => Ok(()),
            Version::Http11 if value.eq_ignore_ascii_case(b"100-continue") => {
                self.expects = Expect::Continue;
                Ok(())
            }
            Version::Http11 => Err(Refusal::Expectation),
        }
    }

    fn framing(&self, limits: &Limits) -> Result<Framing, Refusal> {
        match (self.chunked, self.length, self.version) {
            (true, Some(_), _) => Err(Refusal::Malformed("both Content-Length and Transfer-Encoding")),
            // RFC 9112 §6.1: faulty framing.
            (true, None, Version::Http10) => Err(Refusal::Malformed("Transfer-Encoding in HTTP/1.0")),
            (true, None, Version::Http11) => Ok(Framing::Chunked),
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

    /// Whatever is let through, tiny_http must read it as exactly one head with one meaning.
    #[test]
    fn what_is_passed_on_is_beyond_doubt() {
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
            let mut out = Vec::new();
            let Ok(Parsed::Complete { len, .. }) = parse(&input, &Limits::default(), &mut out) else { continue };
            passed += 1;
            assert!(input[..len].ends_with(b"\r\n\r\n"), "{input:?}");
            let lines = out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
            out.extend_from_slice(b"\r\n");
            assert!(out.is_ascii() && !bare_line_feed(&out), "{out:?}");
            let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
            let mut request = httparse::Request::new(&mut fields);
            assert_eq!(request.parse(&out), Ok(httparse::Status::Complete(out.len())), "{out:?}");
            assert_eq!(request.headers.len() + 1, lines, "{out:?}");
            assert!(request.headers.iter().all(|field| matches!(Field::of(field.name), Field::Passed | Field::Host)));
            assert!(request.headers.iter().filter(|field| matches!(Field::of(field.name), Field::Host)).count() <= 1);
        }
        assert!(passed > 5_000, "only {passed} were let through: the test shows little");
    }
}
