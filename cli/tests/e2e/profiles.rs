//! Targets that do not speak like json-server, by their profiles: PocketBase, Directus, Strapi, Feathers, Django REST framework, `news serve`,
//! and servers that say what a test wants.

mod altered;
mod keyed;
mod replica;
mod spoken;
mod wordpress;
mod wrong;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::crash::{Random, edit};
use crate::support::applications::Application;
use crate::support::canned::{Canned, respond};
use crate::support::pocketbase::{Lossy, PocketBase};
use crate::support::{Db, Http, News, Running};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");
/// Edits delete posts with their comments: a share of the target that no limit is to refuse here.
const MANY: &str = "100000";
/// Behind a network that loses messages a run may give up, but not so often in a row.
const RUNS_MAX: usize = 20;

/// A full sync of our fixtures to a target that is empty, 200 edits with plain syncs, and no difference.
fn is_kept_in_sync(db: &Db, news: &News) {
    news.run(["import", "--from", FIXTURES]).ok();
    let report = news.run(["--json", "sync", "--full"]).ok().json();
    let created = |entity: &str| report["done"][entity]["create"].clone();
    assert_eq!((created("posts"), created("comments")), (json!(100), json!(500)), "{report}");
    news.run(["diff"]).ok();
    let (mut sql, mut random) = (db.client(), Random(7));
    for _ in 0..10 {
        (0..20).for_each(|_| edit(&mut sql, &mut random));
        news.run(["sync", "--max-deletes", MANY]).ok();
    }
    let report = news.run(["--json", "diff"]).ok().json();
    assert_eq!(report["equal"], true, "{report}");
}

/// Syncs the same through a network that loses messages, with ten kills, and compares without the network between.
fn is_kept_in_sync_behind_a_lossy_network(db: &Db, url: &str, news: impl Fn(&str) -> News) {
    let network = Lossy::to(url, 20);
    let lossy = news(&network.url(url));
    // A run that gives up leaves the rest to the next one.
    let done = |command: &[&str]| {
        let runs: Vec<_> = (0..RUNS_MAX).map(|_| lossy.run(command)).take_while(|run| run.code != 0).collect();
        assert!(runs.len() < RUNS_MAX, "{:?}", runs.last());
    };
    done(&["sync", "--full", "--jobs", "8", "--force"]);
    let (mut sql, mut random) = (db.client(), Random(11));
    for _ in 0..10 {
        (0..20).for_each(|_| edit(&mut sql, &mut random));
        let sync = lossy.spawn(["sync", "--jobs", "8", "--max-deletes", MANY]);
        std::thread::sleep(std::time::Duration::from_millis(random.below(600)));
        sync.signal(Signal::KILL);
        sync.wait();
    }
    done(&["sync", "--jobs", "8", "--max-deletes", MANY]);
    let cuts = network.cuts();
    let report = news(url).run(["--json", "diff"]).ok().json();
    println!("{cuts} messages lost; {report}");
    assert_eq!(report["equal"], true, "{report}");
    assert!(cuts > 10, "{cuts}");
}

#[test]
fn pocketbase_is_kept_in_sync() {
    let Some(pocketbase) = PocketBase::start() else { return };
    let db = Db::new();
    is_kept_in_sync(&db, &PocketBase::news(&db, pocketbase.url()));
    // Another database takes the same objects over, and remembers how this target is to be talked to.
    let other = Db::new();
    let other_news = PocketBase::news(&other, pocketbase.url());
    other_news.run(["import"]).ok();
    other_news.env("NEWS_TARGET_PROFILE", "").run(["diff"]).ok();
}

#[test]
fn pocketbase_behind_a_network_that_loses_messages_gets_nothing_twice_and_nothing_less() {
    let Some(pocketbase) = PocketBase::start() else { return };
    let db = Db::new();
    PocketBase::news(&db, pocketbase.url()).run(["import", "--from", FIXTURES]).ok();
    is_kept_in_sync_behind_a_lossy_network(&db, pocketbase.url(), |url| PocketBase::news(&db, url));
}

#[test]
fn directus_is_kept_in_sync_with_the_documented_profile() {
    let Some(directus) = Application::directus() else { return };
    let db = Db::new();
    is_kept_in_sync(&db, &directus.news(&db, directus.url()));
    // An update of a record that is not there is acknowledged with 204.
    let id: i64 = db.client().query_one("SELECT max(id) FROM news_comment", &[]).unwrap().get(0);
    let http = Http::new(directus.url()).bearer(directus.token());
    assert_eq!(http.try_send("DELETE", &format!("/items/comments/{id}"), None).unwrap().status, 204);
    db.client().execute("UPDATE news_comment SET name = 'shown' WHERE id = $1", &[&id]).unwrap();
    let report = directus.news(&db, directus.url()).run(["--json", "sync"]).ok().json();
    assert_eq!(report["done"]["comments"]["create"], 1, "{report}");
    is_kept_in_sync_behind_a_lossy_network(&db, directus.url(), |url| directus.news(&db, url));
}

