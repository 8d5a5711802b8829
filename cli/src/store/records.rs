//! The API's statements on posts and comments. Each one looks its user up as well: one round trip a request.
//!
//! They are made of the entity's shape, once in a process.

pub mod replica;

use std::fmt::Write as _;
use std::sync::LazyLock;

use news_core::Entity;
use news_core::shape::{ID, Shape};
use postgres::Row;
use postgres::error::SqlState;
use postgres::types::{FromSql, ToSql, Type};
use serde::ser::{Serialize, SerializeMap, Serializer};
use sha2::{Digest, Sha256};

use super::cursor::Cursor;
use super::sequences;
use super::session::{Live, Sql};
use super::users::{Caller, SeenUser};

/// The author of posts that are made through the API.
const API_AUTHOR: i64 = 99_999_942;

/// A row, as the API shows it. Unlike an object it may break the model's limits: the owner may have lifted the table's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    shape: &'static Shape,
    id: i64,
    number: i64,
    texts: Vec<String>,
}

impl Record {
    /// Reads the record whose first column is `at`; nothing where the join found none.
    fn read(entity: Entity, row: &Row, at: usize) -> Result<Option<Self>, postgres::Error> {
        let Some(id) = row.try_get::<_, Option<i64>>(at)? else { return Ok(None) };
        let shape = entity.shape();
        let texts = (0..shape.texts.len()).map(|i| or_empty(row, at + 2 + i)).collect::<Result<_, _>>()?;
        Ok(Some(Self { shape, id, number: or_empty(row, at + 1)?, texts }))
    }

    /// Returns the name of this version: 32 hexadecimal digits, as [`version_sql`] computes it.
    pub fn version(&self) -> String {
        let mut text = format!("{}:{}", self.id, self.number);
        for (at, value) in self.texts.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = if at + 1 < self.texts.len() {
                write!(text, ":{}:{value}", value.chars().count())
            } else {
                write!(text, ":{value}")
            };
        }
        let hash = Sha256::digest(text.as_bytes());
        let mut version = String::with_capacity(32);
        for byte in hash.iter().take(16) {
            let _ = write!(version, "{byte:02x}");
        }
        version
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(ID, &self.id)?;
        map.serialize_entry(self.shape.number.column, &self.number)?;
        for (text, value) in self.shape.texts.iter().zip(&self.texts) {
            map.serialize_entry(text.name, value)?;
        }
        map.end()
    }
}

/// The version of a row `r`, for a condition on it. Lengths are in it, so that text cannot move between fields unnoticed;
/// that of the last text follows from the others.
fn version_sql(shape: &Shape) -> String {
    let mut parts = format!("r.{ID}, r.{}", shape.number.column);
    for (at, text) in shape.texts.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = if at + 1 < shape.texts.len() {
            write!(parts, ", length(r.{0}), r.{0}", text.name)
        } else {
            write!(parts, ", r.{}", text.name)
        };
    }
    format!("left(encode(sha256(convert_to(concat_ws(':', {parts}), 'UTF8')), 'hex'), 32)")
}

/// A page of a list, and how many objects there are in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In all.
    pub count: i64,
    /// On this page.
    pub rows: Vec<Record>,
}

/// Which list: of all posts, or of one post's comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// Of which entity.
    pub entity: Entity,
    /// The id of the post that they belong to.
    pub parent: Option<i64>,
}

/// What became of a change to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed<T> {
    /// Done; the object as it is now, or was.
    Done(T),
    /// There is no such object.
    Missing,
    /// There is, in another version than was asked for.
    OtherVersion,
}

/// Tells a change that was not made for want of the object from one that was not made for its version.
fn changed<T>(done: Option<T>, existed: bool, versions: Option<&[String]>) -> Changed<T> {
    match done {
        Some(object) => Changed::Done(object),
        // It may be gone since the statement began; with no condition nothing else explains it.
        None if existed && versions.is_some() => Changed::OtherVersion,
        None => Changed::Missing,
    }
}

