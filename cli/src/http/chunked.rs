//! The chunked transfer coding (RFC 9112 §7.1), read strictly, without IO: bytes in, data out.
//!
//! In scope: requests from strangers, and the answers of tiny_http on their way out. Out of scope: what extensions
//! and trailer fields mean; they are bounded and dropped (RFC 9112 §7.1.1, §7.1.2).

/// Why a chunked body is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed,
    TooLarge,
    ExtraTooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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
pub(super) enum Progress {
    /// All input was taken; more must come.
    More,
    /// The body ended after so many bytes of this input.
    Done(usize),
}

/// An incremental decoder of one body.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    size: u64,
    total: u64,
    data_bytes_max: u64,
    extra_bytes_left: usize,
}

impl Chunked {
    /// Returns a decoder that takes at most so many bytes of data, and of extensions and trailer together.
    pub(super) fn new(data_bytes_max: u64, extra_bytes_max: usize) -> Self {
        Self { state: State::SizeStart, size: 0, total: 0, data_bytes_max, extra_bytes_left: extra_bytes_max }
    }

    /// Takes `input` and hands each run of data in it to `data`.
    pub(super) fn feed(&mut self, input: &[u8], mut data: impl FnMut(&[u8])) -> Result<Progress, Fault> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == State::Data {
                let rest = input.get(at..).unwrap_or_default();
                let run = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                data(rest.get(..run).unwrap_or_default());
                self.size -= run as u64;
                at += run;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            self.state = self.step(byte)?;
            at += 1;
            if self.state == State::Done {
                return Ok(Progress::Done(at));
            }
        }
        Ok(Progress::More)
    }

    fn step(&mut self, byte: u8) -> Result<State, Fault> {
        match (self.state, byte) {
            (State::SizeStart | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (State::Size | State::Blank, b' ' | b'\t') => self.extra(State::Blank),
            (State::Size | State::Extension, b'\r') => Ok(State::SizeEnd),
            (State::Size | State::Blank, b';') | (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extra(State::Extension)
            }
            (State::SizeEnd, b'\n') => self.sized(),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::SizeStart),
            (State::LineStart, b'\r') => Ok(State::LastLf),
            // A line that starts with a blank would be a folded one (RFC 9112 §5.2).
            (State::LineStart, b'!'..=b'~') | (State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extra(State::Trailer)
            }
            (State::Trailer, b'\r') => Ok(State::TrailerLf),
            (State::TrailerLf, b'\n') => Ok(State::LineStart),
            (State::LastLf, b'\n') => Ok(State::Done),
            _ => Err(Fault::Malformed),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<State, Fault> {
        if self.state == State::SizeStart {
            self.size = 0;
        } else {
            // Leading zeros are digits, too: they must not go on for ever.
            self.extra(State::Size)?;
        }
        let digit = char::from(byte).to_digit(16).ok_or(Fault::Malformed)?;
        self.size = self.size.checked_mul(16).ok_or(Fault::TooLarge)? | u64::from(digit);
        Ok(State::Size)
    }

    fn sized(&mut self) -> Result<State, Fault> {
        if self.size == 0 {
            return Ok(State::LineStart);
        }
        self.total = self.total.checked_add(self.size).ok_or(Fault::TooLarge)?;
        if self.total > self.data_bytes_max {
            return Err(Fault::TooLarge);
        }
        Ok(State::Data)
    }

    fn extra(&mut self, next: State) -> Result<State, Fault> {
        self.extra_bytes_left = self.extra_bytes_left.checked_sub(1).ok_or(Fault::ExtraTooLarge)?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], step: usize) -> Result<(Vec<u8>, Option<usize>), Fault> {
        let mut decoder = Chunked::new(20, 16);
        let mut data = Vec::new();
        let mut taken = 0;
        for piece in input.chunks(step) {
            match decoder.feed(piece, |run| data.extend_from_slice(run))? {
                Progress::More => taken += piece.len(),
                Progress::Done(end) => return Ok((data, Some(taken + end))),
            }
        }
        Ok((data, None))
    }

    #[test]
    fn bodies_decode_alike_in_pieces_of_any_size() {
        type Expected = Result<(&'static str, Option<usize>), Fault>;
        let table: &[(&str, Expected)] = &[
            ("0\r\n\r\n", Ok(("", Some(5)))),
            ("5\r\nhello\r\n0\r\n\r\nGET", Ok(("hello", Some(15)))),
            ("5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", Ok(("hello0123456789", Some(30)))),
            ("5;a=b\r\nhello\r\n0 ;x\r\n\r\n", Ok(("hello", Some(22)))),
            ("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", Ok(("x", Some(23)))),
            ("5\r\nhel", Ok(("hel", None))),
            ("5\r\nhello\r\n0\r\n", Ok(("hello", None))),
            ("", Ok(("", None))),
            ("\r\n", Err(Fault::Malformed)),
            ("x\r\n", Err(Fault::Malformed)),
            ("-1\r\n", Err(Fault::Malformed)),
            ("0x5\r\nhello\r\n", Err(Fault::Malformed)),
            ("5 \r\nhello", Err(Fault::Malformed)),
            ("5\nhello\r\n", Err(Fault::Malformed)),
            ("5\r\nhelloX\n0\r\n\r\n", Err(Fault::Malformed)),
            ("5\r\nhello\n0\r\n\r\n", Err(Fault::Malformed)),
            ("0\r\n A: b\r\n\r\n", Err(Fault::Malformed)),
            ("0\r\nA: b\n\r\n", Err(Fault::Malformed)),
            ("5;a\rb\r\nhello", Err(Fault::Malformed)),
            ("15\r\n", Err(Fault::TooLarge)),
            ("10\r\n0123456789abcdef\r\n5\r\n", Err(Fault::TooLarge)),
            ("fffffffffffffffff\r\n", Err(Fault::TooLarge)),
            ("5;0123456789abcdef\r\n", Err(Fault::ExtraTooLarge)),
            ("00000000000000000005\r\n", Err(Fault::ExtraTooLarge)),
            ("0\r\nA: 0123456789abcdef\r\n\r\n", Err(Fault::ExtraTooLarge)),
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
