//! `news import`: the first load. Both tables empty, everything in one transaction, ids
//! kept, sequences behind the highest id, tracking off: what comes from the target needs
//! no sync.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use news_core::ids::IdSet;
use news_core::model::Fault;
use news_core::phrase;
use news_core::wire::{Element, OtherFields};
use news_core::{Entity, Key, Object};
use postgres::Transaction;

use crate::args::Import;
use crate::commands::Outcome;
use crate::commands::adopt::{self, AdoptMode};
use crate::compare::{begin, move_on};
use crate::error::{Exit, Failure, Kind, Result};
use crate::listing::Extent;
use crate::pg::{Purpose, connect};
use crate::report::Report;
use crate::report::others::OthersRow;
use crate::report::status::{Adopted, FieldFault, ImportReport, Skipped};
use crate::run::{self, Followed, Run, watchdog};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::source::{Ahead, Batch, Source, Step};
use crate::store::ledger::{self, Scope};
use crate::store::lock::Lock;
use crate::store::runs::{self, RunEnd, RunKind, RunStatus, Sent};
use crate::store::{left_out, remembered, rows, tracking};
use crate::target::{self, Reader, Target, Tries};
use crate::ui::Ui;
use crate::{commands, master};

/// Others may write to the tables for so long before the import is refused.
const WRITERS_MAX: Duration = Duration::from_secs(10);
const WRITERS_LOOK_EVERY: Duration = Duration::from_millis(100);
/// Wrong objects named where nothing is imported.
const FAULTS_SHOWN: usize = 20;
/// Wrong objects listed where the rest is imported: of more it is the source that needs work.
const FAULTS_KEPT: usize = 1000;
/// Objects that are left out and remembered: more of them, and it is another kind of target.
const OUTSIDE_MAX: usize = 1_000_000;

/// What becomes of wrong objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Nothing is imported.
    Refused,
    /// They are left out.
    Skipped,
}

/// Runs the command.
pub fn run(args: &Import, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let signals = Signals::install()?;
    watchdog::start(&signals, watchdog::NEXT_RUN_ASKS)?;
    let url = master::url(settings)?;
    let mut lock = Lock::take(&url, "import", settings.times)?;
    let mut target = None;
    let source = if let Some(from) = &args.from {
        if from == Path::new("-") { Source::Stdin } else { Source::Folder(from.clone()) }
    } else {
        let followed = run::followed(settings, lock.client())?;
        let (url, access) = match followed.inspect(Followed::warn) {
            Some(followed) => (followed.url, followed.access),
            None => (target::PUBLIC.to_owned(), settings.access.clone()),
        };
        run::require_fields(access.chosen.profile)?;
        if args.adopt {
            target = Some(Target::new(&url, &access, 1, settings.times.timeout)?);
        }
        Source::Target(Reader::new(&url, &access, 1, settings.times.timeout, Tries::Many)?)
    };
    let is_refused = !args.dry_run && rows::require_empty(lock.client()).is_err();
    // What another run had sent may still be on its way: the listing would miss it.
    if matches!(source, Source::Target(_)) && !is_refused {
        run::settle(runs::all_settled_in(lock.client(), settings.times)?, &signals)?;
    }
    if let Some(target) = target.as_ref().filter(|_| args.dry_run) {
        let adopted =
            Adopted { dry_run: true, ..adopt::adopt(target, AdoptMode::Count, settings.times.late, &signals)? };
        let report = ImportReport { source: source.name(), adopted: Some(adopted), ..ImportReport::default() };
        let exit = match (adopted.posts + adopted.comments, adopted.left) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Partly,
            (_, _) => Exit::Differ,
        };
        return Ok(Outcome { report: Some(Report::Import(report)), exit });
    }
    let run = Run::begin(&mut lock, RunKind::Import, &source.name())?;
    let wrong = if args.skip_invalid { Wrong::Skipped } else { Wrong::Refused };
    let adopted = target.map(|target| {
        // Before anything is written there.
        rows::require_empty(&mut connect(&url, Purpose::Bulk)?)?;
        adopt::adopt(&target, AdoptMode::Write, settings.times.late, &signals)
    });
    let adopted = adopted.transpose();
    let result = adopted.and_then(|adopted| {
        let (report, exit) = load(&url, run.lock, &source, wrong, &signals, ui)?;
        let has_left = adopted.is_some_and(|adopted| adopted.left > 0);
        Ok((ImportReport { adopted, ..report }, if has_left { Exit::Partly } else { exit }))
    });
    let end = match &result {
        Ok((report, exit)) => RunEnd {
            status: RunStatus::Done,
            exit_code: exit.code(),
            counts: serde_json::to_string(report).unwrap_or_else(|_| String::from("{}")),
            first_error: None,
            sent: Sent::Something,
        },
        Err(failure) => commands::failed_end(failure),
    };
    run.finish(&end)?;
    let (report, exit) = result?;
    if let Source::Target(target) = &source {
        lock.once(|client| remembered::remember(client, target.url(), target.chosen()))?;
    }
    Ok(Outcome { report: Some(Report::Import(report)), exit })
}

