//! The API's statements on posts. Each one looks its user up as well: one round trip a request.

use std::fmt::{Display, Write as _};

use postgres::Row;
use postgres::types::{FromSql, Type};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::cursor::Cursor;
use super::sequences;
use super::session::{Live, Sql};
use super::users::{Caller, Seen};

/// A post; its fields are in the API's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PostRow {
    /// Its id.
    pub id: i64,
    /// Its author's number.
    pub user_id: i64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
}

impl PostRow {
    /// Returns the name of this version: 32 hexadecimal digits, as the statements below compute it.
    pub fn version(&self) -> String {
        version_of(&[&self.id, &self.user_id, &self.title.chars().count(), &self.title, &self.body])
    }
}

/// Hashes the parts of a version, joined by colons.
pub(super) fn version_of(parts: &[&dyn Display]) -> String {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = write!(text, "{}{part}", if at > 0 { ":" } else { "" });
    }
    let hash = Sha256::digest(text.as_bytes());
    let mut version = String::with_capacity(32);
    for byte in hash.iter().take(16) {
        let _ = write!(version, "{byte:02x}");
    }
    version
}

/// A page of a list, and how many objects there are in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In all.
    pub count: i64,
    /// On this page.
    pub rows: Vec<T>,
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

/// The author of posts that are made through the API.
pub const API_AUTHOR: i64 = 99_999_942;

/// The version of a post `p`, for a condition on it. Lengths are in it, so that text cannot move between fields unnoticed.
macro_rules! version {
    () => {
        "left(encode(sha256(convert_to(concat_ws(':', p.id, p.user_id, length(p.title), p.title, p.body), 'UTF8')), 'hex'), 32)"
    };
}

/// The user $1 of a change. For the statement, the triggers of the change log are told the name (migration V2).
macro_rules! user {
    () => {
        "WITH u AS (SELECT is_active, set_config('news.actor', username, true) FROM auth_user WHERE id = $1::bigint), "
    };
}
pub(super) use user;

// The Django service's ids of users are integers, ours are bigints: both are cast.

const GET: Sql = Sql::new(
    concat!(
        "SELECT u.is_active, p.id, p.user_id::bigint, p.title, p.body",
        " FROM (SELECT) one LEFT JOIN auth_user u ON u.id = $1::bigint LEFT JOIN news_post p ON p.id = $2::bigint"
    ),
    &[Type::INT8, Type::INT8],
);

// Page $3 of pages of $2; page 0 is the last one. Triggers keep the number of posts, by ranges of ids (migration V3): the
// range in which the page begins is found there, and in it the page's first id by the index alone. OFFSET 0 keeps the
// planner from joining all posts with the ten ids.
const LIST: Sql = Sql::new(
    "
    WITH b AS (SELECT bucket, sum(n)::bigint AS n FROM news_post_count GROUP BY bucket),
    r AS (SELECT bucket, n, (sum(n) OVER (ORDER BY bucket DESC))::bigint AS upto FROM b),
    c AS (SELECT coalesce(sum(n), 0)::bigint AS count FROM b),
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
    )
    SELECT u.is_active, c.count, p.id, p.user_id::bigint, p.title, p.body
    FROM c LEFT JOIN auth_user u ON u.id = $1::bigint
        LEFT JOIN (k CROSS JOIN LATERAL (SELECT * FROM news_post WHERE id = k.id OFFSET 0) p) ON true
    ORDER BY p.id DESC",
    &[Type::INT8, Type::INT8, Type::INT8],
);

const DECLARE: &str =
    "DECLARE news_all NO SCROLL CURSOR FOR SELECT id, user_id::bigint, title, body FROM news_post ORDER BY id DESC";

const CREATE: Sql = Sql::new(
    concat!(
        user!(),
        "p AS (INSERT INTO news_post (user_id, title, body) SELECT $2::bigint, $3::text, $4::text FROM u WHERE u.is_active RETURNING *) ",
        "SELECT (SELECT is_active FROM u), p.id, p.user_id::bigint, p.title, p.body",
        " FROM (SELECT) one LEFT JOIN p ON true"
    ),
    &[Type::INT8, Type::INT8, Type::TEXT, Type::TEXT],
);

// $5: the versions that may be replaced; NULL: any. The row is locked before its version is judged again.
const UPDATE: Sql = Sql::new(
    concat!(
        user!(),
        "w AS (UPDATE news_post p SET title = $3, body = $4 WHERE p.id = $2::bigint AND (SELECT is_active FROM u) ",
        "AND ($5::text[] IS NULL OR ",
        version!(),
        " = ANY ($5::text[])) RETURNING p.*) ",
        "SELECT (SELECT is_active FROM u), EXISTS (SELECT FROM news_post WHERE id = $2::bigint), ",
        "p.id, p.user_id::bigint, p.title, p.body",
        " FROM (SELECT) one LEFT JOIN w p ON true"
    ),
    &[Type::INT8, Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT_ARRAY],
);

