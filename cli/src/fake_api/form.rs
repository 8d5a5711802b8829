//! A request's content as fields, in the way of each target.

use crate::fake_api::Ask;
use crate::fake_api::answer::Answer;
use crate::fake_api::mode::Mode;
use crate::fake_api::record::Fields;
use crate::fake_api::route;

/// The largest body that json-server 0.17 takes.
const BODY_BYTES_MAX_EXPRESS: usize = 10 * 1024 * 1024;
/// The largest body that json-server 1.0 takes.
const BODY_BYTES_MAX_TINYHTTP: usize = 100 * 1024;

/// Reads the fields, or says what the target answers to what is none.
///
/// Unlike the real ones it answers to arrays as to broken JSON.
pub fn fields(mode: Mode, ask: &Ask) -> Result<Fields, Answer> {
    let (bytes_max, too_large) = match mode {
        Mode::Strict | Mode::Duplicates => (BODY_BYTES_MAX_EXPRESS, 413),
        Mode::Pretend => (BODY_BYTES_MAX_EXPRESS, 500),
        Mode::OwnIds => (BODY_BYTES_MAX_TINYHTTP, 500),
    };
    if ask.body.len() > bytes_max {
        return Err(Answer::stack(too_large, "PayloadTooLargeError: request entity too large"));
    }
    let essence =
        ask.media_type.as_deref().map(|media| media.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
    let text = String::from_utf8_lossy(&ask.body);
    let format = match (mode, essence.as_deref()) {
        _ if text.is_empty() => Format::Nothing,
        (Mode::OwnIds | Mode::Duplicates, _) | (_, Some("application/json")) => Format::Json,
        (_, Some("application/x-www-form-urlencoded")) => Format::Form,
        // What it does not know it does not read: a PUT as text/plain empties the record.
        (Mode::Strict | Mode::Pretend, _) => Format::Nothing,
    };
    match format {
        Format::Nothing => Ok(Fields::default()),
        Format::Form => {
            let mut fields = Fields::default();
            route::parameters(&text).into_iter().for_each(|(name, value)| fields.set(&name, value.into()));
            Ok(fields)
        }
        Format::Json => Fields::parse(&text).map_err(|error| match mode {
            Mode::Strict | Mode::OwnIds | Mode::Duplicates => Answer::html(400, &format!("SyntaxError: {error}")),
            Mode::Pretend => Answer::stack(500, &format!("SyntaxError: {error}")),
        }),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Nothing,
    Json,
    Form,
}
