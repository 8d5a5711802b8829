//! What the network and a bad day at the target do to requests.

use std::time::Duration;

use news_core::reply::{Method, Reply};

use crate::column::Column;
use crate::rng::Rng;

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It never arrives.
    RequestLost,
    /// It arrives, up to `settle` late; nobody says so.
    AnswerLost,
    NoConnection,
    /// 500, 502, 503, 504: not done.
    Failed,
    /// The same, and done, perhaps after the answer.
    FailedAndDone,
    TimeoutStatus,
    TimeoutStatusAndDone,
    Throttled,
    /// A long answer, perhaps longer than the client waits.
    Slow,
    /// It arrives twice, and the second answer is the one that comes back.
    Twice,
    /// Something, but not what was asked for.
    Unreadable,
}

const TROUBLES: [Trouble; 11] = [
    Trouble::RequestLost,
    Trouble::AnswerLost,
    Trouble::NoConnection,
    Trouble::Failed,
    Trouble::FailedAndDone,
    Trouble::TimeoutStatus,
    Trouble::TimeoutStatusAndDone,
    Trouble::Throttled,
    Trouble::Slow,
    Trouble::Twice,
    Trouble::Unreadable,
];

/// The weather of one schedule: which troubles there are, and how often. Not all in every
/// schedule: rare combinations come up only where the rest is quiet.
#[derive(Debug, Clone)]
pub struct Weather {
    permille: [u64; TROUBLES.len()],
    /// The target is away meanwhile.
    down: Option<(Duration, Duration)>,
    timeout_ms: u64,
    slow_connections_permille: u64,
}

/// An answer that comes at once takes no longer.
const ANSWER_MS_MAX: u64 = 300;
/// A connection takes no longer, or is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long writes take to have their effect.
#[derive(Debug, Clone, Copy)]
pub struct Takes {
    /// Unanswered ones.
    pub late: Duration,
    /// Answered ones.
    pub settle: Duration,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// When it takes effect; twice, if both are there.
    pub effects: [Option<Duration>; 2],
    /// What comes back.
    pub back: Back,
    /// When; an answer that tells of an effect comes with it or later.
    pub at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// The target's answer.
    Answer,
    /// The target's status, and a body that nobody can read.
    Unreadable,
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
    Lost,
    NotSent,
}

impl Weather {
    /// No answer is waited for longer than some time below `timeout_max`.
    pub fn any(rng: &mut Rng, until: Duration, timeout_max: Duration) -> Self {
        let timeout_ms_max = u64::try_from(timeout_max.as_millis()).unwrap_or(30_000);
        let mut permille = [0; TROUBLES.len()];
        let often = rng.pick(&[0, 30, 100, 250]).unwrap_or(0);
        for chance in &mut permille {
            if rng.permille(400) {
                *chance = rng.below(often + 1);
            }
        }
        let down = rng.permille(200).then(|| {
            let from = rng.within(until);
            (from, from + rng.ms(100, 60_000))
        });
        let slow_connections_permille = rng.pick(&[0, 0, 0, 100]).unwrap_or(0);
        Self { permille, down, timeout_ms: rng.between(100, timeout_ms_max), slow_connections_permille }
    }

    /// Answers get lost, and nothing else is wrong. Each is waited for so long.
    pub fn losing(timeout: Duration) -> Self {
        let permille = TROUBLES.map(|trouble| if trouble == Trouble::AnswerLost { 250 } else { 0 });
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(1000);
        Self { permille, down: None, timeout_ms, slow_connections_permille: 0 }
    }

    /// No trouble any more; answers are waited for as long as before.
    pub fn fine(&self) -> Self {
        Self { permille: [0; TROUBLES.len()], down: None, timeout_ms: self.timeout_ms, slow_connections_permille: 0 }
    }

