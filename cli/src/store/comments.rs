//! The API's statements on comments. Each one looks its user up as well: one round trip a request.

use postgres::Row;
use postgres::error::SqlState;
use postgres::types::Type;
use serde::Serialize;

use super::cursor::Cursor;
use super::posts::{Changed, Page, changed, or_empty, user, version_of};
use super::sequences;
use super::session::{Live, Sql};
use super::users::{Caller, Seen};

/// A comment; its fields are in the API's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommentRow {
    /// Its id.
    pub id: i64,
    /// Its post's id.
    pub post_id: i64,
    /// Its author's name.
    pub name: String,
    /// Its author's address.
    pub email: String,
    /// Its text.
    pub body: String,
}

impl CommentRow {
    /// Returns the name of this version: 32 hexadecimal digits, as the statements below compute it.
    pub fn version(&self) -> String {
        let Self { id, post_id, name, email, body } = self;
        version_of(&[id, post_id, &name.chars().count(), name, &email.chars().count(), email, body])
    }
}

/// The version of a comment `c`, for a condition on it. Lengths are in it, so that text cannot move between fields unnoticed.
macro_rules! version {
    () => {
        "left(encode(sha256(convert_to(concat_ws(':', c.id, c.post_id, length(c.name), c.name, length(c.email), c.email, \
         c.body), 'UTF8')), 'hex'), 32)"
    };
}

const GET: Sql = Sql::new(
    concat!(
        "SELECT u.is_active, c.id, c.post_id, c.name, c.email, c.body",
        " FROM (SELECT) one LEFT JOIN auth_user u ON u.id = $1::bigint LEFT JOIN news_comment c ON c.id = $2::bigint"
    ),
    &[Type::INT8, Type::INT8],
);

// Page $3 of pages of $2 of the comments of post $4; page 0 is the last one. OFFSET 0 keeps the planner from joining all
// comments with the ten ids.
const LIST: Sql = Sql::new(
    "
    WITH n AS (SELECT count(*) AS count FROM news_comment WHERE post_id = $4::bigint),
    k AS (
        SELECT id FROM news_comment WHERE post_id = $4::bigint ORDER BY id DESC LIMIT $2::bigint
        OFFSET (
            SELECT $2::bigint * CASE WHEN $3::bigint = 0 THEN greatest(n.count - 1, 0) / $2::bigint ELSE $3::bigint - 1 END
            FROM n
        )
    )
    SELECT u.is_active, n.count, EXISTS (SELECT FROM news_post WHERE id = $4::bigint),
           c.id, c.post_id, c.name, c.email, c.body
    FROM n LEFT JOIN auth_user u ON u.id = $1::bigint 
        LEFT JOIN (k CROSS JOIN LATERAL (SELECT * FROM news_comment WHERE id = k.id OFFSET 0) c) ON true
    ORDER BY c.id DESC",
    &[Type::INT8, Type::INT8, Type::INT8, Type::INT8],
);

const DECLARE: &str = "DECLARE news_all NO SCROLL CURSOR FOR SELECT id, post_id, name, email, body FROM news_comment WHERE post_id = $1::bigint ORDER BY id DESC";

const CREATE: Sql = Sql::new(
    concat!(
        user!(),
        "c AS (INSERT INTO news_comment (post_id, name, email, body) ",
        "SELECT p.id, $3::text, $4::text, $5::text FROM news_post p, u WHERE p.id = $2::bigint AND u.is_active RETURNING *) ",
        "SELECT (SELECT is_active FROM u), c.id, c.post_id, c.name, c.email, c.body",
        " FROM (SELECT) one LEFT JOIN c ON true"
    ),
    &[Type::INT8, Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT],
);

// $6: the versions that may be replaced; NULL: any. The row is locked before its version is judged again.
const UPDATE: Sql = Sql::new(
    concat!(
        user!(),
        "w AS (UPDATE news_comment c SET name = $3, email = $4, body = $5 WHERE c.id = $2::bigint AND (SELECT is_active FROM u) ",
        "AND ($6::text[] IS NULL OR ",
        version!(),
        " = ANY ($6::text[])) RETURNING c.*) ",
        "SELECT (SELECT is_active FROM u), EXISTS (SELECT FROM news_comment WHERE id = $2::bigint), ",
        "c.id, c.post_id, c.name, c.email, c.body",
        " FROM (SELECT) one LEFT JOIN w c ON true"
    ),
    &[Type::INT8, Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT_ARRAY],
);

