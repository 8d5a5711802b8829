//! Every bound of the door, each with its reason, and how they shrink when the process may open few files.

use std::time::Duration;

/// Client connections at once. One thread of [`CLIENT_STACK_BYTES`] each, so 64 MiB of address space at most; a
/// service with a handful of workers gains nothing from more.
pub const CONNECTIONS_MAX: usize = 256;
/// Request line and fields. Long URLs and tokens fit; nginx has 8 KiB a line, Apache 8 KiB a field.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A request's body. A post or comment is a few KiB; the body is held in memory, once for each connection.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Silence between two requests. Longer than the pause of a browsing human, shorter than most NAT tables forget.
pub const IDLE_MAX: Duration = Duration::from_mins(1);
/// From a head's first byte to its last. 16 KiB in 10 s is a bad modem; slower is an attack.
pub const HEAD_MAX: Duration = Duration::from_secs(10);
/// From a head's last byte to the body's last. 64 KiB in 20 s is 3 KiB/s.
pub const BODY_MAX: Duration = Duration::from_secs(20);
/// For each piece of an answer (at most [`RELAY_BYTES`]) to leave: a reader slower than 2 KiB/s holds a worker up.
pub const WRITE_MAX: Duration = Duration::from_secs(20);
/// Until the handler's answer begins, and between two pieces of it. Above every statement time-out.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// For a free way to the workers; after that a client is better told to come again (503).
pub const QUEUE_MAX: Duration = Duration::from_secs(5);
/// After the last answer, for the client to read it before the connection is reset (RFC 9112 §9.6).
pub const LINGER_MAX: Duration = Duration::from_secs(1);
/// A waiting connection younger than this is not closed to make room: its request may be in the kernel already.
pub const EVICT_AGE_MIN: Duration = Duration::from_millis(100);
/// How long a newcomer waits for room before it is refused. It stands in the way of those behind it.
pub const ROOM_MAX: Duration = Duration::from_millis(250);
/// Ways to the workers for each worker: with two, a worker finds its next request queued when it has answered one.
pub const UPSTREAMS_PER_WORKER: usize = 2;

/// Fields of a head. Browsers send some 20; nginx and Apache stop at 100, too.
pub(super) const FIELDS_MAX: usize = 100;
/// Chunk extensions and trailer of one body, which nobody reads (RFC 9112 §7.1.1 asks for a limit).
pub(super) const CHUNK_EXTRA_BYTES_MAX: usize = 4 * 1024;
/// Bytes read and thrown away in a lingering close: what a client may still send of a body that was refused.
pub(super) const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// The buffer of an answer on its way. tiny_http sends by length below 32 KiB, so that all of those fit with their
/// heads and leave in one write.
pub(super) const RELAY_BYTES: usize = 40 * 1024;
/// The stack of a client's thread: its buffers are on the heap, a head's fields (3 KiB) the largest thing on it.
pub(super) const CLIENT_STACK_BYTES: usize = 256 * 1024;
/// Refusals that linger at once, so that those refused can read why. Beyond that they may see a reset.
pub(super) const REFUSALS_MAX: usize = 32;
/// Connections that the kernel holds until they are accepted: some bursts of [`CONNECTIONS_MAX`] (and at most
/// net.core.somaxconn, 4096 by default).
pub(super) const BACKLOG: i32 = 1024;
/// In a drain, for the rest of a head, or the first one of a connection that has just been accepted: a round trip and a
/// lost packet. Silent ones make the drain that much longer.
pub(super) const ASKING_MAX: Duration = Duration::from_secs(1);
/// How often the acceptor looks up when nobody comes, should the wake-up of a drain not reach it.
pub(super) const ACCEPT_TICK: Duration = Duration::from_secs(1);
/// The pause after an accept error that needs time to pass (EMFILE): short, as clients wait in the backlog.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// What the process opens beside the door: streams, log, listener, signal pipes, the spare files, a database connection.
pub(super) const FILES_OTHER: usize = 20;
/// Open files of a worker: its database connection, with the three that the client's own event loop takes.
pub(super) const FILES_PER_WORKER: usize = 4;
/// Open files of an upstream: the door's end, and tiny_http's end twice (it clones the socket).
pub(super) const FILES_PER_UPSTREAM: usize = 3;

