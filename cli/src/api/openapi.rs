//! The OpenAPI 3.1 document, made from the routes: what is routed is what is described.

mod common;
mod console;
mod replica;

use std::sync::LazyLock;

use news_core::Entity;
use news_core::model::ID_MAX;
use news_core::shape::{Format, ID, TextField};
use serde_json::{Map, Value, json};
use tiny_http::Method;

use self::common::{headers, parameters, responses};
use super::BODY_BYTES_MAX;
use super::routes::{self, Access, Content, Endpoint, Manners, Operation, Operator, Route};

/// The document, as JSON.
pub static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| document().to_string().into_bytes());

/// What bodies may be written in.
const FORM_MEDIA: [&str; 3] = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];
/// Answers that any request may get: from the HTTP server, or while the database is not available.
const ALWAYS: [u16; 7] = [400, 408, 413, 431, 500, 503, 504];

fn document() -> Value {
    let mut paths = Map::new();
    for route in routes::all() {
        let item = route.operations.iter().map(|one| (one.method.as_str().to_ascii_lowercase(), operation(route, one)));
        let mut item: Map<String, Value> = item.collect();
        if let Some(parameter) = placeholder(route) {
            item.insert("parameters".to_owned(), json!([parameter]));
        }
        paths.insert(route.pattern.to_owned(), item.into());
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "news",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Posts and comments. Get a pair of tokens at /api-auth/token/ and send the access token \
                as `Authorization: Bearer …`. HEAD mirrors GET; OPTIONS answers 200 and names the methods in Allow. \
                A path without its last slash is redirected (301).",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "tokens", "description": "JSON Web Tokens (HS256): access for an hour, refresh for a day" },
            { "name": "news", "description": "Posts and comments" },
            { "name": "replica", "description": "Posts and comments as another `news` has them, with their ids, authors and \
                texts: for a target that is kept in sync. Any user may read; with `news serve --replica` users who are staff \
                may write" },
            { "name": "console", "description": "For the operator's console: users who are staff. Not there with \
                `news serve --console off`; acts are refused without `--console act`" },
            { "name": "service", "description": "For machines that watch the service, and this document" },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "responses": responses(),
            "parameters": parameters(),
            "headers": headers(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

/// Returns the parameter that the path has a place for.
fn placeholder(route: &Route) -> Option<Value> {
    let name = route.pattern.split_once('{')?.1.split_once('}')?.0;
    Some(json!({ "name": name, "in": "path", "required": true, "schema": id() }))
}

fn operation(route: &Route, operation: &Operation) -> Value {
    let mut json = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag(route)],
        "responses": answers(route, operation),
        "security": match route.access {
            Access::Public => json!([]),
            Access::Bearer | Access::Staff => json!([{ "bearer": [] }]),
        },
    });
    let mut parameters = operation.query.to_vec();
    if let Content::ListOf(_) = operation.gives {
        parameters.extend(["Page", "PageSize", "All"]);
    }
    if operation.refusals.contains(&304) {
        parameters.push("IfNoneMatch");
    }
    if operation.refusals.contains(&412) {
        parameters.push("IfMatch");
    }
    if !parameters.is_empty() {
        json["parameters"] = parameters.into_iter().map(|name| reference("parameters", name)).collect();
    }
    let taken = match operation.takes {
        Content::Named(form) => Some((form, &FORM_MEDIA[..])),
        Content::Json(form) => Some((form, &FORM_MEDIA[..1])),
        Content::Nothing | Content::ListOf(_) | Content::ArrayOf(_) | Content::Media(_) => None,
    };
    if let Some((form, medias)) = taken {
        let media = |media: &&str| ((*media).to_owned(), json!({ "schema": reference("schemas", form) }));
        let content: Map<String, Value> = medias.iter().map(media).collect();
        json["requestBody"] = json!({
            "required": true,
            "description": format!("At most {BODY_BYTES_MAX} bytes."),
            "content": content,
        });
    }
    json
}

fn tag(route: &Route) -> &'static str {
    match (route.manners, route.pattern.starts_with("/api-auth/")) {
        _ if route.is_console() => "console",
        _ if route.is_replica() => "replica",
        (Manners::Plain, _) => "service",
        (Manners::Stream, _) => "console",
        (Manners::Rest, true) => "tokens",
        (Manners::Rest, false) => "news",
    }
}

/// Returns every answer that an operation may have.
fn answers(route: &Route, operation: &Operation) -> Value {
    let mut answers = Map::new();
    answers.insert(operation.status.to_string(), success(operation));
    let mut statuses: Vec<u16> = ALWAYS.iter().chain(operation.refusals).copied().collect();
    if route.manners == Manners::Rest {
        statuses.push(406);
        if operation.method == Method::Get {
            statuses.push(303);
        }
    }
    match route.access {
        Access::Public => {}
        Access::Bearer => statuses.push(401),
        // Without a console there is none of them; behind a pooler there is no session for what they ask.
        Access::Staff => statuses.extend([401, 403, 404, 409]),
    }
    if matches!(route.endpoint, Endpoint::Operator(Operator::Session)) {
        statuses.extend([404, 409]);
    }
    if operation.takes != Content::Nothing {
        statuses.push(415);
    }
    for status in statuses {
        if status == 201 {
            answers.insert(status.to_string(), success(operation));
            continue;
        }
        // A body's 400 may tell field by field what is wrong with it.
        let name = match (status, operation.takes) {
            (400, Content::Named(_)) => "BadForm".to_owned(),
            (status, _) => format!("Status{status}"),
        };
        answers.insert(status.to_string(), reference("responses", &name));
    }
    answers.into()
}

