//! Does the profile fit the target? `news_core::tryout` says what answers show.

use std::time::Duration;

use news_core::profile::Ids;
use news_core::reply::{self, Answer, Method, Named, Told};
use news_core::session::{Request, SETTLE};
use news_core::tryout::{Misfit, Question};
use news_core::{Entity, Key, Object, wire};

use super::Findings;
use crate::args::Doctor as Args;
use crate::clock::Tick;
use crate::error::{Failure, Kind};
use crate::signals::Signals;
use crate::target::{Seen, Target};

/// An id that no record should have, and that fits the 32 bits of many a database.
const NOBODY: i64 = i32::MAX as i64 - 2;
/// An acknowledged write may be seen late: asked again after this.
const PAUSE: Duration = Duration::from_millis(200);

/// Tries it.
pub fn check(args: &Args, target: &Target, listed: &[(Entity, Seen)], findings: &mut Findings) {
    let profile = target.profile();
    for (_, seen) in listed {
        match &seen.faulty {
            Some((fault, true)) => {
                let failure = Failure::new(Kind::Usage, format!("what the target lists cannot be read: {fault}"));
                return findings.fail("profile", &failure.hint("Look at `fields` of the profile."));
            }
            Some((fault, false)) => {
                findings.warn(
                    "profile",
                    format!("some of what the target lists cannot be read: {fault}"),
                    "`news diff` names them.",
                );
            }
            None => {}
        }
    }
    if profile.ids == Ids::None {
        let note = if args.write_test { "; nothing is written for --write-test" } else { "" };
        return findings.ok("profile", format!("{}: the target can be read{note}", profile.name));
    }
    for (entity, seen) in listed {
        if let Err(misfit) = ask(target, *entity, seen) {
            return findings.fail("profile", &failure(misfit));
        }
    }
    if !args.write_test {
        return findings.ok("profile", format!("{}: records are found by their own addresses", profile.name));
    }
    match write(target, listed) {
        Ok(()) => findings
            .ok("profile", format!("{}: a post and a comment were created, read, updated and deleted", profile.name)),
        Err((misfit, left)) => {
            findings.fail("profile", &failure(misfit));
            for key in left {
                let what = format!("the test's record {key} may be left at the target");
                findings.warn("profile", what, "Delete it there; `news sync --full` does so too.");
            }
        }
    }
}

fn failure(misfit: Misfit) -> Failure {
    match misfit {
        Misfit::Profile { why, hint } => Failure::new(Kind::Usage, why).hint(hint),
        Misfit::Credentials(why) => {
            Failure::new(Kind::Credentials, why).hint("These credentials may list, and not do this.")
        }
        Misfit::Trouble(why) => Failure::new(Kind::Target, why).hint("Try again once the target is well."),
        Misfit::Taken(why) => {
            Failure::new(Kind::Usage, why).hint("Is it left from an earlier --write-test? Delete it there.")
        }
    }
}

/// Asks for a record that is listed, and for one that nobody has.
fn ask(target: &Target, entity: Entity, seen: &Seen) -> Result<(), Misfit> {
    if let Some((key, _)) = seen.first {
        tried(target, Question::Listed, key, None)?;
    }
    match entity.key(NOBODY).map(|key| tried(target, Question::Nobody, key, None)) {
        // A master whose ids are that high: there is nothing wrong with it.
        Ok(Err(Misfit::Taken(_))) | Err(_) => Ok(()),
        Ok(tried) => tried,
    }
}

fn tried(target: &Target, question: Question, key: Key, object: Option<&Object>) -> Result<(), Misfit> {
    question.judge(target.profile(), key, &sent(target, question.method(), key, object))
}

fn sent(target: &Target, method: Method, key: Key, object: Option<&Object>) -> Told {
    let profile = target.profile();
    let json = object.map(|object| wire::to_json(profile, object));
    let request = Request { key, method, id: profile.id_as.write(key.id()) };
    let carries = matches!(method, Method::Post | Method::Put);
    let reply = target.send(&request, json.as_deref().filter(|_| carries));
    reply::read(profile, method, key, object, &reply)
}

/// Asks until the answer is as it should be, or until it should have been.
fn seen(target: &Target, question: Question, key: Key, object: Option<&Object>) -> Result<(), Misfit> {
    let (begun, signals) = (Tick::now(), Signals::install());
    loop {
        let judged = tried(target, question, key, object);
        let paused = signals.as_ref().is_ok_and(|signals| signals.pause(PAUSE).is_ok());
        if judged.is_ok() || !paused || begun.elapsed() > SETTLE {
            return judged;
        }
    }
}

/// Creates, reads, updates and deletes a post and a comment. On failure also returns what may be left.
fn write(target: &Target, listed: &[(Entity, Seen)]) -> Result<(), (Misfit, Vec<Key>)> {
    let number = listed.iter().find_map(|(entity, seen)| (*entity == Entity::Post).then_some(seen.first?.1?));
    let objects = [
        object(Entity::Post, number.unwrap_or(1), ["news doctor --write-test", "This record may be deleted.", ""]),
        object(Entity::Comment, NOBODY, ["news doctor", "doctor@example.com", "This record may be deleted."]),
    ];
    let mut left = Vec::new();
    let result = objects.iter().flatten().try_for_each(|(first, second)| {
        let key = first.key();
        let told = sent(target, Method::Post, key, Some(first));
        Question::Create.judge(target.profile(), key, &told).inspect_err(|_| drop_stray(target, first, &told))?;
        left.push(key);
        seen(target, Question::Shown, key, Some(first))?;
        tried(target, Question::Update, key, Some(second))?;
        seen(target, Question::Shown, key, Some(second))
    });
    // In any case: what was made is taken back.
    let mut result = result;
    for key in std::mem::take(&mut left).into_iter().rev() {
        let deleted = tried(target, Question::Delete, key, None).and_then(|()| seen(target, Question::Left, key, None));
        if deleted.is_err() {
            left.push(key);
        }
        result = result.and(deleted);
    }
    result.map_err(|misfit| (misfit, left))
}

/// Deletes what the target stored under an id of its own, if it has what was sent.
fn drop_stray(target: &Target, object: &Object, told: &Told) {
    let Named::Other(id) = &told.named else { return };
    let request = |method| Request { key: object.key(), method, id: id.clone() };
    let reply = target.send(&request(Method::Get), None);
    if reply::read_stray(target.profile(), object.key(), Some(object), &reply).answer == Answer::Equal {
        target.send(&request(Method::Delete), None);
    }
}

/// Returns an object of the test, and the same with another last text.
fn object(entity: Entity, number: i64, texts: [&str; 3]) -> Option<(Object, Object)> {
    let with = |last: &str| {
        let count = entity.shape().texts.len();
        let texts = texts.into_iter().take(count - 1).chain([last]).map(str::to_owned);
        Object::new(entity.key(NOBODY).ok()?, number, texts).ok()
    };
    Some((with("This record may be deleted.")?, with("This record was updated, and may be deleted.")?))
}
