//! `kill -9` of `news sync` at random moments, while edits go on, and crashes of the database: nothing is lost, nothing is
//! created twice.
//!
//! `NEWS_CRASH_KILLS=200` and `NEWS_CRASH_DATABASE_KILLS=20` make it long, `NEWS_CRASH_COMMIT=local` takes another
//! synchronous_commit, `NEWS_CRASH_SEED` plays another game; all are printed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postgres::Client;
use rustix::process::Signal;

use crate::support::pair::nothing_twice;
use crate::support::{Fake, News, OwnPg, Pair, wait_until};

/// Kills where nobody says otherwise: a few seconds.
const KILLS: u64 = 12;

/// Edits delete posts with their comments: a share of the target that no limit is to refuse here.
const MANY: &str = "100000";

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Random enough, and the same again from the same seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// Returns a number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// One edit of any sort. An id that was deleted does not come back, so that each may be created once.
pub fn edit(sql: &mut Client, random: &mut Random) {
    let pick = |table: &str, at: u64| {
        format!(
            "(SELECT id FROM {table} ORDER BY id OFFSET {at} % greatest((SELECT count(*) FROM {table}), 1) LIMIT 1)"
        )
    };
    let at = random.below(1_000_000);
    let statement = match random.below(10) {
        0..=2 => format!("INSERT INTO news_post (user_id, title, body) VALUES (1, 'new {at}', 'b')"),
        3..=4 => format!(
            "INSERT INTO news_comment (post_id, name, email, body) SELECT id, 'new {at}', 'e', 'b' FROM news_post ORDER BY id DESC LIMIT 2"
        ),
        5 => format!("UPDATE news_post SET title = 'edit {at}' WHERE id = {}", pick("news_post", at)),
        6 => format!("UPDATE news_comment SET name = 'edit {at}' WHERE id = {}", pick("news_comment", at)),
        7 => format!(
            "UPDATE news_comment SET post_id = {} WHERE id = {}",
            pick("news_post", at / 7),
            pick("news_comment", at)
        ),
        8 => format!("DELETE FROM news_comment WHERE id = {}", pick("news_comment", at)),
        9 => format!("DELETE FROM news_post WHERE id = {}", pick("news_post", at)),
        _ => unreachable!(),
    };
    sql.batch_execute(&statement).unwrap_or_else(|error| panic!("{error:?} in {statement}"));
}

#[test]
fn killed_at_any_moment_while_edits_go_on() {
    killed("{}");
}

#[test]
fn killed_at_any_moment_while_the_target_is_in_trouble_too() {
    // What it answers nothing to comes into force within the time that is allowed for it.
    killed(r#"{"cut_after": 0.03, "fail_after": 0.03, "fail_before": 0.02, "late_writes_ms": 1500}"#);
}

fn killed(faults: &str) {
    let (kills, seed) = (from_environment("NEWS_CRASH_KILLS", KILLS), from_environment("NEWS_CRASH_SEED", 1));
    println!("NEWS_CRASH_KILLS={kills} NEWS_CRASH_SEED={seed}");
    let mut random = Random(seed);
    // A target that stores a second record under an id that is there: nothing hides a mistake.
    let mut pair = Pair::new(["--mode", "duplicates", "--latency", "3ms", "--jitter", "12ms"]);
    if faults != "{}" {
        pair.fake.set_faults(&faults.replace('{', r#"{"latency_ms": 3, "jitter_ms": 12, "#));
    }
    let enough = AtomicBool::new(false);
    let mut ends = std::collections::BTreeMap::<i32, u64>::new();
    std::thread::scope(|scope| {
        let (mut sql, mut editor) = (pair.db.client(), Random(seed ^ 0xed17));
        scope.spawn({
            let enough = &enough;
            move || {
                while !enough.load(Ordering::Relaxed) {
                    edit(&mut sql, &mut editor);
                    std::thread::sleep(Duration::from_millis(editor.below(25)));
                }
            }
        });
        for kill in 0..kills {
            let jobs = (1 + random.below(8)).to_string();
            let sync = pair.news.spawn(["sync", "--jobs", &jobs, "--max-deletes", MANY]);
            // Some are long enough for what an earlier one left to be asked for.
            let longest_ms = if kill % 5 == 4 { 3000 } else { 600 };
            std::thread::sleep(Duration::from_millis(random.below(longest_ms)));
            sync.signal(Signal::KILL);
            let end = sync.wait();
            assert!(matches!(end.code, 137 | 0), "{}: {}", end.code, end.stderr);
            *ends.entry(end.code).or_default() += 1;
        }
        enough.store(true, Ordering::Relaxed);
    });
    println!("ends: {ends:?}, {} requests", pair.arrived());
    wait_until("a sync is done", || pair.sync(["--jobs", "8", "--max-deletes", MANY]).code == 0);
    pair.fake.set_faults("{}");
    wait_until("no write is on its way", || pair.fake.counts()["late"] == 0);
    let report = pair.diff(0);
    assert_eq!(report["equal"], true);
    assert_eq!(pair.unsynced(), 0);
    nothing_twice(&pair.fake);
    // It was about something: most of what was made arrived, and each kill was noticed.
    let created =
        pair.number("SELECT count(DISTINCT (entity_table, entity_pk)) FROM news_modelevent WHERE type = 'CREATED'");
    assert!(created > 0 && ends.get(&137).is_some_and(|killed| *killed > kills / 4), "{created} created, {ends:?}");
}

/// The server's own crash: what is committed before a request is on disk, whatever somebody has made the default.
#[test]
fn the_database_killed_at_any_moment_creates_nothing_twice() {
    let (kills, seed) = (from_environment("NEWS_CRASH_DATABASE_KILLS", 3), from_environment("NEWS_CRASH_SEED", 1));
    let setting = std::env::var("NEWS_CRASH_COMMIT").unwrap_or_else(|_| "off".to_owned());
    println!("NEWS_CRASH_DATABASE_KILLS={kills} NEWS_CRASH_SEED={seed} NEWS_CRASH_COMMIT={setting}");
    let server = OwnPg::start(|server| {
        server
            .write("data/postgresql.auto.conf", &format!("synchronous_commit = {setting}\nwal_writer_delay = '10s'\n"));
    });
    let mut random = Random(seed);
    let fake = Fake::start(["--mode", "duplicates", "--latency", "20ms"]);
    let news = News::with_url(&server.url()).env("NEWS_TARGET_URL", fake.url());
    news.run(["db", "migrate"]).ok();
    news.run(["import"]).ok();
    for kill in 0..kills {
        let insert = format!(
            "SET synchronous_commit = on; INSERT INTO news_post (user_id, title, body)
             SELECT 1, 'new {kill}.' || g, 'b' FROM generate_series(1, 40) g"
        );
        server.client().batch_execute(&insert).unwrap();
        let sync = news.spawn(["sync", "--jobs", "2"]);
        std::thread::sleep(Duration::from_millis(random.below(700)));
        server.crash();
        sync.signal(Signal::KILL);
        sync.wait();
        server.launch();
        wait_until("a sync is done", || news.run(["sync"]).code == 0);
        nothing_twice(&fake);
    }
    news.run(["diff"]).ok();
}
