//! `news` end to end: the real binary against real PostgreSQL and real HTTP.
//!
//! One test binary, so that all tests of a run share one PostgreSQL cluster.

#[cfg(test)]
mod api;
#[cfg(test)]
mod config;
#[cfg(test)]
mod core_wasm;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod db;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod fake_api;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod full;
#[cfg(test)]
mod history;
#[cfg(test)]
mod holds;
#[cfg(test)]
mod house;
#[cfg(test)]
mod import;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod late;
mod left_out;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod moved;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod owner;
#[cfg(test)]
mod periodic;
#[cfg(test)]
mod private_pg;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod shard;
#[cfg(test)]
mod show;
#[cfg(test)]
mod status;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod takeover;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod tracking;
