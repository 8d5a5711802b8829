//! `news serve`

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::api::{BODY_BYTES_MAX, Proxy, Service, Tokens, Worker};
use crate::args::Serve;
use crate::commands::Outcome;
use crate::door::{Door, Limits};
use crate::error::{Failure, Kind, OrFail, Result};
use crate::master;
use crate::private_pg;
use crate::settings::{self, Database, Secret, Settings};
use crate::store::counts::{self, Corrected};
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
    let limits = Limits { body_bytes_max: BODY_BYTES_MAX, ..Limits::default() };
    let for_workers = url.clone();
    let door = Door::open(listener, limits, workers, move |_| {
        let mut worker = Worker::new(Arc::clone(&service), Session::new(for_workers.clone()));
        move |request| worker.handle(request)
    })
    .or_fail(Kind::Output, "cannot start the service")?;
    announce(listen);
    recount(&url);

    let signal = signals.forever().next().unwrap_or(SIGTERM);
    let drained = door.drain(args.grace);
    if !drained.in_time() {
        log::warn!(
            "after {:?}, {} connections were cut and {} requests are still running",
            args.grace,
            drained.connections_cut,
            drained.workers_left
        );
    }
    Err(match signal {
        SIGINT => Failure::new(Kind::Interrupted, "stopped by SIGINT"),
        _ => Failure::new(Kind::Terminated, "stopped by SIGTERM"),
    })
}

/// Puts the kept numbers of objects right, beside the requests: whoever changed rows with the triggers disabled has
/// made them wrong. A failure only means that this is not done.
fn recount(url: &Secret) {
    let url = url.clone();
    let started = thread::Builder::new().name("recount".into()).spawn(move || {
        let corrected = store::connect(&url, Purpose::Bulk).and_then(|mut client| counts::repair(&mut client));
        match corrected {
            Ok(Corrected { posts: 0, comments: 0 }) => {}
            Ok(Corrected { posts, comments }) => {
                log::warn!("the numbers of objects were off by {posts} posts and {comments} comments: corrected");
            }
            Err(failure) => log::warn!("the numbers of objects were not checked: {failure}"),
        }
    });
    if let Err(error) = started {
        log::warn!("the numbers of objects are not checked: {error}");
    }
}

/// Tells where the service is: port 0 became another one.
fn announce(listen: SocketAddr) {
    ui::line(&format!("listening on http://{listen}"));
}

/// Returns the keys: from the environment, or those that the private database's folder keeps.
pub fn tokens(settings: &Settings) -> Result<Tokens> {
    let secret = match (settings::secret("NEWS_JWT_SECRET")?, &settings.database) {
        (Some(secret), _) => secret,
        (None, Database::Private) => private_pg::jwt_secret(settings)?,
        (None, Database::Named(_)) => {
            return Err(Failure::new(Kind::Usage, "NEWS_JWT_SECRET is not set: the API signs its tokens with it")
                .hint(
                    "make one with `openssl rand -hex 32`, and keep it; NEWS_JWT_SECRET_FILE may name a file with it",
                ));
        }
    };
    Tokens::new(&secret, settings::secret("NEWS_JWT_SECRET_PREVIOUS")?.as_ref())
}
