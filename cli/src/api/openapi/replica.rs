//! What the document says of objects as another `news` has them.

use news_core::Entity;
use serde_json::{Map, Value, json};

use super::{id, object};

/// Adds the schemas.
pub fn schemas(all: &mut Map<String, Value>) {
    for (name, entity) in [("PostRow", Entity::Post), ("CommentRow", Entity::Comment)] {
        all.insert(name.to_owned(), row(entity));
    }
}

/// Builds the schema of what a client writes of an object: any texts that the master can hold.
fn row(entity: Entity) -> Value {
    let shape = entity.shape();
    let number = match shape.number.parent {
        Some(_) => id(),
        None => json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX }),
    };
    let texts = shape.texts.iter().map(|text| (text.name, json!({ "type": "string", "maxLength": text.chars_max })));
    object(&[(shape.number.column, number)].into_iter().chain(texts).collect::<Vec<_>>())
}

/// Adds the parameters.
pub fn parameters(all: &mut Map<String, Value>) {
    let description = "`*`: create the object, and change none: 412 if there is one with this id.";
    let schema = json!({ "type": "string", "enum": ["*"] });
    let new = json!({ "name": "If-None-Match", "in": "header", "description": description, "schema": schema });
    all.insert("IfNew".to_owned(), new);
}
