//! How the sync goes, in one sentence: `news status` shows the same as text and as JSON.
//!
//! In scope: which fact comes first. Out of scope: reading the facts (`commands/status.rs`).

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use crate::report::phrase::{count, counted, number, span};
use crate::store::history::{FailedFull, LastRun};

/// A pending change that is older than this does not arrive, unless the user says otherwise.
pub const MAX_LAG: Duration = Duration::from_mins(15);
/// Runs are missed if none has come for so many times the usual distance.
const MISSED_AFTER: u32 = 3;
/// Fewer distances say nothing about a timer.
const DISTANCES_MIN: usize = 5;
/// A distance is a usual one if it differs from the median by no more than one part in so many.
const USUAL_SHARE: u32 = 5;

/// With this a run's reason may begin.
const UNAVAILABLE: &str = "the target is unavailable: ";

/// How the sync goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Which sentence it is.
    pub word: Word,
    /// The sentence.
    pub text: String,
}

/// Which sentence it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Changes are not tracked.
    Untracked,
    /// The target refuses our credentials.
    Credentials,
    /// A safety limit or a precondition refused the last run, or will refuse the next one.
    Refused,
    /// Changes do not arrive.
    Late,
    /// The last run failed; no change is late yet.
    Failing,
    /// Runs came regularly, and no longer do.
    Missed,
    /// No sync has ended yet.
    New,
    /// Changes arrive, and the last full sync failed.
    Full,
    /// Objects wait for an operator.
    Parked,
    /// A run is at work.
    Running,
    /// Nothing is wrong.
    Ok,
}

/// What the verdict rests on.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Now.
    pub now: OffsetDateTime,
    /// Why changes are not tracked.
    pub untracked: Option<String>,
    /// How the last run ended; `None`: none has.
    pub last: Option<LastRun>,
    /// How full syncs fail, if they do.
    pub full: Option<FailedFull>,
    /// The limit that would refuse the next run.
    pub over_limit: Option<String>,
    /// Since when a run is at work.
    pub running_since: Option<OffsetDateTime>,
    /// When the last runs began, newest first.
    pub begun: Vec<OffsetDateTime>,
    /// Age of the oldest pending change that is neither parked nor held.
    pub oldest: Option<Duration>,
    /// The age that is allowed.
    pub max_lag: Duration,
    /// Objects that are pending.
    pub pending: u64,
    /// Of these, objects that are parked.
    pub parked: u64,
    /// Objects on hold.
    pub on_hold: u64,
    /// Objects that wait for another one.
    pub held: u64,
    /// Objects that failed, and that the next run tries again.
    pub waiting: u64,
}

impl Verdict {
    /// Decides. The first that holds.
    pub fn of(facts: &Facts) -> Self {
        let at = |time: OffsetDateTime| clock(time, facts.now);
        let last = facts.last.as_ref();
        let why = || last.and_then(|last| last.why.as_deref()).unwrap_or("no reason is recorded");
        let code = last.and_then(|last| last.exit_code).unwrap_or_default();
        let late = facts.oldest.filter(|oldest| *oldest > facts.max_lag);
        let has_work = facts.pending > facts.parked + facts.on_hold + facts.held;
        let age = |oldest: Duration| span(oldest.as_secs_f64());
        let (word, text) = match (code, last, late) {
            _ if facts.untracked.is_some() => {
                let why = facts.untracked.as_deref().unwrap_or_default();
                (Word::Untracked, format!("Changes are not tracked, so no run sends them: {why}."))
            }
            (7, Some(last), _) => (
                Word::Credentials,
                format!("The target refuses our credentials since {}. Nothing is sent.", at(last.since)),
            ),
            (4, Some(last), _) if !last.is_full => {
                (Word::Refused, format!("Runs are refused since {}: {}. Nothing is sent.", at(last.since), why()))
            }
            _ if facts.over_limit.is_some() => {
                let over = facts.over_limit.as_deref().unwrap_or_default();
                (Word::Refused, format!("The next run will be refused: {over}. It will send nothing."))
            }
            (_, _, Some(oldest)) => {
                let why = match code {
                    0 | 3 | 130 | 143 => String::new(),
                    5 => format!(" The target is unavailable: {}.", why().trim_start_matches(UNAVAILABLE)),
                    code => format!(" The last run failed (exit {code}): {}.", why()),
                };
                (Word::Late, format!("Changes do not arrive: the oldest has waited {}.{why}", age(oldest)))
            }
            (2 | 5 | 8 | 70 | 74, Some(last), None) if has_work => {
                let since = at(last.since);
                let oldest =
                    facts.oldest.map_or_else(String::new, |s| format!(" The oldest change has waited {}.", age(s)));
                (Word::Failing, format!("Runs fail since {since} (exit {code}): {}.{oldest}", why()))
            }
            _ => Self::calm(facts),
        };
        Self { word, text: text.replace("..", ".") }
    }

