//! Posts, and a post's comments: lists, and one by one.

use news_core::Entity;

use super::{Context, active, page_number};
use crate::api::forms;
use crate::api::pages;
use crate::api::response::{Problem, Response};
use crate::store::records::{self, Changed, List};

/// What a missing object gets.
pub const fn missing(entity: Entity) -> Problem {
    match entity {
        Entity::Post => Problem::NotFound("No Post matches the given query."),
        Entity::Comment => Problem::NotFound("No Comment matches the given query."),
    }
}

/// What a list gets whose parent is missing. What has no parent has a list.
const fn missing_list(of: List) -> Problem {
    match of.parent {
        Some(_) => missing(Entity::Post),
        None => Problem::Internal,
    }
}

/// The list that the path means: a list of comments is that of the post in the path.
fn of_path(context: &Context<'_>, entity: Entity) -> Result<List, Problem> {
    let parent = if entity.shape().number.parent.is_some() { Some(context.id()?) } else { None };
    Ok(List { entity, parent })
}

/// GET `/news/posts/`, `/news/posts/{post_id}/comments/`
pub fn list(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let (user, of) = (context.user, of_path(context, entity)?);
    if pages::wants_all(context.request) {
        match of.parent {
            None => context.require_user()?,
            Some(post) => {
                active(context.read(|live| records::get(live, user, Entity::Post, post))?)?.ok_or(missing_list(of))?;
            }
        }
        return Ok(Response::list(of, context.layout));
    }
    let (size, wanted) = (pages::size(context.request), pages::wanted(context.request));
    let place = context.room_for(size)?;
    let found = active(context.read(|live| records::list(live, user, of, size, page_number(wanted)))?)?;
    // A missing post is more wrong than a bad page.
    let page = found.ok_or(missing_list(of))?;
    Ok(context.page(wanted, size, &page)?.holding(place))
}

/// POST `/news/posts/`, `/news/posts/{post_id}/comments/`
pub fn create(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let (user, of) = (context.user, of_path(context, entity)?);
    let texts = match context.form(|data| forms::texts(data, entity)) {
        Ok(texts) => texts,
        Err(problem) => {
            // A bad body is more wrong than a missing post.
            context.require_user()?;
            return Err(problem);
        }
    };
    let made = active(context.write(|live| records::create(live, user, of, &texts))?)?.ok_or(missing_list(of))?;
    Ok(context.object(201, &made, &made.version()))
}

/// GET `/news/posts/{id}/`, `/news/comments/{id}/`
pub fn get(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let (user, id) = (context.user, context.id()?);
    let found = active(context.read(|live| records::get(live, user, entity, id))?)?.ok_or(missing(entity))?;
    Ok(context.object(200, &found, &found.version()))
}

/// PUT `/news/posts/{id}/`, `/news/comments/{id}/`
pub fn update(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let (user, id) = (context.user, context.id()?);
    let texts = match context.form(|data| forms::texts(data, entity)) {
        Ok(texts) => texts,
        Err(problem) => {
            // A missing object is more wrong than its body.
            active(context.read(|live| records::get(live, user, entity, id))?)?.ok_or(missing(entity))?;
            return Err(problem);
        }
    };
    let versions = context.versions();
    match active(context.write(|live| records::update(live, user, (entity, id), &texts, versions.as_deref()))?)? {
        Changed::Done(object) => Ok(context.object(200, &object, &object.version())),
        Changed::Missing => Err(missing(entity)),
        Changed::OtherVersion => Err(Problem::Precondition),
    }
}

/// DELETE `/news/posts/{id}/`, `/news/comments/{id}/`
pub fn delete(context: &Context<'_>, entity: Entity) -> Result<Response, Problem> {
    let (user, id, versions) = (context.user, context.id()?, context.versions());
    match active(context.write(|live| records::delete(live, user, (entity, id), versions.as_deref()))?)? {
        Changed::Done(()) => Ok(Response::empty(204)),
        Changed::Missing => Err(missing(entity)),
        Changed::OtherVersion => Err(Problem::Precondition),
    }
}