/// The bounds that a caller may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Client connections at once; beyond, the longest waiting one is closed, else the newcomer refused with 503.
    pub connections_max: usize,
    /// Bytes of a request's head; beyond: 431.
    pub head_bytes_max: usize,
    /// Bytes of a request's body, decoded; beyond: 413.
    pub body_bytes_max: usize,
    /// Between two requests; then the connection is closed.
    pub idle_max: Duration,
    /// From a head's first byte to its last; then 408.
    pub head_max: Duration,
    /// From a head's last byte to the body's last; then 408.
    pub body_max: Duration,
    /// For each piece of an answer to leave; then the connection is cut.
    pub write_max: Duration,
    /// Until the handler's answer begins (then 504), and between its pieces (then the connection is cut).
    pub answer_max: Duration,
    /// For a free upstream; then 503.
    pub queue_max: Duration,
    /// For the client to read the last answer.
    pub linger_max: Duration,
    /// At this age a waiting connection may be closed to make room.
    pub evict_age_min: Duration,
    /// For room to be made for a newcomer; then 503.
    pub room_max: Duration,
    /// Unix connections to tiny_http for each worker, at least 1.
    pub upstreams_per_worker: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            head_bytes_max: HEAD_BYTES_MAX,
            body_bytes_max: BODY_BYTES_MAX,
            idle_max: IDLE_MAX,
            head_max: HEAD_MAX,
            body_max: BODY_MAX,
            write_max: WRITE_MAX,
            answer_max: ANSWER_MAX,
            queue_max: QUEUE_MAX,
            linger_max: LINGER_MAX,
            evict_age_min: EVICT_AGE_MIN,
            room_max: ROOM_MAX,
            upstreams_per_worker: UPSTREAMS_PER_WORKER,
        }
    }
}

/// How many of each kind the process can afford.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seats {
    pub(super) workers: usize,
    pub(super) connections: usize,
    pub(super) upstreams: usize,
}

impl Seats {
    /// Returns what `limits` asks for, cut down to `files_max` open files (RLIMIT_NOFILE; `None`: no limit).
    ///
    /// Upstreams beyond one for each worker go first, then client connections, then workers, as long as there are not
    /// two connections for each of them. At least 1 worker and 4 connections stay.
    pub(super) fn fit(limits: &Limits, workers: usize, files_max: Option<usize>) -> Self {
        const CONNECTIONS_MIN: usize = 4;
        let connections = limits.connections_max.max(1);
        let per_worker = limits.upstreams_per_worker.max(1);
        let Some(files_max) = files_max else {
            return Self { workers, connections, upstreams: workers * per_worker };
        };
        let files = |workers: usize| files_max.saturating_sub(FILES_OTHER + workers * FILES_PER_WORKER);
        let left = |workers: usize| files(workers).saturating_sub(workers * FILES_PER_UPSTREAM);
        let fitting = (1..=workers).rev().find(|&workers| left(workers) >= connections.min(2 * workers));
        let workers = fitting.unwrap_or(1);
        // Extra upstreams may take up to half of what there is.
        let affordable = files(workers) / 2 / FILES_PER_UPSTREAM;
        let upstreams = (workers * per_worker).min(affordable.max(workers));
        let left = files(workers).saturating_sub(upstreams * FILES_PER_UPSTREAM);
        Self { workers, connections: connections.min(left.max(CONNECTIONS_MIN)), upstreams }
    }
}

/// Returns the soft limit of open files, `None` for no limit.
pub(super) fn files_max() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_shrink_with_the_files() {
        let limits = Limits::default();
        for (workers, files, expected) in [
            (8, None, (8, 256, 16)),
            (8, Some(1024), (8, 256, 16)),
            (8, Some(256), (8, 156, 16)),
            (8, Some(100), (8, 24, 8)),
            (8, Some(64), (4, 16, 4)),
            (8, Some(32), (1, 5, 1)),
            (8, Some(10), (1, 4, 1)),
            (2, Some(64), (2, 24, 4)),
        ] {
            let seats = Seats::fit(&limits, workers, files);
            assert_eq!(
                (seats.workers, seats.connections, seats.upstreams),
                expected,
                "{workers} workers, {files:?} files"
            );
        }
    }
}
