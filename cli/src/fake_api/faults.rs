//! What goes wrong, and when: faults asked for, and the dice that choose whom they strike.
//!
//! A request's fate follows from the seed and the request's number alone, so that requests sent in the same order
//! meet the same faults again. "Before" and "after" tell which side of the write coming into force a fault is on.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::fake_api::answer::Kind;

/// The faults in force; also the JSON of `GET` and `PUT /__faults`. Shares of requests are between 0 and 1.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Every request takes this long, in ms; a random part of it before the write.
    pub latency_ms: u64,
    /// And up to this much longer, in ms.
    pub jitter_ms: u64,
    /// Share of all requests answered with a 5xx, half of them before the write.
    pub fail_rate: f64,
    /// Share of requests for an object answered with a 5xx instead of being done.
    pub fail_before: f64,
    /// Share of requests for an object done and then answered with a 5xx.
    pub fail_after: f64,
    /// Share of requests for an object whose connection is cut instead of being done.
    pub cut_before: f64,
    /// Share of requests for an object done and then cut instead of being answered.
    pub cut_after: f64,
    /// Requests a second; beyond: 429.
    pub throttle: Option<f64>,
    /// What a 429 says of when to come again.
    pub retry_after: RetryAfter,
    /// How lists end too early.
    pub cut_listing: Option<CutListing>,
    /// A list takes this long to send, in ms.
    pub slow_listing_ms: u64,
    /// Share of writes that are acknowledged and forgotten.
    pub lose_writes: f64,
    /// A write whose answer gets lost (`fail_after`, `cut_after`) comes into force this much later, in ms.
    pub late_writes_ms: u64,
    /// An acknowledged write comes into force this much later, in ms.
    pub late_acks_ms: u64,
    /// Everything is answered 200 with a page of HTML.
    pub html: bool,
    /// Writes to these objects (`posts/5`) get this status.
    pub status_for: BTreeMap<String, u16>,
    /// Writes whose body contains one of these texts get 422.
    pub reject_text: Vec<String>,
    /// 401 without the bearer token of NEWS_FAKE_TOKEN.
    pub require_token: bool,
    /// Who gets 403.
    pub forbid: Option<Forbid>,
    /// `X-Total-Count` of lists.
    pub total: Total,
    /// The order of lists.
    pub order: Order,
    /// Lists hold at most so many records, with a link to the next page; 0: all of them.
    pub page: usize,
}

/// What a 429 says of when to come again (RFC 9110 §10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAfter {
    /// A number of seconds
    #[default]
    Seconds,
    /// An HTTP date
    Date,
    /// No Retry-After
    None,
}

/// How a list ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutListing {
    /// The connection is cut halfway through the body
    Connection,
    /// The body ends halfway, and Content-Length matches the short body
    Text,
    /// The body has half of the records and is well-formed; X-Total-Count has the number of all records
    Items,
}

/// Who gets 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forbid {
    /// Every request
    All,
    /// Requests that change something
    Writes,
    /// Reads of one object; listings are allowed
    Objects,
}

/// When lists tell how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Total {
    /// Where a part is asked for, like json-server
    #[default]
    Parts,
    /// In every list
    Always,
    /// Never
    Never,
}

/// The order of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As they came in.
    #[default]
    Insertion,
    /// Another one each time.
    Shuffled,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Served,
    /// It is not done, and answered with this status.
    FailedBefore(u16),
    /// It is done, and answered with this status.
    FailedAfter(u16),
    /// It is not done, and the connection is cut.
    CutBefore,
    /// It is done, and the connection is cut.
    CutAfter,
}

impl Fate {
    /// Returns its name in the journal.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Fate::Served => None,
            Fate::FailedBefore(_) => Some("fail-before"),
            Fate::FailedAfter(_) => Some("fail-after"),
            Fate::CutBefore => Some("cut-before"),
            Fate::CutAfter => Some("cut-after"),
        }
    }
}

impl Faults {
    /// Says what happens to a request for `kind`, whose dice these are.
    pub fn fate(&self, kind: Kind, dice: Dice) -> Fate {
        const STATUSES: [u16; 4] = [500, 502, 503, 504];
        let status = || STATUSES.get(dice.below(1, STATUSES.len() as u64)).copied().unwrap_or(500);
        let throw = dice.share(0);
        let shares = match kind {
            Kind::Object => [self.fail_before, self.fail_after, self.cut_before, self.cut_after],
            Kind::Other => [0.0; 4],
        };
        let half = self.fail_rate / 2.0;
        let fates = [
            (half, Fate::FailedBefore(status())),
            (half, Fate::FailedAfter(status())),
            (shares[0], Fate::FailedBefore(status())),
            (shares[1], Fate::FailedAfter(status())),
            (shares[2], Fate::CutBefore),
            (shares[3], Fate::CutAfter),
        ];
        let mut sum = 0.0;
        for (share, fate) in fates {
            sum += share;
            if throw < sum {
                return fate;
            }
        }
        Fate::Served
    }

