//! PostgreSQL goes and comes back, and the service itself is told to stop.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postgres::Client;
use rustix::process::Signal;
use serde_json::json;

use super::wire::Wire;
use super::{SECRET, Service, bearer, tally};
use crate::support::{Db, Http, Network, News, OwnPg, wait_until};

/// Ends every session of the service in its database. Returns how many there were.
fn terminate(client: &mut Client) -> i64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'news serve'";
    client.query_one(sql, &[]).unwrap().get(0)
}

/// The password is rotated in the server first, then in the file.
#[test]
fn a_rotated_password_is_read_again() {
    let db = Db::new();
    let mut admin = db.client();
    let name: String = admin.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    let role = format!("serving_{name}");
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'first'")).unwrap();
    let url = |password: &str| db.tcp_url().replace("tester:p%40ss%2Fword", &format!("{role}:{password}"));
    let news = News::bare().env("NEWS_JWT_SECRET", SECRET);
    let file = news.home().join("url");
    std::fs::write(&file, url("first")).unwrap();
    let news = news.env("NEWS_DATABASE_URL_FILE", file.to_str().unwrap());
    let mut running = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    let http = Http::new(&format!("http://{}", running.address()));
    assert_eq!(http.get("/readyz").status, 200);
    admin.batch_execute(&format!("ALTER ROLE {role} PASSWORD 'second'")).unwrap();
    terminate(&mut admin);
    wait_until("the service misses its database", || http.get("/readyz").status == 503);
    let hint = format!("The URL with the password is in {}", file.display());
    running.wait_line("the file is named", |line| line.contains(&hint).then_some(()));
    std::fs::write(&file, url("second")).unwrap();
    wait_until("the service has its database again", || http.get("/readyz").status == 200);
    drop(running);
    admin.batch_execute(&format!("DROP ROLE {role}")).unwrap();
}

/// What a writer saw.
#[derive(Default)]
struct Seen {
    /// Ids of posts whose making was acknowledged.
    made: Vec<i64>,
    statuses: Vec<u16>,
}

/// Runs eight writers, each on a connection of its own that must never be cut, while `meanwhile` happens.
fn under_load(address: SocketAddr, meanwhile: impl FnOnce()) -> Seen {
    let (all, is_over) = (Mutex::new(Seen::default()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (mut wire, bearer, mut seen) = (Wire::open(address), bearer(), Seen::default());
                let body = json!({ "title": "t", "body": "b" }).to_string();
                let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
                while !is_over.load(Ordering::Relaxed) {
                    let made = wire.send("POST", "/news/posts/", &headers, Some(body.as_bytes())).unwrap();
                    match made.status {
                        201 => seen.made.push(made.json()["id"].as_i64().unwrap()),
                        503 => assert_eq!(made.header("retry-after"), Some("1")),
                        // Its answer was lost: it may be there, so nothing invites to send it again.
                        504 => {
                            assert_eq!(made.header("retry-after"), None);
                            assert!(made.text().contains("may have been made"), "{}", made.text());
                        }
                        other => panic!("{other}: {}", made.text()),
                    }
                    let read = wire.send("GET", "/news/posts/?page_size=1", &headers, None).unwrap();
                    assert!([200, 503].contains(&read.status), "{}", read.text());
                    assert_eq!(read.header("retry-after").is_some(), read.status == 503);
                    if read.status == 200 {
                        let json = read.json();
                        let newest = json["results"][0]["id"].as_i64();
                        assert!(newest >= seen.made.last().copied(), "{json} does not show what was acknowledged");
                        assert!(json["count"].as_u64().unwrap() >= seen.made.len() as u64, "{json}");
                    }
                    seen.statuses.extend([made.status, read.status]);
                }
                let mut all = all.lock().unwrap();
                all.made.extend(seen.made);
                all.statuses.extend(seen.statuses);
            });
        }
        meanwhile();
        is_over.store(true, Ordering::Relaxed);
    });
    all.into_inner().unwrap()
}