/// An entity's statements. $1 is always the user, $2 the id, of a create the number, of a list the size of its pages.
struct Statements {
    get: Sql,
    list: Sql,
    declare: String,
    create: Sql,
    update: Sql,
    delete: Sql,
}

fn statements(entity: Entity) -> &'static Statements {
    static POSTS: LazyLock<Statements> = LazyLock::new(|| Statements::new(Entity::Post));
    static COMMENTS: LazyLock<Statements> = LazyLock::new(|| Statements::new(Entity::Comment));
    match entity {
        Entity::Post => &POSTS,
        Entity::Comment => &COMMENTS,
    }
}

// Page $3 of pages of $2; page 0 is the last one. Triggers keep the number of posts, by ranges of ids (migration V3): the
// range in which the page begins is found there, and in it the page's first id by the index alone. OFFSET 0 keeps the
// planner from joining all posts with the ten ids.
const KEYS_BY_COUNTS: &str = "
    b AS (SELECT bucket, sum(n)::bigint AS n FROM news_post_count GROUP BY bucket),
    r AS (SELECT bucket, n, (sum(n) OVER (ORDER BY bucket DESC))::bigint AS upto FROM b),
    c AS (SELECT coalesce(sum(n), 0)::bigint AS count, true AS here FROM b),
    w AS (
        SELECT $2::bigint * CASE WHEN $3::bigint = 0 THEN greatest(count - 1, 0) / $2::bigint ELSE $3::bigint - 1 END AS start
        FROM c
    ),
    f AS (
        SELECT ((bucket + 1) << 14) - 1 AS highest, start - (upto - n) AS skip FROM r, w
        WHERE upto > start ORDER BY bucket DESC LIMIT 1
    ),
    k AS (
        SELECT id FROM news_post WHERE id <= (SELECT highest FROM f)
        ORDER BY id DESC LIMIT $2::bigint OFFSET (SELECT skip FROM f)
    )";

/// The same of the rows that belong to the row $4 of another table.
fn keys_of_parent(shape: &Shape, parent: &Shape) -> String {
    let (table, column, parent) = (shape.table, shape.number.column, parent.table);
    format!(
        "c AS (
            SELECT count(*) AS count, EXISTS (SELECT FROM {parent} WHERE id = $4::bigint) AS here
            FROM {table} WHERE {column} = $4::bigint
        ),
        k AS (
            SELECT id FROM {table} WHERE {column} = $4::bigint ORDER BY id DESC LIMIT $2::bigint
            OFFSET (
                SELECT $2::bigint * CASE WHEN $3::bigint = 0 THEN greatest(c.count - 1, 0) / $2::bigint ELSE $3::bigint - 1 END
                FROM c
            )
        )"
    )
}

