//! The screen: the only place that prints.
//!
//! stdout carries the report and nothing else; progress, logs, hints and errors go to
//! stderr. Without a terminal there are no bars and no colour.

mod log_sink;

use std::cell::Cell;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use log::Level;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use self::log_sink::{printable, with_priority};
use crate::error::{Failure, Kind, Result};

/// `auto | always | never`, of `--color` and `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum When {
    /// If the stream is a terminal
    #[default]
    Auto,
    /// Also if the stream is not a terminal
    Always,
    /// Never
    Never,
}

/// `text | json`, of `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// One readable line per message
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// What the report looks like on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one document.
    Json,
    /// For programs: a JSON document a line. Only reports that are lists have it.
    Lines,
}

/// Whether text may carry colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// ANSI colours.
    On,
    /// Plain text.
    Off,
}

/// The user's wishes on what is printed and how.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Of stdout.
    pub format: Format,
    /// Of both streams.
    pub color: When,
    /// Of stderr.
    pub progress: When,
    /// Of the log on stderr.
    pub log_format: LogFormat,
    /// What the log lets through.
    pub level: log::LevelFilter,
}

/// How text is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// In columns.
    pub width: u16,
    /// Whether it may carry colour.
    pub colour: Colour,
}

/// Wide enough that a script's grep finds a row in one line.
pub const WIDTH_WITHOUT_TERMINAL: u16 = 1000;
/// A terminal that says less does not mean it.
const WIDTH_MIN: u16 = 40;

/// Both streams, set up once.
#[derive(Debug)]
pub struct Ui {
    look: Look,
    bars: MultiProgress,
}

/// Bars and log lines share stderr: a line is printed with the bars out of the way.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Bars are redrawn at most this often a second.
const REDRAWS_PER_S: u8 = 10;
/// Without a terminal, progress is a plain line at most this often.
const PLAIN_PROGRESS_EVERY: Duration = Duration::from_secs(10);

impl Ui {
    /// Sets the streams up and installs the log.
    pub fn new(look: Look) -> Self {
        let shown = match look.progress {
            When::Auto => io::stderr().is_terminal() && look.log_format == LogFormat::Text,
            When::Always => true,
            When::Never => false,
        };
        let target =
            if shown { ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_S) } else { ProgressDrawTarget::hidden() };
        let bars = BARS.get_or_init(|| MultiProgress::with_draw_target(target)).clone();
        log_sink::install(look.level, look.log_format);
        Self { look, bars }
    }

    /// Returns the report's form.
    pub fn format(&self) -> Format {
        self.look.format
    }

    /// Says whether the report may carry colour (NO_COLOR counts under `auto`).
    pub fn colour(&self) -> Colour {
        let on = match self.look.color {
            When::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
            When::Always => true,
            When::Never => false,
        };
        if on { Colour::On } else { Colour::Off }
    }

    /// Says whether colour was asked for wherever the report goes.
    pub fn always_coloured(&self) -> bool {
        self.look.color == When::Always
    }

    /// Returns how text is laid out on stdout.
    pub fn page(&self) -> Layout {
        let terminal = io::stdout().is_terminal().then(|| rustix::termios::tcgetwinsize(io::stdout()).ok()).flatten();
        let width = terminal.map_or(WIDTH_WITHOUT_TERMINAL, |size| size.ws_col.max(WIDTH_MIN));
        Layout { width, colour: self.colour() }
    }

    /// Starts a bar called `what`; `len` is the number of `unit` to come, where known.
    pub fn bar(&self, what: &'static str, len: Option<u64>, unit: &'static str) -> Bar {
        let bar = self.bars.add(len.map_or_else(ProgressBar::no_length, ProgressBar::new));
        let rest = if len.is_some() { "[{bar:30}] {pos}/{len}" } else { "{spinner} {pos}" };
        let eta = if len.is_some() { "  eta {eta}" } else { "" };
        let template = format!("{{prefix:>9}} {rest} {unit}  {{rate}}{eta}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
                // A bar that cannot be written is no loss.
                let _ = write!(out, "{:.0}/s", state.per_sec());
            };
            bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
        }
        bar.set_prefix(what);
        let plain = self.look.progress != When::Never && self.bars.is_hidden();
        Bar { drawn: bar, what, unit, said: plain.then(|| Cell::new(Instant::now())) }
    }

    /// Writes the report to stdout, whole.
    pub fn report(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        self.bars.clear().ok();
        let mut out = io::BufWriter::new(io::stdout().lock());
        write(&mut out).and_then(|()| out.flush()).map_err(output_failure)
    }
}

/// Progress of one thing: a bar on a terminal, elsewhere a plain line now and then.
#[derive(Debug)]
pub struct Bar {
    drawn: ProgressBar,
    what: &'static str,
    unit: &'static str,
    /// Where lines are said instead: when the last one was.
    said: Option<Cell<Instant>>,
}

