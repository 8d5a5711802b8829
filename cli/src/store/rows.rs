//! Rows in bulk: a snapshot of all of them, and into empty tables for an import.

use news_core::shape::TEXTS_MAX;
use news_core::{Entity, Key, Object};
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{CancelToken, Client, GenericClient, IsolationLevel, NoTls, Transaction};

use crate::error::{Failure, Kind, Result};
use crate::store::{objects, sequences, tracking};

/// Opens a snapshot: everything read in it is of one moment.
pub fn snapshot(client: &mut Client) -> Result<Transaction<'_>> {
    Ok(client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start()?)
}

/// Ends what the client is reading, so that it need not be read to its end.
pub fn cancel(token: &CancelToken) {
    // The read ends badly already: that it ends late is no news.
    drop(token.cancel_query(NoTls));
}

/// Counts an entity's rows, exactly.
pub fn count(client: &mut impl GenericClient, entity: Entity) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {}", entity.table());
    Ok(u64::try_from(client.query_one(&sql, &[])?.get::<_, i64>(0)).unwrap_or_default())
}

/// Says whether the master has this object.
pub fn has(client: &mut impl GenericClient, key: Key) -> Result<bool> {
    Ok(objects::load(client, &[key])?.contains_key(&key))
}

/// Fails with [`Kind::Refused`] unless both tables are empty.
pub fn require_empty(client: &mut impl GenericClient) -> Result<()> {
    let (posts, comments) = (count(client, Entity::Post)?, count(client, Entity::Comment)?);
    if posts + comments == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        format!("the database has {} and {} already", Entity::Post.counted(posts), Entity::Comment.counted(comments)),
    )
    .hint("import is for the first load into empty tables; `news sync --full` and `news diff` are for later"))
}

/// Tries to begin an import inside `transaction`: both tables locked against writers, while readers go
/// on, and our triggers off until [`end_import`] in the same transaction: a bulk load needs no event, and is counted once.
/// Returns whether that was possible at once: nobody is to queue behind us.
pub fn begin_import(transaction: &mut Transaction<'_>) -> Result<bool> {
    let mut attempt = transaction.transaction()?;
    match attempt.batch_execute("LOCK TABLE news_post, news_comment IN SHARE ROW EXCLUSIVE MODE NOWAIT") {
        Ok(()) => attempt.commit()?,
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            attempt.rollback()?;
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    }
    switch(transaction, "DISABLE TRIGGER")?;
    Ok(true)
}

/// Names the sessions that write to the tables, for whoever waits for them.
pub fn writers(client: &mut impl GenericClient) -> Result<Vec<String>> {
    let rows = client.query(
        "SELECT DISTINCT format('%s (pid %s, %s)', coalesce(nullif(a.application_name, ''),
                    nullif(a.backend_type, 'client backend'), 'somebody'), a.pid, coalesce(a.state, '?'))
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'relation' AND l.relation IN ('news_post'::regclass, 'news_comment'::regclass)
           AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') AND l.pid <> pg_backend_pid()
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         ORDER BY 1 LIMIT 5",
        &[],
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Ends an import: our triggers on again, rows counted, sequences behind the highest ids.
pub fn end_import(transaction: &mut Transaction<'_>) -> Result<()> {
    switch(transaction, "ENABLE ALWAYS TRIGGER")?;
    transaction.query_one("SELECT news_post_count_repair()", &[])?;
    sequences::repair(transaction)?;
    Ok(())
}

fn switch(transaction: &mut Transaction<'_>, how: &str) -> Result<()> {
    for (table, trigger) in tracking::triggers() {
        transaction.batch_execute(&format!("ALTER TABLE {table} {how} {trigger}"))?;
    }
    Ok(())
}

/// Copies objects of one entity in. `next` gives one after the other. Returns how many.
pub fn copy_in(
    transaction: &mut Transaction<'_>,
    entity: Entity,
    feed: impl FnOnce(&mut dyn FnMut(&Object) -> Result<()>) -> Result<()>,
) -> Result<u64> {
    let shape = entity.shape();
    let columns: Vec<&str> = shape.columns().collect();
    let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", shape.table, columns.join(", "));
    let texts = shape.texts.iter().map(|_| Type::VARCHAR);
    let types: Vec<Type> = [Type::INT8, Type::INT8].into_iter().chain(texts).collect();
    let mut writer = BinaryCopyInWriter::new(transaction.copy_in(&sql)?, &types);
    feed(&mut |object| {
        let (id, number) = (object.key().id(), object.number());
        // On the stack: there may be millions.
        let mut values: [&(dyn ToSql + Sync); 2 + TEXTS_MAX] = [&id; 2 + TEXTS_MAX];
        values[1] = &number;
        for (value, text) in values[2..].iter_mut().zip(object.texts()) {
            *value = text;
        }
        Ok(writer.write(&values[..2 + object.texts().len()])?)
    })?;
    Ok(writer.finish()?)
}
