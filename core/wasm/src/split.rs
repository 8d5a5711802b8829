//! Cuts a JSON array into the texts of its elements, however the bytes arrive.
//!
//! Only brackets, quotes and commas matter here. What an element says is checked by its reader.

/// An element may have so many bytes: the limit of `news diff --from`.
const ELEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The array so far.
#[derive(Debug, Default)]
pub struct Splitter {
    place: Place,
    /// The start of an element whose rest has not arrived.
    part: Vec<u8>,
    /// Brackets that are open in the element.
    depth: usize,
    text: Text,
    /// Elements that have ended.
    elements: u64,
}

/// Where the next byte belongs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In front of the array.
    #[default]
    Before,
    /// In the array.
    Inside,
    /// Behind it.
    After,
}

/// Whether the next byte of an element belongs to a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// A backslash came before.
    Escaped,
}

impl Splitter {
    /// Takes the next bytes and passes each element that is complete to `element`.
    pub fn push(&mut self, bytes: &[u8], mut element: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
        let mut begin = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            match self.place {
                Place::Before => {
                    self.before(byte)?;
                    begin = at + 1;
                }
                Place::Inside => {
                    if !self.ends_element(byte) {
                        continue;
                    }
                    self.part.extend_from_slice(&bytes[begin..at]);
                    begin = at + 1;
                    let is_empty = byte == b']' && self.elements == 0 && self.part.trim_ascii().is_empty();
                    if !is_empty {
                        self.elements += 1;
                        let read = element(&self.part);
                        read.map_err(|why| format!("element {}: {why}", self.elements))?;
                    }
                    self.part.clear();
                    if byte == b']' {
                        self.place = Place::After;
                    }
                }
                Place::After if byte.is_ascii_whitespace() => {}
                Place::After => return Err(String::from("expected nothing after the array")),
            }
        }
        if self.place == Place::Inside {
            self.part.extend_from_slice(&bytes[begin..]);
        }
        if self.part.len() > ELEMENT_BYTES_MAX {
            return Err(format!("element {} has more than {ELEMENT_BYTES_MAX} bytes", self.elements + 1));
        }
        Ok(())
    }

    /// Checks that the array has ended.
    pub fn end(&self) -> Result<(), String> {
        match self.place {
            Place::After => Ok(()),
            Place::Before | Place::Inside => Err(format!("the JSON ends early, after {} elements", self.elements)),
        }
    }

    /// Takes a byte in front of the array: a byte order mark, which is all there or not at all, and blanks.
    fn before(&mut self, byte: u8) -> Result<(), String> {
        let has_half_a_mark = !self.part.is_empty() && self.part != BYTE_ORDER_MARK;
        match byte {
            byte if BYTE_ORDER_MARK.get(self.part.len()) == Some(&byte) => self.part.push(byte),
            b'[' if !has_half_a_mark => {
                self.part.clear();
                self.place = Place::Inside;
            }
            byte if byte.is_ascii_whitespace() && !has_half_a_mark => {}
            byte => return Err(format!("expected a JSON array, found '{}'", byte.escape_ascii())),
        }
        Ok(())
    }

    /// Takes a byte of an element. Returns whether it ends the element.
    fn ends_element(&mut self, byte: u8) -> bool {
        match (self.text, byte) {
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Escaped, _) | (Text::Outside, b'"') => self.text = Text::Inside,
            (Text::Outside, b'{' | b'[') => self.depth += 1,
            (Text::Outside, b'}' | b']') if self.depth > 0 => self.depth -= 1,
            (Text::Outside, b',' | b']') if self.depth == 0 => return true,
            (Text::Inside | Text::Outside, _) => {}
        }
        false
    }
}
