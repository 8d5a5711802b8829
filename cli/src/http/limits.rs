//! Every bound of the server, each with its reason, and how they shrink when the process may open few files.

use std::time::Duration;

/// Concurrent connections. Each has a thread of [`STACK_BYTES`], so 256 MiB of address space at most, of which a few
/// pages are used.
pub const CONNECTIONS_MAX: usize = 256;
/// Request line and fields. Long URLs and tokens fit; nginx allows 8 KiB a line, Apache 8 KiB a field.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A request's body. A post or comment is a few KiB; the body is held in memory, once for each connection.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Silence between two requests. Longer than the pause of a browsing human, shorter than most NAT tables forget.
pub const IDLE_MAX: Duration = Duration::from_mins(1);
/// From a head's first byte to its last. 16 KiB in 10 s is a bad modem; slower is an attack.
pub const HEAD_MAX: Duration = Duration::from_secs(10);
/// From a head's last byte to the body's last. 64 KiB in 20 s is 3 KiB/s.
pub const BODY_MAX: Duration = Duration::from_secs(20);
/// For each piece of a response (at most [`PIECE_BYTES`]) to be sent: the slowest reader takes 2 KiB/s.
pub const WRITE_MAX: Duration = Duration::from_secs(20);
/// Until a response begins, and between two pieces of it. Longer than every statement time-out.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// After the last response, for the client to read it before the connection is reset (RFC 9112 §9.6).
pub const LINGER_MAX: Duration = Duration::from_secs(1);
/// A waiting connection younger than this is not closed to make room: its request may be in the kernel already.
pub const EVICT_AGE_MIN: Duration = Duration::from_millis(100);
/// How long a new connection waits for room before it is refused. It delays those behind it.
pub const ROOM_MAX: Duration = Duration::from_millis(250);

/// Fields of a head. Browsers send some 20; nginx and Apache stop at 100, too.
pub(super) const FIELDS_MAX: usize = 100;
/// Chunk extensions and trailer of one body, which are not used (RFC 9112 §7.1.1 asks for a limit).
pub(super) const CHUNK_EXTRA_BYTES_MAX: usize = 4 * 1024;
/// Bytes read and thrown away in a lingering close: what a client may still send of a body that was refused.
pub(super) const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// A response is sent in pieces of this size; a smaller one leaves in one write.
pub(super) const PIECE_BYTES: usize = 40 * 1024;
/// A source that takes its time is not waited for until a piece is full: what there is leaves with its next bytes.
pub(super) const PIECE_AGE_MAX: Duration = Duration::from_millis(100);
/// A connection keeps a buffer up to this size for its next response: most responses fit.
pub(super) const BUFFER_KEPT_BYTES: usize = 8 * 1024;
/// The stack of a connection's thread, on which handlers run. A TLS handshake with the database in an unoptimised
/// build takes the most, some 300 KiB.
pub(super) const STACK_BYTES: usize = 1024 * 1024;
/// Concurrent refusals that linger, so that the clients can read why. Others may see a reset.
pub(super) const REFUSALS_MAX: usize = 32;
/// Connections that the kernel holds until they are accepted: some bursts of [`CONNECTIONS_MAX`] (and at most
/// net.core.somaxconn, 4096 by default).
pub(super) const BACKLOG: i32 = 1024;
/// In a drain, for the rest of a head, or the first one of a connection that has just been accepted: a round trip and a
/// lost packet. Silent connections make the drain that much longer.
pub(super) const ASKING_MAX: Duration = Duration::from_secs(1);
/// How often the acceptor looks up when no client connects, should the wake-up of a drain not reach it.
pub(super) const ACCEPT_TICK: Duration = Duration::from_secs(1);
/// The pause after an accept error that needs time to pass (EMFILE): short, as clients wait in the backlog.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// What the process opens beside connections and database sessions: streams, log, listener, signal pipes, the spare
/// file, a database connection for a check.
const FILES_OTHER: usize = 20;
/// Open files of a database session: its socket, and three of the client's event loop.
const FILES_PER_SESSION: usize = 4;

/// The bounds that a caller may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Concurrent connections; beyond, the longest waiting one is closed, else the new one is refused with 503.
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
    /// For each piece of a response to be sent; then the connection is cut.
    pub write_max: Duration,
    /// Until a response begins (then 504), and between its pieces (then the connection is cut).
    pub answer_max: Duration,
    /// For the client to read the last response.
    pub linger_max: Duration,
    /// At this age a waiting connection may be closed to make room.
    pub evict_age_min: Duration,
    /// For room to be made for a new connection; then 503.
    pub room_max: Duration,
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
            linger_max: LINGER_MAX,
            evict_age_min: EVICT_AGE_MIN,
            room_max: ROOM_MAX,
        }
    }
}

/// How many connections and database sessions the process can afford.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seats {
    /// Connections of clients.
    pub connections: usize,
    /// Database sessions of the handlers.
    pub sessions: usize,
}

impl Seats {
    /// Returns `wanted`, cut down to the process's limit of open files. A cut is logged.
    pub fn afforded(wanted: Self) -> Self {
        let files_max = files_max();
        let seats = wanted.fit(files_max);
        if seats != wanted {
            log::warn!(
                "the limit of open files is {}: {} connections instead of {}, {} database sessions instead of {}",
                files_max.unwrap_or(usize::MAX),
                seats.connections,
                wanted.connections,
                seats.sessions,
                wanted.sessions,
            );
        }
        seats
    }

    /// Cuts the seats down to `files_max` open files (`None`: no limit): connections first, then sessions, as long as
    /// there are not two connections for each of them. At least one session, if any was wanted, and 4 connections stay.
    fn fit(self, files_max: Option<usize>) -> Self {
        const CONNECTIONS_MIN: usize = 4;
        let Some(files_max) = files_max else { return self };
        let left = |sessions: usize| files_max.saturating_sub(FILES_OTHER + sessions * FILES_PER_SESSION);
        let fits = |sessions: &usize| left(*sessions) >= self.connections.min(2 * sessions);
        let sessions = (1..=self.sessions).rev().find(fits).unwrap_or(self.sessions.min(1));
        Self { connections: self.connections.min(left(sessions).max(CONNECTIONS_MIN)), sessions }
    }
}

/// Returns the soft limit of open files, `None` for no limit.
fn files_max() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_shrink_with_the_files() {
        for (sessions, files, expected) in [
            (8, None, (256, 8)),
            (8, Some(1024), (256, 8)),
            (8, Some(256), (204, 8)),
            (8, Some(100), (48, 8)),
            (8, Some(64), (16, 7)),
            (8, Some(32), (4, 2)),
            (8, Some(10), (4, 1)),
            (2, Some(64), (36, 2)),
            (0, Some(64), (44, 0)),
        ] {
            let seats = Seats { connections: CONNECTIONS_MAX, sessions }.fit(files);
            assert_eq!((seats.connections, seats.sessions), expected, "{sessions} sessions, {files:?} files");
        }
    }
}
