//! Forms: what a client may write, field by field, in Django REST framework's words.
//!
//! In scope: reading bodies (JSON, urlencoded, multipart), and turning values into checked
//! texts or the list of everything that is wrong. Out of scope: what is done with them.

mod body;
mod email;
mod exact;
mod json;
mod multipart;
mod python;
mod value;

use std::collections::BTreeMap;

use news_core::Entity;
use news_core::shape::{Format, TextField};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub use body::{BadBody, parse};
pub use exact::fields as exact;
pub use python::strip as trim;
pub use value::Value;

/// What is wrong, by field, in the fields' order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invalid(Vec<(&'static str, Vec<String>)>);

impl Invalid {
    /// Returns what is wrong with one field.
    pub fn field(name: &'static str, message: String) -> Self {
        Self(vec![(name, vec![message])])
    }
}

impl Serialize for Invalid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, messages) in &self.0 {
            map.serialize_entry(field, messages)?;
        }
        map.end()
    }
}

/// Credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginForm {
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: String,
}

/// Checks the texts that a client writes of an object, and returns them in the order of its shape.
pub fn texts(data: &Value, entity: Entity) -> Result<Vec<String>, Invalid> {
    let mut form = Form::new(data)?;
    // All of them: each that is wrong is told.
    let texts: Vec<Option<String>> = entity.shape().texts.iter().map(|field| form.text(*field)).collect();
    texts.into_iter().collect::<Option<_>>().ok_or(form.invalid)
}

impl LoginForm {
    /// Checks the fields of a login.
    pub fn new(data: &Value) -> Result<Self, Invalid> {
        let mut form = Form::new(data)?;
        let username = form.text(unlimited("username"));
        let password = form.text(unlimited("password"));
        match (username, password) {
            (Some(username), Some(password)) => Ok(Self { username, password }),
            (_, _) => Err(form.invalid),
        }
    }
}

/// Checks a form of one field, `refresh` or `token`, and returns its text.
pub fn token(data: &Value, field: &'static str) -> Result<String, Invalid> {
    let mut form = Form::new(data)?;
    form.text(unlimited(field)).ok_or(form.invalid)
}

/// A field whose length only the body's limit bounds.
fn unlimited(name: &'static str) -> TextField {
    TextField { name, chars_max: usize::MAX, format: Format::Any }
}

/// What a text field says to a value that is none.
const NO_STRING: &str = "Not a valid string.";
/// What an address field says to whatever is none.
const NO_EMAIL: &str = "Enter a valid email address.";

struct Form<'a> {
    fields: &'a BTreeMap<String, Value>,
    invalid: Invalid,
}

impl<'a> Form<'a> {
    fn new(data: &'a Value) -> Result<Self, Invalid> {
        let whole = |message: String| Err(Invalid(vec![("non_field_errors", vec![message])]));
        match data {
            Value::Object(fields) => Ok(Self { fields, invalid: Invalid::default() }),
            Value::Null => whole("No data provided".to_owned()),
            Value::Bool | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List | Value::File => {
                whole(format!("Invalid data. Expected a dictionary, but got {}.", data.python_type()))
            }
        }
    }

    fn text(&mut self, field: TextField) -> Option<String> {
        self.take(field.name, |value| match field.format {
            Format::Any => clean(value, field, NO_STRING, |_| None),
            Format::Email => clean(value, field, NO_EMAIL, |text| (!email::is_valid(text)).then_some(NO_EMAIL)),
        })
    }

    /// Checks a field, and takes note of what is wrong with it.
    fn take<T>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(Option<&Value>) -> Result<T, Vec<String>>,
    ) -> Option<T> {
        check(self.fields.get(name)).map_err(|messages| self.invalid.0.push((name, messages))).ok()
    }
}

/// Turns a value into the field's text, or lists what is wrong with it: length, then NUL,
/// then surrogates, then the field's own rule.
fn clean(
    value: Option<&Value>,
    field: TextField,
    wrong_type: &str,
    judge: impl Fn(&str) -> Option<&'static str>,
) -> Result<String, Vec<String>> {
    let one = |message: &str| Err(vec![message.to_owned()]);
    let (text, surrogate) = match value {
        None => return one("This field is required."),
        Some(Value::Null) => return one("This field may not be null."),
        Some(Value::Bool | Value::List | Value::Object(_) | Value::File) => return one(wrong_type),
        Some(Value::Int(text) | Value::Float(text)) => (text.as_str(), None),
        Some(Value::Text(text)) => (text.as_str(), text.surrogate()),
    };
    let text = python::strip(text);
    if text.is_empty() {
        return one("This field may not be blank.");
    }
    let mut messages = faults(text, surrogate, field);
    messages.extend(judge(text).map(str::to_owned));
    if messages.is_empty() { Ok(text.to_owned()) } else { Err(messages) }
}

