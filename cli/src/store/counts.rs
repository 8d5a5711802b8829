//! The kept numbers of posts (migration V3): triggers change them, and this puts them right.

use postgres::{Client, IsolationLevel};

use crate::error::Result;

/// Compares the kept numbers with the posts and corrects them. It scans the posts' ids, and stands in nobody's way.
/// Returns how many posts had been counted wrongly.
pub fn repair(client: &mut Client) -> Result<i64> {
    // Who waited for another repair must see what that one did.
    let mut transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start()?;
    let wrong = transaction.query_one("SELECT news_post_count_repair()", &[])?.try_get(0)?;
    transaction.commit()?;
    Ok(wrong)
}