impl Bar {
    /// Moves on by `n`.
    pub fn inc(&self, n: u64) {
        self.drawn.inc(n);
        let Some(said) = &self.said else { return };
        if said.get().elapsed() >= PLAIN_PROGRESS_EVERY {
            said.set(Instant::now());
            let of = self.drawn.length().map_or_else(String::new, |len| format!(" of {len}"));
            log::info!("{}: {}{of} {}", self.what, self.drawn.position(), self.unit);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.drawn.finish_and_clear();
    }
}

/// Progress of what is read, with the rate in what is counted and, where the length is known,
/// the time that is left.
#[derive(Debug)]
pub struct ReadingProgress {
    drawn: ProgressBar,
    what: &'static str,
    unit: &'static str,
    begun: Instant,
    /// Where lines are said instead: when the last one was.
    said: Option<Cell<Instant>>,
}

impl Ui {
    /// Starts the progress of reading `what`, counted in `unit`.
    pub fn reading(&self, what: &'static str, unit: &'static str) -> ReadingProgress {
        let drawn = self.bars.add(ProgressBar::no_length());
        drawn.set_prefix(what);
        let plain = self.look.progress != When::Never && self.bars.is_hidden();
        let reading = ReadingProgress {
            drawn,
            what,
            unit,
            begun: Instant::now(),
            said: plain.then(|| Cell::new(Instant::now())),
        };
        reading.expect(None);
        reading
    }
}

impl ReadingProgress {
    /// Says how long it is, in whatever [`ReadingProgress::at`] is told positions in.
    pub fn expect(&self, length: Option<u64>) {
        let (bar, eta) =
            if length.is_some() { ("[{bar:30}] {percent:>3} %", "  eta {eta}") } else { ("{spinner}", "") };
        if let Ok(style) = ProgressStyle::with_template(&format!("{{prefix:>9}} {bar}  {{msg}}{eta}")) {
            self.drawn.set_style(style.progress_chars("=> "));
        }
        if let Some(length) = length {
            self.drawn.set_length(length);
        }
    }

    /// Moves to `position`, with `count` units read by then.
    pub fn at(&self, position: u64, count: u64) {
        let text = || {
            let rate = u128::from(count) * 1000 / self.begun.elapsed().as_millis().max(1);
            format!("{} {}, {}/s", HumanCount(count), self.unit, HumanCount(u64::try_from(rate).unwrap_or(u64::MAX)))
        };
        match &self.said {
            None => {
                self.drawn.set_message(text());
                self.drawn.set_position(position);
            }
            Some(said) if said.get().elapsed() >= PLAIN_PROGRESS_EVERY => {
                said.set(Instant::now());
                let part = self.drawn.length().map(|length| 100 * position.min(length) / length.max(1));
                let part = part.map_or_else(String::new, |part| format!(" ({part} %)"));
                log::info!("{}: {}{part}", self.what, text());
            }
            Some(_) => {}
        }
    }
}

/// However it ends, nothing of it is left on the screen.
impl Drop for ReadingProgress {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}

/// Gives a failed write to stdout its kind: a closed pipe ends quietly.
pub fn output_failure(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::new(Kind::ClosedPipe, error);
    }
    Failure::new(Kind::Output, format!("cannot write to stdout: {error}"))
}

/// Fails with [`Kind::ClosedPipe`] where nobody reads stdout any more: a command that writes now and then would not notice.
pub fn require_reader() -> Result<()> {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut polled, Some(&now)) {
        Ok(_) if polled[0].revents().contains(PollFlags::ERR) => {
            Err(Failure::new(Kind::ClosedPipe, "stdout was closed by the reader"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Prints one line on stderr, bars out of the way. A closed stderr is nobody's loss.
pub fn line(text: &str) {
    // In one write: stderr is not buffered, and another process's line may come between two.
    let whole = format!("{text}\n");
    let print = || drop(io::stderr().lock().write_all(whole.as_bytes()));
    match BARS.get() {
        Some(bars) => bars.suspend(print),
        None => print(),
    }
}

/// Prints a failure and ends the process at once, with its exit code: another thread is stuck in the database, and cannot be
/// waited for.
#[expect(clippy::exit, reason = "the thread that would return to `main` is stuck")]
pub fn abandon(failed: &Failure) -> ! {
    failure(failed);
    std::process::exit(i32::from(failed.kind().code()))
}

/// Prints how it ended badly: one line, then the hints.
pub fn failure(failure: &Failure) {
    if failure.kind() == Kind::ClosedPipe {
        return;
    }
    if log_sink::is_json() {
        let (hints, exit_code) = (failure.hints().join("; "), failure.kind().code());
        log::error!(hints = hints.as_str(), exit_code = exit_code; "{failure}");
        return;
    }
    line(&with_priority(Level::Error, &format!("news: {failure}")));
    for hint in failure.hints() {
        line(&with_priority(Level::Error, &format!("hint: {hint}")));
    }
}