const DELETE: Sql = Sql::new(
    concat!(
        user!(),
        "w AS (DELETE FROM news_comment c WHERE c.id = $2::bigint AND (SELECT is_active FROM u) ",
        "AND ($3::text[] IS NULL OR ",
        version!(),
        " = ANY ($3::text[])) RETURNING c.id) ",
        "SELECT (SELECT is_active FROM u), EXISTS (SELECT FROM news_comment WHERE id = $2::bigint), w.id ",
        "FROM (SELECT) one LEFT JOIN w ON true"
    ),
    &[Type::INT8, Type::INT8, Type::TEXT_ARRAY],
);

/// Reads the comment whose first column is `at`; nothing where the join found none.
fn comment(row: &Row, at: usize) -> Result<Option<CommentRow>, postgres::Error> {
    let Some(id) = row.try_get::<_, Option<i64>>(at)? else { return Ok(None) };
    let (name, email, body) = (or_empty(row, at + 2)?, or_empty(row, at + 3)?, or_empty(row, at + 4)?);
    Ok(Some(CommentRow { id, post_id: or_empty(row, at + 1)?, name, email, body }))
}

/// Returns the comment with this id.
pub fn get(live: &mut Live, user: i64, id: i64) -> Result<Seen<Option<CommentRow>>, postgres::Error> {
    let row = live.one(&GET, &[&user, &id])?;
    Ok(Seen::new(Caller::read(&row)?, comment(&row, 1)?))
}

/// Returns page `page` (0: the last one) of a post's comments, newest first; nothing where there is no such post.
pub fn list(
    live: &mut Live,
    user: i64,
    post: i64,
    size: i64,
    page: i64,
) -> Result<Seen<Option<Page<CommentRow>>>, postgres::Error> {
    let rows = live.all(&LIST, &[&user, &size, &page, &post])?;
    let (caller, count, exists) = match rows.first() {
        Some(row) => (Caller::read(row)?, row.try_get(1)?, row.try_get(2)?),
        None => (Caller::Unknown, 0, false),
    };
    let rows = rows.iter().filter_map(|row| comment(row, 3).transpose()).collect::<Result<_, _>>()?;
    Ok(Seen::new(caller, exists.then_some(Page { count, rows })))
}

/// Opens a cursor on all comments of a post, newest first.
pub fn all(live: &mut Live, post: i64) -> Result<Cursor<'_, CommentRow>, postgres::Error> {
    let mut transaction = live.client.build_transaction().read_only(true).start()?;
    transaction.execute_typed(DECLARE, &[(&post, Type::INT8)])?;
    Ok(Cursor::new(transaction, |row| comment(row, 0)))
}

/// Makes a comment; nothing where there is no such post.
pub fn create(
    live: &mut Live,
    user: i64,
    post: i64,
    (name, email, body): (&str, &str, &str),
) -> Result<Seen<Option<CommentRow>>, postgres::Error> {
    match sequences::insert(live, &CREATE, &[&user, &post, &name, &email, &body]) {
        Ok(row) => Ok(Seen::new(Caller::read(&row)?, comment(&row, 1)?)),
        // The post went while we looked at it; the user was there.
        Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => Ok(Seen::new(Caller::Active, None)),
        Err(error) => Err(error),
    }
}

/// Changes a comment that is in one of `versions`, or whatever it is in.
pub fn update(
    live: &mut Live,
    user: i64,
    id: i64,
    (name, email, body): (&str, &str, &str),
    versions: Option<&[String]>,
) -> Result<Seen<Changed<CommentRow>>, postgres::Error> {
    let row = live.one(&UPDATE, &[&user, &id, &name, &email, &body, &versions])?;
    Ok(Seen::new(Caller::read(&row)?, changed(comment(&row, 2)?, row.try_get(1)?, versions)))
}

/// Removes a comment.
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
