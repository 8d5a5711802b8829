//! The schemas of what the operator's console asks and sends. docs/console.md describes the keys.

use serde_json::{Map, Value, json};

use super::object;

fn text() -> Value {
    json!({ "type": "string" })
}

fn maybe(what: &str) -> Value {
    json!({ "type": [what, "null"] })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// An object whose keys docs/console.md and docs/json.md tell.
fn some() -> Value {
    json!({ "type": "object" })
}

fn list(items: &Value, max: usize) -> Value {
    json!({ "type": "array", "items": items, "maxItems": max })
}

fn key() -> Value {
    json!({ "type": "string", "pattern": "^(posts|comments)/[1-9][0-9]{0,15}$" })
}

fn keys(max: usize) -> Value {
    list(&key(), max)
}

fn somes(max: usize) -> Value {
    list(&some(), max)
}

/// Adds the schemas of the console's answers and bodies.
pub(super) fn schemas(all: &mut Map<String, Value>) {
    let named = of_the_sync().into_iter().chain(of_objects()).chain(bodies());
    all.extend(named.map(|(name, schema)| (name.to_owned(), schema)));
}

fn of_the_sync() -> Vec<(&'static str, Value)> {
    let event = json!({ "type": "array", "minItems": 3, "maxItems": 3 });
    vec![
        (
            "ConsoleSession",
            object(&[
                ("username", text()),
                ("staff", flag()),
                ("mode", json!({ "enum": ["read", "act"] })),
                ("may_act", flag()),
                ("version", text()),
                ("schema", count()),
                ("target", maybe("string")),
                ("target_readable", flag()),
                ("target_why", maybe("string")),
                ("build", text()),
            ]),
        ),
        (
            "Overview",
            object(&[
                ("now", text()),
                ("verdict", some()),
                ("status", some()),
                ("groups", somes(20)),
                ("groups_more", count()),
                ("runs", somes(60)),
                ("acts", somes(5)),
                ("distance_s", some()),
            ]),
        ),
        (
            "UnsyncedEvents",
            object(&[
                ("as_of", count()),
                ("events", list(&event, 10_000)),
                ("doubtful", list(&count(), 10_000)),
                ("recorded", some()),
                ("standing", some()),
                ("without_events", some()),
                ("next", maybe("string")),
            ]),
        ),
        (
            "Plan",
            object(&[("checksum", text()), ("plan", some()), ("actions", list(&some(), 10_000)), ("more", count())]),
        ),
        ("ActList", object(&[("acts", somes(200)), ("next", maybe("integer"))])),
        ("LeftOut", object(&[("keys", keys(10_000)), ("next", maybe("string"))])),
        ("RunList", object(&[("runs", somes(200)), ("next", maybe("integer"))])),
        (
            "RunDetails",
            object(&[
                ("run", some()),
                ("report", some()),
                ("sent", somes(1000)),
                ("more", count()),
                ("next", maybe("string")),
            ]),
        ),
        (
            "TargetState",
            object(&[
                ("ok", flag()),
                ("status", maybe("integer")),
                ("ms", maybe("integer")),
                ("asked_at", text()),
                ("why", maybe("string")),
            ]),
        ),
    ]
}

fn of_objects() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Left",
            object(&[
                ("objects", somes(1000)),
                ("more", count()),
                ("total", count()),
                ("states", some()),
                ("next", maybe("string")),
            ]),
        ),
        ("LeftGroups", object(&[("groups", somes(1000)), ("more", count())])),
        (
            "SyncObject",
            object(&[
                ("key", key()),
                ("entity", text()),
                ("id", count()),
                ("state", text()),
                ("sentence", text()),
                ("standing", maybe("object")),
                ("presence", text()),
                ("pending", maybe("object")),
                ("waits_for", keys(100)),
                ("holds_back", keys(100)),
                ("sent", somes(50)),
                ("acts", somes(20)),
            ]),
        ),
        (
            "AtTarget",
            object(&[
                ("asked_at", text()),
                ("ms", maybe("integer")),
                ("status", maybe("integer")),
                ("there", flag()),
                ("faults", somes(100)),
                ("difference", maybe("object")),
                ("altered", somes(5)),
            ]),
        ),
        ("Looked", object(&[("differences", somes(200)), ("equal", keys(200))])),
        ("Acted", object(&[("what", text()), ("keys", keys(1000))])),
    ]
}

