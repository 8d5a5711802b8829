//! Comments: a post's, and one by one.

use super::posts::NO_POST;
use super::{Context, active, page_number};
use crate::api::forms::CommentForm;
use crate::api::pages;
use crate::api::response::{Problem, Response, WholeList};
use crate::store::comments;
use crate::store::posts::{self, Changed};

/// What a missing comment gets.
const NO_COMMENT: Problem = Problem::NotFound("No Comment matches the given query.");

/// GET `/news/posts/{post_id}/comments/`
pub fn list(context: &Context<'_>) -> Result<Response, Problem> {
    let (user, post) = (context.user, context.id()?);
    if pages::wants_all(context.request) {
        active(context.read(|live| posts::get(live, user, post))?)?.ok_or(NO_POST)?;
        return Ok(Response::list(WholeList::Comments(post), context.layout));
    }
    let (size, wanted) = (pages::size(context.request), pages::wanted(context.request));
    let place = context.room_for(size)?;
    let found = active(context.read(|live| comments::list(live, user, post, size, page_number(wanted)))?)?;
    // A missing post is more wrong than a bad page.
    let page = found.ok_or(NO_POST)?;
    Ok(context.page(wanted, size, &page)?.holding(place))
}

/// POST `/news/posts/{post_id}/comments/`
pub fn create(context: &Context<'_>) -> Result<Response, Problem> {
    let (user, post) = (context.user, context.id()?);
    let form = match context.form(CommentForm::new) {
        Ok(form) => form,
        Err(problem) => {
            // A bad body is more wrong than a missing post.
            context.require_user()?;
            return Err(problem);
        }
    };
    let fields = (form.name.as_str(), form.email.as_str(), form.body.as_str());
    let comment = active(context.write(|live| comments::create(live, user, post, fields))?)?.ok_or(NO_POST)?;
    Ok(context.object(201, &comment, &comment.version()))
}

/// GET `/news/comments/{id}/`
pub fn get(context: &Context<'_>) -> Result<Response, Problem> {
    let (user, id) = (context.user, context.id()?);
    let comment = active(context.read(|live| comments::get(live, user, id))?)?.ok_or(NO_COMMENT)?;
    Ok(context.object(200, &comment, &comment.version()))
}

/// PUT `/news/comments/{id}/`
pub fn update(context: &Context<'_>) -> Result<Response, Problem> {
    let (user, id) = (context.user, context.id()?);
    let form = match context.form(CommentForm::new) {
        Ok(form) => form,
        Err(problem) => {
            // A missing comment is more wrong than its body.
            active(context.read(|live| comments::get(live, user, id))?)?.ok_or(NO_COMMENT)?;
            return Err(problem);
        }
    };
    let versions = context.versions();
    let fields = (form.name.as_str(), form.email.as_str(), form.body.as_str());
    match active(context.write(|live| comments::update(live, user, id, fields, versions.as_deref()))?)? {
        Changed::Done(comment) => Ok(context.object(200, &comment, &comment.version())),
        Changed::Missing => Err(NO_COMMENT),
        Changed::OtherVersion => Err(Problem::Precondition),
    }
}

/// DELETE `/news/comments/{id}/`
pub fn delete(context: &Context<'_>) -> Result<Response, Problem> {
    let (user, id, versions) = (context.user, context.id()?, context.versions());
    match active(context.write(|live| comments::delete(live, user, id, versions.as_deref()))?)? {
        Changed::Done(()) => Ok(Response::empty(204)),
        Changed::Missing => Err(NO_COMMENT),
        Changed::OtherVersion => Err(Problem::Precondition),
    }
}
