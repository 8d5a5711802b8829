//! The two calls: what they take, what they answer. An answer is `{"error": "…"}` where the
//! request is not as described.

use std::collections::{BTreeMap, BTreeSet};

use news_core::diff::{Difference, Join, Kind};
use news_core::merge::{Action, Event, EventType, Merged, Presence, Wish, action};
use news_core::wire::Element;
use news_core::{Entity, Key, Object};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeIn {
    chunks: Vec<Vec<(i64, String, String)>>,
    #[serde(default)]
    doubtful: BTreeSet<i64>,
    #[serde(default)]
    recorded: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ChangeOut {
    before: &'static str,
    after: &'static str,
    action: &'static str,
    first: i64,
    last: i64,
    events: u64,
}

/// Merges a log that comes in chunks, in any order.
///
/// Takes `{"chunks": [[[1, "posts/5", "CREATED"], …], …], "doubtful": [1], "recorded": {"posts/5": "unknown"}}`:
/// events are id, key and type; `doubtful`, which may be left out, has the ids of events that the rows contradicted;
/// `recorded`, which may be left out, has the presences that are known from elsewhere. Answers, by key,
/// `{"posts/5": {"before": "absent", "after": "present", "action": "create", "first": 1, "last": 1, "events": 1}}`.
pub fn merge(request: &[u8]) -> String {
    answer(try_merge(request))
}

fn try_merge(request: &[u8]) -> Result<BTreeMap<String, ChangeOut>, String> {
    let request: MergeIn = serde_json::from_slice(request).map_err(|error| error.to_string())?;
    let mut recorded = BTreeMap::new();
    for (key, word) in &request.recorded {
        recorded.insert(key_of(key)?, presence_of(word)?);
    }
    let event = |event| event_of(event, &request.doubtful);
    let events = request.chunks.iter().flatten().map(event).collect::<Result<Vec<Event>, String>>()?;
    let out = |(key, merged): (Key, Merged)| {
        let before = recorded.get(&key).copied().unwrap_or(merged.change.presence());
        let after = merged.change.after;
        let change = ChangeOut {
            before: before.word(),
            after: wish_word(after),
            action: action_word(action(before, after)),
            first: merged.first_id,
            last: merged.last_id,
            events: merged.events,
        };
        (key.to_string(), change)
    };
    Ok(news_core::merge::merge(events).into_iter().map(out).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiffIn<'a> {
    entity: String,
    #[serde(borrow)]
    local: Vec<&'a RawValue>,
    #[serde(borrow)]
    target: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct DiffOut {
    differences: Vec<DifferenceOut>,
    equal: u64,
    nameless: u64,
}

#[derive(Serialize)]
struct DifferenceOut {
    entity: &'static str,
    id: i64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<&'static str>,
}

/// Compares the master's rows with the target's listing.
///
/// Takes `{"entity": "posts", "local": […], "target": […]}`: the rows in the target's shape
/// and in id order, the listing as the target gave it. Answers
/// `{"differences": [{"entity": "posts", "id": 5, "kind": "different", "fields": ["title"]}], "equal": 0, "nameless": 0}`;
/// `fields` is there for `different` alone.
pub fn diff(request: &[u8]) -> String {
    answer(try_diff(request))
}

fn try_diff(request: &[u8]) -> Result<DiffOut, String> {
    let request: DiffIn<'_> = serde_json::from_slice(request).map_err(|error| error.to_string())?;
    let entity = Entity::ALL.into_iter().find(|entity| entity.plural() == request.entity);
    let entity = entity.ok_or_else(|| format!("entity {:?} is neither posts nor comments", request.entity))?;
    let rows = request
        .local
        .iter()
        .map(|row| row_of(entity, row.get().as_bytes()))
        .collect::<Result<Vec<Object>, String>>()?;
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].key() >= pair[1].key()) {
        return Err(format!("{} does not come before {}", pair[0].key(), pair[1].key()));
    }
    let mut join = Join::new(entity);
    let mut rest = rows.iter();
    let mut listed: BTreeMap<Key, Element<'_>> = BTreeMap::new();
    for element in &request.target {
        let element = element_of(entity, element)?;
        while element.id().is_some_and(|id| join.wants_local(id)) {
            let Some(row) = rest.next() else { break };
            join.local(row);
        }
        join.target(&element);
        if let Some(key) = element.key() {
            listed.entry(key).or_insert(element);
        }
    }
    rest.for_each(|row| join.local(row));
    let (differences, counts) = join.finish();
    let rows: BTreeMap<Key, &Object> = rows.iter().map(|row| (row.key(), row)).collect();
    let fields = |difference: &Difference| match (difference.kind, rows.get(&difference.key)) {
        (Kind::Different, Some(row)) => listed.get(&difference.key).map(|element| element.differences(row)),
        (Kind::Missing | Kind::Extra | Kind::Different | Kind::Duplicate | Kind::Unreadable, _) => None,
    };
    let out = |difference: Difference| DifferenceOut {
        entity: entity.plural(),
        id: difference.key.id(),
        kind: difference.kind.word(),
        fields: fields(&difference).into_iter().flatten().map(|field| field.field).collect(),
    };
    Ok(DiffOut {
        differences: differences.into_iter().map(out).collect(),
        equal: counts.equal,
        nameless: counts.nameless,
    })
}

/// Writes an answer, or `{"error": "…"}`.
pub(crate) fn answer<T: Serialize>(result: Result<T, String>) -> String {
    let json = match result {
        Ok(out) => serde_json::to_string(&out),
        Err(error) => serde_json::to_string(&BTreeMap::from([("error", error)])),
    };
    // Maps and structs of texts and numbers have no way to fail.
    json.unwrap_or_default()
}

fn key_of(text: &str) -> Result<Key, String> {
    text.parse().map_err(|error: news_core::model::BadKey| error.to_string())
}

fn event_of((id, key, word): &(i64, String, String), doubtful: &BTreeSet<i64>) -> Result<Event, String> {
    let kind = EventType::of_word(word).ok_or_else(|| format!("event {id} has the unknown type {word:?}"))?;
    Ok(Event { id: *id, key: key_of(key)?, kind, doubtful: doubtful.contains(id) })
}

fn element_of(entity: Entity, json: &RawValue) -> Result<Element<'_>, String> {
    Element::from_json(entity, json.get().as_bytes()).map_err(|error| error.to_string())
}

/// Reads a row of the master.
pub(crate) fn row_of(entity: Entity, json: &[u8]) -> Result<Object, String> {
    let element = Element::from_json(entity, json).map_err(|error| error.to_string())?;
    let id = element.id();
    element.into_object().map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        format!("row {entity}/{}: {}", id.unwrap_or_default(), faults.join("; "))
    })
}

fn presence_of(word: &str) -> Result<Presence, String> {
    Presence::of_word(word).ok_or_else(|| format!("presence {word:?} is none of absent, present, unknown"))
}

fn wish_word(wish: Wish) -> &'static str {
    match wish {
        Wish::Absent => "absent",
        Wish::Present => "present",
    }
}

fn action_word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Ask => "ask",
        Action::Renew => "renew",
        Action::Nothing => "nothing",
    }
}