impl Statements {
    /// Makes them. The Django service's ids of users are integers, ours are bigints: both are cast.
    fn new(entity: Entity) -> Self {
        // The user of a change. For the statement, the triggers of the change log are told the name (migration V2).
        const USER: &str = "WITH u AS (\
            SELECT is_active, set_config('news.actor', username, true) FROM auth_user WHERE id = $1::bigint)";
        let shape = entity.shape();
        let parent = shape.number.parent.map(Entity::shape);
        let (table, number, version) = (shape.table, shape.number.column, version_sql(shape));
        let names: Vec<&str> = shape.texts.iter().map(|text| text.name).collect();
        let texts = names.join(", ");
        let columns: String = names.iter().fold(format!("r.id, r.{number}::bigint"), |all, name| all + ", r." + name);
        let values: Vec<String> = (3..).take(names.len()).map(|at| format!("${at}::text")).collect();
        let set: Vec<String> = (3..).zip(&names).map(|(at, name)| format!("{name} = ${at}")).collect();
        let (values, set, versions) = (values.join(", "), set.join(", "), 3 + names.len());
        let text_types = vec![Type::TEXT; names.len()];
        let (keys, of_parent, owner) = match parent {
            None => (KEYS_BY_COUNTS.to_owned(), String::new(), String::new()),
            Some(parent) => {
                let owner = format!("{} p WHERE p.id = $2::bigint AND ", parent.table);
                (keys_of_parent(shape, parent), format!("WHERE {number} = $1::bigint "), owner)
            }
        };
        // The row is locked before its version is judged again.
        let is_version = |at: usize| format!("(${at}::text[] IS NULL OR {version} = ANY (${at}::text[]))");
        let is_there = format!("EXISTS (SELECT FROM {table} WHERE id = $2::bigint)");
        let insert_from = if owner.is_empty() { "u WHERE ".to_owned() } else { format!("u, {owner}") };
        let int8 = |count: usize| vec![Type::INT8; count];
        Self {
            get: Sql::made(
                format!(
                    "SELECT u.is_active, {columns} FROM (SELECT) one \
                     LEFT JOIN auth_user u ON u.id = $1::bigint LEFT JOIN {table} r ON r.id = $2::bigint"
                ),
                int8(2),
            ),
            list: Sql::made(
                format!(
                    "WITH {keys}
                    SELECT u.is_active, c.count, c.here, {columns}
                    FROM c LEFT JOIN auth_user u ON u.id = $1::bigint
                        LEFT JOIN (k CROSS JOIN LATERAL (SELECT * FROM {table} WHERE id = k.id OFFSET 0) r) ON true
                    ORDER BY r.id DESC"
                ),
                int8(if parent.is_some() { 4 } else { 3 }),
            ),
            declare: format!(
                "DECLARE news_all NO SCROLL CURSOR FOR \
                 SELECT {columns} FROM {table} r {of_parent}ORDER BY r.id DESC"
            ),
            create: Sql::made(
                format!(
                    "{USER}, r AS (INSERT INTO {table} ({number}, {texts}) \
                     SELECT $2::bigint, {values} FROM {insert_from}u.is_active RETURNING *) \
                     SELECT (SELECT is_active FROM u), {columns} FROM (SELECT) one LEFT JOIN r ON true"
                ),
                [int8(2), text_types.clone()].concat(),
            ),
            update: Sql::made(
                format!(
                    "{USER}, w AS (UPDATE {table} r SET {set} WHERE r.id = $2::bigint AND (SELECT is_active FROM u) \
                     AND {} RETURNING r.*) \
                     SELECT (SELECT is_active FROM u), {is_there}, {columns} FROM (SELECT) one LEFT JOIN w r ON true",
                    is_version(versions)
                ),
                [int8(2), text_types, vec![Type::TEXT_ARRAY]].concat(),
            ),
            delete: Sql::made(
                format!(
                    "{USER}, w AS (DELETE FROM {table} r WHERE r.id = $2::bigint AND (SELECT is_active FROM u) \
                     AND {} RETURNING r.id) \
                     SELECT (SELECT is_active FROM u), {is_there}, w.id FROM (SELECT) one LEFT JOIN w ON true",
                    is_version(3)
                ),
                [int8(2), vec![Type::TEXT_ARRAY]].concat(),
            ),
        }
    }
}

/// Reads a value; 0 or an empty text where the owner has let the column be NULL: one such row must not hide a whole list.
fn or_empty<'a, T: FromSql<'a> + Default>(row: &'a Row, at: usize) -> Result<T, postgres::Error> {
    Ok(row.try_get::<_, Option<T>>(at)?.unwrap_or_default())
}

/// Returns the object with this id.
pub fn get(live: &mut Live, user: i64, entity: Entity, id: i64) -> Result<SeenUser<Option<Record>>, postgres::Error> {
    let row = live.one(&statements(entity).get, &[&user, &id])?;
    Ok(SeenUser::new(Caller::read(&row)?, Record::read(entity, &row, 1)?))
}