fn load(
    url: &Secret,
    lock: &Lock,
    source: &Source,
    wrong: Wrong,
    signals: &Signals,
    ui: &Ui,
) -> Result<(ImportReport, Exit)> {
    let mut client = connect(url, Purpose::Bulk)?;
    rows::require_empty(&mut client)?;
    let mut transaction = client.transaction()?;
    lock_tables(&mut transaction, signals)?;
    // Somebody may have come before us.
    rows::require_empty(&mut transaction)?;
    for trigger in tracking::others(&mut transaction)? {
        log::warn!("{trigger} may change what is imported, which is in no log: compare with `news diff`");
    }
    let (mut counts, mut other_fields) = ([0, 0], Vec::new());
    let mut sieve = Sieve::new(wrong);
    // Reading is another thread's work: the database is what takes its time.
    let listing = Ahead::start(source, &Entity::ALL, signals, Objects::default)?;
    for (entity, count) in Entity::ALL.into_iter().zip(&mut counts) {
        let reading = ui.reading(entity.plural(), "objects");
        let mut extent = Extent::Unknown;
        let mut others = OtherFields::default();
        let copied = rows::copy_in(&mut transaction, entity, |write| {
            loop {
                match listing.step(signals)? {
                    Step::Begun(length) => extent = begin(&reading, length),
                    Step::Batch(batch, progress) => {
                        others.join(batch.others);
                        for (id, read) in batch.read {
                            if let Some(object) = sieve.pass(entity, id, read) {
                                write(&object)?;
                            }
                        }
                        move_on(&reading, extent, progress);
                    }
                    Step::Ended | Step::Over => return Ok(()),
                }
            }
        });
        // A listing that ends in trouble may also be wrong up to there: first things first.
        *count = copied?;
        let strangers = source.strangers(entity);
        if strangers > 0 {
            log::warn!("{entity}: {} without a key of ours: not imported", phrase::count(strangers, "record"));
        }
        other_fields.extend(OthersRow::new(source.profile(), entity, &others));
        sieve.end(entity)?;
    }
    // A document may be cut behind its last listing.
    while !matches!(listing.step(signals)?, Step::Over) {}
    // What was known before is of other rows, or of another target.
    let scope = match source {
        Source::Target(_) => Scope::All,
        Source::Folder(_) | Source::Stdin => Scope::Rows,
    };
    let superseded = ledger::start_afresh(&mut transaction, scope)?;
    left_out::remember(&mut transaction, &sieve.outside)?;
    rows::end_import(&mut transaction)?;
    lock.guard(&mut transaction)?;
    transaction.commit()?;
    let [posts, comments] = counts;
    let (skipped, exit) = sieve.skipped();
    let source = source.name();
    Ok((ImportReport { source, posts, comments, superseded, adopted: None, skipped, other_fields }, exit))
}

/// Locks the tables once nobody else writes to them. Waits for who does, but lets nobody wait behind it.
fn lock_tables(transaction: &mut Transaction<'_>, signals: &Signals) -> Result<()> {
    let until = Instant::now() + WRITERS_MAX;
    while !rows::begin_import(transaction)? {
        if Instant::now() > until {
            let writers = rows::writers(transaction)?.join(", ");
            return Err(Failure::new(Kind::Refused, format!("others write to the tables: {writers}"))
                .hint("stop them for the first load, or try again when they have ended"));
        }
        signals.pause(WRITERS_LOOK_EVERY)?;
    }
    Ok(())
}

/// Elements made into objects, or what keeps them from it.
#[derive(Default)]
struct Objects {
    read: Vec<(Option<i64>, Reading)>,
    others: OtherFields,
}

type Reading = Result<Object, Vec<Fault>>;

impl Batch for Objects {
    fn add(&mut self, element: Element<'_>) {
        self.others.take(&element);
        self.read.push((element.id(), element.into_object()));
    }

    /// Objects of ours are small, and what is wrong with others is a few words.
    fn bytes(&self) -> usize {
        0
    }
}

/// Lets right objects through, each once and no comment without its post, and takes note
/// of wrong ones. The database would stop at the first, and not name it.
struct Sieve {
    wrong: Wrong,
    posts: IdSet,
    comments: IdSet,
    /// Posts that were left out: their comments are, too.
    left_out: IdSet,
    skipped: Skipped,
    /// Objects that the target has and the master cannot hold, and why.
    outside: BTreeMap<Key, String>,
    element: u64,
}

