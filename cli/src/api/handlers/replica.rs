//! Objects as another `news` has them, with their ids, authors and texts. Whoever has a token may read them; with `--replica`, users
//! who are staff may write them.

use news_core::Entity;

use super::records::missing;
use super::{Context, active};
use crate::api::forms::{self, Invalid};
use crate::api::response::{Coded, Problem, Response};
use crate::api::{ReplicaWrites, conditions};
use crate::store::records;
use crate::store::records::replica::{self, ReplicaFields, Written};

/// GET `/news/replica/posts/`, `/news/replica/comments/`
pub fn list(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    context.require_user()?;
    Ok(Response::rows(entity, context.layout))
}

/// PUT `/news/replica/posts/{id}/`, `/news/replica/comments/{id}/`
///
/// With `If-None-Match: *` it creates the object with this id, else it changes it.
pub fn put(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let id = context.id()?;
    may_write(context)?;
    let is_new = conditions::is_new(context.request.header("if-none-match"));
    let fields = match check(context, entity, is_new.then_some(id)) {
        Ok(fields) => fields,
        Err(problem) => {
            require_staff(context)?;
            // A missing object is more wrong than its body.
            if !is_new {
                let user = context.user;
                active(context.read(|live| records::get(live, user, entity, id))?)?.ok_or(missing(entity))?;
            }
            return Err(problem);
        }
    };
    let (user, versions) = (context.user, context.versions());
    if is_new && context.request.header("if-match").is_some() {
        // What is not there has no version.
        require_staff(context)?;
        return Err(Problem::Precondition);
    }
    let written = active(context.write(|live| {
        if is_new {
            replica::create(live, user, (entity, id), &fields)
        } else {
            replica::update(live, user, (entity, id), &fields, versions.as_deref())
        }
    })?)?;
    let object = done(written, entity, &fields)?;
    Ok(context.object(if is_new { 201 } else { 200 }, &object, &object.version()))
}

/// DELETE `/news/replica/posts/{id}/`, `/news/replica/comments/{id}/`
pub fn delete(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let (user, id, versions) = (context.user, context.id()?, context.versions());
    may_write(context)?;
    let written = active(context.write(|live| replica::delete(live, user, (entity, id), versions.as_deref()))?)?;
    done(written, entity, &ReplicaFields { number: 0, texts: Vec::new() })?;
    Ok(Response::empty(204))
}

/// Reads and checks the body, and the id of an object that is to be created.
fn check(context: &Context<'_>, entity: Entity, new: Option<i64>) -> Result<ReplicaFields, Problem> {
    let (number, texts) = context.form(|data| forms::exact(data, entity))?;
    if let Some(bad) = new.and_then(|id| entity.key(id).err()) {
        return Err(Problem::Invalid(Invalid::field(news_core::shape::ID, bad.to_string())));
    }
    Ok(ReplicaFields { number, texts })
}

/// Gives a write that was not made its answer.
fn done<T>(written: Written<T>, entity: Entity, fields: &ReplicaFields) -> Result<T, Problem> {
    match written {
        Written::Done(done) => Ok(done),
        Written::NotStaff => Err(not_staff()),
        Written::Missing => Err(missing(entity)),
        Written::Exists => Err(Coded::problem(412, "exists", "There is an object with this id.")),
        Written::OtherVersion => Err(Problem::Precondition),
        Written::NoParent => {
            let message = format!("Invalid pk \"{}\" - object does not exist.", fields.number);
            Err(Problem::Invalid(Invalid::field(entity.shape().number.column, message)))
        }
    }
}

/// Refuses writes where the service is not to be a replica.
fn may_write(context: &Context<'_>) -> Result<(), Problem> {
    match context.service.allowed.replica_writes {
        ReplicaWrites::Staff => Ok(()),
        ReplicaWrites::None => {
            require_staff(context)?;
            Err(Coded::problem(
                403,
                "no_replica",
                "The service was started without --replica: it takes no objects from another one.",
            ))
        }
    }
}

fn require_staff(context: &Context<'_>) -> Result<(), Problem> {
    if context.look_up()?.is_staff { Ok(()) } else { Err(not_staff()) }
}

fn not_staff() -> Problem {
    Coded::problem(403, "not_staff", "Only users who are staff may write here.")
}
