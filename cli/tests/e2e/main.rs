//! `news` end to end: the real binary against real PostgreSQL and real HTTP.
//!
//! One test binary, so that all tests of a run share one PostgreSQL cluster.

#[cfg(test)]
mod db;
#[cfg(test)]
mod periodic;
#[cfg(test)]
mod private_pg;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tracking;
