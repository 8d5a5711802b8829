//! The statements on objects that are kept as another `news` has them: with given ids, numbers and texts. Only staff may write.
//!
//! As elsewhere, each statement looks its user up as well.

use std::sync::LazyLock;

use news_core::Entity;
use postgres::Row;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};

use super::{Record, version_sql};
use crate::store::cursor::Cursor;
use crate::store::session::{Live, Sql};
use crate::store::users::{Caller, SeenUser};

/// What a client writes of an object, beside its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaFields {
    /// The number.
    pub number: i64,
    /// The texts, in the order of the shape.
    pub texts: Vec<String>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written<T> {
    /// Done; the object as it is now.
    Done(T),
    /// The user is not staff.
    NotStaff,
    /// There is no such object.
    Missing,
    /// There is one that was to be created.
    Exists,
    /// There is, in another version than was asked for.
    OtherVersion,
    /// What the number refers to is not there.
    NoParent,
}

/// An entity's statements. $1 is the user, $2 the id, $3 the number.
struct ReplicaStatements {
    declare: String,
    create: Sql,
    update: Sql,
    delete: Sql,
}

fn statements(entity: Entity) -> &'static ReplicaStatements {
    static POSTS: LazyLock<ReplicaStatements> = LazyLock::new(|| ReplicaStatements::new(Entity::Post));
    static COMMENTS: LazyLock<ReplicaStatements> = LazyLock::new(|| ReplicaStatements::new(Entity::Comment));
    match entity {
        Entity::Post => &POSTS,
        Entity::Comment => &COMMENTS,
    }
}

impl ReplicaStatements {
    fn new(entity: Entity) -> Self {
        const USER: &str = "WITH u AS (\
            SELECT is_active, is_staff, set_config('news.actor', username, true) FROM auth_user WHERE id = $1::bigint)";
        const CALLER: &str = "SELECT (SELECT is_active FROM u), (SELECT is_staff FROM u)";
        const MAY: &str = "EXISTS (SELECT FROM u WHERE is_active AND is_staff)";
        let shape = entity.shape();
        let (table, number, version) = (shape.table, shape.number.column, version_sql(shape));
        let names: Vec<&str> = shape.texts.iter().map(|text| text.name).collect();
        let texts = names.join(", ");
        let columns: String = names.iter().fold(format!("r.id, r.{number}::bigint"), |all, name| all + ", r." + name);
        let values: Vec<String> = (4..).take(names.len()).map(|at| format!("${at}::text")).collect();
        let set: Vec<String> = (4..).zip(&names).map(|(at, name)| format!("{name} = ${at}")).collect();
        let (values, set, versions) = (values.join(", "), set.join(", "), 4 + names.len());
        let is_there = format!("EXISTS (SELECT FROM {table} WHERE id = $2::bigint)");
        // The row is locked before its version is judged again.
        let is_version = |at: usize| format!("(${at}::text[] IS NULL OR {version} = ANY (${at}::text[]))");
        let types = |numbers: usize, texts: usize, rest: &[Type]| {
            [vec![Type::INT8; numbers], vec![Type::TEXT; texts], rest.to_vec()].concat()
        };
        Self {
            declare: format!("DECLARE news_all NO SCROLL CURSOR FOR SELECT {columns} FROM {table} r ORDER BY r.id"),
            // Of several that come at the same moment one creates it; the others wait for its end.
            create: Sql::made(
                format!(
                    "{USER}, r AS (INSERT INTO {table} (id, {number}, {texts}) \
                     SELECT $2::bigint, $3::bigint, {values} WHERE {MAY} ON CONFLICT (id) DO NOTHING RETURNING *) \
                     {CALLER}, true, {columns} FROM (SELECT) one LEFT JOIN r ON true"
                ),
                types(3, names.len(), &[]),
            ),
            update: Sql::made(
                format!(
                    "{USER}, w AS (UPDATE {table} r SET {number} = $3::bigint, {set} \
                     WHERE r.id = $2::bigint AND {MAY} AND {} RETURNING r.*) \
                     {CALLER}, {is_there}, {columns} FROM (SELECT) one LEFT JOIN w r ON true",
                    is_version(versions)
                ),
                types(3, names.len(), &[Type::TEXT_ARRAY]),
            ),
            delete: Sql::made(
                format!(
                    "{USER}, w AS (DELETE FROM {table} r WHERE r.id = $2::bigint AND {MAY} AND {} RETURNING r.id) \
                     {CALLER}, {is_there}, w.id FROM (SELECT) one LEFT JOIN w ON true",
                    is_version(3)
                ),
                types(2, 0, &[Type::TEXT_ARRAY]),
            ),
        }
    }
}

