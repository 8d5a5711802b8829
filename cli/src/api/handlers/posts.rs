//! Posts.

use super::{Context, active, page_number};
use crate::api::forms::PostForm;
use crate::api::pages;
use crate::api::response::{Problem, Response, WholeList};
use crate::store::posts::{self, Changed};

/// What a missing post gets.
pub const NO_POST: Problem = Problem::NotFound("No Post matches the given query.");

/// GET `/news/posts/`
pub fn list(context: &Context<'_>) -> Result<Response, Problem> {
    if pages::wants_all(context.request) {
        context.require_user()?;
        return Ok(Response::list(WholeList::Posts, context.layout));
    }
    let (user, size, wanted) = (context.user, pages::size(context.request), pages::wanted(context.request));
    let place = context.room_for(size)?;
    let page = active(context.read(|live| posts::list(live, user, size, page_number(wanted)))?)?;
    Ok(context.page(wanted, size, &page)?.holding(place))
}

/// POST `/news/posts/`
pub fn create(context: &Context<'_>) -> Result<Response, Problem> {
    let user = context.user;
    let form = match context.form(PostForm::new) {
        Ok(form) => form,
        Err(problem) => {
            context.require_user()?;
            return Err(problem);
        }
    };
    let made = active(context.write(|live| posts::create(live, user, &form.title, &form.body))?)?;
    // An active user's post is made, or the statement fails.
    let post = made.ok_or(Problem::Internal)?;
    Ok(context.object(201, &post, &post.version()))
}

/// GET `/news/posts/{id}/`
pub fn get(context: &Context<'_>) -> Result<Response, Problem> {
    let (user, id) = (context.user, context.id()?);
    let post = active(context.read(|live| posts::get(live, user, id))?)?.ok_or(NO_POST)?;
    Ok(context.object(200, &post, &post.version()))
}

/// PUT `/news/posts/{id}/`
pub fn update(context: &Context<'_>) -> Result<Response, Problem> {
    let (user, id) = (context.user, context.id()?);
    let form = match context.form(PostForm::new) {
        Ok(form) => form,
        Err(problem) => {
            // A missing post is more wrong than its body.
            active(context.read(|live| posts::get(live, user, id))?)?.ok_or(NO_POST)?;
            return Err(problem);
        }
    };
    let versions = context.versions();
    let fields = (form.title.as_str(), form.body.as_str());
    match active(context.write(|live| posts::update(live, user, id, fields, versions.as_deref()))?)? {
        Changed::Done(post) => Ok(context.object(200, &post, &post.version())),
        Changed::Missing => Err(NO_POST),
        Changed::OtherVersion => Err(Problem::Precondition),
    }
}

/// DELETE `/news/posts/{id}/`
pub fn delete(context: &Context<'_>) -> Result<Response, Problem> {
    let (user, id, versions) = (context.user, context.id()?, context.versions());
    match active(context.write(|live| posts::delete(live, user, id, versions.as_deref()))?)? {
        Changed::Done(()) => Ok(Response::empty(204)),
        Changed::Missing => Err(NO_POST),
        Changed::OtherVersion => Err(Problem::Precondition),
    }
}