/// Every write that was acknowledged is there; one that was not may be, too.
fn assert_none_lost(client: &mut Client, seen: &Seen) {
    let rows = client.query("SELECT id FROM news_post ORDER BY id", &[]).unwrap();
    let there: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let lost: Vec<_> = seen.made.iter().filter(|id| there.binary_search(id).is_err()).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let events = "SELECT count(*) FROM news_modelevent WHERE type = 'CREATED'";
    let events: i64 = client.query_one(events, &[]).unwrap().get(0);
    assert_eq!(usize::try_from(events).unwrap(), there.len(), "each has its event");
    let counted: i64 = client.query_one("SELECT sum(n)::bigint FROM news_post_count", &[]).unwrap().get(0);
    assert_eq!(usize::try_from(counted).unwrap(), there.len(), "each is counted");
}

#[test]
fn sessions_that_end_under_load_lose_no_acknowledged_write() {
    let service = Service::start();
    let mut client = service.db.client();
    let posts =
        |client: &mut Client| -> i64 { client.query_one("SELECT count(*) FROM news_post", &[]).unwrap().get(0) };
    let seen = under_load(service.address, || {
        for round in 0..10 {
            // Between two blows the service is at work again.
            let before = posts(&mut client);
            wait_until("posts are made", || posts(&mut client) > before + 8);
            wait_until("there are sessions", || terminate(&mut client) > 0);
            assert!(round < 10);
        }
        let before = posts(&mut client);
        wait_until("posts are made in the end", || posts(&mut client) > before + 8);
    });
    assert!(tally(seen.statuses.iter().copied())[&201] > 80);
    assert_none_lost(&mut service.db.client(), &seen);
}

#[test]
fn while_the_database_is_away_it_is_503_and_afterwards_all_is_well_within_two_seconds() {
    let service = Service::start();
    let name: String = service.db.client().query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    let url = service.db.url().replace(&format!("/{name}?"), "/postgres?");
    let mut admin = Client::connect(&url, postgres::NoTls).unwrap();
    let mut recovery = Duration::ZERO;
    let seen = under_load(service.address, || {
        wait_until("posts are made", || service.post_ids().len() > 20);
        admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).unwrap();
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        admin.query(sql, &[&name]).unwrap();
        wait_until("it says so", || service.ask("GET", "/readyz", None).status == 503);
        assert_eq!(service.ask("GET", "/healthz", None).status, 200);
        assert_eq!(service.ask("GET", "/news/posts/?all=true", None).expect(503).header("retry-after"), Some("1"));
        service.ask("GET", "/news/posts/", None).expect(503);
        admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).unwrap();
        let back = Instant::now();
        // Each worker has a session and a pause of its own: all of them are to be back.
        let mut in_a_row = 0;
        wait_until("all is well", || {
            in_a_row = if service.ask("GET", "/news/posts/", None).status == 200 { in_a_row + 1 } else { 0 };
            if in_a_row == 1 {
                recovery = back.elapsed();
            }
            in_a_row > 50
        });
    });
    assert!(recovery < Duration::from_secs(2), "{recovery:?}");
    assert!(tally(seen.statuses.iter().copied())[&503] > 0);
    assert_none_lost(&mut service.db.client(), &seen);
}