/// Returns page `page` (0: the last one) of a list, newest first, `size` a page; nothing where there is no such parent.
pub fn list(
    live: &mut Live,
    user: i64,
    list: List,
    size: i64,
    page: i64,
) -> Result<SeenUser<Option<Page>>, postgres::Error> {
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&user, &size, &page];
    params.extend(list.parent.as_ref().map(|parent| parent as &(dyn ToSql + Sync)));
    let rows = live.all(&statements(list.entity).list, &params)?;
    let (caller, count, exists) = match rows.first() {
        Some(row) => (Caller::read(row)?, row.try_get(1)?, row.try_get(2)?),
        None => (Caller::Unknown, 0, false),
    };
    let records = rows.iter().filter_map(|row| Record::read(list.entity, row, 3).transpose());
    let rows = records.collect::<Result<_, _>>()?;
    Ok(SeenUser::new(caller, exists.then_some(Page { count, rows })))
}

/// Opens a cursor on a whole list, newest first.
pub fn all(live: &mut Live, list: List) -> Result<Cursor<'_, Record>, postgres::Error> {
    let mut transaction = live.client.build_transaction().read_only(true).start()?;
    let parent = list.parent.as_ref().map(|parent| (parent as &(dyn ToSql + Sync), Type::INT8));
    transaction.execute_typed(&statements(list.entity).declare, parent.as_slice())?;
    Ok(match list.entity {
        Entity::Post => Cursor::new(transaction, |row| Record::read(Entity::Post, row, 0)),
        Entity::Comment => Cursor::new(transaction, |row| Record::read(Entity::Comment, row, 0)),
    })
}

/// Makes an object; nothing where there is no such parent.
pub fn create(
    live: &mut Live,
    user: i64,
    List { entity, parent }: List,
    texts: &[String],
) -> Result<SeenUser<Option<Record>>, postgres::Error> {
    let number = parent.unwrap_or(API_AUTHOR);
    let params = with_texts(&user, &number, texts);
    match sequences::insert(live, &statements(entity).create, &params) {
        Ok(row) => Ok(SeenUser::new(Caller::read(&row)?, Record::read(entity, &row, 1)?)),
        // The parent went while we looked at it; the user was there.
        Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => Ok(SeenUser::new(Caller::Active, None)),
        Err(error) => Err(error),
    }
}

/// Changes an object that is in one of `versions`, or whatever it is in.
pub fn update(
    live: &mut Live,
    user: i64,
    (entity, id): (Entity, i64),
    texts: &[String],
    versions: Option<&[String]>,
) -> Result<SeenUser<Changed<Record>>, postgres::Error> {
    let mut params = with_texts(&user, &id, texts);
    params.push(&versions);
    let row = live.one(&statements(entity).update, &params)?;
    Ok(SeenUser::new(Caller::read(&row)?, changed(Record::read(entity, &row, 2)?, row.try_get(1)?, versions)))
}

/// Removes an object, and with it what belongs to it.
pub fn delete(
    live: &mut Live,
    user: i64,
    (entity, id): (Entity, i64),
    versions: Option<&[String]>,
) -> Result<SeenUser<Changed<()>>, postgres::Error> {
    let row = live.one(&statements(entity).delete, &[&user, &id, &versions])?;
    let done = row.try_get::<_, Option<i64>>(2)?.map(drop);
    Ok(SeenUser::new(Caller::read(&row)?, changed(done, row.try_get(1)?, versions)))
}

fn with_texts<'a>(user: &'a i64, number: &'a i64, texts: &'a [String]) -> Vec<&'a (dyn ToSql + Sync)> {
    let texts = texts.iter().map(|text| text as &(dyn ToSql + Sync));
    [user as &(dyn ToSql + Sync), number].into_iter().chain(texts).collect()
}
