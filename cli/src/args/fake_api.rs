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

With --profile: the routes of the profile instead, below the address that it listens on; --page is then the most that the \
target puts on a page. NEWS_FAKE_TOKEN is the password of a login.

For tests, noted and struck by nothing: GET /__requests lists the last 20,000 requests; GET /__counts tells for each id \
how many creates, updates and deletes came into force and how many creates were refused; GET and PUT /__faults show and \
replace the faults in force (JSON; `{}` ends them all); POST /__reset begins again with the first data.

What is stored is lost at the end: GET /db shows it, and --data takes it back.";

/// `news fake-api`
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct FakeApi {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000", value_parser = listen)]
    pub listen: String,
    /// {"posts": […], "comments": […]} to begin with (or a folder with posts.json and comments.json), instead of our
    /// own fixtures
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Which real target to play
    #[arg(long, value_name = "MODE", default_value = "strict")]
    pub mode: Mode,
    /// Speak as this target profile says, instead of as json-server (strict mode only)
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = ["mode", "string_ids"])]
    pub profile: Option<String>,
    /// Requests answered at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: u16,
    /// What random faults follow from: the same requests in the same order meet the same again
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Let any DELETE remove every comment that has no post, as json-server 0.17 does (strict mode only; without it a
    /// post takes its own comments along and no others)
    #[arg(long)]
    pub drop_orphans: bool,
    /// Show every id as a text
    #[arg(long)]
    pub string_ids: bool,

    /// Let every request take this long, a random part of it before the write
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub latency: Duration,
    /// And up to this much longer
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub jitter: Duration,
    /// Answer this share of all requests with a 5xx, half of them after the write
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub fail_rate: f64,
    /// Answer this share with a 5xx instead of doing it (writes, and reads of one object)
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub fail_before: f64,
    /// Do this share, then answer with a 5xx
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub fail_after: f64,
    /// Cut the connection of this share instead of doing it
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub cut_before: f64,
    /// Do this share, then cut the connection
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, help_heading = "Faults")]
    pub cut_after: f64,
    /// Answer 429 beyond R requests a second
    #[arg(long, value_name = "R", value_parser = rate, help_heading = "Faults")]
    pub throttle: Option<f64>,
    /// What a 429 says of when to come again
    #[arg(long, value_name = "FORM", default_value = "seconds", help_heading = "Faults")]
    pub retry_after: RetryAfter,
    /// End lists too early
    #[arg(long, value_name = "HOW", num_args = 0..=1, default_missing_value = "connection", help_heading = "Faults")]
    pub cut_listing: Option<CutListing>,
    /// Let sending a list take this long
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub slow_listing: Duration,
    /// Acknowledge and forget this share of writes; without a value all
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_value = "0", default_missing_value = "100", value_parser = percent, help_heading = "Faults")]
    pub lose_writes: f64,
    /// Let writes whose answer gets lost (--fail-after, --cut-after, --fail-rate) come into force this much later
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub late_writes: Duration,
    /// Let acknowledged writes come into force this much later
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration, help_heading = "Faults")]
    pub late_acks: Duration,
    /// Answer everything with 200 and a page of HTML
    #[arg(long, help_heading = "Faults")]
    pub html: bool,
    /// Answer writes to posts/5 with 422: posts/5=422; may be repeated
    #[arg(long, value_name = "KEY=CODE", value_parser = status_for, action = ArgAction::Append, help_heading = "Faults")]
    pub status_for: Vec<(Key, u16)>,
    /// Answer writes whose body contains TEXT with 422; may be repeated
    #[arg(long, value_name = "TEXT", action = ArgAction::Append, help_heading = "Faults")]
    pub reject_text: Vec<String>,
    /// Answer 401 to requests without the credentials that the profile wants, with the token or password of NEWS_FAKE_TOKEN
    /// (or NEWS_FAKE_TOKEN_FILE)
    #[arg(long, help_heading = "Faults")]
    pub require_token: bool,
    /// Answer 403
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "all", help_heading = "Faults")]
    pub forbid: Option<Forbid>,
    /// Send no X-Total-Count
    #[arg(long, conflicts_with = "total", help_heading = "Faults")]
    pub no_total: bool,
    /// Send X-Total-Count with every list
    #[arg(long, help_heading = "Faults")]
    pub total: bool,
    /// List in another order each time
    #[arg(long, help_heading = "Faults")]
    pub shuffle: bool,
    /// List at most N records at a time, with a Link to the next page; 0 lists all
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Faults")]
    pub page: usize,
}

impl FakeApi {
    /// Returns what `--total` and `--no-total` come to.
    pub fn total(&self) -> Total {
        match (self.total, self.no_total) {
            (true, _) => Total::Always,
            (false, true) => Total::Never,
            (false, false) => Total::Parts,
        }
    }
}
