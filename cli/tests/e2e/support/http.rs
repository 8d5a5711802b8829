//! A client that sees everything: any status is an answer, nothing is followed or repeated.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

use super::DEADLINE;

/// A client with connections of its own.
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    base: String,
    authorization: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub text: String,
}

impl Answer {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the content as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }
}

impl Http {
    /// A client of the server at `base`, `http://127.0.0.1:3000`.
    pub fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(DEADLINE))
            .allow_non_standard_methods(true)
            .max_idle_age(Duration::from_secs(4))
            .build();
        Self { agent: config.into(), base: base.to_owned(), authorization: None }
    }

    /// Returns the same, with a token in each request.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.authorization(&format!("Bearer {token}"))
    }

    /// Returns the same, with this Authorization in each request.
    #[must_use]
    pub fn authorization(self, value: &str) -> Self {
        Self { authorization: Some(value.to_owned()), ..self }
    }

    /// Sends a request; `body` is a media type and a text. Fails where no whole answer comes.
    pub fn try_send(&self, method: &str, path: &str, body: Option<(&str, &str)>) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value);
        }
        let mut response = match body {
            Some((media_type, text)) => {
                self.agent.run(request.header("Content-Type", media_type).body(text).unwrap())?
            }
            None => self.agent.run(request.body(()).unwrap())?,
        };
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let headers = headers.collect();
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(u64::MAX).read_to_string()?;
        Ok(Answer { status, headers, text })
    }

    /// Sends JSON, and expects an answer.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, json: &str) -> Answer {
        self.try_send(method, path, Some(("application/json", json))).unwrap()
    }

    /// Gets, and expects an answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.try_send("GET", path, None).unwrap()
    }
}
