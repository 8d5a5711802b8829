//! JSON texts, one after the other, from a stream that may be longer than memory.
//!
//! In scope: a window over the stream that holds one text whole, and as few copies as that
//! takes: texts are parsed where they lie. Out of scope: what the texts mean.

use std::io::{self, Read};

use news_core::wire::BYTE_ORDER_MARK;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// One text takes at most so much: a nesting bomb, or a text without end.
pub const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Read at once: large enough that a text cut in two by its end, and read twice, is rare.
const WINDOW_BYTES: usize = 256 * 1024;

/// So deep parts of what is passed over are passed over one by one.
const PASSED_DEPTH_MAX: u8 = 16;

/// Why a stream of texts ends early.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The stream failed.
    #[error("{0}")]
    Stream(#[from] io::Error),
    /// It ends in the middle.
    #[error("it ends after {0} bytes")]
    Cut(u64),
    /// It is no JSON, or not of the shape that was asked for.
    #[error("{why}, in what begins at byte {at}")]
    Wrong { why: String, at: u64 },
    /// A text has no end in sight.
    #[error("an element of more than {TEXT_BYTES_MAX} bytes, at byte {0}")]
    Long(u64),
}

/// A window over a stream.
#[derive(Debug)]
pub struct Texts<R> {
    reader: R,
    window: Vec<u8>,
    /// What is read and not yet taken: `window[from..to]`.
    from: usize,
    to: usize,
    /// Bytes of the stream in front of the window.
    passed: u64,
    ended: bool,
}

