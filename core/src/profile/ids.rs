//! How our ids are written at a target.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use crate::model::whole_number;

/// How our id is written at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdForm {
    /// As a number, which some targets show as a text.
    Number,
    /// As a text.
    Text {
        /// In front of the digits.
        prefix: &'static str,
        /// At least so many digits, with zeros in front.
        digits: usize,
        /// Behind the digits.
        suffix: &'static str,
    },
}

/// As it stands in a profile.
impl fmt::Display for IdForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdForm::Number => f.write_str("{id}"),
            IdForm::Text { prefix, digits: 0, suffix } => write!(f, "{prefix}{{id}}{suffix}"),
            IdForm::Text { prefix, digits, suffix } => write!(f, "{prefix}{{id:0{digits}}}{suffix}"),
        }
    }
}

impl IdForm {
    /// Returns the text that stands for an id, in paths too.
    pub fn write(self, id: i64) -> String {
        match self {
            IdForm::Number => id.to_string(),
            IdForm::Text { prefix, digits, suffix } => format!("{prefix}{id:0digits$}{suffix}"),
        }
    }

    /// Reads such a text. Only what [`IdForm::write`] returns is one: at a target with text ids `007` is another id than `7`.
    pub fn read(self, text: &str) -> Option<i64> {
        match self {
            IdForm::Number => whole_number(text),
            IdForm::Text { prefix, suffix, .. } => {
                let digits = text.strip_prefix(prefix)?.strip_suffix(suffix)?;
                let id = digits.parse().ok()?;
                (self.write(id) == text).then_some(id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_in_their_own_form_alone() {
        let padded = IdForm::Text { prefix: "", digits: 15, suffix: "" };
        let named = IdForm::Text { prefix: "news-", digits: 0, suffix: ".x" };
        for (form, id, text) in [
            (IdForm::Number, 5, "5"),
            (padded, 5, "000000000000005"),
            (padded, 9_007_199_254_740_991, "9007199254740991"),
            (named, 5, "news-5.x"),
        ] {
            assert_eq!((form.write(id).as_str(), form.read(text)), (text, Some(id)));
        }
        for (form, text) in [
            (IdForm::Number, "005"),
            (padded, "5"),
            (padded, "0000000000000005"),
            (padded, "00000000000000x"),
            (padded, "+00000000000005"),
            (named, "news-05.x"),
            (named, "5"),
        ] {
            assert_eq!(form.read(text), None, "{text}");
        }
    }
}
