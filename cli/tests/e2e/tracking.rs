//! The change log.