/// A restart as an administrator does it, and a crash: each under load, each survived without a word of it from the clients.
#[test]
fn a_server_that_restarts_under_load_costs_a_moment_and_no_write() {
    let server = OwnPg::start(|_| {});
    let news = News::with_url(&server.url()).env("NEWS_JWT_SECRET", SECRET);
    news.run(["db", "migrate"]).ok();
    let user = "INSERT INTO auth_user (username, password) VALUES ('admin', '!')";
    server.client().batch_execute(user).unwrap();
    let mut running = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    let address = running.address();
    let posts = || -> i64 { server.client().query_one("SELECT count(*) FROM news_post", &[]).unwrap().get(0) };
    let mut recoveries = Vec::new();
    let seen = under_load(address, || {
        for how in ["fast", "immediate", "fast"] {
            let before = posts();
            wait_until("posts are made", || posts() > before + 50);
            server.expect("pg_ctl", &["-D", "data", "-l", "server.log", "-w", "-t", "60", "-m", how, "restart"]);
            let back = Instant::now();
            // Each of the eight workers has a session and a pause of its own: a row of good answers has seen all of them.
            let (mut wire, bearer, mut in_a_row, mut recovery) = (Wire::open(address), bearer(), 0, Duration::ZERO);
            wait_until("all is well", || {
                let read = wire.send("GET", "/news/posts/", &[("Authorization", &bearer)], None).unwrap();
                in_a_row = if read.status == 200 { in_a_row + 1 } else { 0 };
                if in_a_row == 1 {
                    recovery = back.elapsed();
                }
                in_a_row > 50
            });
            recoveries.push(recovery);
        }
    });
    assert!(recoveries.iter().all(|recovery| *recovery < Duration::from_secs(2)), "{recoveries:?}");
    assert!(tally(seen.statuses.iter().copied())[&201] > 150);
    assert_none_lost(&mut server.client(), &seen);
}

/// Blocks the post 1, and returns who blocks it.
fn blocked_post(service: &Service) -> Client {
    service.posts(1, 10);
    let mut client = service.db.client();
    client.batch_execute("BEGIN; SELECT FROM news_post WHERE id = 1 FOR UPDATE").unwrap();
    client
}

/// Starts to change the post 1, and waits until it is waited for.
fn change_of_blocked(service: &Service) -> Wire {
    let mut wire = service.wire();
    let body = r#"{"title": "t", "body": "changed"}"#;
    let request = format!(
        "PUT /news/posts/1/ HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        bearer(),
        body.len()
    );
    wire.push(request.as_bytes()).unwrap();
    let mut client = service.db.client();
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'news serve' AND wait_event_type = 'Lock'";
    wait_until("the change waits", || client.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 1);
    wire
}

#[test]
fn sigterm_lets_what_runs_finish_and_exits_143() {
    let service = Service::start();
    let mut blocker = blocked_post(&service);
    let mut wire = change_of_blocked(&service);
    let mut idle = service.wire();
    let bearer = bearer();
    idle.send("GET", "/healthz", &[("Authorization", &bearer)], None).unwrap().expect(200);
    service.running.signal(Signal::TERM);
    assert!(idle.is_over(), "a connection that waits is closed");
    wait_until("nobody is let in", || {
        Wire::try_open(service.address).map_or(true, |mut late| late.send("GET", "/healthz", &[], None).is_err())
    });
    blocker.batch_execute("COMMIT").unwrap();
    let changed = wire.reply("PUT").unwrap().expect(200);
    assert_eq!(changed.json()["body"], "changed");
    let Service { running, db, .. } = service;
    let ended = running.wait().expect_code(143);
    assert_eq!(ended.stdout, "");
    let body: String = db.client().query_one("SELECT body FROM news_post", &[]).unwrap().get(0);
    assert_eq!(body, "changed");
}

#[test]
fn a_grace_that_is_over_cuts_what_still_runs() {
    let service = Service::start_with(&["--grace", "100ms"], |news| news);
    let _blocker = blocked_post(&service);
    let mut wire = change_of_blocked(&service);
    service.running.signal(Signal::INT);
    wire.reply("PUT").expect_err("cut");
    let Service { running, .. } = service;
    assert!(running.wait().expect_code(130).stderr.contains("after 100ms"));
}

