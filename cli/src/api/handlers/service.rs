//! What the service says of itself.

use serde_json::json;

use super::Context;
use crate::api::negotiate::DocLayout;
use crate::api::openapi::DOCUMENT;
use crate::api::response::{Problem, Response};
use crate::api::routes::DocPage;
use crate::store::{self, schema};

/// GET `/news/`
pub fn root(context: &Context<'_>) -> Result<Response, Problem> {
    let posts = format!("{}/news/posts/", context.origin()?);
    Ok(Response::json(200, &json!({ "posts": posts }), context.layout))
}

/// GET `/healthz`: the process lives.
pub fn healthz() -> Response {
    Response::json(200, &json!({ "status": "ok" }), DocLayout::default())
}

/// GET `/readyz`: the database can be reached, its schema is this binary's, and writes work.
pub fn readyz(context: &Context<'_>) -> Result<Response, Problem> {
    let ready = context.read(store::readiness)?;
    let sessions = &context.service.sessions;
    if ready.schema != Some(schema::newest()) {
        return Err(Problem::Unavailable("The database's schema is not this version's."));
    }
    if ready.is_read_only {
        return Err(Problem::Unavailable("The database is read-only."));
    }
    if ready.commits_wait {
        return Err(Problem::Unavailable("The database's commits wait for a synchronous standby."));
    }
    // Writes failed, and no other one may come to tell that they work again: a service that is not ready gets none.
    if sessions.writable().is_doubtful() {
        if sessions.read(store::try_to_write).is_err() {
            return Err(Problem::Unavailable("The database cannot be written to."));
        }
        sessions.writable().confirm();
    }
    Ok(Response::json(200, &json!({ "status": "ready" }), DocLayout::default()))
}

/// GET `/metrics`
pub fn metrics(context: &Context<'_>) -> Response {
    let Context { service, .. } = context;
    let state = service.metrics.state(|| (service.state)());
    let is_up = state.is_some() || service.sessions.read(store::readiness).is_ok();
    let text = service.metrics.render(service.server.get(), &service.sessions, is_up, state.as_deref());
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
pub fn docs(page: DocPage) -> Response {
    let (media_type, text) = match page {
        DocPage::Html => ("text/html; charset=utf-8", include_str!("../docs/index.html")),
        DocPage::Css => ("text/css; charset=utf-8", include_str!("../docs/docs.css")),
        DocPage::Js => ("text/javascript; charset=utf-8", include_str!("../docs/docs.js")),
    };
    Response::bytes(200, media_type, text.into())
        .header("Content-Security-Policy", POLICY)
        .header("Cache-Control", "no-cache")
}
