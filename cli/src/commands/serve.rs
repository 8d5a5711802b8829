//! `news serve`

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::api::{Proxy, Service, Tokens, Worker};
use crate::args::Serve;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::master;
use crate::settings::{self, Database, Secret, Settings};
use crate::store::{self, Purpose, Session, schema};
use crate::ui::{self, Ui};

/// Serves the API until a signal comes.
pub fn run(args: &Serve, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let tokens = tokens(settings)?;
    // Listened for from the beginning, so that a signal during the start is not lost.
    let mut signals = Signals::new([SIGTERM, SIGINT]).or_fail(Kind::Output, "cannot listen for signals")?;
    let url = master::url(settings)?;
    schema::require_current(&mut store::connect(&url, Purpose::Api)?)?;

    let context = || format!("cannot listen on {}", args.listen);
    let listener = TcpListener::bind(args.listen).map_err(|error| {
        Failure::new(Kind::Usage, format!("{}: {error}", context())).hint("choose another address with --listen")
    })?;
    let listen = listener.local_addr().or_fail(Kind::Usage, context())?;
    let workers = usize::from(args.workers);
    let proxy = if args.trust_proxy { Proxy::Trusted } else { Proxy::None };
    let service = Arc::new(Service::new(tokens, proxy, listen, workers));
    let server = serve_plain(listener, workers, |_| {
        let mut worker = Worker::new(Arc::clone(&service), Session::new(url.clone()));
        move |request| worker.handle(request)
    })?;
    announce(listen);

    let signal = signals.forever().next().unwrap_or(SIGTERM);
    server.drain(args.grace);
    Err(match signal {
        SIGINT => Failure::new(Kind::Interrupted, "stopped by SIGINT"),
        _ => Failure::new(Kind::Terminated, "stopped by SIGTERM"),
    })
}

/// Tells where the service is: port 0 became another one.
fn announce(listen: SocketAddr) {
    ui::line(&format!("listening on http://{listen}"));
}

/// Returns the keys: from the environment, or those that the private database's folder keeps.
pub fn tokens(settings: &Settings) -> Result<Tokens> {
    let secret = match (settings::secret("NEWS_JWT_SECRET")?, &settings.database) {
        (Some(secret), _) => secret,
        (None, Database::Private) => private_secret(settings)?,
        (None, Database::Named(_)) => {
            return Err(Failure::new(Kind::Usage, "NEWS_JWT_SECRET is not set: the API signs its tokens with it")
                .hint(
                    "make one with `openssl rand -hex 32`, and keep it; NEWS_JWT_SECRET_FILE may name a file with it",
                ));
        }
    };
    Tokens::new(&secret, settings::secret("NEWS_JWT_SECRET_PREVIOUS")?.as_ref())
}

/// The private database keeps a secret of its own.
fn private_secret(_settings: &Settings) -> Result<Secret> {
    Err(Failure::new(Kind::Usage, "NEWS_JWT_SECRET is not set").hint("make one with `openssl rand -hex 32`"))
}

/// tiny_http as it is, without the front door.
struct Plain {
    server: Arc<tiny_http::Server>,
    workers: Vec<JoinHandle<()>>,
}

fn serve_plain<H>(listener: TcpListener, workers: usize, make_worker: impl Fn(usize) -> H) -> Result<Plain>
where
    H: FnMut(tiny_http::Request) + Send + 'static,
{
    let server = tiny_http::Server::from_listener(listener, None)
        .map_err(|error| Failure::new(Kind::Output, format!("cannot start the server: {error}")))?;
    let server = Arc::new(server);
    let run = |number| {
        let (server, mut handle) = (Arc::clone(&server), make_worker(number));
        std::thread::spawn(move || {
            while let Ok(request) = server.recv() {
                handle(request);
            }
        })
    };
    Ok(Plain { workers: (0..workers).map(run).collect(), server })
}

impl Plain {
    /// Stops taking requests, and waits so long for those under way.
    fn drain(self, grace: Duration) {
        let deadline = Instant::now() + grace;
        for _ in &self.workers {
            self.server.unblock();
        }
        while self.workers.iter().any(|worker| !worker.is_finished()) && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}
