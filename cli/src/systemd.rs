//! systemd's side of a service: a socket that is handed over, and word of how it goes (sd_listen_fds(3),
//! sd_notify(3)). Without systemd nothing of this happens.

use std::env;
use std::net::TcpListener;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use sd_notify::NotifyState;

use crate::error::{Failure, Kind, Result};

/// Returns the listening socket that systemd opened for us; nothing where it did not.
///
/// Fails with [`Kind::Usage`] where it handed over more than one, or something else.
pub fn listener() -> Result<Option<TcpListener>> {
    let mut files = ListenFd::from_env();
    let count = files.len();
    if count > 1 {
        return Err(Failure::new(Kind::Usage, format!("systemd handed over {count} sockets, one is wanted"))
            .hint("put one ListenStream into the socket unit"));
    }
    let is_wrong = || {
        Failure::new(Kind::Usage, "the socket from systemd is not a listening TCP socket")
            .hint("write ListenStream with a port, and Accept=no")
    };
    // Its address is one that links can be made of: a Unix socket has none.
    let Some(listener) = files.take_tcp_listener(0).map_err(|_| is_wrong())? else { return Ok(None) };
    if !matches!(socket_acceptconn(&listener), Ok(true)) {
        return Err(is_wrong());
    }
    Ok(Some(listener))
}

/// The conversation with the service manager, from READY to STOPPING; the watchdog is fed meanwhile.
pub struct Notify {
    /// Dropped, it ends the feeding.
    _feeding: Option<Sender<()>>,
}

impl Notify {
    /// Says that the service is ready. `is_alive` is asked before each feeding of the watchdog (twice in the time
    /// that WATCHDOG_USEC grants): a service that hangs is killed, and started again.
    pub fn ready(is_alive: impl Fn() -> bool + Send + 'static) -> Self {
        tell(&[NotifyState::Ready]);
        let Some(granted) = sd_notify::watchdog_enabled() else { return Self { _feeding: None } };
        let (feeding, ended) = channel::<()>();
        let feeder = move || {
            while matches!(ended.recv_timeout(granted / 2), Err(RecvTimeoutError::Timeout)) {
                if is_alive() {
                    tell(&[NotifyState::Watchdog]);
                } else {
                    log::error!("the service does not answer itself; the watchdog is not fed");
                }
            }
        };
        match thread::Builder::new().name("watchdog".into()).spawn(feeder) {
            Ok(_) => Self { _feeding: Some(feeding) },
            Err(error) => {
                log::error!("no thread for the watchdog: {error}");
                Self { _feeding: None }
            }
        }
    }

    /// Says that the service stops: from here on it may take its time.
    pub fn stopping(self) {
        tell(&[NotifyState::Stopping]);
        drop(self);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("the service manager was not told {states:?}: {error}");
    }
}