/// Says what keeps a text out of any field of this length: length, then NUL, then surrogates.
fn faults(text: &str, surrogate: Option<u16>, field: TextField) -> Vec<String> {
    let mut messages = Vec::new();
    if text.chars().count() > field.chars_max {
        messages.push(format!("Ensure this field has no more than {} characters.", field.chars_max));
    }
    if text.contains('\0') {
        messages.push("Null characters are not allowed.".to_owned());
    }
    if let Some(unit) = surrogate {
        messages.push(format!("Surrogate characters are not allowed: U+{unit:X}."));
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        parse(Some("application/json"), text.as_bytes()).unwrap()
    }

    fn title(value: &str) -> Result<String, String> {
        let texts = texts(&json(&format!("{{\"title\": {value}, \"body\": \"b\"}}")), Entity::Post);
        texts.map(|texts| texts[0].clone()).map_err(|invalid| serde_json::to_string(&invalid).unwrap())
    }

    #[test]
    fn a_text_field() {
        let long = format!("\" {} \"", "é".repeat(256));
        let table = [
            (r#""t""#, "t"),
            (r#""  a  b ""#, "a  b"),
            (r#""\u001ca\u001f""#, "a"),
            (r#""\u00a0\u3000\u2028\u0085a""#, "a"),
            (r#""\u200ba\ufeff""#, "\u{200b}a\u{feff}"),
            ("12", "12"),
            ("1.50", "1.5"),
            ("1e2", "100.0"),
            ("-0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            (&long, &"é".repeat(256)),
        ];
        for (value, expected) in table {
            assert_eq!(title(value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_a_text_field_refuses() {
        let long = format!("\"{}\\u0000\\udfff\"", "😀".repeat(256));
        let table = [
            ("null", r#"["This field may not be null."]"#),
            (r#""""#, r#"["This field may not be blank."]"#),
            (r#"" \t\r\n\u001c""#, r#"["This field may not be blank."]"#),
            ("true", r#"["Not a valid string."]"#),
            ("[]", r#"["Not a valid string."]"#),
            (r#"{"a": 1}"#, r#"["Not a valid string."]"#),
            (r#""a\u0000b""#, r#"["Null characters are not allowed."]"#),
            (r#""a\ud800b\udfff""#, r#"["Surrogate characters are not allowed: U+D800."]"#),
            (
                &long,
                r#"["Ensure this field has no more than 256 characters.","Null characters are not allowed.","Surrogate characters are not allowed: U+DFFF."]"#,
            ),
        ];
        for (value, expected) in table {
            assert_eq!(title(value), Err(format!("{{\"title\":{expected}}}")), "{value}");
        }
    }

    #[test]
    fn every_failing_field_is_listed() {
        let table = [
            (
                "{}",
                r#"{"name":["This field is required."],"email":["This field is required."],"body":["This field is required."]}"#,
            ),
            (
                r#"{"name": true, "email": ["a@x.com"], "body": {}}"#,
                r#"{"name":["Not a valid string."],"email":["Enter a valid email address."],"body":["Not a valid string."]}"#,
            ),
            (
                r#"{"name": "a", "email": "a\u0000@x.com", "body": "b"}"#,
                r#"{"email":["Null characters are not allowed.","Enter a valid email address."]}"#,
            ),
            ("[]", r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#),
            ("\"x\"", r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}"#),
            ("1", r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got int."]}"#),
            ("1.5", r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got float."]}"#),
            ("false", r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got bool."]}"#),
            ("null", r#"{"non_field_errors":["No data provided"]}"#),
        ];
        for (body, expected) in table {
            let invalid = texts(&json(body), Entity::Comment).unwrap_err();
            assert_eq!(serde_json::to_string(&invalid).unwrap(), expected);
        }
    }

    #[test]
    fn a_files_name_is_no_text() {
        let body = "--x\r\nContent-Disposition: form-data; name=title; filename=f\r\n\r\nt\r\n--x--";
        let data = parse(Some("multipart/form-data; boundary=x"), body.as_bytes()).unwrap();
        assert_eq!(
            serde_json::to_string(&texts(&data, Entity::Post).unwrap_err()).unwrap(),
            r#"{"title":["Not a valid string."],"body":["This field is required."]}"#
        );
    }

    proptest::proptest! {
        #[test]
        fn a_form_that_is_taken_keeps_the_limits(title in proptest::arbitrary::any::<String>(), body in "\\PC{0,1100}") {
            let json = serde_json::json!({ "title": title, "body": body }).to_string();
            let data = parse(Some("application/json"), json.as_bytes()).unwrap();
            if let Ok(taken) = texts(&data, Entity::Post) {
                for (field, text) in Entity::Post.shape().texts.iter().zip(&taken) {
                    proptest::prop_assert_eq!(field.fault(text), None);
                }
                // What was taken once is taken again, unchanged.
                let again = serde_json::json!({ "title": taken[0], "body": taken[1] }).to_string();
                let data = parse(Some("application/json"), again.as_bytes()).unwrap();
                proptest::prop_assert_eq!(texts(&data, Entity::Post), Ok(taken));
            }
        }
    }
}
