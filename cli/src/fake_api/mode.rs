//! What each real target does with a write: judged here, brought into force by the stock.
//!
//! Judging changes nothing, so that a write can also be answered and lost, or come into force later.

use std::sync::Arc;

use clap::ValueEnum;
use news_core::Entity;

use crate::fake_api::record::{Belongs, Fields, ID, Id, Record, Spelling};
use crate::fake_api::stock::{Effect, Place, Stock};

const DUPLICATE: &str = "Error: Insert failed, duplicate id";
const MISSING: &str = "TypeError: Cannot read properties of undefined (reading 'id')";
const NULL_POST: &str = "TypeError: Cannot read properties of null (reading 'toString')";

/// Which real target is played, each as measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Mode {
    /// json-server 0.17: keeps the client's ids, returns 500 for an existing id
    #[default]
    Strict,
    /// JSONPlaceholder: acknowledges writes but stores nothing
    Pretend,
    /// json-server 1.0 beta.15: chooses the id of every new record
    OwnIds,
    /// json-server 1.0 beta.3: stores a second record under an existing id
    Duplicates,
}

/// What becomes of comments whose post is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orphans {
    /// They stay: only a deleted post's own comments go with it.
    #[default]
    Stay,
    /// Any DELETE removes every one of them, as json-server 0.17 does.
    Go,
}

/// How writes are judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// The target that is played.
    pub mode: Mode,
    /// What its DELETE does on the side; in [`Mode::Strict`] only.
    pub orphans: Orphans,
    /// How it shows ids.
    pub spelling: Spelling,
}

/// A write, as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Of which collection.
    pub entity: Entity,
    /// What.
    pub wish: Wish,
    /// A random number, for an id that the target makes up.
    pub fresh: u64,
}

/// What a write is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// POST.
    Create(Fields),
    /// POST, its id known before anything is looked at: the record is ready.
    Insert(Arc<Record>),
    /// PUT.
    Replace(Id, Fields),
    /// PATCH.
    Patch(Id, Fields),
    /// DELETE.
    Remove(Id),
}

/// What the target answers to a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// 201 and the record.
    Created(Arc<Record>),
    /// 200 and the record.
    Changed(Arc<Record>),
    /// 200 and fields that are nobody's record.
    Shown(Fields),
    /// 200 and `{}`.
    Removed,
    /// 404 and `{}`.
    Missing,
    /// 500 and a stack, as text/html.
    Crashed(&'static str),
    /// 507: a limit of ours.
    Full,
}

/// The answer to a write, and what it changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub said: Said,
    /// The changes, in order.
    pub effects: Vec<Effect>,
}

impl Verdict {
    fn nothing(said: Said) -> Self {
        Self { said, effects: Vec::new() }
    }
}

impl Rules {
    /// Does what can be done of `write` without looking at what there is: of most creates all but the last step.
    #[must_use]
    pub fn prepared(self, write: Write) -> Write {
        let Wish::Create(fields) = write.wish else { return write };
        let given = fields.get(ID).and_then(Id::of_value);
        // The letter keeps it from looking like a number.
        let random = || Id::of_text(&format!("x{:07x}", write.fresh & 0xfff_ffff));
        let wish = match (self.mode, given) {
            (Mode::Strict | Mode::Duplicates, Some(id)) => Wish::Insert(self.record(id, fields)),
            (Mode::OwnIds, _) | (Mode::Duplicates, None) => Wish::Insert(self.record(random(), fields)),
            (Mode::Strict, None) | (Mode::Pretend, _) => Wish::Create(fields),
        };
        Write { wish, ..write }
    }

    /// Says what a [`Rules::prepared`] write does to `stock`.
    pub fn judge(self, stock: &Stock, write: Write) -> Verdict {
        match write.wish {
            Wish::Create(fields) => self.create(stock, write.entity, fields),
            Wish::Insert(record) => self.insert(stock, write.entity, record),
            Wish::Replace(id, fields) => self.replace(stock, write.entity, id, fields),
            Wish::Patch(id, fields) => self.patch(stock, write.entity, id, fields),
            Wish::Remove(id) => self.remove(stock, write.entity, &id),
        }
    }

    fn record(self, id: Id, fields: Fields) -> Arc<Record> {
        Arc::new(Record::new(id, fields, self.spelling))
    }

    /// Without an id of its own, or with one that does not count.
    fn create(self, stock: &Stock, entity: Entity, fields: Fields) -> Verdict {
        let record = self.record(stock.get(entity).next_id(), fields);
        match self.mode {
            Mode::Pretend => Verdict::nothing(Said::Created(record)),
            Mode::Strict | Mode::OwnIds | Mode::Duplicates => self.insert(stock, entity, record),
        }
    }

