//! What a target does besides storing: it refuses, limits, or has other addresses than it lists. And the questions that a
//! run asks about such things.

use std::time::Duration;

use news_core::profile::To;
use news_core::reply::{Method, Reply};
use news_core::session::{IMPOSSIBLE_ID, Listing, Look, Sample};
use news_core::{Entity, Key};

use crate::event::Event;
use crate::net::Back;
use crate::rng::Rng;
use crate::rules::Checked;
use crate::run::Arrival;
use crate::world::World;

/// A manner that lasts until all is calm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Manner {
    Plain,
    /// It lets read, and not write. Where that begins in the middle of a run, nobody could tell it from one object's fault.
    ReadOnly {
        status: u16,
    },
    /// A gateway in front of it refuses everything, from some time on.
    Gateway {
        status: u16,
        from: Duration,
    },
    /// One object is always put off.
    PutsOff {
        key: Key,
        wait: Duration,
    },
    /// Requests take tokens from a bucket that fills slowly.
    Bucket {
        per_s: f64,
        tokens: f64,
        at: Duration,
    },
    /// It lists, and has no object at its own address.
    RoutesDisagree,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Object(Method, Key),
    Listing,
}

impl Manner {
    pub fn any(rng: &mut Rng) -> Self {
        let from = |rng: &mut Rng| rng.pick(&[0, 0, 3000]).map(|most| rng.ms(0, most)).unwrap_or_default();
        match rng.below(20) {
            0 => Manner::ReadOnly { status: rng.pick(&[401, 403]).unwrap_or(403) },
            1 => Manner::Gateway { status: rng.pick(&[400, 401, 403, 302, 405]).unwrap_or(400), from: from(rng) },
            2 => {
                let id = i64::try_from(rng.between(1, 6)).unwrap_or(1);
                let entity = if rng.permille(500) { Entity::Post } else { Entity::Comment };
                let wait = rng.pick(&[200, 3000, 3_600_000]).unwrap_or(200);
                entity.key(id).map_or(Manner::Plain, |key| Manner::PutsOff { key, wait: Duration::from_millis(wait) })
            }
            3 => Manner::Bucket {
                per_s: rng.pick(&[0.5, 2.0, 10.0]).unwrap_or(2.0),
                tokens: rng.pick(&[1.0, 4.0]).unwrap_or(1.0),
                at: Duration::ZERO,
            },
            4 => Manner::RoutesDisagree,
            _ => Manner::Plain,
        }
    }
}

/// The bucket holds no more than this.
const TOKENS_MAX: f64 = 4.0;

impl World {
    /// Returns how the target's manners answer a request of a run, if they do.
    pub fn manners(&mut self, run: usize, asked: Asked) -> Option<Back> {
        let is_write = matches!(asked, Asked::Object(Method::Post | Method::Put | Method::Delete, _));
        let says = |status| Some(Back::Status { status, retry_after: None });
        // A run that has met a refusal of everything meets it to its end: what it was told is no object's own.
        let meets = |world: &mut Self, from: Duration| {
            let meets = (world.active && world.now >= from) || world.met.contains(&run);
            if meets {
                world.met.insert(run);
            }
            meets
        };
        match self.setup.manner {
            Manner::Plain => None,
            Manner::ReadOnly { status } => (is_write && meets(self, Duration::ZERO)).then(|| says(status)).flatten(),
            Manner::Gateway { status, from } => meets(self, from).then(|| says(status)).flatten(),
            Manner::PutsOff { key, wait } => match asked {
                Asked::Object(_, other) if other == key && self.active => {
                    Some(Back::Status { status: 429, retry_after: Some(wait) })
                }
                Asked::Object(..) | Asked::Listing => None,
            },
            Manner::Bucket { per_s, tokens, at } => {
                let filled = (tokens + per_s * self.now.saturating_sub(at).as_secs_f64()).min(TOKENS_MAX);
                let is_empty = self.active && filled < 1.0;
                let tokens = if is_empty { filled } else { filled - 1.0 };
                self.setup.manner = Manner::Bucket { per_s, tokens, at: self.now };
                let wait = Duration::from_secs_f64(((1.0 - filled) / per_s).max(0.0).ceil());
                is_empty.then_some(Back::Status { status: 429, retry_after: Some(wait) })
            }
            Manner::RoutesDisagree => match asked {
                Asked::Object(..) if meets(self, Duration::ZERO) => says(404),
                Asked::Object(..) | Asked::Listing => None,
            },
        }
    }

    /// What comes back to a question about the target, and when.
    fn question(&mut self, run: usize, asked: Asked) -> (Back, Duration) {
        self.questions.push(run);
        if let Some(back) = self.manners(run, asked) {
            return (back, self.now + self.rng.ms(1, 60));
        }
        let (fate, _) = self.fate(Method::Get);
        (fate.back, fate.at)
    }

    /// A run asks for a listing.
    pub fn send_listing(&mut self, run: usize, look: Look) {
        let (back, at) = self.question(run, Asked::Listing);
        self.note(|| format!("run {run} asks for the listing of {}: {back:?}", look.entity));
        self.at(at, Event::ListingBack { run, look, back });
    }

    pub fn listing_back(&mut self, run: usize, look: &Look, back: Back) -> Checked {
        self.questions.retain(|other| *other != run);
        let listing = match back {
            Back::Answer => {
                let mut sample = Sample::default();
                let keys = self.seen().listed(look.entity);
                // What is not ours has no key.
                let _ = keys.into_iter().any(|key| sample.take(look, key));
                Listing::Read(sample)
            }
            Back::Status { status: 401 | 403, .. } => Listing::Forbidden("refused".to_string()),
            Back::Status { status: status @ 300..=399, .. } => Listing::Redirected(format!("status {status}")),
            Back::Status { status: status @ (400..=407 | 409..=424), .. } => {
                Listing::Refused(format!("status {status}"))
            }
            Back::Unreadable | Back::Status { .. } | Back::Lost | Back::NotSent => Listing::None("trouble".to_string()),
        };
        self.arrive(run, Arrival::Listing(listing))
    }

    /// A run asks for a listed object by its own address.
    pub fn send_probe(&mut self, run: usize, key: Key) {
        let (back, at) = self.question(run, Asked::Object(Method::Get, key));
        self.note(|| format!("run {run} asks for {key}, which is listed: {back:?}"));
        self.at(at, Event::ProbeBack { run, key, back });
    }

    pub fn probe_back(&mut self, run: usize, key: Key, back: Back) -> Checked {
        self.questions.retain(|other| *other != run);
        let to = self.setup.column.profile().to(key);
        let answer = self.shown(key.entity(), &to);
        let reply: Reply = back.reply(Some(&answer));
        self.arrive(run, Arrival::Probe { key, reply })
    }

    /// A run asks for a key that no object has.
    pub fn send_filter(&mut self, run: usize, entity: Entity) {
        let Ok(key) = entity.key(IMPOSSIBLE_ID) else { return };
        let (back, at) = self.question(run, Asked::Object(Method::Get, key));
        self.note(|| format!("run {run} asks for a key that none of {entity} has: {back:?}"));
        self.at(at, Event::FilterBack { run, key, back });
    }

    pub fn filter_back(&mut self, run: usize, key: Key, back: Back) -> Checked {
        self.questions.retain(|other| *other != run);
        let answer = self.shown(key.entity(), &To::Key(key));
        let reply: Reply = back.reply(Some(&answer));
        self.arrive(run, Arrival::Filter { reply })
    }
}
