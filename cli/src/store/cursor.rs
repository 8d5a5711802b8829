//! A whole list, window by window, in memory that does not grow with it.

use postgres::{Row, Transaction};

/// A window: 200 rows are some hundred kilobytes at most. No portal of the protocol's: that would take a
/// named statement, which poolers lose.
const FETCH: &str = "FETCH 200 FROM news_all";

/// An open cursor, declared as `news_all`. It holds a read transaction: one snapshot, however long the reading takes.
/// A row iterator would have to be read to its end; this may be dropped at any time.
pub struct Cursor<'a, T> {
    transaction: Transaction<'a>,
    read: fn(&Row) -> Result<Option<T>, postgres::Error>,
}

impl<'a, T> Cursor<'a, T> {
    /// Reads the cursor `news_all` of `transaction`.
    pub(super) fn new(transaction: Transaction<'a>, read: fn(&Row) -> Result<Option<T>, postgres::Error>) -> Self {
        Self { transaction, read }
    }

    /// Returns the next rows; none at the end.
    pub fn next_window(&mut self) -> Result<Vec<T>, postgres::Error> {
        let rows = self.transaction.query_typed(FETCH, &[])?;
        rows.iter().filter_map(|row| (self.read)(row).transpose()).collect()
    }
}
