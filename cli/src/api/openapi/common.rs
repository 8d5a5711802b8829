//! What several operations share: responses, parameters, header fields.

use serde_json::{Map, Value, json};

use super::{console, reference, replica};

pub(super) fn responses() -> Value {
    let problem = reference("schemas", "Problem");
    let content = |schema: &Value| json!({ "application/json": { "schema": schema } });
    let plain = [
        (400, "Not a request, or one with an unusable Host."),
        (401, "No access token, or none that is good."),
        (
            403,
            "The user is not staff, or the service was started without what allows it, or another site sent it: see `code`.",
        ),
        (404, "There is no such object, or no such page."),
        (406, "The Accept header leaves no room for JSON."),
        (408, "The request did not arrive in time."),
        (409, "Things are not as the request says, or do not allow it: see `code`."),
        (412, "The object has changed since: its ETag is another one. Or it is there, and was to be created."),
        (413, "The body is too large."),
        (415, "The body's media type is not supported."),
        (429, "Somebody else does the same this moment, and one at a time may."),
        (431, "The request's head is too large."),
        (500, "An error of the service."),
        (502, "The target does not answer, or refuses our credentials: see `code`."),
        (503, "The database is unavailable or busy, and nothing was changed: try again after Retry-After seconds."),
        (504, "The answer took too long, or the database's answer was lost: a change may have been made."),
    ];
    let mut responses = Map::new();
    for (status, description) in plain {
        let mut response = json!({ "description": description, "content": content(&problem) });
        match status {
            401 => response["headers"] = json!({ "WWW-Authenticate": { "schema": { "type": "string" } } }),
            503 => response["headers"] = json!({ "Retry-After": { "schema": { "type": "string" } } }),
            _ => {}
        }
        responses.insert(format!("Status{status}"), response);
    }
    let location = json!({ "Location": { "schema": { "type": "string" } } });
    responses.insert(
        "Status303".to_owned(),
        json!({ "description": "To a page, for an Accept header that wants one.", "headers": location }),
    );
    responses.insert(
        "Status304".to_owned(),
        json!({ "description": "The client has this version.", "headers": { "ETag": reference("headers", "ETag") } }),
    );
    let either = json!({ "anyOf": [reference("schemas", "FieldProblems"), problem] });
    responses.insert(
        "BadForm".to_owned(),
        json!({ "description": "The body cannot be read, or its fields are wrong.", "content": content(&either) }),
    );
    responses.into()
}

pub(super) fn parameters() -> Value {
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let header = |name: &str, description: &str| json!({ "name": name, "in": "header", "description": description, "schema": { "type": "string" } });
    let mut all = json!({
        "Page": query("page", "Which page, from 1, or `last`.", json!({
            "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "last" }], "default": 1,
        })),
        "PageSize": query("page_size", "Objects a page.", json!({
            "type": "integer", "minimum": 1, "maximum": 1000, "default": 10,
        })),
        "All": query("all", "`true`: the whole list, as an array.", json!({ "type": "string", "enum": ["true", "false"] })),
        "IfMatch": header("If-Match", "Change only the version with this ETag."),
        "IfNoneMatch": header("If-None-Match", "Answer 304 if this ETag is the object's."),
    });
    if let Some(all) = all.as_object_mut() {
        replica::parameters(all);
        console::parameters(all);
    }
    all
}

pub(super) fn headers() -> Value {
    json!({
        "ETag": { "description": "The object's version.", "schema": { "type": "string" } },
        "RequestId": { "description": "Names the request in the log.", "schema": { "type": "string" } },
    })
}
