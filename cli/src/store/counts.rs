//! The kept numbers of posts and comments (migration V6): triggers change them, and this puts them right.

use postgres::{Client, IsolationLevel};

use crate::error::Result;

/// By how much the kept numbers were off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrected {
    /// Posts that had not been counted; negative: counted and not there.
    pub posts: i64,
    /// The same of comments.
    pub comments: i64,
}

/// Compares the kept numbers with the rows and corrects them. It scans both tables, and stands in nobody's way.
pub fn repair(client: &mut Client) -> Result<Corrected> {
    // Who waited for another repair must see what that one did.
    let mut transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start()?;
    let row = transaction.query_one("SELECT posts, comments FROM news_count_repair()", &[])?;
    transaction.commit()?;
    Ok(Corrected { posts: row.try_get(0)?, comments: row.try_get(1)? })
}
