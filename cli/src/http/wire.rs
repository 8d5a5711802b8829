//! A client's socket with deadlines, at no system call more than a socket without them on the usual path.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::http::limits::LINGER_BYTES_MAX;

/// Why a client's socket is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Closed,
    Late,
}

/// Wraps the socket and remembers the time-outs it has, so that they are set only when they change.
pub(super) struct Wire<'a> {
    stream: &'a TcpStream,
    read_timeout: Duration,
    write_timeout: Duration,
    write_max: Duration,
}

impl<'a> Wire<'a> {
    pub(super) fn new(stream: &'a TcpStream, write_max: Duration) -> Self {
        // Zero stands for "not set yet": no time-out that is used is zero.
        Self { stream, read_timeout: Duration::ZERO, write_timeout: Duration::ZERO, write_max }
    }

    /// Reads what there is, at least one byte, within `limit`.
    pub(super) fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> Result<usize, Cut> {
        if self.read_timeout != limit {
            self.stream.set_read_timeout(Some(limit)).map_err(|_| Cut::Late)?;
            self.read_timeout = limit;
        }
        loop {
            return match { self.stream }.read(buffer) {
                Ok(0) => Err(Cut::Closed),
                Ok(count) => Ok(count),
                // A signal was handled on this thread; the wait starts over, as signals are rare.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(cut_of(&error)),
            };
        }
    }

    /// Reads what there is, at least one byte, before `deadline`.
    pub(super) fn read_until(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Cut> {
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(Cut::Late),
            left => self.read_within(buffer, left),
        }
    }

    /// Writes all of `bytes` within the limit for a piece.
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        self.set_write_timeout(self.write_max)?;
        let mut rest = bytes;
        let mut deadline = None;
        while !rest.is_empty() {
            let started = *deadline.get_or_insert_with(Instant::now);
            match { self.stream }.write(rest) {
                Ok(0) => return Err(Cut::Closed),
                Ok(count) if count == rest.len() => return Ok(()),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cut_of(&error)),
            }
            match self.write_max.saturating_sub(started.elapsed()) {
                Duration::ZERO => return Err(Cut::Late),
                left => self.set_write_timeout(left)?,
            }
        }
        Ok(())
    }

    fn set_write_timeout(&mut self, limit: Duration) -> Result<(), Cut> {
        if self.write_timeout != limit {
            self.stream.set_write_timeout(Some(limit)).map_err(|_| Cut::Late)?;
            self.write_timeout = limit;
        }
        Ok(())
    }

    /// Closes the sending side, then throws away what still comes, for a bounded time: a close with unread input would
    /// reset the connection, and the client might lose the answer (RFC 9112 §9.6).
    pub(super) fn linger(&mut self, limit: Duration) {
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline = Instant::now() + limit;
        let mut waste = [0; 4096];
        let mut left = LINGER_BYTES_MAX;
        while let Ok(count) = self.read_until(&mut waste, deadline) {
            left = match left.checked_sub(count) {
                Some(left) => left,
                None => return,
            };
        }
    }
}

fn cut_of(error: &io::Error) -> Cut {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) { Cut::Late } else { Cut::Closed }
}
