//! Accepts connections: one thread, which survives what makes `accept()` fail.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rustix::io::Errno;

use crate::http::Shared;
use crate::http::connection::{serve, turn_away};
use crate::http::head::Verb;
use crate::http::limits::{ACCEPT_PAUSE, STACK_BYTES};
use crate::http::links::Room;
use crate::http::refusal::Refusal;

/// Accepts until the drain.
pub(super) fn run(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut full_until = None;
    let mut spare = spare_file();
    let mut troubled = AcceptTrouble::No;
    while !shared.links.is_draining() {
        match listener.accept() {
            Ok((stream, peer)) => {
                troubled = AcceptTrouble::No;
                admit(stream, peer, shared, &mut full_until);
            }
            Err(error) if passes(&error) => {}
            Err(error) => {
                shared.counters.accept_errors.add();
                if troubled == AcceptTrouble::No {
                    log::warn!("accept: {error}; clients wait");
                    troubled = AcceptTrouble::Yes;
                }
                if out_of_files(&error) {
                    // The spare one is given up for a moment, so that clients are told. Linux takes the descriptor
                    // before it waits for a client: if by then there is another spare one, there is room again.
                    drop(spare.take());
                    if let Ok((stream, peer)) = listener.accept() {
                        spare = spare_file();
                        match spare {
                            Some(_) => admit(stream, peer, shared, &mut full_until),
                            None => refuse_at_once(&stream, shared),
                        }
                    }
                }
                shared.links.pause(ACCEPT_PAUSE);
            }
        }
        if spare.is_none() {
            spare = spare_file();
        }
    }
}

/// Whether an episode of accept errors has been logged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AcceptTrouble {
    No,
    Yes,
}

fn spare_file() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Tells errors of one connection, and the tick of the listener, from errors of the process.
fn passes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

fn out_of_files(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn admit(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, full_until: &mut Option<Instant>) {
    match shared.links.room(full_until, &shared.counters) {
        Room::Free => welcome(stream, peer, shared),
        Room::Full => refuse(stream, shared),
    }
}

fn welcome(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    // Without it small answers may wait for the client's delayed acknowledgement, 40 ms.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let enlisted = shared.links.enlist(stream);
    let link = Arc::clone(&enlisted.link);
    // An IPv4 client of a dual-stack listener is still an IPv4 client.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let for_thread = Arc::clone(shared);
    let thread = thread::Builder::new()
        .name("client".into())
        .stack_size(STACK_BYTES)
        .spawn(move || serve(&for_thread, &enlisted, peer));
    match thread {
        Ok(_) => shared.counters.accepted.add(),
        Err(error) => {
            log::warn!("no thread for a client: {error}");
            refuse_at_once(&link.stream, shared);
        }
    }
}

/// Refuses and lingers, on a thread of its own if one is to be had.
fn refuse(stream: TcpStream, shared: &Arc<Shared>) {
    let Some(place) = shared.links.refusing() else {
        refuse_at_once(&stream, shared);
        return;
    };
    shared.counters.refused.add();
    shared.counters.refuse(Refusal::Full);
    let for_thread = Arc::clone(shared);
    let refusal = move || {
        turn_away(&for_thread, &stream);
        drop(place);
    };
    // Without a thread the closure is dropped, and the connection with it.
    let _ = thread::Builder::new().name("refusal".into()).stack_size(STACK_BYTES).spawn(refusal);
}

/// Refuses without waiting for the client to read it.
fn refuse_at_once(stream: &TcpStream, shared: &Shared) {
    shared.counters.refused.add();
    shared.counters.refuse(Refusal::Full);
    // The answer fits every socket's buffer; if it does not go out at once, the client does without.
    if stream.set_nonblocking(true).is_ok() {
        let _ = io::Write::write(&mut { stream }, &Refusal::Full.render(Verb::Other));
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // What has come in is thrown away: closing over unread input would reset the connection.
        let _ = io::Read::read(&mut { stream }, &mut [0; 4096]);
    }
}
