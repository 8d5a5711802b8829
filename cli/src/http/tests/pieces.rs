//! Laws of the parsers: whatever comes in, and in whatever pieces, they do not panic, keep their limits, and come to
//! the same end as if it had come at once.

use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::http::Limits;
use crate::http::chunked::{ChunkFault, Chunked, DecoderProgress};
use crate::http::head::{Framing, ParsedHead, parse};

const DATA_BYTES_MAX: u64 = 40;
const EXTRA_BYTES_MAX: usize = 24;

/// What bodies and heads are made of, whole and broken.
const OF_BODIES: [&[u8]; 16] = [
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"a\r\n0123456789\r\n",
    b"0\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"5",
    b"F",
    b";a=b",
    b" ",
    b"hello",
    b"A: b\r\n",
    b"00",
    b"fffffffffffffffff",
    b"-1",
];
const OF_HEADS: [&[u8]; 22] = [
    b"GET / HTTP/1.1\r\n",
    b"HEAD /a?b HTTP/1.0\r\n",
    b"POST http://h/ HTTP/1.1\r\n",
    b"Host: x\r\n",
    b"Host: y\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: 70000\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, x\r\n",
    b"Expect: 100-continue\r\n",
    b"X-News-Peer: 1.1.1.1:1\r\n",
    b"A: b\r\n",
    b" folded\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"a long word without an end ",
];

/// Up to twelve of these pieces in any order, and now and then a byte of any kind.
fn made_of<const N: usize>(parts: [&'static [u8]; N]) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => select(parts.to_vec()).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Cuts `input` at these places.
fn cut<'a>(input: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = places.iter().map(|place| place.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| &input[ends[0]..ends[1]]).collect()
}

/// Returns the data and where the body ended, if it did.
fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, Option<usize>), ChunkFault> {
    let mut decoder = Chunked::new(DATA_BYTES_MAX, EXTRA_BYTES_MAX);
    let (mut data, mut taken) = (Vec::new(), 0);
    for piece in pieces {
        match decoder.feed(piece, |run| data.extend_from_slice(run))? {
            DecoderProgress::More => taken += piece.len(),
            DecoderProgress::Done(end) => return Ok((data, Some(taken + end))),
        }
    }
    Ok((data, None))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn a_chunked_body_is_the_same_in_any_pieces(input in made_of(OF_BODIES), places in vec(any::<Index>(), 0..6)) {
        let whole = decode(&[&input]);
        prop_assert_eq!(&decode(&cut(&input, &places)), &whole);
        if let Ok((data, end)) = whole {
            prop_assert!(data.len() as u64 <= DATA_BYTES_MAX);
            prop_assert!(end.is_none_or(|end| end <= input.len() && input[..end].ends_with(b"\r\n\r\n")));
        }
    }

    #[test]
    fn a_body_that_was_coded_comes_out(chunks in vec(vec(any::<u8>(), 1..9), 0..5), places in vec(any::<Index>(), 0..6)) {
        let mut coded = Vec::new();
        for chunk in &chunks {
            coded.extend(format!("{:X}\r\n", chunk.len()).into_bytes());
            coded.extend(chunk);
            coded.extend(b"\r\n");
        }
        coded.extend(b"0\r\n\r\n");
        let end = coded.len();
        coded.extend(b"GET / HTTP/1.1\r\n");
        prop_assert_eq!(decode(&cut(&coded, &places)), Ok((chunks.concat(), Some(end))));
    }

    /// As long as a head is not whole, more is waited for; once it is refused, nothing that comes mends it; once it is whole,
    /// what comes behind it changes nothing.
    #[test]
    fn a_head_has_one_end_and_one_meaning(start in select(vec![true, false]), rest in made_of(OF_HEADS)) {
        let mut input = if start { b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec() } else { Vec::new() };
        input.extend(rest);
        let limits = Limits { head_bytes_max: 120, ..Limits::default() };
        let (peer, mut settled) = (SocketAddr::from(([1, 1, 1, 1], 1)), None);
        for end in 0..=input.len() {
            let parsed = parse(&input[..end], &limits, peer);
            match (&settled, parsed) {
                (None, Ok(ParsedHead::Partial)) => prop_assert!(end < limits.head_bytes_max),
                (None, Ok(ParsedHead::Complete { len, head, request })) => {
                    prop_assert_eq!(len, end, "it was whole before, and nobody said so");
                    prop_assert!(len <= limits.head_bytes_max);
                    match head.framing {
                        Framing::Length(length) => prop_assert!(length <= limits.body_bytes_max),
                        Framing::None | Framing::Chunked => {}
                    }
                    settled = Some(Ok(ParsedHead::Complete { len, head, request }));
                }
                (None, Err(_)) => settled = Some(Err(())),
                (Some(Err(())), parsed) => prop_assert!(parsed.is_err(), "refused, then {parsed:?}"),
                (Some(Ok(first)), parsed) => prop_assert_eq!(parsed.as_ref(), Ok(first)),
            }
        }
    }
}
