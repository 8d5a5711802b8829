//! Our own Fake API as a target: the binary with `fake-api`, and what it tells about itself.

use std::ffi::{OsStr, OsString};

use serde_json::Value;

use super::{Http, News, Running};

/// A running `news fake-api`, stopped when dropped.
#[derive(Debug)]
pub struct Fake {
    running: Running,
    base: String,
    http: Http,
    _news: News,
}

impl Fake {
    /// Starts it on a free port with these flags, and our own fixtures if they do not say otherwise.
    pub fn start<A: AsRef<OsStr>>(flags: impl IntoIterator<Item = A>) -> Self {
        Self::start_by(News::bare(), flags)
    }

    /// Starts it with the environment of `news`.
    pub fn start_by<A: AsRef<OsStr>>(news: News, flags: impl IntoIterator<Item = A>) -> Self {
        let mut args: Vec<OsString> = ["fake-api", "--listen", "127.0.0.1:0"].map(OsString::from).into();
        args.extend(flags.into_iter().map(|flag| flag.as_ref().to_owned()));
        let mut running = news.spawn(args);
        let base = format!("http://{}", running.address());
        Self { running, http: Http::new(&base), base, _news: news }
    }

    /// Returns its base URL.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns a client of it.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Returns the process.
    pub fn into_running(self) -> Running {
        self.running
    }

    /// Returns what came into force: `["posts"]["5"]["creates"]`, also `updates`, `deletes` and `refused`.
    pub fn counts(&self) -> Value {
        self.http.get("/__counts").json()
    }

    /// Returns the last requests, by arrival, as `POST /posts 201` (`cut` in the status' place where it was cut).
    pub fn requests(&self) -> Vec<String> {
        let journal = self.http.get("/__requests").json();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let line = |entry: &Value| {
            let status = if entry["status"].is_null() { "cut".to_owned() } else { entry["status"].to_string() };
            format!("{} {} {status}", text(&entry["method"]), text(&entry["path"]))
        };
        journal.as_array().unwrap().iter().map(line).collect()
    }

    /// Replaces the faults: `{"cut_after": 0.1}`; `{}` ends them.
    #[track_caller]
    pub fn set_faults(&self, json: &str) {
        let answer = self.http.send("PUT", "/__faults", json);
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Begins again with the first data, an empty journal and no counts.
    #[track_caller]
    pub fn reset(&self) {
        assert_eq!(self.http.send("POST", "/__reset", "").status, 200);
    }
}
