//! Comments that a post's DELETE may take along at the target.

use std::collections::BTreeSet;

use news_core::ledger::{self, Entry, Moment};
use news_core::session::Fact;
use news_core::{Key, PostId};
use postgres::Transaction;
use postgres::types::Type;

use crate::error::Result;
use crate::store::ledger::{COLUMNS, entry, key, moment, read, write};
use crate::store::objects;

/// So many posts under which the target may have a comment are remembered; a column's limit says the same.
const THERE_MAX: usize = 1000;

/// Of the posts that were deleted at the target, by these facts: comments that went with them are no longer as an operator
/// left them.
pub(super) fn record(transaction: &mut Transaction<'_>, facts: &[&Fact]) -> Result<()> {
    let asked: Vec<&Fact> = facts.iter().copied().filter(|fact| ledger::deletes(fact, false)).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let keys: Vec<Key> = asked.iter().map(|fact| fact.key()).collect();
    let here = objects::load(transaction, &keys)?;
    let gone = asked.into_iter().filter(|fact| ledger::deletes(fact, here.contains_key(&fact.key())));
    let posts = gone.filter_map(|fact| match fact.key() {
        Key::Post(post) => Some(post),
        Key::Comment(_) => None,
    });
    comments_of(transaction, &posts.collect())
}

/// The same, of these posts.
pub(super) fn comments_of(transaction: &mut Transaction<'_>, posts: &BTreeSet<PostId>) -> Result<()> {
    let mut stranded = Vec::new();
    let sql = format!(
        "SELECT o.entity_table, o.entity_pk, clock_timestamp(), {COLUMNS} FROM news_sync_object o
         WHERE o.state = 'discarded' AND o.entity_table = 'news_comment' AND o.there_pks && $1
             AND EXISTS (SELECT FROM news_comment c WHERE c.id = o.entity_pk)"
    );
    let ids: Vec<i64> = posts.iter().map(|post| post.get()).collect();
    for row in transaction.query_typed(&sql, &[(&ids, Type::INT8_ARRAY)])? {
        let (key, now, entry) = (key(&row, 0, 1)?, moment(row.get(2)), entry(&row, 3)?);
        let post = entry.there.intersection(posts).next();
        stranded.extend(post.and_then(|post| Some((key, ledger::stranded(&entry, *post, now)?))));
    }
    write(transaction, stranded.iter().map(|(key, entry)| (*key, Some(entry))))
}

/// Takes note that the comments of these posts may go with a DELETE.
pub(super) fn doubt(transaction: &mut Transaction<'_>, posts: &[PostId], now: Moment) -> Result<()> {
    if posts.is_empty() {
        return Ok(());
    }
    let mut comments = Vec::new();
    objects::each_comment_of(transaction, posts, |key, post| {
        comments.push((key, post));
        Ok(())
    })?;
    let keys: Vec<Key> = comments.iter().map(|(key, _)| *key).collect();
    let (_, old) = read(transaction, &keys)?;
    let entries: Vec<(Key, Entry)> =
        comments.iter().map(|(key, post)| (*key, ledger::uprooted(old.get(key), *post, now))).collect();
    write(transaction, entries.iter().map(|(key, entry)| (*key, Some(entry))))
}

/// Writes posts as the database writes an array.
pub(super) fn array(posts: &BTreeSet<PostId>) -> String {
    let ids: Vec<String> = posts.iter().take(THERE_MAX).map(|post| post.get().to_string()).collect();
    format!("{{{}}}", ids.join(","))
}
