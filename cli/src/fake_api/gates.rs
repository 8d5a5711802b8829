//! What says no to a request before its content counts: log-in pages, tokens, throttles, refusals of one object.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use news_core::profile::Auth;
use news_core::wire;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use crate::fake_api::answer::Answer;
use crate::fake_api::faults::{Faults, Forbid, RetryAfter};
use crate::fake_api::guise::Heard;
use crate::fake_api::record::{Fields, ID, Id};
use crate::fake_api::route::Route;
use crate::fake_api::{Ask, FakeApi, Turn, locked};

/// What a login gives.
const LOGIN_TOKEN: &str = "fake-login-token";

impl FakeApi {
    /// Says no, for reasons that come before the request's content.
    pub(super) fn refusal(&self, heard: &Heard<'_>, turn: &Turn, now: Instant) -> Option<Answer> {
        let (ask, route, faults) = (heard.ask.as_ref(), &heard.route, &turn.faults);
        if faults.html {
            return Some(Answer::html(200, "Welcome to the guest network. Please log in."));
        }
        if let Some(name) = ask.lacks {
            return Some(Answer::value(
                400,
                &BTreeMap::from([("message", format!("expected the header field {name}"))]),
            ));
        }
        if *route != Route::Login && self.wants_credentials(faults) && !self.has_credentials(ask) {
            let answer = Answer::json(401, "{\"error\":\"no valid token\"}");
            return Some(answer.with("WWW-Authenticate", "Bearer realm=\"fake\""));
        }
        let writes = !matches!(ask.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        match faults.forbid {
            Some(Forbid::All) => return Some(Answer::json(403, "{\"error\":\"forbidden\"}")),
            Some(Forbid::Writes) if writes => return Some(Answer::json(403, "{\"error\":\"forbidden\"}")),
            Some(Forbid::Objects) if !writes && matches!(route, Route::Object(..)) => {
                return Some(Answer::json(403, "{\"error\":\"forbidden\"}"));
            }
            Some(Forbid::Writes | Forbid::Objects) | None => {}
        }
        if let Some(rate) = faults.throttle
            && let Err(wait) = locked(&self.bucket).take(rate, now)
        {
            return Some(throttled(faults.retry_after, wait));
        }
        if writes {
            return refused_write(faults, ask, route);
        }
        None
    }

    fn auth(&self) -> Auth {
        self.setup.profile.map_or(Auth::Bearer, |profile| profile.auth)
    }

    /// Returns the header field that shows who sends a request.
    pub(super) fn shows(&self) -> &'static str {
        match self.auth() {
            Auth::Header { name, .. } => name,
            Auth::None | Auth::Bearer | Auth::Basic | Auth::Login(_) => "Authorization",
        }
    }

    /// Returns the first constant field of the profile that a request does not have, whose fields `field` knows.
    pub(super) fn lacks(&self, field: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
        let constant = self.setup.profile.map_or(&[][..], |profile| profile.headers);
        constant.iter().find(|(name, value)| field(name).as_deref() != Some(value)).map(|(name, _)| *name)
    }

    /// Who logs in does so to be let in. All others only show what they are asked for.
    fn wants_credentials(&self, faults: &Faults) -> bool {
        match self.auth() {
            Auth::None => false,
            Auth::Bearer | Auth::Basic | Auth::Header { .. } => faults.require_token,
            Auth::Login(_) => true,
        }
    }

    fn has_credentials(&self, ask: &Ask) -> bool {
        let Some(given) = ask.authorization.as_deref() else { return false };
        match self.auth() {
            Auth::None => true,
            Auth::Bearer => given
                .split_once(' ')
                .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("Bearer") && self.is_the_secret(token)),
            Auth::Basic => {
                let pair = given.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok());
                let pair = pair.map(|pair| String::from_utf8_lossy(&pair).into_owned()).unwrap_or_default();
                pair.split_once(':').is_some_and(|(user, password)| !user.is_empty() && self.is_the_secret(password))
            }
            Auth::Header { prefix, .. } => given.strip_prefix(prefix).is_some_and(|token| self.is_the_secret(token)),
            Auth::Login(login) => given.strip_prefix(login.prefix) == Some(LOGIN_TOKEN),
        }
    }

    fn is_the_secret(&self, given: &str) -> bool {
        self.setup.token.as_ref().is_some_and(|token| token.expose().as_bytes().ct_eq(given.as_bytes()).into())
    }

    /// Lets in whoever has a name, and the right password where there is one.
    pub(super) fn login(&self, ask: &Ask) -> Answer {
        let Auth::Login(login) = self.auth() else { return Answer::json(404, "{}") };
        let fields = Fields::parse(&String::from_utf8_lossy(&ask.body)).unwrap_or_default();
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_right = self.setup.token.is_none() || self.is_the_secret(&text(login.password));
        if text(login.user).is_empty() || !is_right {
            return Answer::json(400, "{\"message\":\"no such user, or another password\"}");
        }
        let mut shown = Map::new();
        wire::put(&mut shown, login.token, Value::from(LOGIN_TOKEN));
        Answer::value(200, &shown)
    }
}

fn throttled(form: RetryAfter, wait: Duration) -> Answer {
    let answer = Answer::json(429, "{\"error\":\"too many requests\"}");
    // Whole seconds, rounded up: who comes at that time is let in.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    match form {
        RetryAfter::Seconds => answer.with("Retry-After", seconds.to_string()),
        RetryAfter::Date => {
            let date = SystemTime::now() + Duration::from_secs(seconds + 1);
            answer.with("Retry-After", httpdate::fmt_http_date(date))
        }
        RetryAfter::None => answer,
    }
}

/// Refuses writes to the objects that are to be refused, and those with the texts that are.
fn refused_write(faults: &Faults, ask: &Ask, route: &Route) -> Option<Answer> {
    let key = match route {
        _ if faults.status_for.is_empty() => None,
        Route::Object(entity, id) => Some(format!("{entity}/{id}")),
        Route::List(entity) => {
            let fields = Fields::parse(&String::from_utf8_lossy(&ask.body)).unwrap_or_default();
            fields.get(ID).and_then(Id::of_value).map(|id| format!("{entity}/{id}"))
        }
        Route::Nested { .. } | Route::Login | Route::Home | Route::Everything | Route::Control(_) | Route::Unknown => {
            None
        }
    };
    if let Some((key, status)) = key.and_then(|key| faults.status_for.get_key_value(&key)) {
        return Some(Answer::json(*status, format!("{{\"error\":\"{key} is refused on purpose\"}}")));
    }
    let body = String::from_utf8_lossy(&ask.body);
    let text = faults.reject_text.iter().find(|text| !text.is_empty() && body.contains(text.as_str()))?;
    Some(Answer::value(422, &BTreeMap::from([("error", format!("{text:?} is refused on purpose"))])))
}
