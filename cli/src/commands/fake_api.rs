//! `news fake-api`

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use news_core::profile::JSON_SERVER;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::FakeApi as Args;
use crate::commands::Outcome;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::fake_api::{self, BODY_BYTES_MAX, Data, FakeApi, Faults, Mode, Order, Orphans, Rules, Setup, Spelling};
use crate::http::{CONNECTIONS_MAX, Limits, Seats, Server};
use crate::pool::Queue;
use crate::profile::Chosen;
use crate::settings::{self, Settings};
use crate::ui::{self, Ui};

/// The variable with the token that `--require-token` asks for.
const TOKEN_VARIABLE: &str = "NEWS_FAKE_TOKEN";
/// An answer may take so long: `--latency` and the like are for trying a client's patience.
const ANSWER_MAX: Duration = Duration::from_hours(1);

/// Runs the command: serves until a signal stops it.
pub fn run(args: &Args, _settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let api = Arc::new(FakeApi::new(setup(args)?));
    // Before it is said that we listen: who reads that may stop us at once.
    let mut signals = Signals::new([SIGINT, SIGTERM]).or_fail(Kind::Bug, "cannot wait for signals")?;
    let listener = TcpListener::bind(&args.listen)
        .or_fail(Kind::Usage, format!("cannot listen on {}", args.listen))
        .map_err(|failure| failure.hint("choose another port with --listen; port 0 takes a free one"))?;
    let address = listener.local_addr().or_fail(Kind::Bug, "cannot tell the address")?;
    let server =
        serve(listener, usize::from(args.workers), &api).or_fail(Kind::Usage, format!("cannot serve on {address}"))?;
    announce(address);
    let signal = signals.forever().next();
    // A target that goes down goes down: requests in flight are part of what is being tried.
    drop(server);
    Err(match signal {
        Some(SIGINT) => Failure::new(Kind::Interrupted, "stopped by SIGINT"),
        Some(_) | None => Failure::new(Kind::Terminated, "stopped by SIGTERM"),
    })
}

fn announce(address: SocketAddr) {
    ui::line(&format!("listening on http://{address}"));
}

/// Starts the server; how long a slow or late answer takes is the user's choice.
fn serve(listener: TcpListener, workers: usize, api: &Arc<FakeApi>) -> std::io::Result<Server> {
    let api = Arc::clone(api);
    let seats = Seats::afforded(Seats { connections: CONNECTIONS_MAX.max(workers), sessions: 0 });
    let limits = Limits {
        connections_max: seats.connections,
        body_bytes_max: BODY_BYTES_MAX,
        answer_max: ANSWER_MAX,
        ..Limits::default()
    };
    let workers = Queue::new(workers);
    Server::open(listener, limits, move |request, reply| {
        // The server gives up on a request that waits longer.
        if let Some(_worker) = workers.take(ANSWER_MAX) {
            fake_api::handle(&api, request, reply);
        }
    })
}

fn setup(args: &Args) -> Result<Setup> {
    let token = settings::secret(TOKEN_VARIABLE)?;
    if args.require_token && token.is_none() {
        let failure = Failure::new(Kind::Usage, "--require-token without a token");
        return Err(failure.hint(format!("set {TOKEN_VARIABLE} or {TOKEN_VARIABLE}_FILE")));
    }
    let rules = Rules {
        mode: args.mode,
        orphans: if args.drop_orphans { Orphans::Go } else { Orphans::Stay },
        spelling: match (args.string_ids, args.mode) {
            (true, _) => Spelling::AllText,
            (false, Mode::OwnIds) => Spelling::OwnText,
            (false, Mode::Strict | Mode::Pretend | Mode::Duplicates) => Spelling::AsCame,
        },
    };
    let faults = faults(args);
    if let Some(fault) = faults.fault() {
        return Err(Failure::new(Kind::Usage, fault).hint("see `news fake-api --help`, \"Faults\""));
    }
    let data = match &args.data {
        Some(path) => Data::read(path, rules)?,
        None => Data::own(rules)?,
    };
    let (posts, comments) = data.counts();
    log::debug!("{posts} posts and {comments} comments to begin with");
    let profile = args.profile.as_deref().map(Chosen::find).transpose()?.map(|chosen| chosen.profile);
    // The default is what it is anyway, with all that json-server can do besides.
    let profile = profile.filter(|profile| **profile != JSON_SERVER);
    Ok(Setup { rules, profile, data, faults, seed: args.seed, token })
}

fn faults(args: &Args) -> Faults {
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Faults {
        latency_ms: ms(args.latency),
        jitter_ms: ms(args.jitter),
        fail_rate: args.fail_rate,
        fail_before: args.fail_before,
        fail_after: args.fail_after,
        cut_before: args.cut_before,
        cut_after: args.cut_after,
        throttle: args.throttle,
        retry_after: args.retry_after,
        cut_listing: args.cut_listing,
        slow_listing_ms: ms(args.slow_listing),
        lose_writes: args.lose_writes,
        late_writes_ms: ms(args.late_writes),
        late_acks_ms: ms(args.late_acks),
        html: args.html,
        status_for: args.status_for.iter().map(|(key, status)| (key.to_string(), *status)).collect(),
        reject_text: args.reject_text.clone(),
        require_token: args.require_token,
        forbid: args.forbid,
        total: args.total(),
        order: if args.shuffle { Order::Shuffled } else { Order::Insertion },
        page: args.page,
    }
}
