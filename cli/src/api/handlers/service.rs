//! What the service says of itself.

use serde_json::json;

use super::Context;
use crate::api::negotiate::Layout;
use crate::api::response::{Problem, Response};
use crate::store::{self, schema};

/// GET `/news/`
pub fn root(context: &mut Context<'_>) -> Result<Response, Problem> {
    let posts = format!("{}/news/posts/", context.origin()?);
    Ok(Response::json(200, &json!({ "posts": posts }), context.layout))
}

/// GET `/healthz`: the process lives.
pub fn healthz() -> Response {
    Response::json(200, &json!({ "status": "ok" }), Layout::default())
}

/// GET `/readyz`: the database can be reached, and its schema is this binary's.
pub fn readyz(context: &mut Context<'_>) -> Result<Response, Problem> {
    let (has, wants) = (context.read(store::schema_version)?, schema::newest());
    if has == Some(wants) {
        return Ok(Response::json(200, &json!({ "status": "ready" }), Layout::default()));
    }
    Err(Problem::Unavailable("The database's schema is not this version's."))
}
