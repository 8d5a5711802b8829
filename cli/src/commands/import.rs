//! `news import`: the first load. Both tables empty, everything in one transaction, ids
//! kept, sequences behind the highest id, tracking off: what comes from the target needs
//! no sync.

use std::fs::File;
use std::path::Path;

use news_core::ids::IdSet;
use news_core::model::Fault;
use news_core::wire::Element;
use news_core::{Entity, Key, Object};

use crate::args::Import;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::report::Report;
use crate::report::status::ImportReport;
use crate::run::{self, Run};
use crate::settings::{Secret, Settings};
use crate::signals::Signals;
use crate::store::lock::Lock;
use crate::store::runs::{self, RunEnd, RunKind, RunStatus};
use crate::store::{Purpose, connect, rows};
use crate::target::{self, Target};
use crate::ui::Ui;
use crate::{commands, master};

/// Wrong objects named before the import gives up looking for more.
const FAULTS_SHOWN: usize = 20;

/// Where the objects come from.
enum Source<'a> {
    Target(Target),
    Folder(&'a Path),
}

impl Source<'_> {
    fn name(&self) -> String {
        match self {
            Source::Target(target) => target.url().to_owned(),
            Source::Folder(path) => path.display().to_string(),
        }
    }

    fn list(&self, entity: Entity, each: impl FnMut(Element) -> Result<()>) -> Result<u64> {
        match self {
            Source::Target(target) => target.list(entity, each),
            Source::Folder(folder) => {
                let path = folder.join(format!("{entity}.json"));
                let file = File::open(&path).or_fail(Kind::Usage, format!("cannot read {}", path.display()))?;
                target::read_listing(&path.display().to_string(), entity, file, each).map_err(|failure| {
                    // A file gets no better by waiting.
                    if failure.kind() == Kind::Target { Failure::new(Kind::Refused, failure) } else { failure }
                })
            }
        }
    }
}

/// Runs the command.
pub fn run(args: &Import, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let signals = Signals::install()?;
    let url = master::url(settings)?;
    let mut lock = Lock::take(&url, "import")?;
    let source = if let Some(folder) = &args.from {
        Source::Folder(folder)
    } else {
        let remembered = runs::remembered_target(lock.client())?;
        let known = settings.target_url.is_some() || remembered.is_some();
        let url = if known { run::target_url(settings, lock.client())? } else { target::PUBLIC.to_owned() };
        Source::Target(Target::new(&url, settings.target_token.as_ref(), 1)?)
    };
    let run = Run::begin(&mut lock, RunKind::Import, &source.name())?;
    let result = load(&url, &source, &signals, ui);
    let end = match &result {
        Ok(report) => RunEnd {
            status: RunStatus::Done,
            exit_code: 0,
            counts: serde_json::to_string(report).unwrap_or_else(|_| String::from("{}")),
            first_error: None,
        },
        Err(failure) => commands::failed_end(failure),
    };
    run.finish(&end)?;
    let report = result?;
    if let Source::Target(target) = &source {
        runs::remember_target(lock.client(), target.url())?;
    }
    Ok(Outcome::done(Report::Import(report)))
}

fn load(url: &Secret, source: &Source<'_>, signals: &Signals, ui: &Ui) -> Result<ImportReport> {
    let mut client = connect(url, Purpose::Bulk)?;
    let mut transaction = client.transaction()?;
    rows::begin_import(&mut transaction)?;
    let mut counts = [0, 0];
    let mut sieve = Sieve::default();
    for (entity, count) in Entity::ALL.into_iter().zip(&mut counts) {
        let bar = ui.bar(entity.plural(), None, "objects");
        let copied = rows::copy_in(&mut transaction, entity, |write| {
            source.list(entity, |element| {
                bar.inc(1);
                if let Some(stop) = signals.stop() {
                    return Err(stop);
                }
                match sieve.pass(entity, element) {
                    Some(object) => write(&object),
                    None => Ok(()),
                }
            })?;
            Ok(())
        });
        bar.finish();
        // A listing that ends in trouble may also be wrong up to there: first things first.
        *count = copied?;
        sieve.refuse()?;
    }
    rows::end_import(&mut transaction)?;
    transaction.commit()?;
    let [posts, comments] = counts;
    Ok(ImportReport { source: source.name(), posts, comments })
}

/// Lets right objects through, each once and no comment without its post, and takes note
/// of wrong ones. The database would stop at the first, and not name it.
#[derive(Default)]
struct Sieve {
    posts: IdSet,
    comments: IdSet,
    lines: Vec<String>,
    more: u64,
    place: u64,
}

impl Sieve {
    fn pass(&mut self, entity: Entity, element: Element) -> Option<Object> {
        self.place += 1;
        let id = element.id();
        match element.into_object().and_then(|object| self.join(object)) {
            Ok(object) => Some(object),
            Err(faults) => {
                let name =
                    id.map_or_else(|| format!("{entity}, element {}", self.place), |id| format!("{entity}/{id}"));
                for fault in faults {
                    if self.lines.len() < FAULTS_SHOWN {
                        self.lines.push(format!("{name}: {fault}"));
                    } else {
                        self.more += 1;
                    }
                }
                None
            }
        }
    }

    /// Looks at an object among the others.
    fn join(&mut self, object: Object) -> Result<Object, Vec<Fault>> {
        let mut faults = Vec::new();
        let new = match object.key() {
            Key::Post(id) => self.posts.insert(id.get()),
            Key::Comment(id) => self.comments.insert(id.get()),
        };
        if !new {
            faults.push(Fault { field: "id", why: String::from("comes twice") });
        }
        if let Some(post) = object.parent().filter(|post| !self.posts.contains(post.get())) {
            faults.push(Fault { field: "postId", why: format!("there is no posts/{}", post.get()) });
        }
        if faults.is_empty() { Ok(object) } else { Err(faults) }
    }

    fn refuse(&mut self) -> Result<()> {
        self.place = 0;
        let Some(first) = self.lines.first() else { return Ok(()) };
        let count = self.lines.len() as u64 + self.more;
        let mut failure =
            Failure::new(Kind::Refused, format!("{count} faults, nothing is imported; the first: {first}"));
        for line in self.lines.iter().skip(1) {
            failure = failure.hint(line);
        }
        if self.more > 0 {
            failure = failure.hint(format!("and {} more", self.more));
        }
        Err(failure)
    }
}
