//! The way to tiny_http: a fixed set of Unix connections, each with one request in flight at most.
//!
//! tiny_http's pool of threads may leave a connection unserved when several arrive at once (it counts idle threads too
//! late), so they are opened one at a time, each proven by a probe before it is used, and opened again when broken.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::door::head::TICKET_FIELD;
use crate::door::limits::{FILES_PER_UPSTREAM, Limits};
use crate::door::socket::Socket;
use crate::door::stats::Counters;

/// The ticket of a slot on which nothing is in flight.
const NO_TICKET: u64 = 0;
/// The ticket of a slot whose request was given up by its handler.
const BROKEN: u64 = u64::MAX;
/// A request without a ticket: only the door itself can send one.
const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\n\r\n";

#[derive(Default)]
struct Slot {
    stream: Mutex<Option<Arc<UnixStream>>>,
    ticket: AtomicU64,
}

#[derive(Default)]
struct Queue {
    free: Vec<usize>,
    waiting: VecDeque<(u64, SyncSender<usize>)>,
    next_waiter: u64,
}

/// All upstreams.
pub(super) struct Upstreams {
    slots: Vec<Slot>,
    queue: Mutex<Queue>,
    next_ticket: AtomicU64,
    socket: Socket,
    /// The spare files; `None` while somebody opens an upstream.
    opening: Mutex<Option<Vec<File>>>,
    opened: Condvar,
    counters: Arc<Counters>,
    answer_max: Duration,
    queue_max: Duration,
}