    /// Returns how long a request waits before and after it is done, in ms.
    pub fn waits_ms(&self, dice: Dice) -> (u64, u64) {
        let total = self.latency_ms.saturating_add(dice.below_u64(2, self.jitter_ms.saturating_add(1)));
        let before = dice.below_u64(3, total.saturating_add(1));
        (before, total - before)
    }

    /// Returns whether this write is acknowledged and forgotten.
    pub fn loses(&self, dice: Dice) -> bool {
        dice.share(4) < self.lose_writes
    }

    /// Says what is wrong with them, if anything.
    pub fn fault(&self) -> Option<String> {
        let shares = [
            ("fail_rate", self.fail_rate),
            ("fail_before", self.fail_before),
            ("fail_after", self.fail_after),
            ("cut_before", self.cut_before),
            ("cut_after", self.cut_after),
            ("lose_writes", self.lose_writes),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Some(format!("{name} is {share}, not between 0 and 1"));
            }
        }
        let sum: f64 = shares.iter().take(5).map(|(_, share)| share).sum();
        if sum > 1.000_001 {
            return Some(format!("failed and cut requests come to {:.0} %, more than all", sum * 100.0));
        }
        if self.throttle.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Some("throttle is not a rate".to_owned());
        }
        if self.late_writes_ms > 0 && self.fail_after + self.cut_after + self.fail_rate == 0.0 {
            return Some("late writes are those whose answer gets lost, and none gets lost".to_owned());
        }
        let status = self.status_for.iter().find(|(_, status)| !(400..=599).contains(*status));
        status.map(|(key, status)| format!("status {status} for {key} is not between 400 and 599"))
    }
}

/// Random numbers of one request, by purpose: the same for the same seed and request.
#[derive(Debug, Clone, Copy)]
pub struct Dice(u64);

impl Dice {
    /// The dice of the request with this number.
    pub fn of(seed: u64, request: u64) -> Self {
        Self(mixed(seed ^ mixed(request)))
    }

    /// Returns 64 random bits.
    pub fn bits(self, purpose: u64) -> u64 {
        mixed(self.0.wrapping_add(purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Returns a number of [0, 1).
    pub fn share(self, purpose: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
        let numerator = (self.bits(purpose) >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }

    /// Returns a number below `bound`; 0 where that is 0.
    pub fn below_u64(self, purpose: u64, bound: u64) -> u64 {
        self.bits(purpose).checked_rem(bound).unwrap_or(0)
    }

    fn below(self, purpose: u64, bound: u64) -> usize {
        usize::try_from(self.below_u64(purpose, bound)).unwrap_or(0)
    }
}

/// The last step of splitmix64 (Steele, Lea, Flood 2014).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_come_in_the_shares_asked_for_and_again_the_same() {
        let faults =
            Faults { fail_before: 0.1, fail_after: 0.2, cut_before: 0.3, cut_after: 0.05, ..Faults::default() };
        let fates = |seed: u64| (0..20_000).map(|n| faults.fate(Kind::Object, Dice::of(seed, n))).collect::<Vec<_>>();
        let first = fates(7);
        assert_eq!(first, fates(7));
        assert_ne!(first, fates(8));
        for (name, share) in [("fail-before", 0.1), ("fail-after", 0.2), ("cut-before", 0.3), ("cut-after", 0.05)] {
            let count = first.iter().filter(|fate| fate.name() == Some(name)).count();
            let seen = f64::from(u32::try_from(count).unwrap()) / 20_000.0;
            assert!((seen - share).abs() < 0.015, "{name}: {seen}");
        }
        assert!((0..1000).all(|n| faults.fate(Kind::Other, Dice::of(7, n)) == Fate::Served));
    }

    #[test]
    fn waits_come_to_the_latency() {
        let faults = Faults { latency_ms: 20, jitter_ms: 5, ..Faults::default() };
        let sums: Vec<u64> =
            (0..1000).map(|n| faults.waits_ms(Dice::of(1, n))).map(|(before, after)| before + after).collect();
        assert_eq!((sums.iter().min(), sums.iter().max()), (Some(&20), Some(&25)));
    }

    #[test]
    fn impossible_faults_are_named() {
        for (json, expected) in [
            ("{}", None),
            ("{\"cut_before\":0.6,\"cut_after\":0.4}", None),
            ("{\"cut_before\":0.6,\"cut_after\":0.5}", Some("failed and cut requests come to 110 %, more than all")),
            ("{\"lose_writes\":2}", Some("lose_writes is 2, not between 0 and 1")),
            ("{\"throttle\":0}", Some("throttle is not a rate")),
            ("{\"late_writes_ms\":5}", Some("late writes are those whose answer gets lost, and none gets lost")),
            ("{\"status_for\":{\"posts/5\":200}}", Some("status 200 for posts/5 is not between 400 and 599")),
        ] {
            let faults: Faults = serde_json::from_str(json).unwrap();
            assert_eq!(faults.fault().as_deref(), expected, "{json}");
        }
    }
}
