//! What the service says of itself.

use serde_json::json;

use super::Context;
use crate::api::negotiate::Layout;
use crate::api::openapi::DOCUMENT;
use crate::api::response::{Problem, Response};
use crate::api::routes::Page;
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

/// GET `/metrics`
pub fn metrics(context: &mut Context<'_>) -> Response {
    let Context { service, session, .. } = context;
    let vitals = service.metrics.vitals(|| session.read(store::vitals).ok());
    let text = service.metrics.render(service.door.get(), vitals);
    Response::bytes(200, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes())
}

/// GET `/news/openapi.json`
pub fn openapi() -> Response {
    Response::bytes(200, "application/json", DOCUMENT.clone()).header("Cache-Control", "no-cache")
}

/// What the documentation may do: load what is beside it, and send requests to where it came from.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// GET `/news/docs/` and what is below.
pub fn docs(page: Page) -> Response {
    let (media_type, text) = match page {
        Page::Html => ("text/html; charset=utf-8", include_str!("../docs/index.html")),
        Page::Css => ("text/css; charset=utf-8", include_str!("../docs/docs.css")),
        Page::Js => ("text/javascript; charset=utf-8", include_str!("../docs/docs.js")),
    };
    Response::bytes(200, media_type, text.into())
        .header("Content-Security-Policy", POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Cache-Control", "no-cache")
}
