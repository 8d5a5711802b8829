//! Which database remembers a target: a copy must not follow the target of its original unasked.
//!
//! A copy of the data carries everything that is in tables along. So what is remembered is remembered together with the
//! identity of the database, which a copy by dump and restore, or as another database of the same server, does not share:
//!
//! | remembered \ now | same system       | other system | system not known  |
//! |------------------|-------------------|--------------|-------------------|
//! | system known     | the oids decide   | another one  | the oids decide   |
//! | not known        | the oids decide   | the oids decide | the oids decide |
//!
//! A physical copy (a standby that is promoted, a restored base backup) has the same identity: a failover goes on, and a
//! test system that is made in this way has to be given its target before anything runs.

use core::fmt;

/// What tells one database from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The system identifier of the server, which `initdb` makes; `None` where it may not be read. PostgreSQL shows it as
    /// a signed number.
    pub system: Option<i64>,
    /// The oid of the database in its server.
    pub database: u32,
}

/// How two identities differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityDifference {
    /// The database is in another server.
    Server,
    /// It is another database, of the same server as far as that is known.
    Database,
}

impl Identity {
    /// Reads `SYSTEM/OID`; a question mark stands for a system that is not known.
    pub fn parse(text: &str) -> Option<Self> {
        let (system, database) = text.split_once('/')?;
        let system = if system == "?" { None } else { Some(system.parse().ok()?) };
        Some(Self { system, database: database.parse().ok()? })
    }

    /// Returns how the database of `now` differs from the one that this identity was recorded of; `None` where both are
    /// the same database, as far as can be told.
    pub fn difference(self, now: Self) -> Option<IdentityDifference> {
        match (self.system, now.system) {
            (Some(then), Some(now)) if then != now => Some(IdentityDifference::Server),
            (Some(_) | None, Some(_) | None) if self.database != now.database => Some(IdentityDifference::Database),
            (Some(_) | None, Some(_) | None) => None,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.system {
            Some(system) => write!(f, "{system}/{}", self.database),
            None => write!(f, "?/{}", self.database),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn rows() {
        let rows = [
            ("7/5", "7/5", None),
            ("-7/5", "7/5", Some(IdentityDifference::Server)),
            ("7/5", "8/5", Some(IdentityDifference::Server)),
            ("7/5", "8/6", Some(IdentityDifference::Server)),
            ("7/5", "7/6", Some(IdentityDifference::Database)),
            ("?/5", "7/5", None),
            ("7/5", "?/5", None),
            ("?/5", "?/5", None),
            ("?/5", "7/6", Some(IdentityDifference::Database)),
            ("7/5", "?/6", Some(IdentityDifference::Database)),
            ("?/5", "?/6", Some(IdentityDifference::Database)),
        ];
        for (then, now, expected) in rows {
            let parsed = |text| Identity::parse(text).unwrap();
            assert_eq!(parsed(then).difference(parsed(now)), expected, "{then} {now}");
            assert_eq!(parsed(then).to_string(), then);
        }
    }

    #[test]
    fn whatever_is_no_identity_is_not_read() {
        for text in ["", "5", "/5", "7/", "x/5", "7/x", "7/-1", "7/5/3", "7/4294967296"] {
            assert_eq!(Identity::parse(text), None, "{text}");
        }
    }
}