/// Returns descriptors kept so that an upstream can be opened again when the process has none left: tiny_http stops
/// accepting for good if `accept()` fails once.
fn spare_files() -> Vec<File> {
    (0..FILES_PER_UPSTREAM).filter_map(|_| File::open("/dev/null").ok()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that panics runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstreams {
    pub(super) fn new(socket: Socket, count: usize, limits: &Limits, counters: Arc<Counters>) -> Self {
        Self {
            slots: (0..count).map(|_| Slot::default()).collect(),
            queue: Mutex::new(Queue::default()),
            next_ticket: AtomicU64::new(NO_TICKET + 1),
            socket,
            opening: Mutex::new(Some(spare_files())),
            opened: Condvar::new(),
            counters,
            answer_max: limits.answer_max,
            queue_max: limits.queue_max,
        }
    }

    /// Opens all of them, one after the other; the workers must be running.
    pub(super) fn open_all(&self) -> io::Result<()> {
        for (index, slot) in self.slots.iter().enumerate() {
            let stream = self.open(Instant::now() + self.answer_max)?;
            *lock(&slot.stream) = Some(Arc::new(stream));
            self.release(index);
        }
        Ok(())
    }

    pub(super) fn open_now(&self) -> usize {
        self.slots.iter().filter(|slot| lock(&slot.stream).is_some()).count()
    }

    /// Returns an upstream of one's own; `None` when none is to be had in time.
    pub(super) fn lease(&self) -> Option<Lease<'_>> {
        let deadline = Instant::now() + self.queue_max;
        let index = self.take(deadline)?;
        // From here on the guard puts the slot back, whatever happens.
        let mut lease = Lease { upstreams: self, index, ticket: NO_TICKET, stream: None };
        let slot = self.slots.get(index)?;
        let present = lock(&slot.stream).clone();
        let stream = match present {
            Some(stream) => stream,
            None => match self.open(deadline) {
                Ok(stream) => {
                    let stream = Arc::new(stream);
                    *lock(&slot.stream) = Some(Arc::clone(&stream));
                    stream
                }
                Err(error) => {
                    log::warn!("an upstream could not be opened: {error}");
                    return None;
                }
            },
        };
        lease.ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        slot.ticket.store(lease.ticket, Ordering::SeqCst);
        lease.stream = Some(stream);
        Some(lease)
    }

    /// Takes a free slot, or queues for one: first come, first served.
    fn take(&self, deadline: Instant) -> Option<usize> {
        let (waiter, handed) = {
            let mut queue = lock(&self.queue);
            if let Some(index) = queue.free.pop() {
                return Some(index);
            }
            let (sender, receiver) = sync_channel(1);
            let waiter = queue.next_waiter;
            queue.next_waiter += 1;
            queue.waiting.push_back((waiter, sender));
            (waiter, receiver)
        };
        self.handed(&handed, waiter, deadline)
    }

    fn handed(&self, handed: &Receiver<usize>, waiter: u64, deadline: Instant) -> Option<usize> {
        if let Ok(index) = handed.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            return Some(index);
        }
        let mut queue = lock(&self.queue);
        queue.waiting.retain(|(other, _)| *other != waiter);
        // It may have been handed over in the last moment; not after this, as that happens under the lock.
        handed.try_recv().ok()
    }

    fn release(&self, index: usize) {
        let mut queue = lock(&self.queue);
        while let Some((_, sender)) = queue.waiting.pop_front() {
            if sender.try_send(index).is_ok() {
                return;
            }
        }
        queue.free.push(index);
    }

    /// Connects and proves that tiny_http serves the connection. One at a time.
    fn open(&self, deadline: Instant) -> io::Result<UnixStream> {
        let left = || deadline.saturating_duration_since(Instant::now());
        let (mut turn, _) = self
            .opened
            .wait_timeout_while(lock(&self.opening), left(), |spares| spares.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        let Some(spares) = turn.take() else {
            return Err(io::ErrorKind::TimedOut.into());
        };
        drop(turn);
        drop(spares);
        let stream = self.socket.connect().and_then(|stream| self.prove(stream, left()));
        *lock(&self.opening) = Some(spare_files());
        self.opened.notify_one();
        stream
    }

    fn prove(&self, stream: UnixStream, left: Duration) -> io::Result<UnixStream> {
        let left = left.max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        stream.set_write_timeout(Some(self.answer_max))?;
        { &stream }.write_all(PROBE)?;
        let mut answer = Vec::new();
        let mut piece = [0; 512];
        while !answer.ends_with(b"\r\n\r\n") {
            match { &stream }.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        stream.set_read_timeout(Some(self.answer_max))?;
        self.counters.upstreams_opened.add();
        Ok(stream)
    }

    /// Breaks the connection on which the request with this ticket travels, unless its exchange is over: what was sent
    /// of its answer must not look complete.
    pub(super) fn give_up(&self, ticket: Ticket) {
        let Some(slot) = self.slots.get(ticket.index) else { return };
        let given_up = slot.ticket.compare_exchange(ticket.number, BROKEN, Ordering::SeqCst, Ordering::SeqCst);
        if given_up.is_ok()
            && let Some(stream) = lock(&slot.stream).as_ref()
        {
            // An error means that it is broken already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn is_in_flight(&self, ticket: Ticket) -> bool {
        self.slots.get(ticket.index).is_some_and(|slot| slot.ticket.load(Ordering::SeqCst) == ticket.number)
    }

    /// Closes them all; for a drain, when nobody uses them any more.
    pub(super) fn close_all(&self) {
        for slot in &self.slots {
            *lock(&slot.stream) = None;
        }
    }

    /// Wakes tiny_http's thread that accepts, so that it sees that its server is gone, and ends.
    pub(super) fn wake_acceptor(&self) {
        drop(self.socket.connect());
    }
}

/// Which request on which upstream, as it travels in [`TICKET_FIELD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    index: usize,
    number: u64,
}

impl Ticket {
    /// Reads the ticket of a request; the door's own probes have none.
    pub(super) fn of(request: &tiny_http::Request) -> Option<Self> {
        let field = request.headers().iter().find(|header| header.field.equiv(TICKET_FIELD))?;
        let (index, number) = field.value.as_str().split_once('-')?;
        Some(Self { index: index.parse().ok()?, number: number.parse().ok()? })
    }
}

/// One upstream, held for one exchange. Dropped without [`Lease::finish`] it is taken for broken.
pub(super) struct Lease<'a> {
    upstreams: &'a Upstreams,
    index: usize,
    ticket: u64,
    stream: Option<Arc<UnixStream>>,
}

impl Lease<'_> {
    /// Appends the field that ties the request to this upstream.
    pub(super) fn push_ticket(&self, request: &mut Vec<u8>) -> io::Result<()> {
        write!(request, "{TICKET_FIELD}: {}-{}\r\n", self.index, self.ticket)
    }

    fn stream(&self) -> io::Result<&UnixStream> {
        self.stream.as_deref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(super) fn send(&self, request: &[u8]) -> io::Result<()> {
        self.stream()?.write_all(request)
    }

    /// Reads a piece of the answer; an end of file is an error, as no answer ends with it.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream()?.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Gives the upstream back for the next request: the answer has been read to its end.
    pub(super) fn finish(mut self) {
        let Some(slot) = self.upstreams.slots.get(self.index) else { return };
        let over = slot.ticket.compare_exchange(self.ticket, NO_TICKET, Ordering::SeqCst, Ordering::SeqCst);
        if over.is_ok() {
            self.stream = None;
            self.upstreams.release(self.index);
            self.index = usize::MAX;
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(slot) = self.upstreams.slots.get(self.index) else { return };
        slot.ticket.store(NO_TICKET, Ordering::SeqCst);
        *lock(&slot.stream) = None;
        if let Some(stream) = self.stream.take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.upstreams.release(self.index);
    }
}
