//! The routes of the operator's console: its page, and the endpoints that the page asks.

use news_core::Entity;
use tiny_http::Method;

use super::{Access, Content, Endpoint, Manners, Operation, Operator, Route};
use crate::api::console;

/// Below this path is what the page loads.
const PAGE: &str = "/news/console/";

/// A route with one operation, for staff. (Not a function: what has a destructor is not evaluated there.)
macro_rules! staff {
    ($manners:ident, $what:expr, $pattern:expr, $operation:expr) => {
        Route {
            endpoint: Endpoint::Operator($what),
            pattern: $pattern,
            operations: &[$operation],
            access: Access::Staff,
            manners: Manners::$manners,
        }
    };
}

/// Its routes.
pub const ROUTES: &[Route] = &[
    Route {
        endpoint: Endpoint::Console,
        pattern: PAGE,
        operations: &[Operation {
            method: Method::Get,
            id: "console",
            summary: "The operator's console, and what it loads below this path",
            query: &[],
            takes: Content::Nothing,
            status: 200,
            gives: Content::Media("text/html"),
            refusals: &[304, 404],
        }],
        access: Access::Public,
        manners: Manners::Plain,
    },
    Route {
        endpoint: Endpoint::Operator(Operator::Session),
        pattern: "/news/sync/session/",
        operations: &[ask("consoleSession", "Who asks, and what the console may do", "ConsoleSession", &[], &[])],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
    staff!(
        Rest,
        Operator::Overview,
        "/news/sync/overview/",
        ask("syncOverview", "How the sync goes, and what waits", "Overview", &[], &[304])
    ),
    staff!(
        Rest,
        Operator::Events,
        "/news/sync/events/",
        ask("syncEvents", "Unsynced events, by object", "UnsyncedEvents", &["AfterEvent", "EventLimit"], &[])
    ),
    staff!(
        Rest,
        Operator::Plan,
        "/news/sync/plan/",
        ask("syncPlan", "What a run would do now", "Plan", &["PlanLimit"], &[])
    ),
    staff!(
        Rest,
        Operator::Left,
        "/news/sync/left/",
        ask(
            "syncLeft",
            "Objects that runs leave: parked, held, waiting, on hold",
            "Left",
            &["State", "EntityName", "Group", "KeyStart", "AfterKey", "LeftLimit"],
            &[],
        )
    ),
    staff!(
        Rest,
        Operator::Groups,
        "/news/sync/left/groups/",
        ask("syncLeftGroups", "The same, grouped by what the target said", "LeftGroups", &[], &[])
    ),
    staff!(
        Rest,
        Operator::Runs,
        "/news/sync/runs/",
        ask("syncRuns", "The last runs, newest first", "RunList", &["RunKind", "RunStatus", "Before", "RunLimit"], &[])
    ),
    staff!(
        Rest,
        Operator::Run,
        "/news/sync/runs/{id}/",
        ask("syncRun", "What is kept of a run", "RunDetails", &["AfterSent", "SentLimit"], &[])
    ),
    staff!(
        Rest,
        Operator::Acts,
        "/news/sync/acts/",
        ask("syncActs", "What people did with objects, newest first", "ActList", &["BeforeAct", "ActLimit"], &[])
    ),
    staff!(
        Rest,
        Operator::LeftOut,
        "/news/sync/left/out/",
        ask(
            "syncLeftOut",
            "Objects of the target that imports left out",
            "LeftOut",
            &["AfterKey", "LeftOutLimit"],
            &[]
        )
    ),
    staff!(
        Rest,
        Operator::Object(Entity::Post),
        "/news/sync/posts/{id}/",
        ask("syncPost", "All that the database knows of a post", "SyncObject", &[], &[])
    ),
    staff!(
        Rest,
        Operator::Object(Entity::Comment),
        "/news/sync/comments/{id}/",
        ask("syncComment", "All that the database knows of a comment", "SyncObject", &[], &[])
    ),
    staff!(
        Rest,
        Operator::AtTarget(Entity::Post),
        "/news/sync/posts/{id}/target/",
        ask("postAtTarget", "The post at the target, asked with one GET", "AtTarget", &[], TARGET)
    ),
    staff!(
        Rest,
        Operator::AtTarget(Entity::Comment),
        "/news/sync/comments/{id}/target/",
        ask("commentAtTarget", "The comment at the target, asked with one GET", "AtTarget", &[], TARGET)
    ),
    staff!(
        Rest,
        Operator::Target,
        "/news/sync/target/",
        ask("syncTarget", "Whether the target answers, asked every 30 s at most", "TargetState", &[], &[])
    ),
    staff!(
        Stream,
        Operator::Prints(Entity::Post),
        "/news/sync/prints/posts/",
        print("postPrints", "Fingerprints of one side's posts, 32 bytes each")
    ),
    staff!(
        Stream,
        Operator::Prints(Entity::Comment),
        "/news/sync/prints/comments/",
        print("commentPrints", "Fingerprints of one side's comments, 32 bytes each")
    ),
    staff!(
        Rest,
        Operator::Look,
        "/news/sync/look/",
        act("lookAtObjects", "Compare some objects on both sides, with their texts", "Look", "Looked", &[], TARGET)
    ),
    staff!(
        Rest,
        Operator::Retry,
        "/news/sync/retry/",
        act("retryObjects", "Let parked objects be tried again by the next run", "RetryForm", "Acted", &[], &[409])
    ),
    staff!(
        Rest,
        Operator::Discard,
        "/news/sync/discard/",
        act("discardChanges", "Drop pending changes", "DiscardForm", "Acted", &["Preview"], &[409])
    ),
    staff!(
        Rest,
        Operator::Hold,
        "/news/sync/hold/",
        act("holdObjects", "Stop the sync of objects", "HoldForm", "Acted", &[], &[409])
    ),
    staff!(
        Rest,
        Operator::Release,
        "/news/sync/release/",
        act("releaseObjects", "Resume the sync of objects", "HoldForm", "Acted", &[], &[409])
    ),
];

/// What comes of asking the target, beyond the rest.
const TARGET: &[u16] = &[409, 429, 502];

const fn ask(
    id: &'static str,
    summary: &'static str,
    gives: &'static str,
    query: &'static [&'static str],
    refusals: &'static [u16],
) -> Operation {
    let (takes, gives) = (Content::Nothing, Content::Named(gives));
    Operation { method: Method::Get, id, summary, query, takes, status: 200, gives, refusals }
}

const fn print(id: &'static str, summary: &'static str) -> Operation {
    let (takes, gives) = (Content::Nothing, Content::Media("application/octet-stream"));
    Operation { method: Method::Get, id, summary, query: &["Side"], takes, status: 200, gives, refusals: TARGET }
}

const fn act(
    id: &'static str,
    summary: &'static str,
    takes: &'static str,
    gives: &'static str,
    query: &'static [&'static str],
    refusals: &'static [u16],
) -> Operation {
    let (takes, gives) = (Content::Json(takes), Content::Named(gives));
    Operation { method: Method::Post, id, summary, query, takes, status: 200, gives, refusals }
}

/// Returns the route of a file that the page loads, and the file's name.
pub fn file(path: &str) -> Option<(&'static Route, &str)> {
    let name = path.strip_prefix(PAGE).filter(|name| !name.is_empty())?;
    console::find(name)?;
    Some((ROUTES.first()?, name))
}
