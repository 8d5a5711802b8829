//! GET `/news/sync/session/`: who asks, and what the console may do.

use serde::Serialize;

use super::Desk;
use crate::api::console;
use crate::api::handlers::Context;
use crate::api::response::{Problem, Response};
use crate::args::ConsoleMode;
use crate::run;
use crate::store::schema;

#[derive(Serialize)]
struct SessionJson {
    username: String,
    /// Whether the user may see anything more than this.
    staff: bool,
    mode: &'static str,
    may_act: bool,
    version: &'static str,
    schema: i32,
    /// The target's URL; null where there is none, and for others than staff.
    target: Option<String>,
    target_readable: bool,
    /// Why the target cannot be read.
    target_why: Option<String>,
    build: &'static str,
}

/// Answers active users who are not staff, too, so that the page can say why it shows nothing.
pub fn get(context: &Context<'_>) -> Result<Response, Problem> {
    let person = context.look_up()?;
    let desk = &context.service.desk;
    let acts = desk.mode() == ConsoleMode::Act;
    let (target, target_why) = if person.is_staff { target(desk)? } else { (None, None) };
    let json = SessionJson {
        username: person.username,
        staff: person.is_staff,
        mode: if acts { "act" } else { "read" },
        may_act: acts && person.is_staff,
        version: env!("CARGO_PKG_VERSION"),
        schema: schema::newest(),
        target_readable: target.is_some(),
        target,
        target_why,
        build: console::build(),
    };
    Ok(Response::json(200, &json, context.layout))
}

/// Returns the target's URL, or why it cannot be read. Trouble of the database with more than this request is told by the other
/// endpoints.
fn target(desk: &Desk) -> Result<(Option<String>, Option<String>), Problem> {
    let asked = desk.ask(|client| {
        Ok(match run::followed(&desk.settings, client) {
            Ok(Some(followed)) => (Some(followed.url), None),
            Ok(None) => (None, Some(String::from("no target is named, and this database has not met one yet"))),
            Err(failure) => (None, Some(failure.with_hints())),
        })
    });
    match asked {
        Err(Problem::Coded(coded)) => Ok((None, Some(coded.detail))),
        asked => asked,
    }
}
