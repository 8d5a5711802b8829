//! The register of our advisory locks: every key is here.
//!
//! PostgreSQL has two spaces of keys: one of 64 bits, and one of twice 32 bits (PostgreSQL manual, 13.3.5). Keys of ours begin with
//! "news" in ASCII, so that they do not meet those of other applications in the same database.
//!
//! | key | held by |
//! |---|---|
//! | `(CLASS, WHOLE)` | a run without shards, exclusively; all runs of shards together, shared |
//! | `(CLASS, shard(K/N))` | the run of shard K/N |
//! | `(CLASS, GATE)` | a run of a shard, while it compares its N with that of the others |
//! | `MIGRATE` | `news db migrate` |
//! | `COUNTS` | `news_post_count_repair()`, in `migrations/V3__counts.sql` |

use news_core::shard::Shard;

/// The first half of the keys of runs.
pub(super) const CLASS: i32 = 0x6e65_7773;
/// The second half of the key of all objects.
pub(super) const WHOLE: i32 = 0;
/// The second half of the key under which shards agree on their number.
pub(super) const GATE: i32 = -1;
/// The key of a migration.
pub(super) const MIGRATE: i64 = 0x6e65_7773_0000_0001;
/// The key of a repair of the counts.
#[cfg(test)]
const COUNTS: i64 = 0x6e65_7773_0000_0002;

/// Distance of the keys of two divisions.
pub(super) const PER_DIVISION: i32 = 1 << 12;

/// Returns the second half of a shard's key, above 0.
pub(super) fn shard(shard: Shard) -> i32 {
    let (number, of) = shard.parts();
    i32::from(of) * PER_DIVISION + i32::from(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_use_keys_of_the_register() {
        let sql = include_str!("../../../migrations/V3__counts.sql");
        assert!(sql.contains(&format!("pg_advisory_xact_lock(x'{COUNTS:016x}'::bigint)")));
    }
}