impl Sieve {
    fn new(wrong: Wrong) -> Self {
        let (posts, comments, left_out) = Default::default();
        Self { wrong, posts, comments, left_out, skipped: Skipped::default(), outside: BTreeMap::new(), element: 0 }
    }

    fn pass(&mut self, entity: Entity, id: Option<i64>, read: Reading) -> Option<Object> {
        self.element += 1;
        let faults = match read.and_then(|object| self.join(object)) {
            Ok(object) => return Some(object),
            Err(faults) => faults,
        };
        match entity {
            Entity::Post => {
                self.skipped.posts += 1;
                // One that comes twice is in, once.
                if let Some(id) = id.filter(|id| !self.posts.contains(*id)) {
                    self.left_out.insert(id);
                }
            }
            Entity::Comment => self.skipped.comments += 1,
        }
        self.remember(entity, id, &faults);
        let kept = match self.wrong {
            Wrong::Refused => FAULTS_SHOWN,
            Wrong::Skipped => FAULTS_KEPT,
        };
        for Fault { field, why } in faults {
            if self.skipped.faults.len() < kept {
                let row = FieldFault { entity: entity.plural(), id, element: self.element, field, why };
                self.skipped.faults.push(row);
            } else {
                self.skipped.more += 1;
            }
        }
        None
    }

    /// Takes note of an object that stays at the target alone. One that comes twice is in.
    fn remember(&mut self, entity: Entity, id: Option<i64>, faults: &[Fault]) {
        let ids = match entity {
            Entity::Post => &self.posts,
            Entity::Comment => &self.comments,
        };
        let key = id.filter(|id| !ids.contains(*id)).and_then(|id| entity.key(id).ok());
        if let (Wrong::Skipped, Some(key), true) = (self.wrong, key, self.outside.len() < OUTSIDE_MAX) {
            let why: Vec<String> = faults.iter().map(ToString::to_string).collect();
            self.outside.entry(key).or_insert_with(|| why.join(", "));
        }
    }

    /// Looks at an object among the others.
    fn join(&mut self, object: Object) -> Result<Object, Vec<Fault>> {
        let mut faults = Vec::new();
        if let Some(post) = object.parent().filter(|post| !self.posts.contains(post.get())) {
            let why = if self.left_out.contains(post.get()) {
                format!("posts/{} was left out", post.get())
            } else {
                format!("there is no posts/{}", post.get())
            };
            faults.push(Fault { field: "postId", why });
        }
        let is_in = match object.key() {
            Key::Post(id) => self.posts.contains(id.get()),
            Key::Comment(id) => self.comments.contains(id.get()),
        };
        if is_in {
            faults.push(Fault { field: "id", why: String::from("comes twice") });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        match object.key() {
            Key::Post(id) => self.posts.insert(id.get()),
            Key::Comment(id) => self.comments.insert(id.get()),
        };
        Ok(object)
    }

    /// Ends a listing. Fails with [`Kind::Refused`] where something is wrong, and not to be skipped.
    fn end(&mut self, entity: Entity) -> Result<()> {
        self.element = 0;
        self.check_outside()?;
        let Some(first) = self.skipped.faults.first().filter(|_| self.wrong == Wrong::Refused) else { return Ok(()) };
        let count = self.skipped.faults.len() as u64 + self.skipped.more;
        let faults = if count == 1 { "fault" } else { "faults" };
        let mut failure = Failure::new(
            Kind::Refused,
            format!("{count} {faults} in {entity}, nothing is imported; the first: {first}"),
        );
        for fault in self.skipped.faults.iter().skip(1) {
            failure = failure.hint(fault.to_string());
        }
        if self.skipped.more > 0 {
            failure = failure.hint(format!("and {} more", self.skipped.more));
        }
        Err(failure.hint("--skip-invalid imports the rest"))
    }

    /// Fails with [`Kind::Refused`] where more is left out than is remembered.
    fn check_outside(&self) -> Result<()> {
        if self.outside.len() < OUTSIDE_MAX {
            return Ok(());
        }
        Err(Failure::new(Kind::Refused, format!("{OUTSIDE_MAX} objects or more are invalid, nothing is imported"))
            .hint("is this the right target?"))
    }

    fn skipped(self) -> (Option<Skipped>, Exit) {
        match self.wrong {
            Wrong::Refused => (None, Exit::Done),
            Wrong::Skipped if self.skipped.posts + self.skipped.comments == 0 => (Some(self.skipped), Exit::Done),
            Wrong::Skipped => (Some(self.skipped), Exit::Partly),
        }
    }
}