const DELETE: Sql = Sql::new(
    concat!(
        user!(),
        "w AS (DELETE FROM news_post p WHERE p.id = $2::bigint AND (SELECT is_active FROM u) ",
        "AND ($3::text[] IS NULL OR ",
        version!(),
        " = ANY ($3::text[])) RETURNING p.id) ",
        "SELECT (SELECT is_active FROM u), EXISTS (SELECT FROM news_post WHERE id = $2::bigint), w.id ",
        "FROM (SELECT) one LEFT JOIN w ON true"
    ),
    &[Type::INT8, Type::INT8, Type::TEXT_ARRAY],
);

/// Reads the post whose first column is `at`; nothing where the join found none.
fn post(row: &Row, at: usize) -> Result<Option<PostRow>, postgres::Error> {
    let Some(id) = row.try_get::<_, Option<i64>>(at)? else { return Ok(None) };
    Ok(Some(PostRow {
        id,
        user_id: or_empty(row, at + 1)?,
        title: or_empty(row, at + 2)?,
        body: or_empty(row, at + 3)?,
    }))
}

/// Reads a value; 0 or an empty text where the owner has let the column be NULL: one such row must not hide a whole list.
pub(super) fn or_empty<'a, T: FromSql<'a> + Default>(row: &'a Row, at: usize) -> Result<T, postgres::Error> {
    Ok(row.try_get::<_, Option<T>>(at)?.unwrap_or_default())
}

/// Tells a change that was not made for want of the object from one that was not made for its version.
pub(super) fn changed<T>(done: Option<T>, existed: bool, versions: Option<&[String]>) -> Changed<T> {
    match done {
        Some(object) => Changed::Done(object),
        // It may be gone since the statement began; with no condition nothing else explains it.
        None if existed && versions.is_some() => Changed::OtherVersion,
        None => Changed::Missing,
    }
}

/// Returns the post with this id.
pub fn get(live: &mut Live, user: i64, id: i64) -> Result<Seen<Option<PostRow>>, postgres::Error> {
    let row = live.one(&GET, &[&user, &id])?;
    Ok(Seen::new(Caller::read(&row)?, post(&row, 1)?))
}

/// Returns page `page` (0: the last one) of the posts, newest first, `size` a page.
pub fn list(live: &mut Live, user: i64, size: i64, page: i64) -> Result<Seen<Page<PostRow>>, postgres::Error> {
    let rows = live.all(&LIST, &[&user, &size, &page])?;
    let (caller, count) = match rows.first() {
        Some(row) => (Caller::read(row)?, row.try_get(1)?),
        None => (Caller::Unknown, 0),
    };
    let rows = rows.iter().filter_map(|row| post(row, 2).transpose()).collect::<Result<_, _>>()?;
    Ok(Seen::new(caller, Page { count, rows }))
}

/// Opens a cursor on all posts, newest first.
pub fn all(live: &mut Live) -> Result<Cursor<'_, PostRow>, postgres::Error> {
    let mut transaction = live.client.build_transaction().read_only(true).start()?;
    transaction.execute_typed(DECLARE, &[])?;
    Ok(Cursor::new(transaction, |row| post(row, 0)))
}

/// Makes a post.
pub fn create(live: &mut Live, user: i64, title: &str, body: &str) -> Result<Seen<Option<PostRow>>, postgres::Error> {
    let row = sequences::insert(live, &CREATE, &[&user, &API_AUTHOR, &title, &body])?;
    Ok(Seen::new(Caller::read(&row)?, post(&row, 1)?))
}

/// Changes a post that is in one of `versions`, or whatever it is in.
pub fn update(
    live: &mut Live,
    user: i64,
    id: i64,
    (title, body): (&str, &str),
    versions: Option<&[String]>,
) -> Result<Seen<Changed<PostRow>>, postgres::Error> {
    let row = live.one(&UPDATE, &[&user, &id, &title, &body, &versions])?;
    Ok(Seen::new(Caller::read(&row)?, changed(post(&row, 2)?, row.try_get(1)?, versions)))
}

/// Removes a post, and with it its comments.
pub fn delete(
    live: &mut Live,
    user: i64,
    id: i64,
    versions: Option<&[String]>,
) -> Result<Seen<Changed<()>>, postgres::Error> {
    let row = live.one(&DELETE, &[&user, &id, &versions])?;
    let done = row.try_get::<_, Option<i64>>(2)?.map(drop);
    Ok(Seen::new(Caller::read(&row)?, changed(done, row.try_get(1)?, versions)))
}