    /// What is said where nothing is late or refused.
    fn calm(facts: &Facts) -> (Word, String) {
        let at = |time: OffsetDateTime| clock(time, facts.now);
        let missed = facts.begun.first().zip(distance(&facts.begun)).filter(|(last, every)| {
            facts.running_since.is_none() && facts.now - **last > every.saturating_mul(MISSED_AFTER)
        });
        let left = left(facts);
        match (missed, &facts.last, facts.running_since) {
            (Some((last, every)), _, _) => (
                Word::Missed,
                format!("No run has begun since {}; one began every {}.", at(*last), span(every.as_secs_f64())),
            ),
            (None, None, None) => match facts.pending {
                0 => (Word::New, String::from("No sync has ended yet, and nothing is pending.")),
                n => (Word::New, format!("No sync has ended yet. {} pending.", are(n))),
            },
            (None, _, _) if facts.full.is_some() => (Word::Full, format!("Changes arrive. {}{left}", full(facts))),
            (None, _, _) if !left.is_empty() => (Word::Parked, format!("Changes arrive.{left}")),
            (None, _, Some(since)) => {
                (Word::Running, format!("A run is at work since {}. {} pending.", at(since), are(facts.pending)))
            }
            (None, Some(_), None) if facts.waiting > 0 => {
                let them = if facts.waiting == 1 { "it" } else { "them" };
                (
                    Word::Ok,
                    format!(
                        "Changes arrive. {} failed; the next run tries {them} again.",
                        count(facts.waiting, "object")
                    ),
                )
            }
            (None, Some(_), None) => (Word::Ok, String::from("Changes arrive. Nothing waits for an operator.")),
        }
    }
}

/// Says how full syncs fail.
fn full(facts: &Facts) -> String {
    let Some(FailedFull { exit_code, since, why }) = &facts.full else { return String::new() };
    let code = exit_code.map_or_else(String::new, |code| format!(" (exit {code})"));
    let why = why.as_deref().unwrap_or("the process ended before the run did");
    let since = clock(*since, facts.now);
    format!("Full syncs fail since {since}{code}: {why}. Until one succeeds, both sides may differ.")
}

/// Says what runs leave: in sentences, each with a space before it.
fn left(facts: &Facts) -> String {
    let held = facts.held;
    let behind = if held == 0 { String::new() } else { format!(", and {} behind", number(held)) };
    let them = |n: u64| {
        if held == 0 {
            ""
        } else if n == 1 {
            " it"
        } else {
            " them"
        }
    };
    let parked = counted(facts.parked, "object", ["waits", "wait"]);
    match (facts.parked, facts.on_hold) {
        (0, 0) if held == 0 => String::new(),
        (0, 0) => format!(" {} held: the objects that they wait for are not sent.", are(held)),
        (0, on_hold) => format!(" {} on hold{behind}{}.", are(on_hold), them(on_hold)),
        (n, 0) => format!(" {parked} for an operator{behind}{}.", them(n)),
        (n, on_hold) => {
            let is = if on_hold == 1 { "is" } else { "are" };
            format!(" {parked} for an operator, {} {is} on hold{behind}{}.", number(on_hold), them(n + on_hold))
        }
    }
}

