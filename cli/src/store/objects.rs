//! Objects by key: rows of the two tables, read and made into objects.

use std::collections::BTreeMap;

use news_core::profile::Profile;
use news_core::shape::ID;
use news_core::{Entity, Key, Object, PostId};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;
use postgres::{GenericClient, Row};

use crate::error::Result;

/// The comments of so many posts are asked for at once.
const POSTS_ASKED_FOR: usize = 10_000;

/// An object, or why its row cannot be one: a value that is NULL, too long, or not what the column should hold.
pub type Loaded = Result<Object, String>;

/// Reads rows by key; keys without a row are left out.
pub fn load(client: &mut impl GenericClient, keys: &[Key]) -> Result<BTreeMap<Key, Loaded>> {
    let mut objects = BTreeMap::new();
    for entity in Entity::ALL {
        let ids: Vec<i64> = keys.iter().filter(|key| key.entity() == entity).map(|key| key.id()).collect();
        if ids.is_empty() {
            continue;
        }
        for row in client.query_typed(&format!("{} WHERE id = ANY($1)", select(entity)), &[(&ids, Type::INT8_ARRAY)])? {
            // An id outside of the model's range has no key: nobody can have asked for it.
            if let Ok(key) = entity.key(row.get(0)) {
                objects.insert(key, object(key, &row));
            }
        }
    }
    Ok(objects)
}

/// Reads rows as a target of this profile can have them.
pub fn load_as(client: &mut impl GenericClient, keys: &[Key], profile: &Profile) -> Result<BTreeMap<Key, Loaded>> {
    let rows = load(client, keys)?.into_iter();
    Ok(rows.map(|(key, row)| (key, row.map(|object| profile.dialect(key.entity()).carried(object)))).collect())
}

/// The SELECT that [`object`] reads. A database that was taken over may have smaller numbers.
pub fn select(entity: Entity) -> String {
    let shape = entity.shape();
    let texts = shape.texts.iter().fold(String::new(), |all, text| all + ", " + text.name);
    format!("SELECT {ID}, {}::bigint{texts} FROM {}", shape.number.column, shape.table)
}

/// The same, and behind it what the target keeps in place of rows.
pub fn select_with_kept(entity: Entity) -> String {
    let (select, table) = (select(entity), entity.table());
    let (columns, from) = select.split_once(" FROM ").unwrap_or((&select, table));
    format!(
        "{columns}, k.sent, k.kept FROM {from}
         LEFT JOIN news_sync_kept k ON k.entity_table = '{table}' AND k.entity_pk = id"
    )
}

/// Makes an object of a row of [`select`].
fn object(key: Key, row: &Row) -> Loaded {
    let texts = (2..row.len()).map(|column| value(row, column)).collect::<Result<Vec<String>, String>>()?;
    Object::new(key, value(row, 1)?, texts)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<String>>().join(", "))
}

fn value<'r, T: postgres::types::FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, String> {
    let name = row.columns()[column].name();
    match row.try_get::<_, Option<T>>(column) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(format!("{name}: expected a value, found NULL")),
        Err(error) => {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Err(format!("{name}: {cause}"))
        }
    }
}

/// Calls `each` with the comments of these posts, and their post.
pub fn each_comment_of(
    client: &mut impl GenericClient,
    posts: &[PostId],
    mut each: impl FnMut(Key, PostId) -> Result<()>,
) -> Result<()> {
    for posts in posts.chunks(POSTS_ASKED_FOR) {
        let posts: Vec<i64> = posts.iter().map(|post| post.get()).collect();
        let mut rows = client.query_raw("SELECT id, post_id FROM news_comment WHERE post_id = ANY ($1)", [&posts])?;
        while let Some(row) = rows.next()? {
            if let (Ok(key), Ok(post)) = (Entity::Comment.key(row.get(0)), PostId::new(row.get(1))) {
                each(key, post)?;
            }
        }
    }
    Ok(())
}