/// Opens a cursor on all objects of an entity, by their ids.
pub fn all(live: &mut Live, entity: Entity) -> Result<Cursor<'_, Record>, postgres::Error> {
    let mut transaction = live.client.build_transaction().read_only(true).start()?;
    transaction.execute_typed(&statements(entity).declare, &[])?;
    Ok(match entity {
        Entity::Post => Cursor::new(transaction, |row| Record::read(Entity::Post, row, 0)),
        Entity::Comment => Cursor::new(transaction, |row| Record::read(Entity::Comment, row, 0)),
    })
}

/// Creates the object with this id, unless it is there.
pub fn create(
    live: &mut Live,
    user: i64,
    (entity, id): (Entity, i64),
    fields: &ReplicaFields,
) -> Result<SeenUser<Written<Record>>, postgres::Error> {
    let row = live.one(&statements(entity).create, &params(&user, &id, fields));
    referring(row, |row| written(row, None, Written::Exists, |row| Record::read(entity, row, 3)))
}

/// Changes an object that is in one of `versions`, or whatever it is in.
pub fn update(
    live: &mut Live,
    user: i64,
    (entity, id): (Entity, i64),
    fields: &ReplicaFields,
    versions: Option<&[String]>,
) -> Result<SeenUser<Written<Record>>, postgres::Error> {
    let mut params = params(&user, &id, fields);
    params.push(&versions);
    let row = live.one(&statements(entity).update, &params);
    referring(row, |row| written(row, versions, Written::Missing, |row| Record::read(entity, row, 3)))
}

/// Removes an object, and with it what belongs to it.
pub fn delete(
    live: &mut Live,
    user: i64,
    (entity, id): (Entity, i64),
    versions: Option<&[String]>,
) -> Result<SeenUser<Written<()>>, postgres::Error> {
    let row = live.one(&statements(entity).delete, &[&user, &id, &versions])?;
    written(&row, versions, Written::Missing, |row| Ok(row.try_get::<_, Option<i64>>(3)?.map(drop)))
}

/// Takes note that what an object refers to is not there. It is checked once the row is written, so the caller is staff.
fn referring<T>(
    result: Result<Row, postgres::Error>,
    written: impl FnOnce(&Row) -> Result<SeenUser<Written<T>>, postgres::Error>,
) -> Result<SeenUser<Written<T>>, postgres::Error> {
    match result {
        Ok(row) => written(&row),
        Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
            Ok(SeenUser::new(Caller::Active, Written::NoParent))
        }
        Err(error) => Err(error),
    }
}

/// Reads what became of a write: the caller, whether that is staff, whether the object was there, and what was written. `nothing`
/// is why a write of staff did nothing, where no version explains it.
fn written<T>(
    row: &Row,
    versions: Option<&[String]>,
    nothing: Written<T>,
    read: impl Fn(&Row) -> Result<Option<T>, postgres::Error>,
) -> Result<SeenUser<Written<T>>, postgres::Error> {
    let (is_staff, is_there) = (row.try_get::<_, Option<bool>>(1)?, row.try_get(2)?);
    let found = match read(row)? {
        Some(done) => Written::Done(done),
        None if is_staff != Some(true) => Written::NotStaff,
        None if is_there && versions.is_some() => Written::OtherVersion,
        None => nothing,
    };
    Ok(SeenUser::new(Caller::read(row)?, found))
}

fn params<'a>(user: &'a i64, id: &'a i64, fields: &'a ReplicaFields) -> Vec<&'a (dyn ToSql + Sync)> {
    let texts = fields.texts.iter().map(|text| text as &(dyn ToSql + Sync));
    [user as &(dyn ToSql + Sync), id, &fields.number].into_iter().chain(texts).collect()
}