impl<R: Read> Texts<R> {
    /// Starts at the beginning of `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, window: vec![0; WINDOW_BYTES], from: 0, to: 0, passed: 0, ended: false }
    }

    /// Returns how many bytes were taken.
    pub fn bytes(&self) -> u64 {
        self.passed + self.from as u64
    }

    /// Returns the next byte that is no white space, and leaves it there; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            let rest = &self.window[self.from..self.to];
            match rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                Some(blanks) => {
                    self.from += blanks;
                    return Ok(Some(self.window[self.from]));
                }
                None if self.ended => return Ok(None),
                None => {
                    self.from = self.to;
                    self.fill(1)?;
                }
            }
        }
    }

    /// Takes the byte order mark of UTF-8, if the stream begins with one (RFC 8259 section 8.1).
    pub fn skip_mark(&mut self) -> Result<(), Broken> {
        self.fill(1)?;
        if self.window[..self.to].first() == BYTE_ORDER_MARK.first() {
            self.fill(BYTE_ORDER_MARK.len())?;
            if self.window[..self.to].starts_with(BYTE_ORDER_MARK) {
                self.from = BYTE_ORDER_MARK.len();
            }
        }
        Ok(())
    }

    /// Takes the byte that [`Texts::peek`] returned.
    pub fn skip(&mut self) {
        self.from = (self.from + 1).min(self.to);
    }

    /// Takes `byte` if it is the next that is no white space.
    pub fn skip_if(&mut self, byte: u8) -> Result<bool, Broken> {
        let next = self.peek()? == Some(byte);
        if next {
            self.skip();
        }
        Ok(next)
    }

    /// Takes the next text, and returns what `take` makes of it.
    pub fn next<T, V: Readable>(&mut self, take: impl FnOnce(V::Read<'_>) -> T) -> Result<T, Broken> {
        let mut wanted = 1;
        loop {
            // Read again only once there is twice as much: what is cut again and again stays cheap.
            if self.to - self.from < wanted && !self.ended {
                self.fill(wanted)?;
            }
            let rest = &self.window[self.from..self.to];
            let mut json = serde_json::Deserializer::from_slice(rest).into_iter::<V::Read<'_>>();
            let read = json.next();
            let taken = json.byte_offset();
            // A number at the window's end may go on behind it.
            let is_whole = self.ended || taken < rest.len() || matches!(rest.last(), Some(b'}' | b']' | b'"'));
            match read {
                Some(Ok(value)) if is_whole => {
                    self.from += taken;
                    return Ok(take(value));
                }
                Some(Err(error)) if !error.is_eof() => {
                    match extent(rest) {
                        TextExtent::Whole(length) => {
                            if let Some(value) = V::mended(&rest[..length]) {
                                self.from += length;
                                return Ok(take(value));
                            }
                        }
                        // It may be whole yet.
                        TextExtent::Cut if !self.ended && rest.len() < TEXT_BYTES_MAX => {
                            wanted = (2 * rest.len()).clamp(1, TEXT_BYTES_MAX);
                            continue;
                        }
                        TextExtent::Cut | TextExtent::None => {}
                    }
                    let why = error.to_string();
                    let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
                    return Err(Broken::Wrong { why, at: self.bytes() });
                }
                Some(_) | None if self.ended => return Err(Broken::Cut(self.passed + self.to as u64)),
                Some(_) | None => {
                    let rest = rest.len();
                    if rest >= TEXT_BYTES_MAX {
                        return Err(Broken::Long(self.bytes()));
                    }
                    wanted = (2 * rest).clamp(1, TEXT_BYTES_MAX);
                }
            }
        }
    }

    /// Passes over the next text, whatever it is; of a list or an object, part by part, so that it
    /// may be of any length.
    pub fn pass(&mut self) -> Result<(), Broken> {
        self.pass_within(PASSED_DEPTH_MAX)
    }

    fn pass_within(&mut self, depth: u8) -> Result<(), Broken> {
        let end = match self.peek()? {
            Some(b'[') if depth > 0 => b']',
            Some(b'{') if depth > 0 => b'}',
            // Deeper ones are read at once, by a parser that knows its own limit.
            Some(_) | None => return self.next::<(), Anything>(drop),
        };
        self.skip();
        if self.skip_if(end)? {
            return Ok(());
        }
        loop {
            if end == b'}' {
                self.next::<(), Anything>(drop)?;
                if !self.skip_if(b':')? {
                    return Err(self.wrong("no ':' behind a name"));
                }
            }
            self.pass_within(depth - 1)?;
            if !self.comma_before(end)? {
                return Ok(());
            }
        }
    }

    /// Takes a comma, and returns true, or `end`, and returns false.
    pub fn comma_before(&mut self, end: u8) -> Result<bool, Broken> {
        match self.peek()? {
            Some(b',') => {
                self.skip();
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.skip();
                Ok(false)
            }
            Some(byte) => {
                Err(self.wrong(&format!("{:?} instead of a comma or {:?}", char::from(byte), char::from(end))))
            }
            None => Err(Broken::Cut(self.bytes())),
        }
    }

    /// Returns that what comes next is not what it should be.
    pub fn wrong(&self, why: &str) -> Broken {
        Broken::Wrong { why: why.to_owned(), at: self.bytes() }
    }

    /// Reads on until `wanted` bytes are in the window, or the stream has ended.
    fn fill(&mut self, wanted: usize) -> Result<(), Broken> {
        self.window.copy_within(self.from..self.to, 0);
        self.passed += self.from as u64;
        self.to -= self.from;
        self.from = 0;
        if self.window.len() < wanted {
            self.window.resize(wanted.next_power_of_two(), 0);
        }
        while self.to < wanted {
            match self.reader.read(&mut self.window[self.to..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.to += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Says whether this is the first byte of a byte order mark of UTF-16 or UTF-32. Our JSON never begins with it.
pub fn begins_utf16(byte: u8) -> bool {
    matches!(byte, 0xfe | 0xff)
}

/// What texts are read as: a type that may borrow from them.
pub trait Readable {
    /// The type.
    type Read<'a>: Deserialize<'a>;

    /// Reads a text that is JSON in its form, but cannot be read as this; `None` where that is all
    /// that can be said.
    fn mended(json: &[u8]) -> Option<Self::Read<'static>> {
        let _ = json;
        None
    }
}

/// How long a text is, whatever its letters.
enum TextExtent {
    /// So many bytes.
    Whole(usize),
    /// Its end is yet to come.
    Cut,
    /// It is no JSON.
    None,
}

fn extent(json: &[u8]) -> TextExtent {
    let mut texts = serde_json::Deserializer::from_slice(json).into_iter::<IgnoredAny>();
    match texts.next() {
        Some(Ok(_)) => TextExtent::Whole(texts.byte_offset()),
        Some(Err(error)) if !error.is_eof() => TextExtent::None,
        Some(Err(_)) | None => TextExtent::Cut,
    }
}

/// Anything at all, of which nothing is kept.
#[derive(Debug)]
pub struct Anything;

impl Readable for Anything {
    type Read<'a> = IgnoredAny;
}
