//! `news import`: the first load. Both tables empty, everything in one transaction, ids
//! kept, sequences behind the highest id, tracking off: what comes from the target needs
//! no sync.

use std::fs::File;
use std::path::Path;

use news_core::wire::Element;
use news_core::{Entity, Object};
use postgres::error::SqlState;

use crate::args::Import;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::report::Report;
use crate::report::status::ImportReport;
use crate::run::{self, Run};
use crate::settings::Settings;
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
                target::read_listing(&path.display().to_string(), entity, file, each)
            }
        }
    }
}

/// Runs the command.
pub fn run(args: &Import, settings: &Settings, ui: &Ui) -> Result<Outcome> {
    let url = master::url(settings)?;
    let mut lock = Lock::take(&url, "import")?;
    let source = match &args.from {
        Some(folder) => Source::Folder(folder),
        None => {
            let remembered = runs::remembered_target(lock.client())?;
            let known = settings.target_url.is_some() || remembered.is_some();
            let url = if known { run::target_url(settings, lock.client())? } else { target::PUBLIC.to_owned() };
            Source::Target(Target::new(&url, settings.target_token.as_ref(), 1)?)
        }
    };
    let run = Run::begin(&mut lock, RunKind::Import, &source.name())?;
    let result = load(&url, &source, ui);
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

fn load(url: &crate::settings::Secret, source: &Source<'_>, ui: &Ui) -> Result<ImportReport> {
    let mut client = connect(url, Purpose::Bulk)?;
    let mut transaction = client.transaction()?;
    rows::begin_import(&mut transaction)?;
    let mut counts = [0, 0];
    let mut faults = Faults::default();
    for (entity, count) in Entity::ALL.into_iter().zip(&mut counts) {
        let bar = ui.bar(entity.plural(), None, "objects");
        let copied = rows::copy_in(&mut transaction, entity, |write| {
            source.list(entity, |element| {
                bar.inc(1);
                if let Some(object) = faults.sieve(entity, element) {
                    write(&object)?;
                }
                Ok(())
            })?;
            Ok(())
        });
        bar.finish();
        // Wrong objects explain a failed copy better than the copy does.
        faults.refuse()?;
        *count = copied.map_err(|failure| explain(failure, entity))?;
    }
    rows::end_import(&mut transaction)?;
    transaction.commit()?;
    let [posts, comments] = counts;
    Ok(ImportReport { source: source.name(), posts, comments })
}

/// Wrong objects, named.
#[derive(Default)]
struct Faults {
    lines: Vec<String>,
    more: u64,
    place: u64,
}

impl Faults {
    /// Lets right objects through and takes note of wrong ones.
    fn sieve(&mut self, entity: Entity, element: Element) -> Option<Object> {
        self.place += 1;
        let id = element.id();
        match element.into_object() {
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

/// Says which object a constraint stopped, in our words.
fn explain(failure: Failure, entity: Entity) -> Failure {
    let Some(db) = std::error::Error::source(&failure)
        .and_then(|error| error.downcast_ref::<postgres::Error>())
        .and_then(postgres::Error::as_db_error)
    else {
        return failure;
    };
    let detail = db.detail().unwrap_or_else(|| db.message()).to_owned();
    if *db.code() == SqlState::UNIQUE_VIOLATION {
        Failure::new(Kind::Refused, format!("{entity}: an id comes twice, nothing is imported: {detail}"))
    } else {
        failure
    }
}
