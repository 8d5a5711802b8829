//! The command line of `news fake-api`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use news_core::Key;

use crate::fake_api::{CutListing, Forbid, Mode, RetryAfter, Total};
use crate::values::{duration, listen, percent, rate, status_for};

const AFTER_HELP: &str = "\
Routes: GET, POST /posts and /comments; GET, PUT, PATCH, DELETE /posts/5 and /comments/7; /posts/5/comments; \
/comments?postId=5 and other fields; _page, _limit, _start, _end with X-Total-Count and Link; /db for everything.

With --profile: the routes of the profile instead, below the address to listen on. --page is then the maximum size of a page. \
NEWS_FAKE_TOKEN is the password of a login.

For tests, without faults: GET /__requests lists the last 20,000 requests. GET /__counts shows for each id \
how many creates, updates and deletes took effect and how many creates were refused. GET and PUT /__faults show and \
replace the faults in force (JSON; `{}` ends all faults). POST /__reset restores the initial data.

The data is lost when the process ends. GET /db shows it in the form that --data reads.";

/// `news fake-api`
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct FakeApi {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000", value_parser = listen)]
    pub listen: String,
    /// Initial data: a file {"posts": […], "comments": […]} or a directory with posts.json and comments.json
    /// [default: 100 posts and 500 comments]
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Real target to imitate
    #[arg(long, value_name = "MODE", default_value = "strict")]
    pub mode: Mode,
    /// Imitate a target with this profile instead of json-server (strict mode only)
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = ["mode", "string_ids"])]
    pub profile: Option<String>,
    /// Maximum concurrent requests
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: u16,
    /// Seed of random faults. The same seed and the same sequence of requests give the same faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Let each DELETE remove all comments without a post, as json-server 0.17 does (strict mode only; without it, the DELETE
    /// of a post removes only its own comments)
    #[arg(long)]
    pub drop_orphans: bool,
    /// Write every id as a string
    #[arg(long)]
    pub string_ids: bool,

    /// Minimum duration of every request. A random part of the delay is before the write
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub latency: Duration,
    /// Maximum random addition to --latency
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub jitter: Duration,
    /// Respond with a 5xx to this share of requests, to half of these after the write
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub fail_rate: f64,
    /// Respond with a 5xx to this share of requests, and do nothing (writes, and reads of one object)
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub fail_before: f64,
    /// Respond with a 5xx to this share of requests, after the write
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub fail_after: f64,
    /// Cut the connection of this share of requests, and do nothing
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub cut_before: f64,
    /// Cut the connection of this share of requests, after the write
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub cut_after: f64,
    /// Respond with 429 to more than R requests per second
    #[arg(long, value_name = "R", value_parser = rate, help_heading = "Faults")]
    pub throttle: Option<f64>,
    /// What a 429 has in Retry-After
    #[arg(long, value_name = "FORM", default_value = "seconds", help_heading = "Faults")]
    pub retry_after: RetryAfter,
    /// Send only a part of each listing
    #[arg(long, value_name = "HOW", num_args = 0..=1, default_missing_value = "connection", help_heading = "Faults")]
    pub cut_listing: Option<CutListing>,
    /// Time to take for sending a listing
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub slow_listing: Duration,
    /// Acknowledge this share of writes (without a value: all) and do not store them
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_value = "0", default_missing_value = "100", value_parser = percent, help_heading = "Faults")]
    pub lose_writes: f64,
    /// Delay the effect of writes whose response gets lost (--fail-after, --cut-after, --fail-rate)
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub late_writes: Duration,
    /// Delay the effect of acknowledged writes
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub late_acks: Duration,
    /// Respond to everything with 200 and a page of HTML
    #[arg(long, help_heading = "Faults")]
    pub html: bool,
    /// Respond to writes of an object with this status: posts/5=422; may be repeated
    #[arg(long, value_name = "KEY=CODE", value_parser = status_for, action = ArgAction::Append, help_heading = "Faults")]
    pub status_for: Vec<(Key, u16)>,
    /// Respond with 422 to writes whose body contains TEXT; may be repeated
    #[arg(long, value_name = "TEXT", action = ArgAction::Append, help_heading = "Faults")]
    pub reject_text: Vec<String>,
    /// Respond with 401 to requests without the credentials of the profile; NEWS_FAKE_TOKEN (or NEWS_FAKE_TOKEN_FILE) is the token
    /// or password
    #[arg(long, help_heading = "Faults")]
    pub require_token: bool,
    /// Requests to which the target responds with 403
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "all", help_heading = "Faults")]
    pub forbid: Option<Forbid>,
    /// Send no X-Total-Count
    #[arg(long, conflicts_with = "total", help_heading = "Faults")]
    pub no_total: bool,
    /// Send X-Total-Count with every listing
    #[arg(long, help_heading = "Faults")]
    pub total: bool,
    /// List in a random order
    #[arg(long, help_heading = "Faults")]
    pub shuffle: bool,
    /// List at most N records per response, with a Link to the next page; 0 lists all
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Faults")]
    pub page: usize,
}

impl FakeApi {
    /// Returns when to send a total.
    pub fn total(&self) -> Total {
        match (self.total, self.no_total) {
            (true, _) => Total::Always,
            (false, true) => Total::Never,
            (false, false) => Total::Parts,
        }
    }
}