#[test]
fn a_write_whose_answer_is_lost_may_have_been_made_and_says_so() {
    let db = Db::new();
    let network = Network::to(&db);
    let news = News::on(&db).env("NEWS_DATABASE_URL", network.url()).env("NEWS_JWT_SECRET", SECRET);
    super::add_user(&db, "admin", "true");
    let mut running = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    let address = running.address();
    let service = Service { running, news, address, db };
    let mut blocker = blocked_post(&service);
    let mut wire = change_of_blocked(&service);
    network.cut();
    let reply = wire.reply("PUT").unwrap().expect(504);
    assert_eq!(reply.header("retry-after"), None);
    assert!(reply.text().contains("may have been made"), "{}", reply.text());
    blocker.batch_execute("COMMIT").unwrap();
    let mut client = service.db.client();
    let body = "SELECT body FROM news_post WHERE id = 1";
    wait_until("it is made", || client.query_one(body, &[]).unwrap().get::<_, String>(0) == "changed");
    // The next request has a connection of its own, and a read that meets the end of one is simply done again.
    assert_eq!(service.ask("GET", "/news/posts/1/", None).expect(200).json()["body"], "changed");
    network.cut();
    service.ask("GET", "/news/posts/1/", None).expect(200);
}

#[test]
fn while_writes_wait_for_a_standby_reads_are_answered_and_readyz_is_503() {
    let server = OwnPg::start(|_| {});
    let news = News::with_url(&server.url()).env("NEWS_JWT_SECRET", SECRET);
    news.run(["db", "migrate"]).ok();
    let mut client = server.client();
    client.batch_execute("INSERT INTO auth_user (username, password) VALUES ('admin', '!')").unwrap();
    let mut running = news.spawn(["serve", "--listen", "127.0.0.1:0", "--workers", "2"]);
    let address = running.address();
    let bearer = bearer();
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let get = |path: &str| Wire::open(address).send("GET", path, &headers, None).unwrap();
    let mut wires: Vec<Wire> = (0..3).map(|_| Wire::open(address)).collect();
    get("/readyz").expect(200);
    server.set_synchronous_standbys("nobody");
    let body = r#"{"title": "t", "body": "b"}"#;
    let post = format!(
        "POST /news/posts/ HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for wire in &mut wires {
        wire.push(post.as_bytes()).unwrap();
    }
    wait_until("it is not ready", || get("/readyz").status == 503);
    assert!(get("/readyz").text().contains("standby"));
    get("/healthz").expect(200);
    get("/news/posts/").expect(200);
    server.set_synchronous_standbys("");
    let statuses: Vec<u16> = wires.iter_mut().map(|wire| wire.reply("POST").unwrap().status).collect();
    // One of them was waiting; those behind it, too, unless they waited for too long.
    assert!(statuses.contains(&201) && statuses.iter().all(|status| [201, 503].contains(status)), "{statuses:?}");
    wait_until("it is ready", || get("/readyz").status == 200);
}

#[test]
fn a_database_that_cannot_store_is_503_and_not_ready_until_it_can() {
    let service = Service::start();
    service.posts(1, 10);
    let mut client = service.db.client();
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON news_post EXECUTE FUNCTION full_disk()";
    let post = json!({ "title": "t", "body": "b" });
    service.ask("GET", "/readyz", None).expect(200);
    client.batch_execute(full).unwrap();
    assert_eq!(service.ask("POST", "/news/posts/", Some(&post)).expect(503).header("retry-after"), Some("1"));
    service.ask("GET", "/readyz", None).expect(503);
    service.ask("GET", "/news/posts/1/", None).expect(200);
    client.batch_execute("DROP FUNCTION full_disk CASCADE").unwrap();
    // No write has come since: it finds out by itself, and leaves nothing behind.
    service.ask("GET", "/readyz", None).expect(200);
    assert_eq!(service.post_ids(), [1]);
    let name: String = client.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    client.batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).unwrap();
    terminate(&mut client);
    assert!(service.ask("GET", "/readyz", None).expect(503).text().contains("read-only"));
    service.ask("POST", "/news/posts/", Some(&post)).expect(503);
}
