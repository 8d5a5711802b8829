//! Forms of objects that are kept as they come: no text is trimmed or turned into another one, and each text that the model can
//! hold is taken, also a blank one and any email. Out of scope: whether what a number refers to is there.

use news_core::Entity;
use news_core::shape::TextField;

use super::{Form, Invalid, NO_STRING, Value, faults};

/// What a number field says to whatever is not an integer.
const NO_INTEGER: &str = "A valid integer is required.";

/// Checks all fields of an object but its id. Returns its number, and its texts in the order of its shape.
pub fn fields(data: &Value, entity: Entity) -> Result<(i64, Vec<String>), Invalid> {
    let mut form = Form::new(data)?;
    let shape = entity.shape();
    let number = form.take(shape.number.column, number);
    // All of them: each that is wrong is told.
    let texts: Vec<Option<String>> =
        shape.texts.iter().map(|field| form.take(field.name, |value| text(value, *field))).collect();
    match (number, texts.into_iter().collect::<Option<_>>()) {
        (Some(number), Some(texts)) => Ok((number, texts)),
        (_, _) => Err(form.invalid),
    }
}

/// Reads an integer, of a form also in a text.
fn number(value: Option<&Value>) -> Result<i64, Vec<String>> {
    let text = match value {
        None => return Err(vec!["This field is required.".to_owned()]),
        Some(Value::Null) => return Err(vec!["This field may not be null.".to_owned()]),
        Some(Value::Int(text)) => text.as_str(),
        Some(Value::Text(text)) => text.as_str(),
        Some(Value::Bool | Value::Float(_) | Value::List | Value::Object(_) | Value::File) => "",
    };
    // Not a sign in front, nor a zero, as elsewhere.
    let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    number.ok_or_else(|| vec![NO_INTEGER.to_owned()])
}

fn text(value: Option<&Value>, field: TextField) -> Result<String, Vec<String>> {
    match value {
        None => Err(vec!["This field is required.".to_owned()]),
        Some(Value::Null) => Err(vec!["This field may not be null.".to_owned()]),
        Some(Value::Text(text)) => {
            let faults = faults(text.as_str(), text.surrogate(), field);
            if faults.is_empty() { Ok(text.as_str().to_owned()) } else { Err(faults) }
        }
        Some(Value::Int(_) | Value::Float(_) | Value::Bool | Value::List | Value::Object(_) | Value::File) => {
            Err(vec![NO_STRING.to_owned()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::forms::parse;

    fn comment(post: &str, text: &str) -> Result<(i64, Vec<String>), String> {
        let json = format!("{{\"id\": 7, \"post_id\": {post}, \"name\": {text}, \"email\": \"e\", \"body\": \"\"}}");
        let data = parse(Some("application/json"), json.as_bytes()).unwrap();
        fields(&data, Entity::Comment).map_err(|invalid| serde_json::to_string(&invalid).unwrap())
    }

    #[test]
    fn a_text_stays_as_it_is() {
        let long = "é".repeat(128);
        for name in ["n", "", " \t", " a\u{1c} ", "\u{200b}a\u{feff}", long.as_str()] {
            let taken = comment("-5", &serde_json::Value::from(name).to_string());
            assert_eq!(taken, Ok((-5, vec![name.to_owned(), "e".to_owned(), String::new()])));
        }
    }

    #[test]
    fn what_the_model_cannot_hold_is_refused() {
        let long = format!("\"{}\"", " ".repeat(129));
        for (post, text, expected) in [
            ("1", "null", r#"{"name":["This field may not be null."]}"#),
            ("1", "12", r#"{"name":["Not a valid string."]}"#),
            ("1", "[]", r#"{"name":["Not a valid string."]}"#),
            ("1", r#""\u0000""#, r#"{"name":["Null characters are not allowed."]}"#),
            ("1", r#""\udfff""#, r#"{"name":["Surrogate characters are not allowed: U+DFFF."]}"#),
            ("1", &long, r#"{"name":["Ensure this field has no more than 128 characters."]}"#),
            ("9223372036854775808", "\"n\"", r#"{"post_id":["A valid integer is required."]}"#),
            ("1.0", "true", r#"{"post_id":["A valid integer is required."],"name":["Not a valid string."]}"#),
            ("\"+1\"", "\"n\"", r#"{"post_id":["A valid integer is required."]}"#),
            ("null", "\"n\"", r#"{"post_id":["This field may not be null."]}"#),
        ] {
            assert_eq!(comment(post, text), Err(expected.to_owned()), "{post} {text}");
        }
        let empty = fields(&parse(None, b"").unwrap(), Entity::Post).unwrap_err();
        let required = r#"{"user_id":["This field is required."],"title":["This field is required."],"body":["This field is required."]}"#;
        assert_eq!(serde_json::to_string(&empty).unwrap(), required);
        assert_eq!(comment("\"5\"", "\"n\"").map(|(post, _)| post), Ok(5));
    }
}
