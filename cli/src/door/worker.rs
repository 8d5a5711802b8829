//! The threads that run the handlers: each takes requests from tiny_http and outlives its handler's panics.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Request, Response, Server};

use crate::door::stats::Counters;
use crate::door::upstream::{Ticket, Upstreams};

/// How long the answer of a handler that panicked may take to reach the door. tiny_http answers 500 while it unwinds,
/// if nothing was sent; it is there in microseconds. If it is not, an answer was broken off.
const PANIC_ANSWER_MAX: Duration = Duration::from_millis(100);
const PANIC_POLL: Duration = Duration::from_millis(2);

/// What the workers and the door share.
pub(super) struct Crew {
    upstreams: Arc<Upstreams>,
    counters: Arc<Counters>,
    stopping: AtomicBool,
    running: Mutex<usize>,
    left: Condvar,
}

impl Crew {
    /// Starts the workers and waits until each has its handler.
    pub(super) fn start<F, H>(
        workers: usize,
        make_worker: F,
        server: &Arc<Server>,
        upstreams: &Arc<Upstreams>,
        counters: &Arc<Counters>,
    ) -> io::Result<Arc<Self>>
    where
        F: Fn(usize) -> H + Send + Sync + 'static,
        H: FnMut(Request) -> io::Result<()>,
    {
        let crew = Arc::new(Self {
            upstreams: Arc::clone(upstreams),
            counters: Arc::clone(counters),
            stopping: AtomicBool::new(false),
            running: Mutex::new(0),
            left: Condvar::new(),
        });
        let make_worker = Arc::new(make_worker);
        let (ready, told) = channel();
        let started = (0..workers).try_for_each(|index| {
            let (crew, make_worker) = (Arc::clone(&crew), Arc::clone(&make_worker));
            let (server, ready) = (Arc::clone(server), ready.clone());
            let place = Place::take(&crew);
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    place.0.run(&server, || make_worker(index), &ready);
                    // Before the place is given up: who waits for that counts on the server being free.
                    drop(server);
                    drop(place);
                })
                .map(drop)
        });
        drop(ready);
        let made = told.iter().take(workers).filter(|made| *made == Made::Handler).count();
        match started {
            Ok(()) if made == workers => Ok(crew),
            failed => {
                crew.stop(server);
                failed.and_then(|()| Err(io::Error::other("a worker panicked at its start")))
            }
        }
    }

    fn run<H>(&self, server: &Server, make: impl Fn() -> H, ready: &Sender<Made>)
    where
        H: FnMut(Request) -> io::Result<()>,
    {
        let mut handler = catch_unwind(AssertUnwindSafe(&make)).ok();
        // The door does not wait for this any more only if it has given up.
        let _ = ready.send(if handler.is_some() { Made::Handler } else { Made::Nothing });
        loop {
            let request = match server.recv() {
                Ok(request) => request,
                Err(_) if self.stopping.load(Ordering::SeqCst) => return,
                Err(error) => {
                    log::error!("tiny_http accepts no more connections: {error}");
                    continue;
                }
            };
            let Some(ticket) = Ticket::of(&request) else {
                // A probe. If its answer does not arrive, the door finds out.
                let _ = request.respond(Response::empty(204));
                continue;
            };
            // After a panic a handler may be in any state: the next request gets a new one.
            let done = catch_unwind(AssertUnwindSafe(|| handler.get_or_insert_with(&make)(request)));
            match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    // Aborted is what a handler says that broke off on purpose.
                    let on_purpose = error.kind() == io::ErrorKind::ConnectionAborted;
                    let level = if on_purpose { log::Level::Debug } else { log::Level::Warn };
                    log::log!(level, "an answer was broken off: {error}");
                    self.upstreams.give_up(ticket);
                }
                Err(_) => {
                    handler = None;
                    self.counters.panics.add();
                    log::error!("a handler panicked");
                    self.settle(ticket);
                }
            }
        }
    }

    /// Waits for the answer that tiny_http may have sent in the handler's stead, else breaks the exchange off.
    fn settle(&self, ticket: Ticket) {
        let deadline = Instant::now() + PANIC_ANSWER_MAX;
        while self.upstreams.is_in_flight(ticket) && Instant::now() < deadline {
            thread::sleep(PANIC_POLL);
        }
        self.upstreams.give_up(ticket);
    }

    /// Tells all workers to leave when they are done.
    pub(super) fn stop(&self, server: &Server) {
        self.stopping.store(true, Ordering::SeqCst);
        for _ in 0..self.running() {
            server.unblock();
        }
    }

    fn running(&self) -> usize {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all have left, at most until `deadline`, and returns how many have not.
    pub(super) fn wait(&self, deadline: Instant) -> usize {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        *self.left.wait_timeout_while(running, left, |running| *running > 0).unwrap_or_else(PoisonError::into_inner).0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Handler,
    Nothing,
}

/// A worker's place in the crew, given up when its thread ends, however it ends.
struct Place(Arc<Crew>);

impl Place {
    fn take(crew: &Arc<Crew>) -> Self {
        *crew.running.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(Arc::clone(crew))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.left.notify_all();
    }
}
