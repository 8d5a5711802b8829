//! Does the profile fit the target? `news_core::tryout` says what answers show.

use std::time::Duration;

use news_core::profile::{Ids, To};
use news_core::reply::{self, Answer, Method, Named, Sent, Told};
use news_core::session::{IMPOSSIBLE_ID, Request, SETTLE};
use news_core::target_id::TargetId;
use news_core::tryout::{Misfit, Question};
use news_core::{Entity, Key, Object, wire};

use super::Findings;
use crate::args::Doctor as Args;
use crate::clock::Tick;
use crate::error::{Failure, Kind};
use crate::signals::Signals;
use crate::target::{Peer as _, SeenListing, Target};

/// An id that no record should have, and that fits the 32 bits of many a database.
const NOBODY: i64 = i32::MAX as i64 - 2;
/// An acknowledged write may be seen late: asked again after this.
const PAUSE: Duration = Duration::from_millis(200);

/// Tries it.
pub fn check(args: &Args, target: &Target, listed: &[(Entity, SeenListing)], findings: &mut Findings) {
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
fn ask(target: &Target, entity: Entity, seen: &SeenListing) -> Result<(), Misfit> {
    if let Some((key, _)) = seen.first {
        tried(target, Question::Listed, key, None, &Theirs::default())?;
    }
    if target.profile().key_field(entity).is_some() {
        let key = entity.key(IMPOSSIBLE_ID).map_err(|bad| Misfit::Taken(bad.to_string()))?;
        let told = reply::read_filter(target.profile(), entity, IMPOSSIBLE_ID, &target.ask_for(key));
        return Question::Nobody.judge(target.profile(), key, &told);
    }
    match entity.key(NOBODY).map(|key| tried(target, Question::Nobody, key, None, &Theirs::default())) {
        // A master whose ids are that high: there is nothing wrong with it.
        Ok(Err(Misfit::Taken(_))) | Err(_) => Ok(()),
        Ok(tried) => tried,
    }
}

/// What is known of a target's ids, where it chooses them.
#[derive(Debug, Clone, Default)]
struct Theirs {
    id: Option<TargetId>,
    post: Option<TargetId>,
}

fn tried(
    target: &Target,
    question: Question,
    key: Key,
    object: Option<&Object>,
    theirs: &Theirs,
) -> Result<(), Misfit> {
    question.judge(target.profile(), key, &sent(target, question.method(), key, object, theirs))
}

fn sent(target: &Target, method: Method, key: Key, object: Option<&Object>, theirs: &Theirs) -> Told {
    let profile = target.profile();
    let parent = theirs.post.clone();
    let json = object.map(|object| wire::to_json(profile, object, parent.as_ref()));
    let to = match (method, &theirs.id) {
        (Method::Put | Method::Delete, Some(id)) => To::Id(id.to_string()),
        (Method::Post, _) => To::Id(profile.id_as.write(key.id())),
        (Method::Get | Method::Put | Method::Delete, _) => profile.to(key),
    };
    let carries = matches!(method, Method::Post | Method::Put);
    let request = Request { key, method, to, parent };
    let reply = target.send(&request, json.as_deref().filter(|_| carries));
    let sent = object.map(|object| Sent { object, parent: request.parent.as_ref(), kept: None });
    reply::read(profile, method, key, sent, &reply)
}

/// Asks until the answer is as it should be, or until it should have been.
fn seen(target: &Target, question: Question, key: Key, object: Option<&Object>, theirs: &Theirs) -> Result<(), Misfit> {
    let (begun, signals) = (Tick::now(), Signals::install());
    loop {
        let judged = tried(target, question, key, object, theirs);
        let paused = signals.as_ref().is_ok_and(|signals| signals.pause(PAUSE).is_ok());
        if judged.is_ok() || !paused || begun.elapsed() > SETTLE {
            return judged;
        }
    }
}

/// Creates, reads, updates and deletes a post and a comment. On failure also returns what may be left.
fn write(target: &Target, listed: &[(Entity, SeenListing)]) -> Result<(), (Misfit, Vec<Key>)> {
    let number = listed.iter().find_map(|(entity, seen)| (*entity == Entity::Post).then_some(seen.first?.1?));
    let objects = [
        object(Entity::Post, number.unwrap_or(1), ["news doctor --write-test", "This record may be deleted.", ""]),
        object(Entity::Comment, NOBODY, ["news doctor", "doctor@example.com", "This record may be deleted."]),
    ];
    let (mut left, mut post) = (Vec::new(), None);
    let carried = |object: &Object| target.profile().dialect(object.key().entity()).carried(object.clone());
    let objects = objects.iter().flatten().map(|(first, second)| (carried(first), carried(second)));
    let result = objects.collect::<Vec<_>>().iter().try_for_each(|(first, second)| {
        let key = first.key();
        let mut theirs = Theirs { id: None, post: post.clone().filter(|_| first.parent().is_some()) };
        // A target that chooses the ids would take a second record with the same key.
        if let Err(Misfit::Taken(why)) = tried(target, Question::Nobody, key, None, &theirs) {
            return Err(Misfit::Taken(why));
        }
        let told = sent(target, Method::Post, key, Some(first), &theirs);
        Question::Create.judge(target.profile(), key, &told).inspect_err(|_| drop_stray(target, first, &told))?;
        theirs.id.clone_from(&told.target_id);
        post = post.take().or(told.target_id);
        left.push((key, theirs.clone()));
        seen(target, Question::Shown, key, Some(first), &theirs)?;
        tried(target, Question::Update, key, Some(second), &theirs)?;
        seen(target, Question::Shown, key, Some(second), &theirs)
    });
    // In any case: what was made is taken back.
    let mut result = result;
    let mut remains = Vec::new();
    for (key, theirs) in left.into_iter().rev() {
        let deleted = tried(target, Question::Delete, key, None, &theirs)
            .and_then(|()| seen(target, Question::Left, key, None, &theirs));
        if deleted.is_err() {
            remains.push(key);
        }
        result = result.and(deleted);
    }
    result.map_err(|misfit| (misfit, remains))
}

/// Deletes what the target stored under an id of its own, if it has what was sent.
fn drop_stray(target: &Target, object: &Object, told: &Told) {
    let Named::Other(id) = &told.named else { return };
    let request = |method| Request { key: object.key(), method, to: To::Stray(id.to_string()), parent: None };
    let reply = target.send(&request(Method::Get), None);
    let sent = Some(Sent { object, parent: None, kept: None });
    if reply::read_stray(target.profile(), object.key(), sent, &reply).answer == Answer::Equal {
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