#[test]
fn feathers_is_kept_in_sync_with_a_profile_that_no_example_covers() {
    let Some(feathers) = Application::feathers() else { return };
    let db = Db::new();
    let news = feathers.news(&db, feathers.url());
    is_kept_in_sync(&db, &news);
    assert!(news.run(["doctor", "--write-test"]).ok().stdout.contains("were created, read, updated and deleted"));
    is_kept_in_sync_behind_a_lossy_network(&db, feathers.url(), |url| feathers.news(&db, url));
}

#[test]
fn strapi_is_read_with_the_documented_profile() {
    let Some(strapi) = Application::strapi() else { return };
    let db = Db::new();
    let news = strapi.news(&db, strapi.url());
    let report = news.run(["--json", "import"]).ok().json();
    assert_eq!((&report["posts"], &report["comments"]), (&json!(100), &json!(500)), "{report}");
    assert_eq!(news.run(["--json", "diff"]).ok().json()["equal"], true);
    db.client().batch_execute("UPDATE news_comment SET post_id = 2 WHERE id = 1").unwrap();
    let report = news.run(["--json", "diff"]).expect_code(1).json();
    assert_eq!(report["differences"][0]["fields"][0]["field"], "postId", "{report}");
    assert!(news.run(["sync"]).expect_code(4).stderr.contains("gives ids of its own"));
    let wrong = news.env("NEWS_TARGET_TOKEN", "another").run(["diff"]).expect_code(7);
    assert!(wrong.stderr.contains("NEWS_TARGET_TOKEN"), "{}", wrong.stderr);
}

#[test]
fn a_password_that_pocketbase_refuses_is_a_matter_of_credentials() {
    let Some(pocketbase) = PocketBase::start() else { return };
    let db = Db::new();
    let news = PocketBase::news(&db, pocketbase.url());
    news.run(["import", "--from", FIXTURES]).ok();
    let stranger = PocketBase::news(&db, pocketbase.url()).env("NEWS_TARGET_PASSWORD", "another password");
    for command in [&["diff"][..], &["sync", "--full"]] {
        let output = stranger.run(command).expect_code(7);
        assert!(output.stderr.contains("NEWS_TARGET_PASSWORD"), "{}", output.stderr);
        assert!(!output.stderr.contains("another password"), "{}", output.stderr);
    }
    let output = news.env("NEWS_TARGET_USER", "").run(["diff"]).expect_code(2);
    assert!(output.stderr.contains("Set NEWS_TARGET_USER, and NEWS_TARGET_PASSWORD"), "{}", output.stderr);
}

/// An API on Django REST framework, stopped when dropped.
struct Drf {
    url: String,
    profile: String,
    _running: Running,
    _folder: TempDir,
}