    fn insert(self, stock: &Stock, entity: Entity, record: Arc<Record>) -> Verdict {
        if self.mode == Mode::Strict && stock.get(entity).first(record.id()).is_some() {
            let effects = vec![Effect::Refuse(entity, record.id().clone())];
            return Verdict { said: Said::Crashed(DUPLICATE), effects };
        }
        if stock.is_full(entity, record.json().len()) {
            return Verdict::nothing(Said::Full);
        }
        Verdict { effects: vec![Effect::Insert(entity, Arc::clone(&record))], said: Said::Created(record) }
    }

    fn replace(self, stock: &Stock, entity: Entity, id: Id, fields: Fields) -> Verdict {
        match (stock.get(entity).first(&id), self.mode) {
            (None, Mode::Pretend) => Verdict::nothing(Said::Crashed(MISSING)),
            (None, Mode::Strict | Mode::OwnIds | Mode::Duplicates) => Verdict::nothing(Said::Missing),
            (Some((place, old)), _) => {
                let mut fields = fields;
                if let Some(shown) = old.fields().get(ID) {
                    fields.set(ID, shown.clone());
                }
                self.change(stock, entity, place, self.record(id, fields))
            }
        }
    }

    fn patch(self, stock: &Stock, entity: Entity, id: Id, fields: Fields) -> Verdict {
        match (stock.get(entity).first(&id), self.mode) {
            // It spreads what there is, if anything, and our fields into an answer: even our id.
            (found, Mode::Pretend) => {
                let mut all = found.map(|(_, old)| old.fields()).unwrap_or_default();
                all.assign(fields);
                Verdict::nothing(Said::Shown(all))
            }
            (None, Mode::Strict | Mode::OwnIds | Mode::Duplicates) => Verdict::nothing(Said::Missing),
            (Some((place, old)), Mode::Strict | Mode::OwnIds | Mode::Duplicates) => {
                let mut all = old.fields();
                let shown = all.get(ID).cloned();
                all.assign(fields);
                if let Some(shown) = shown {
                    all.set(ID, shown);
                }
                self.change(stock, entity, place, self.record(id, all))
            }
        }
    }

    fn change(self, stock: &Stock, entity: Entity, place: Place, record: Arc<Record>) -> Verdict {
        let effects = match self.mode {
            Mode::Pretend => Vec::new(),
            Mode::Strict | Mode::OwnIds | Mode::Duplicates => {
                if stock.is_over(record.json().len()) {
                    return Verdict::nothing(Said::Full);
                }
                vec![Effect::Replace(entity, place, Arc::clone(&record))]
            }
        };
        Verdict { said: Said::Changed(record), effects }
    }

    fn remove(self, stock: &Stock, entity: Entity, id: &Id) -> Verdict {
        let found = stock.get(entity).first(id).map(|(place, _)| place);
        let mut effects: Vec<Effect> = found.map(|place| Effect::Remove(entity, place)).into_iter().collect();
        match (self.mode, self.orphans) {
            (Mode::Pretend, _) => return Verdict::nothing(Said::Removed),
            (Mode::OwnIds | Mode::Duplicates, _) => {}
            (Mode::Strict, Orphans::Stay) => {
                if entity == Entity::Post && found.is_some() {
                    let own = stock.get(Entity::Comment).of_post(id);
                    effects.extend(own.map(|(place, _)| Effect::Remove(Entity::Comment, place)));
                }
            }
            (Mode::Strict, Orphans::Go) => {
                let gone =
                    |post: &Id| (entity == Entity::Post && post == id) || stock.get(Entity::Post).first(post).is_none();
                let already = |place| entity == Entity::Comment && found == Some(place);
                let mut orphans = Vec::new();
                for (place, comment) in stock.get(Entity::Comment).iter().filter(|(place, _)| !already(*place)) {
                    match comment.belongs() {
                        // The record is gone by then, the orphans are not.
                        Belongs::Null => return Verdict { said: Said::Crashed(NULL_POST), effects },
                        Belongs::To(post) if gone(post) => orphans.push(Effect::Remove(Entity::Comment, place)),
                        Belongs::To(_) | Belongs::Nowhere => {}
                    }
                }
                effects.extend(orphans);
            }
        }
        Verdict { said: if found.is_some() { Said::Removed } else { Said::Missing }, effects }
    }
}
