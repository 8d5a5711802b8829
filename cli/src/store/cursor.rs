//! A whole list, window by window, in memory that does not grow with it.

use postgres::{Portal, Row, Transaction};

/// Rows a window: some hundred kilobytes at most.
const WINDOW_ROWS: i32 = 200;

/// An open cursor. It holds a read transaction: one snapshot, however long the reading takes.
/// A row iterator would have to be read to its end; this may be dropped at any time.
pub struct Cursor<'a, T> {
    transaction: Transaction<'a>,
    portal: Portal,
    read: fn(&Row) -> Result<Option<T>, postgres::Error>,
}

impl<'a, T> Cursor<'a, T> {
    pub(super) fn new(
        transaction: Transaction<'a>,
        portal: Portal,
        read: fn(&Row) -> Result<Option<T>, postgres::Error>,
    ) -> Self {
        Self { transaction, portal, read }
    }

    /// Returns the next rows; none at the end.
    pub fn next_window(&mut self) -> Result<Vec<T>, postgres::Error> {
        let rows = self.transaction.query_portal(&self.portal, WINDOW_ROWS)?;
        rows.iter().filter_map(|row| (self.read)(row).transpose()).collect()
    }
}