impl Drf {
    /// Starts one, to be spoken to with the profile of this section of the documents.
    fn start(section: &str, more: &[&str]) -> Option<Self> {
        let Some(python) = std::env::var_os("NEWS_DRF_PYTHON") else {
            println!("skipped: NEWS_DRF_PYTHON does not name a Python with Django REST framework");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drf/app.py")).arg(folder.path()).arg(FIXTURES);
        let mut running = Running::start({
            command.args(more);
            command
        });
        let page = include_str!("../../../docs/profiles.md");
        let section = page.split(&format!("## Django REST framework, {section}")).nth(1).unwrap();
        let profile = folder.path().join("drf.toml");
        std::fs::write(&profile, section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()).unwrap();
        let profile = profile.to_str().unwrap().to_owned();
        Some(Self { url: format!("http://{}", running.address()), profile, _running: running, _folder: folder })
    }

    /// Returns the binary on `db`, with this API at `url` as its target.
    fn news(&self, db: &Db, url: &str) -> News {
        News::on(db)
            .env("NEWS_TARGET_URL", url)
            .env("NEWS_TARGET_PROFILE", &self.profile)
            .env("NEWS_TARGET_USER", "reader")
            .env("NEWS_TARGET_PASSWORD", "a password")
    }
}

#[test]
fn django_rest_framework_is_read_with_the_documented_profile() {
    let Some(drf) = Drf::start("as it is", &[]) else { return };
    let db = Db::new();
    let news = drf.news(&db, &drf.url);
    let report = news.run(["--json", "import"]).ok().json();
    assert_eq!((&report["posts"], &report["comments"]), (&json!(100), &json!(500)), "{report}");
    news.run(["diff"]).ok();
    db.client().batch_execute("DELETE FROM news_comment WHERE id = 77").unwrap();
    let report = news.run(["--json", "diff"]).expect_code(1).json();
    assert_eq!(
        (&report["differences"][0]["entity"], &report["differences"][0]["id"]),
        (&json!("comments"), &json!(77))
    );
    assert!(news.run(["sync"]).expect_code(4).stderr.contains("gives ids of its own"));
    let wrong = news.env("NEWS_TARGET_PASSWORD", "another").run(["diff"]).expect_code(7);
    assert!(wrong.stderr.contains("the login was refused"), "{}", wrong.stderr);
}

/// Writes a profile for a target whose listings are pages by number, and returns its path.
fn paged(folder: &Path) -> String {
    let mut text = String::from(
        "auth = { kind = \"none\" }\nenvelope = \"data.items\"\npages = { kind = \"page\", param = \"page\", size_param = \
         \"size\", size = 2, total = \"data.total\" }\n",
    );
    for entity in ["posts", "comments"] {
        writeln!(
            text,
            "[{entity}]\nlist = \"GET /{entity}\"\nread = \"GET /{entity}/{{id}}\"\ncreate = \"POST /{entity}\"\n\
             update = \"PUT /{entity}/{{id}}\"\ndelete = \"DELETE /{entity}/{{id}}\""
        )
        .unwrap();
    }
    let path = folder.join("paged.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Starts a target with these pages of posts, each the ids and the total, and no comments.
fn pages(pages: &'static [(&'static [i64], u64)]) -> Canned {
    Canned::start(move |path, stream| {
        let number: usize = path.rsplit_once("page=").map_or(1, |(_, number)| number.parse().unwrap());
        let (ids, total) = if path.starts_with("/posts") { pages[number - 1] } else { (&[][..], 0) };
        let items: Vec<_> = ids.iter().map(|id| json!({"id": id, "userId": 1, "title": "t", "body": "b"})).collect();
        respond(stream, "", json!({"data": {"total": total, "items": items}}).to_string().as_bytes());
    })
}

#[test]
fn pages_are_read_to_the_last_one_and_never_in_part() {
    let folder = tempfile::tempdir().unwrap();
    for (target, code, says) in [
        (pages(&[(&[1, 2], 3), (&[3], 3)]), 0, "imported 3 posts"),
        (pages(&[(&[1, 2], 3), (&[3], 2)]), 5, "3 elements in all became 2: the target changed meanwhile"),
        (pages(&[(&[1, 2], 4), (&[2, 3], 4)]), 5, "id 2 comes on two pages"),
        (pages(&[(&[1, 2], 4), (&[], 4)]), 5, "an empty page after 2 of 4 elements"),
    ] {
        let db = Db::new();
        let news = News::on(&db).env("NEWS_TARGET_URL", target.url()).env("NEWS_TARGET_PROFILE", &paged(folder.path()));
        let output = news.run(["import"]).expect_code(code);
        assert!(format!("{}{}", output.stdout, output.stderr).contains(says), "{says}: {output:?}");
        let rows: i64 = db.client().query_one("SELECT count(*) FROM news_post", &[]).unwrap().get(0);
        assert_eq!(rows, if code == 0 { 3 } else { 0 }, "{says}");
    }
}

#[test]
fn a_profile_that_does_not_fit_is_refused_before_anything_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = paged(folder.path());
    let target = pages(&[(&[1, 2], 3), (&[3], 3)]);
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", target.url()).env("NEWS_TARGET_PROFILE", &path);
    news.run(["import"]).ok();
    // It says something else now.
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace("data.items", "items")).unwrap();
    db.client().batch_execute("DELETE FROM news_post WHERE id = 1").unwrap();
    for command in [&["diff"][..], &["sync", "--full"]] {
        let output = news.run(command).expect_code(5);
        assert!(output.stderr.contains("no array at \"items\" in the page"), "{}", output.stderr);
        assert!(output.stderr.contains("it says something else"), "{}", output.stderr);
    }
    std::fs::write(&path, "ids = \"ours\"\nenvelop = \"x\"\n").unwrap();
    let output = news.run(["diff"]).expect_code(2);
    assert!(output.stderr.contains("paged.toml:1:1: posts is missing"), "{}", output.stderr);
    let output = news.env("NEWS_TARGET_PROFILE", "pocketbas").run(["diff"]).expect_code(2);
    assert!(output.stderr.contains("unknown target profile"), "{}", output.stderr);
}
