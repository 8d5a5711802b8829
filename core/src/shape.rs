//! The two entities, described once. What an object consists of, what its parts are called and how long they may be, is
//! written here and nowhere else.
//!
//! ```text
//!             key            number                texts
//! posts       posts/5        user_id (userId)      title, body
//! comments    comments/7     post_id (postId)      name, email, body
//!                            the id of its post
//! ```
//!
//! A number has two names: that of the column, which is also the name on our API, and that in JSON for other programs
//! (`userId`): in saved listings, in reports, and at a target whose profile says nothing else. A text has one name for all
//! of them.
//!
//! What follows from a shape: the model's checks, reading and writing JSON (`wire`, `reply`), the statements in bulk
//! (`cli/src/store`), the forms and schemas of the API, what the Fake API can filter by. The migrations do not: SQL that
//! is planned once has to name its columns. A test compares them with the shapes.

use alloc::string::ToString;

use crate::model::{Entity, Fault};

/// What the objects of an entity consist of: an id, a number, and texts.
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    /// The entity.
    pub entity: Entity,
    /// Its name in URLs, keys and reports.
    pub plural: &'static str,
    /// Its table, as in `news_modelevent.entity_table`.
    pub table: &'static str,
    /// The number field.
    pub number: NumberField,
    /// The text fields, in the order of the columns.
    pub texts: &'static [TextField],
}

/// The number field of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberField {
    /// Its column, and its name on our API.
    pub column: &'static str,
    /// Its name in JSON for other programs.
    pub json: &'static str,
    /// The entity whose ids it holds, if it is a reference. Of other numbers nothing is checked.
    pub parent: Option<Entity>,
}

/// A text field and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextField {
    /// Its name: of the column, on our API, and in JSON for other programs.
    pub name: &'static str,
    /// Its limit, in characters (code points).
    pub chars_max: usize,
    /// What our API takes for it. Rows that came by other ways may hold any text.
    pub format: Format,
}

/// What our API takes for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Any text that is not blank.
    Any,
    /// An email address.
    Email,
}

/// The name of the id in JSON, and of its column.
pub const ID: &str = "id";

/// No entity has more text fields.
pub const TEXTS_MAX: usize = 3;

static POST: Shape = Shape {
    entity: Entity::Post,
    plural: "posts",
    table: "news_post",
    number: NumberField { column: "user_id", json: "userId", parent: None },
    texts: &[text("title", 256), text("body", 1024)],
};

static COMMENT: Shape = Shape {
    entity: Entity::Comment,
    plural: "comments",
    table: "news_comment",
    number: NumberField { column: "post_id", json: "postId", parent: Some(Entity::Post) },
    texts: &[text("name", 128), TextField { format: Format::Email, ..text("email", 128) }, text("body", 1024)],
};

impl Entity {
    /// Returns what its objects consist of.
    pub fn shape(self) -> &'static Shape {
        match self {
            Entity::Post => &POST,
            Entity::Comment => &COMMENT,
        }
    }
}

impl Shape {
    /// Returns the columns of its table in their order: the id, the number, the texts.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        [ID, self.number.column].into_iter().chain(self.texts.iter().map(|text| text.name))
    }
}

const fn text(name: &'static str, chars_max: usize) -> TextField {
    TextField { name, chars_max, format: Format::Any }
}

impl TextField {
    /// Says what keeps `value` out of this field, if anything: too long, or U+0000, which is fine in JSON and impossible
    /// in PostgreSQL.
    pub fn fault(self, value: &str) -> Option<Fault> {
        let chars = value.chars().count();
        let why = if chars > self.chars_max {
            alloc::format!("{chars} characters, more than {}", self.chars_max)
        } else if value.contains('\0') {
            "contains U+0000".to_string()
        } else {
            return None;
        };
        Some(Fault { field: self.name, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_describes_its_own_entity_within_the_limits_of_the_model() {
        for entity in Entity::ALL {
            let shape = entity.shape();
            assert_eq!(shape.entity, entity);
            assert!((1..=TEXTS_MAX).contains(&shape.texts.len()));
            assert_eq!(Entity::of_table(shape.table), Some(entity));
            // Parents come first: a comment is read, created and imported after its post.
            assert!(shape.number.parent.is_none_or(|parent| parent < entity));
        }
    }
}