fn are(objects: u64) -> String {
    counted(objects, "object", ["is", "are"])
}

/// Returns the distance between runs that began at these times, newest first, if most are about the same.
pub fn distance(begun: &[OffsetDateTime]) -> Option<Duration> {
    let mut distances: Vec<Duration> =
        begun.windows(2).filter_map(|pair| Duration::try_from(pair[0] - pair[1]).ok()).collect();
    distances.sort_unstable();
    let median = *distances.get(distances.len() / 2)?;
    let usual = distances.iter().filter(|one| one.abs_diff(median) <= median / USUAL_SHARE).count();
    (distances.len() >= DISTANCES_MIN && usual * 2 > distances.len()).then_some(median)
}

/// Returns a time of this day without its date.
fn clock(time: OffsetDateTime, now: OffsetDateTime) -> String {
    let (hour, minute) = (time.hour(), time.minute());
    if time.date() == now.date() {
        return format!("{hour:02}:{minute:02} UTC");
    }
    format!("{} {hour:02}:{minute:02} UTC", time.date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::format_description::well_known::Rfc3339;

    fn at(text: &str) -> OffsetDateTime {
        OffsetDateTime::parse(text, &Rfc3339).unwrap()
    }

    fn calm() -> Facts {
        let now = at("2026-03-02T03:15:20Z");
        let last = LastRun { is_full: false, exit_code: Some(0), since: now, why: None, failed: 0 };
        Facts {
            now,
            untracked: None,
            last: Some(last),
            full: None,
            over_limit: None,
            running_since: None,
            begun: Vec::new(),
            oldest: None,
            max_lag: MAX_LAG,
            pending: 0,
            parked: 0,
            on_hold: 0,
            held: 0,
            waiting: 0,
        }
    }

    fn ended(exit_code: u8, why: &str) -> LastRun {
        let since = at("2026-03-02T02:10:00Z");
        LastRun { is_full: false, exit_code: Some(exit_code), since, why: Some(why.to_owned()), failed: 0 }
    }

    #[test]
    fn the_first_sentence_that_holds_is_said() {
        let min = Duration::from_mins;
        let every = |distance: i64| (0..9).map(|n| calm().now - time::Duration::seconds(60 + n * distance)).collect();
        let old = |minutes: i64| -> Vec<OffsetDateTime> {
            (0..9).map(|n| at("2026-03-01T22:00:00Z") - time::Duration::minutes(n * minutes)).collect()
        };
        let full = |exit_code, why: Option<&str>| {
            Some(FailedFull { exit_code, since: at("2026-03-02T02:10:00Z"), why: why.map(str::to_owned) })
        };
        let late = Facts { oldest: Some(min(41)), pending: 9, ..calm() };
        let parked = Facts { parked: 4, held: 2, pending: 6, ..calm() };
        for (facts, word, text) in [
            (
                Facts { untracked: Some("a trigger is off".into()), last: Some(ended(7, "401")), ..calm() },
                Word::Untracked,
                "Changes are not tracked, so no run sends them: a trigger is off.",
            ),
            (
                Facts { last: Some(ended(7, "401")), ..late.clone() },
                Word::Credentials,
                "The target refuses our credentials since 02:10 UTC. Nothing is sent.",
            ),
            (
                Facts { last: Some(ended(4, "the plan deletes 412 objects, more than 100")), ..late.clone() },
                Word::Refused,
                "Runs are refused since 02:10 UTC: the plan deletes 412 objects, more than 100. Nothing is sent.",
            ),
            (late.clone(), Word::Late, "Changes do not arrive: the oldest has waited 41 min."),
            (
                Facts { last: Some(ended(5, "the target is unavailable: connection refused")), ..late.clone() },
                Word::Late,
                "Changes do not arrive: the oldest has waited 41 min. The target is unavailable: connection refused.",
            ),
            (
                Facts { last: Some(ended(5, "connection refused")), oldest: Some(min(3)), pending: 1, ..calm() },
                Word::Failing,
                "Runs fail since 02:10 UTC (exit 5): connection refused. The oldest change has waited 3 min.",
            ),
            (
                Facts { begun: old(5), ..parked.clone() },
                Word::Missed,
                "No run has begun since 2026-03-01 22:00 UTC; one began every 5 min.",
            ),
            (Facts { begun: every(300), ..calm() }, Word::Ok, "Changes arrive. Nothing waits for an operator."),
            (Facts { last: None, pending: 1, ..calm() }, Word::New, "No sync has ended yet. 1 object is pending."),
            (parked, Word::Parked, "Changes arrive. 4 objects wait for an operator, and 2 behind them."),
            (
                Facts { parked: 1, pending: 1, ..calm() },
                Word::Parked,
                "Changes arrive. 1 object waits for an operator.",
            ),
            (
                Facts { over_limit: Some("the plan deletes 412 objects, more than 100".into()), ..late.clone() },
                Word::Refused,
                "The next run will be refused: the plan deletes 412 objects, more than 100. It will send nothing.",
            ),
            (
                Facts { full: full(Some(4), Some("the master has no posts while the target has 100")), ..calm() },
                Word::Full,
                "Changes arrive. Full syncs fail since 02:10 UTC (exit 4): the master has no posts while the target has 100. \
                 Until one succeeds, both sides may differ.",
            ),
            (
                Facts { full: full(None, None), parked: 1, pending: 1, ..calm() },
                Word::Full,
                "Changes arrive. Full syncs fail since 02:10 UTC: the process ended before the run did. \
                 Until one succeeds, both sides may differ. 1 object waits for an operator.",
            ),
            // A full sync is refused by limits of its own: others go on.
            (
                Facts {
                    last: Some(LastRun { is_full: true, ..ended(4, "no posts") }),
                    full: full(Some(4), Some("no posts")),
                    ..calm()
                },
                Word::Full,
                "Changes arrive. Full syncs fail since 02:10 UTC (exit 4): no posts. Until one succeeds, both sides may differ.",
            ),
            (
                Facts { running_since: Some(at("2026-03-02T03:15:02Z")), pending: 2000, ..calm() },
                Word::Running,
                "A run is at work since 03:15 UTC. 2,000 objects are pending.",
            ),
            (calm(), Word::Ok, "Changes arrive. Nothing waits for an operator."),
        ] {
            let verdict = Verdict::of(&facts);
            assert_eq!((verdict.word, verdict.text.as_str()), (word, text), "{facts:?}");
        }
    }

    #[test]
    fn what_runs_leave_is_counted_by_its_reason() {
        for (facts, word, text) in [
            (
                Facts { waiting: 1, pending: 1, ..calm() },
                Word::Ok,
                "Changes arrive. 1 object failed; the next run tries it again.",
            ),
            (
                Facts { parked: 1, on_hold: 2, held: 1, pending: 4, ..calm() },
                Word::Parked,
                "Changes arrive. 1 object waits for an operator, 2 are on hold, and 1 behind them.",
            ),
            (
                Facts { on_hold: 1, held: 1200, pending: 1201, ..calm() },
                Word::Parked,
                "Changes arrive. 1 object is on hold, and 1,200 behind it.",
            ),
            (
                Facts { held: 2, pending: 2, ..calm() },
                Word::Parked,
                "Changes arrive. 2 objects are held: the objects that they wait for are not sent.",
            ),
        ] {
            let verdict = Verdict::of(&facts);
            assert_eq!((verdict.word, verdict.text.as_str()), (word, text), "{facts:?}");
        }
    }

    #[test]
    fn only_a_regular_distance_is_usual() {
        let begun = |minutes: &[i64]| -> Vec<OffsetDateTime> {
            minutes.iter().map(|minute| calm().now - time::Duration::minutes(*minute)).collect()
        };
        assert_eq!(distance(&begun(&[0, 5, 10, 15, 20, 25, 95])), Some(Duration::from_mins(5)));
        assert_eq!(distance(&begun(&[0, 5, 10, 15])), None, "too few");
        assert_eq!(distance(&begun(&[0, 1, 5, 30, 31, 95, 200, 203])), None, "no timer");
    }
}