    /// A client waits no longer for its answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.max(ANSWER_MS_MAX))
    }

    /// How long a request waits for its connection.
    pub fn connecting(&self, rng: &mut Rng) -> Duration {
        if rng.permille(self.slow_connections_permille) { rng.within(CONNECT_TIMEOUT) } else { Duration::ZERO }
    }

    /// What becomes of a request that is sent now. What is not answered may take effect up to `late` after its answer was
    /// lost; what is answered with a 500, up to `settle` after that.
    pub fn fate(
        &self,
        method: Method,
        column: Column,
        now: Duration,
        takes: Takes,
        rng: &mut Rng,
    ) -> (Fate, Option<Trouble>) {
        let Takes { late, settle } = takes;
        let trouble = self.trouble(method, column, now, rng);
        let soon = now + rng.ms(1, 60);
        let timeout = now + rng.ms(1, self.timeout_ms);
        let quick = now + rng.ms(1, 100);
        // Mostly soon.
        let within = |rng: &mut Rng, until: Duration| {
            now + if rng.permille(500) { rng.ms(1, 60) } else { rng.within(until.saturating_sub(now)) }
        };
        let status = |rng: &mut Rng, of: &[u16]| {
            let retry_after = rng.permille(200).then(|| rng.ms(0, 4000));
            Back::Status { status: rng.pick(of).unwrap_or(503), retry_after }
        };
        let errors = [500, 502, 503, 504];
        let takes = |back: Back| match back {
            Back::Status { status: 408 | 502 | 504, .. } => late,
            Back::Answer | Back::Unreadable | Back::Status { .. } | Back::Lost | Back::NotSent => settle,
        };
        let fate = |effects: [Option<Duration>; 2], back, at| Fate { effects, back, at };
        let fate = match trouble {
            None => fate([Some(soon), None], Back::Answer, soon + rng.ms(0, 40)),
            Some(Trouble::RequestLost) => fate([None, None], Back::Lost, timeout),
            Some(Trouble::AnswerLost) => fate([Some(within(rng, timeout + late)), None], Back::Lost, timeout),
            Some(Trouble::NoConnection) => fate([None, None], Back::NotSent, quick),
            Some(Trouble::Failed) => fate([None, None], status(rng, &errors), quick),
            Some(Trouble::FailedAndDone) => {
                let back = status(rng, &errors);
                fate([Some(within(rng, quick + takes(back))), None], back, quick)
            }
            Some(Trouble::TimeoutStatus) => fate([None, None], status(rng, &[408]), quick),
            Some(Trouble::TimeoutStatusAndDone) => {
                fate([Some(within(rng, quick + late)), None], status(rng, &[408]), quick)
            }
            Some(Trouble::Throttled) => {
                let retry_after = match rng.below(4) {
                    0 => None,
                    1 => Some(Duration::ZERO),
                    _ => Some(rng.ms(0, 5000)),
                };
                let status = rng.pick(&[429, 429, 425]).unwrap_or(429);
                fate([None, None], Back::Status { status, retry_after }, quick)
            }
            Some(Trouble::Slow) => {
                let done = within(rng, now + late);
                let at = done + rng.ms(0, 40_000);
                let gives_up = now + Duration::from_millis(self.timeout_ms);
                let back = if at > gives_up { Back::Lost } else { Back::Answer };
                fate([Some(done), None], back, at.min(gives_up))
            }
            Some(Trouble::Twice) => {
                let again = soon + rng.ms(0, 100);
                let back = if rng.permille(500) { Back::Answer } else { Back::Lost };
                fate([Some(soon), Some(again)], back, again + rng.ms(0, 40))
            }
            Some(Trouble::Unreadable) => fate([Some(soon), None], Back::Unreadable, soon),
        };
        (fate, trouble)
    }

    fn trouble(&self, method: Method, column: Column, now: Duration, rng: &mut Rng) -> Option<Trouble> {
        if self.down.is_some_and(|(from, to)| from <= now && now < to) {
            return rng.pick(&[Trouble::NoConnection, Trouble::RequestLost, Trouble::Failed]);
        }
        let mut roll = rng.below(1000);
        for (trouble, chance) in TROUBLES.into_iter().zip(self.permille) {
            if roll < chance {
                // Where a POST makes a record each time it comes, twice is not our doing;
                // where the answer's body tells the id, or that the object is there, it has to be readable.
                let ours = match (trouble, column) {
                    (Trouble::Twice, Column::Strict { .. } | Column::Pretends | Column::Keyed { unique: true, .. }) => {
                        true
                    }
                    (Trouble::Twice, _)
                    | (
                        Trouble::Unreadable,
                        Column::OwnIds { .. } | Column::OddKeys { .. } | Column::Strict { duplicate: 422 },
                    ) => method != Method::Post,
                    (_, _) => true,
                };
                return ours.then_some(trouble);
            }
            roll -= chance;
        }
        None
    }
}

impl Back {
    /// The reply as the driver sees it. `answer` is what the target said.
    pub fn reply(self, answer: Option<&(u16, String)>) -> Reply {
        let http = |status, retry_after, body: &str| Reply::Http {
            status,
            retry_after,
            location: None,
            body: body.to_string(),
        };
        match (self, answer) {
            (Back::Answer, Some((status, body))) => http(*status, None, body),
            (Back::Unreadable, Some((status, _))) => http(*status, None, "<html>{\"id\":"),
            (Back::Status { status, retry_after }, _) => http(status, retry_after, "trouble"),
            (Back::NotSent, _) => Reply::NotSent { why: "connection refused".to_string() },
            (Back::Lost | Back::Answer | Back::Unreadable, _) => Reply::Lost { why: "timed out".to_string() },
        }
    }
}
