//! The operator's console, as far as the service goes: who comes in, what is told, what is done.

mod access;

use super::Service;
use crate::support::News;

/// Every endpoint that only staff may use: the method, a path, and whether it changes something.
const STAFF: [(&str, &str, bool); 19] = [
    ("GET", "/news/sync/overview/", false),
    ("GET", "/news/sync/events/", false),
    ("GET", "/news/sync/plan/", false),
    ("GET", "/news/sync/left/", false),
    ("GET", "/news/sync/left/groups/", false),
    ("GET", "/news/sync/runs/", false),
    ("GET", "/news/sync/runs/1/", false),
    ("GET", "/news/sync/posts/1/", false),
    ("GET", "/news/sync/comments/1/", false),
    ("GET", "/news/sync/posts/1/target/", false),
    ("GET", "/news/sync/comments/1/target/", false),
    ("GET", "/news/sync/target/", false),
    ("GET", "/news/sync/prints/posts/?side=master", false),
    ("GET", "/news/sync/prints/comments/?side=target", false),
    ("POST", "/news/sync/look/", false),
    ("POST", "/news/sync/retry/", true),
    ("POST", "/news/sync/discard/", true),
    ("POST", "/news/sync/hold/", true),
    ("POST", "/news/sync/release/", true),
];

/// Starts a service whose user 1 is staff.
pub fn for_staff(flags: &[&str], adapt: impl FnOnce(News) -> News) -> Service {
    let service = Service::start_with(flags, adapt);
    service.db.client().batch_execute("UPDATE auth_user SET is_staff = true WHERE id = 1").unwrap();
    service
}
