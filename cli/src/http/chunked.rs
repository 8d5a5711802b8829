//! The chunked transfer coding (RFC 9112 §7.1), read strictly, without IO: bytes in, data out.
//!
//! In scope: requests from strangers, and the answers of tiny_http on their way out. Out of scope: what extensions
//! and trailer fields mean; they are bounded and dropped (RFC 9112 §7.1.1, §7.1.2).

/// Why a chunked body is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkFault {
    Malformed,
    TooLarge,
    ExtraTooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecoderState {
    SizeStart,
    Size,
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Trailer,
    TrailerLf,
    LastLf,
    Done,
}

/// Where a decoder stands after some input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecoderProgress {
    /// All input was taken; more must come.
    More,
    /// The body ended after so many bytes of this input.
    Done(usize),
}

/// An incremental decoder of one body.
#[derive(Debug)]
pub(super) struct Chunked {
    state: DecoderState,
    size: u64,
    total: u64,
    data_bytes_max: u64,
    extra_bytes_left: usize,
}

impl Chunked {
    /// Returns a decoder that takes at most so many bytes of data, and of extensions and trailer together.
    pub(super) fn new(data_bytes_max: u64, extra_bytes_max: usize) -> Self {
        Self { state: DecoderState::SizeStart, size: 0, total: 0, data_bytes_max, extra_bytes_left: extra_bytes_max }
    }

    /// Takes `input` and hands each run of data in it to `data`.
    pub(super) fn feed(&mut self, input: &[u8], mut data: impl FnMut(&[u8])) -> Result<DecoderProgress, ChunkFault> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == DecoderState::Data {
                let rest = input.get(at..).unwrap_or_default();
                let run = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                data(rest.get(..run).unwrap_or_default());
                self.size -= run as u64;
                at += run;
                if self.size == 0 {
                    self.state = DecoderState::DataCr;
                }
                continue;
            }
            self.state = self.step(byte)?;
            at += 1;
            if self.state == DecoderState::Done {
                return Ok(DecoderProgress::Done(at));
            }
        }
        Ok(DecoderProgress::More)
    }

    fn step(&mut self, byte: u8) -> Result<DecoderState, ChunkFault> {
        match (self.state, byte) {
            (DecoderState::SizeStart | DecoderState::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (DecoderState::Size | DecoderState::Blank, b' ' | b'\t') => self.extra(DecoderState::Blank),
            (DecoderState::Size | DecoderState::Extension, b'\r') => Ok(DecoderState::SizeEnd),
            (DecoderState::Size | DecoderState::Blank, b';')
            | (DecoderState::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.extra(DecoderState::Extension),
            (DecoderState::SizeEnd, b'\n') => self.sized(),
            (DecoderState::DataCr, b'\r') => Ok(DecoderState::DataLf),
            (DecoderState::DataLf, b'\n') => Ok(DecoderState::SizeStart),
            (DecoderState::LineStart, b'\r') => Ok(DecoderState::LastLf),
            // A line that starts with a blank would be a folded one (RFC 9112 §5.2).
            (DecoderState::LineStart, b'!'..=b'~') | (DecoderState::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extra(DecoderState::Trailer)
            }
            (DecoderState::Trailer, b'\r') => Ok(DecoderState::TrailerLf),
            (DecoderState::TrailerLf, b'\n') => Ok(DecoderState::LineStart),
            (DecoderState::LastLf, b'\n') => Ok(DecoderState::Done),
            _ => Err(ChunkFault::Malformed),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<DecoderState, ChunkFault> {
        if self.state == DecoderState::SizeStart {
            self.size = 0;
        } else {
            // Leading zeros are digits, too: they must not go on for ever.
            self.extra(DecoderState::Size)?;
        }
        let digit = char::from(byte).to_digit(16).ok_or(ChunkFault::Malformed)?;
        self.size = self.size.checked_mul(16).ok_or(ChunkFault::TooLarge)? | u64::from(digit);
        Ok(DecoderState::Size)
    }

    fn sized(&mut self) -> Result<DecoderState, ChunkFault> {
        if self.size == 0 {
            return Ok(DecoderState::LineStart);
        }
        self.total = self.total.checked_add(self.size).ok_or(ChunkFault::TooLarge)?;
        if self.total > self.data_bytes_max {
            return Err(ChunkFault::TooLarge);
        }
        Ok(DecoderState::Data)
    }

    fn extra(&mut self, next: DecoderState) -> Result<DecoderState, ChunkFault> {
        self.extra_bytes_left = self.extra_bytes_left.checked_sub(1).ok_or(ChunkFault::ExtraTooLarge)?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], step: usize) -> Result<(Vec<u8>, Option<usize>), ChunkFault> {
        let mut decoder = Chunked::new(20, 16);
        let mut data = Vec::new();
        let mut taken = 0;
        for piece in input.chunks(step) {
            match decoder.feed(piece, |run| data.extend_from_slice(run))? {
                DecoderProgress::More => taken += piece.len(),
                DecoderProgress::Done(end) => return Ok((data, Some(taken + end))),
            }
        }
        Ok((data, None))
    }

    #[test]
    fn bodies_decode_alike_in_pieces_of_any_size() {
        type Expected = Result<(&'static str, Option<usize>), ChunkFault>;
        let table: &[(&str, Expected)] = &[
            ("0\r\n\r\n", Ok(("", Some(5)))),
            ("5\r\nhello\r\n0\r\n\r\nGET", Ok(("hello", Some(15)))),
            ("5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", Ok(("hello0123456789", Some(30)))),
            ("5;a=b\r\nhello\r\n0 ;x\r\n\r\n", Ok(("hello", Some(22)))),
            ("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", Ok(("x", Some(23)))),
            ("5\r\nhel", Ok(("hel", None))),
            ("5\r\nhello\r\n0\r\n", Ok(("hello", None))),
            ("", Ok(("", None))),
            ("\r\n", Err(ChunkFault::Malformed)),
            ("x\r\n", Err(ChunkFault::Malformed)),
            ("-1\r\n", Err(ChunkFault::Malformed)),
            ("0x5\r\nhello\r\n", Err(ChunkFault::Malformed)),
            ("5 \r\nhello", Err(ChunkFault::Malformed)),
            ("5\nhello\r\n", Err(ChunkFault::Malformed)),
            ("5\r\nhelloX\n0\r\n\r\n", Err(ChunkFault::Malformed)),
            ("5\r\nhello\n0\r\n\r\n", Err(ChunkFault::Malformed)),
            ("0\r\n A: b\r\n\r\n", Err(ChunkFault::Malformed)),
            ("0\r\nA: b\n\r\n", Err(ChunkFault::Malformed)),
            ("5;a\rb\r\nhello", Err(ChunkFault::Malformed)),
            ("15\r\n", Err(ChunkFault::TooLarge)),
            ("10\r\n0123456789abcdef\r\n5\r\n", Err(ChunkFault::TooLarge)),
            ("fffffffffffffffff\r\n", Err(ChunkFault::TooLarge)),
            ("5;0123456789abcdef\r\n", Err(ChunkFault::ExtraTooLarge)),
            ("00000000000000000005\r\n", Err(ChunkFault::ExtraTooLarge)),
            ("0\r\nA: 0123456789abcdef\r\n\r\n", Err(ChunkFault::ExtraTooLarge)),
        ];
        for (input, expected) in table {
            for step in 1..=input.len().max(1) {
                let found = decode(input.as_bytes(), step);
                let expected = expected.map(|(data, end)| (data.as_bytes().to_vec(), end));
                assert_eq!(found, expected, "{input:?} in pieces of {step}");
            }
        }
    }
}