fn bodies() -> Vec<(&'static str, Value)> {
    let form = |required: &[&str], properties: Value| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let seen = |max: usize| {
        let event = json!({ "type": ["integer", "null"], "format": "int64", "minimum": 0 });
        let one = form(&["key"], json!({ "key": key(), "event_id": event }));
        json!({ "type": "array", "items": one, "minItems": 1, "maxItems": max })
    };
    let why = json!({ "type": "string", "maxLength": 200 });
    let group = json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" });
    let looked_at = json!({ "type": "array", "items": key(), "minItems": 1, "maxItems": 200 });
    let one_or_more = json!({ "type": "integer", "minimum": 1 });
    vec![
        ("Look", form(&["keys"], json!({ "keys": looked_at }))),
        ("RetryForm", form(&[], json!({ "keys": seen(1000), "group": group, "count": one_or_more, "why": why }))),
        (
            "DiscardForm",
            form(&["keys"], json!({ "keys": seen(100), "events": count(), "along": keys(10_000), "why": why })),
        ),
        ("HoldForm", form(&["keys"], json!({ "keys": seen(1000), "why": why }))),
    ]
}

/// Adds the parameters of the console's queries.
pub(super) fn parameters(all: &mut Map<String, Value>) {
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let limit = |max: u32, default: u32| json!({ "type": "integer", "minimum": 1, "maximum": max, "default": default });
    let named = [
        ("AfterEvent", query("after", "The next page: `next` of the last one.", text())),
        ("EventLimit", query("limit", "Events a page.", limit(10_000, 10_000))),
        ("PlanLimit", query("limit", "Actions listed of each kind.", limit(1000, 50))),
        ("State", query("state", "Only these.", json!({ "enum": ["parked", "held", "waiting", "on_hold"] }))),
        ("EntityName", query("entity", "Only these.", json!({ "enum": ["posts", "comments"] }))),
        ("Group", query("group", "Only the objects of this group.", text())),
        ("KeyStart", query("q", "Only keys that begin so.", text())),
        ("AfterKey", query("after", "The next page: `next` of the last one.", text())),
        ("LeftLimit", query("limit", "Objects a page.", limit(1000, 100))),
        ("RunKind", query("kind", "Only these.", json!({ "enum": ["sync", "full", "import"] }))),
        (
            "RunStatus",
            query(
                "status",
                "Only those that ended so.",
                json!({
                    "enum": ["running", "done", "partly", "failed", "stopped", "lost"],
                }),
            ),
        ),
        ("Before", query("before", "Only runs with a smaller id.", json!({ "type": "integer", "minimum": 1 }))),
        ("BeforeAct", query("before", "Only acts with a smaller id.", json!({ "type": "integer", "minimum": 1 }))),
        ("ActLimit", query("limit", "Acts a page.", limit(200, 50))),
        ("LeftOutLimit", query("limit", "Objects a page.", limit(10_000, 1000))),
        ("RunLimit", query("limit", "Runs a page.", limit(200, 50))),
        ("AfterSent", query("after", "The next page of `sent`: `next` of the last one.", text())),
        ("SentLimit", query("limit", "Objects a page.", limit(1000, 100))),
        (
            "Side",
            json!({
                "name": "side", "in": "query", "required": true, "description": "Which side.",
                "schema": { "enum": ["master", "target"] },
            }),
        ),
        (
            "Preview",
            query(
                "preview",
                "`true`: say what would be dropped, and change nothing.",
                json!({
                    "enum": ["true", "false"],
                }),
            ),
        ),
    ];
    all.extend(named.map(|(name, parameter)| (name.to_owned(), parameter)));
}