fn success(operation: &Operation) -> Value {
    let of = |media: &str, schema: Value| json!({ media: { "schema": schema } });
    let content = match operation.gives {
        Content::Nothing => return json!({ "description": "Done.", "headers": common_headers() }),
        Content::Named(name) | Content::Json(name) => of("application/json", reference("schemas", name)),
        Content::ListOf(name) => of(
            "application/json",
            json!({ "oneOf": [
                reference("schemas", &format!("{name}Page")),
                { "type": "array", "items": reference("schemas", name), "description": "With all=true." },
            ] }),
        ),
        Content::ArrayOf(name) => {
            of("application/json", json!({ "type": "array", "items": reference("schemas", name) }))
        }
        Content::Media(media) => of(media, json!({ "type": "string" })),
    };
    let mut headers = common_headers();
    let is_object = operation.refusals.contains(&304) || operation.refusals.contains(&412) || operation.status == 201;
    if is_object {
        headers["ETag"] = reference("headers", "ETag");
    }
    json!({ "description": "Done.", "headers": headers, "content": content })
}

fn common_headers() -> Value {
    json!({ "X-Request-Id": reference("headers", "RequestId") })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn text(field: TextField) -> Value {
    let mut schema = json!({ "type": "string", "minLength": 1, "maxLength": field.chars_max });
    match field.format {
        // White space around a text is taken off before it is counted.
        Format::Any => schema["pattern"] = json!("\\S"),
        Format::Email => schema["format"] = json!("email"),
    }
    schema
}

/// Builds the schema of what a client writes of an object.
fn form(entity: Entity) -> Value {
    object(&entity.shape().texts.iter().map(|field| (field.name, text(*field))).collect::<Vec<_>>())
}

/// Builds the schema of an object as it is shown: rows that came by other ways may have any texts.
fn shown(entity: Entity) -> Value {
    let shape = entity.shape();
    let number = match shape.number.parent {
        Some(_) => id(),
        None => json!({ "type": "integer", "format": "int64" }),
    };
    let texts = shape.texts.iter().map(|field| (field.name, json!({ "type": "string" })));
    object(&[(ID, id()), (shape.number.column, number)].into_iter().chain(texts).collect::<Vec<_>>())
}

fn id() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 1, "maximum": ID_MAX })
}

/// Builds the schema of an object that has all of these fields.
fn object(fields: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn schemas() -> Value {
    let any_text = json!({ "type": "string" });
    let some_text = json!({ "type": "string", "minLength": 1, "pattern": "\\S" });
    let link = json!({ "type": ["string", "null"], "format": "uri" });
    let page = |name: &str| {
        object(&[
            ("count", json!({ "type": "integer", "minimum": 0 })),
            ("next", link.clone()),
            ("previous", link.clone()),
            ("results", json!({ "type": "array", "items": reference("schemas", name), "maxItems": 1000 })),
        ])
    };
    let mut all = json!({
        "Credentials": object(&[("username", some_text.clone()), ("password", some_text.clone())]),
        "TokenPair": object(&[("refresh", some_text.clone()), ("access", some_text.clone())]),
        "RefreshForm": object(&[("refresh", some_text.clone())]),
        "AccessToken": object(&[("access", some_text.clone())]),
        "TokenForm": object(&[("token", some_text.clone())]),
        "Empty": { "type": "object", "maxProperties": 0 },
        "Root": object(&[("posts", json!({ "type": "string", "format": "uri" }))]),
        "PostForm": form(Entity::Post),
        "Post": shown(Entity::Post),
        "PostPage": page("Post"),
        "CommentForm": form(Entity::Comment),
        "Comment": shown(Entity::Comment),
        "CommentPage": page("Comment"),
        "Status": object(&[("status", any_text.clone())]),
        "Document": { "type": "object" },
        "Problem": {
            "type": "object",
            "properties": { "detail": any_text, "code": { "type": "string" }, "messages": { "type": "array" } },
            "required": ["detail"],
        },
        "FieldProblems": {
            "type": "object",
            "description": "What is wrong, field by field; non_field_errors if the body is not an object.",
            "minProperties": 1,
            "additionalProperties": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        },
    });
    if let Some(all) = all.as_object_mut() {
        replica::schemas(all);
        console::schemas(all);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference in the document leads somewhere, and everything below `components` is used.
    #[test]
    fn references_lead_somewhere() {
        fn collect(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    fields.values().for_each(|value| collect(value, found));
                }
                Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        collect(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for kind in ["schemas", "responses", "parameters", "headers"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let reference = format!("#/components/{kind}/{name}");
                assert!(found.contains(&reference), "{reference} is used by nobody");
            }
        }
    }

    #[test]
    fn every_route_and_method_is_in_it_under_a_name_of_its_own() {
        let document = document();
        let mut ids = Vec::new();
        for route in routes::all() {
            for operation in route.operations {
                let described = &document["paths"][route.pattern][operation.method.as_str().to_ascii_lowercase()];
                assert_eq!(described["operationId"], operation.id);
                assert!(described["responses"][operation.status.to_string()].is_object());
                assert_eq!(
                    described["responses"].get("401").is_some(),
                    route.access != Access::Public || route.pattern.starts_with("/api-auth/")
                );
                ids.push(operation.id);
            }
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
