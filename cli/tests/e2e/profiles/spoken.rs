//! The Fake API speaking as profiles say: each word of the vocabulary, without other software.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{FIXTURES, MANY};
use crate::crash::{Random, edit};
use crate::support::{Db, Fake, News};

/// Behind faults a run may give up, but not so often in a row.
const RUNS_MAX: usize = 20;
const PASSWORD: &str = "a-password-of-22-bytes";

/// A Fake API that speaks as a profile says, and `news` that talks to it.
struct Spoken {
    fake: Fake,
    db: Db,
    news: News,
    _folder: TempDir,
}

/// Writes a profile. What `words` do not say is as json-server has it.
pub fn written(folder: &Path, words: &str) -> PathBuf {
    let calls = |entity: &str| {
        format!(
            "list = \"GET /{entity}\"\nread = \"GET /{entity}/{{id}}\"\ncreate = \"POST /{entity}\"\n\
             update = \"PUT /{entity}/{{id}}\"\ndelete = \"DELETE /{entity}/{{id}}\"\n"
        )
    };
    let (head, tables) = words.split_at(words.find("[posts]").unwrap_or(words.len()));
    let of = |entity: &str| -> String {
        let own = tables.split('[').find_map(|table| table.strip_prefix(&format!("{entity}]\n"))).unwrap_or("");
        let is_said = |line: &&str| own.lines().all(|said| said.split(" =").next() != line.split(" =").next());
        let defaults: Vec<String> = calls(entity).lines().filter(is_said).map(|line| format!("{line}\n")).collect();
        format!("[{entity}]\n{own}{}", defaults.concat())
    };
    let path = folder.join("spoken.toml");
    std::fs::write(&path, format!("{head}{}{}", of("posts"), of("comments"))).unwrap();
    path
}

impl Spoken {
    /// Starts both with a profile: a built-in one, or one in words.
    fn start(words: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = if words.contains('\n') {
            written(folder.path(), words).to_str().unwrap().to_owned()
        } else {
            words.to_owned()
        };
        let empty = folder.path().join("empty.json");
        std::fs::write(&empty, "{}").unwrap();
        let flags = [&["--profile", &profile, "--data", empty.to_str().unwrap()], flags].concat();
        let fake = Fake::start_by(News::bare().env("NEWS_FAKE_TOKEN", PASSWORD), flags);
        let db = Db::new();
        let news = News::on(&db).env("NEWS_TARGET_URL", fake.url()).env("NEWS_TARGET_PROFILE", &profile);
        let news = news.env("NEWS_TARGET_USER", "ada").env("NEWS_TARGET_PASSWORD", PASSWORD);
        let news = news.env("NEWS_TARGET_TOKEN", PASSWORD);
        news.run(["import", "--from", FIXTURES]).ok();
        Self { fake, db, news, _folder: folder }
    }

    /// Lets a run that gives up leave the rest to the next one.
    fn until_done(&self, command: &[&str]) {
        let runs: Vec<_> = (0..RUNS_MAX).map(|_| self.news.run(command)).take_while(|run| run.code != 0).collect();
        assert!(runs.len() < RUNS_MAX, "{:?}", runs.last());
    }

    /// A full sync of the fixtures, 200 edits with plain syncs, and no difference; then the same again while messages get
    /// lost, and nothing is there twice.
    fn is_kept_in_sync(&self) {
        let report = self.news.run(["--json", "sync", "--full"]).ok().json();
        let created = |entity: &str| report["done"][entity]["create"].clone();
        assert_eq!((created("posts"), created("comments")), (json!(100), json!(500)), "{report}");
        assert!(!self.news.run(["diff"]).ok().stdout.is_empty());
        self.edited(5);
        self.fake.set_faults(r#"{"cut_before": 0.02, "cut_after": 0.03, "fail_after": 0.02}"#);
        self.edited(5);
        self.fake.set_faults("{}");
        self.until_done(&["sync", "--max-deletes", MANY]);
        assert_eq!(self.news.run(["--json", "diff"]).ok().json()["equal"], true);
        for entity in ["posts", "comments"] {
            for (id, tally) in self.fake.counts()[entity].as_object().unwrap() {
                let more = |name: &str| tally[name].as_u64().unwrap();
                assert!(more("creates") <= more("deletes") + 1, "{entity}/{id}: {tally}");
            }
        }
    }

    fn edited(&self, times: u64) {
        let (mut sql, mut random) = (self.db.client(), Random(times));
        for _ in 0..times {
            (0..20).for_each(|_| edit(&mut sql, &mut random));
            self.until_done(&["sync", "--max-deletes", MANY]);
        }
        assert_eq!(self.news.run(["--json", "diff"]).ok().json()["equal"], true);
    }

    fn get(&self, path: &str) -> Value {
        self.fake.http().get(path).json()
    }
}

#[test]
fn padded_ids_an_envelope_numbered_pages_and_a_login_as_pocketbase_has_them() {
    let spoken = Spoken::start("pocketbase", &["--page", "70"]);
    spoken.is_kept_in_sync();
    let http = spoken.fake.http().clone().authorization("fake-login-token");
    let comment = http.get("/comments/records/000000000000007");
    assert_eq!(comment.json()["id"], "000000000000007", "{}", comment.text);
    let page = http.get("/comments/records?sort=id&page=2&perPage=3").json();
    assert_eq!(page["items"].as_array().unwrap().len(), 3, "{page}");
    assert_eq!(spoken.fake.http().get("/posts/records").status, 401);
    let report = spoken.news.env("NEWS_TARGET_PASSWORD", "another").run(["diff"]).expect_code(7);
    assert!(report.stderr.contains("the login was refused"), "{}", report.stderr);
}

#[test]
fn a_403_that_means_missing_and_other_names() {
    let words = "missing = [403, 404]\nauth = { kind = \"bearer\" }\nenvelope = \"data.all\"\n\
                 pages = { kind = \"next\", field = \"data.next\", total = \"data.count\" }\n\
                 [posts]\nupdate = \"PATCH /posts/{id}\"\nfields = { user_id = \"author\", title = \"subject\" }\n\
                 [comments]\nid = \"number\"\nfields = { post_id = \"post\", email = \"e-mail\" }\n";
    let spoken = Spoken::start(words, &["--page", "70"]);
    spoken.is_kept_in_sync();
    assert_eq!(spoken.fake.http().get("/posts/999999").status, 403);
    spoken.fake.set_faults(r#"{"page": 70}"#);
    let listed = &spoken.get("/comments")["data"];
    assert!(listed["all"][69]["e-mail"].is_string() && listed["next"].is_string(), "{listed}");
    assert_eq!(listed["all"].as_array().unwrap().len(), 70);
}

#[test]
fn a_target_that_counts_itself_is_read() {
    let fake = Fake::start_by(News::bare(), ["--profile", "news"]);
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url()).env("NEWS_TARGET_PROFILE", "news");
    let news = news.env("NEWS_TARGET_USER", "reader").env("NEWS_TARGET_PASSWORD", "any");
    let report = news.run(["--json", "import"]).ok().json();
    assert_eq!((&report["posts"], &report["comments"]), (&json!(100), &json!(500)));
    news.run(["diff"]).ok();
    assert!(news.run(["sync"]).expect_code(4).stderr.contains("gives ids of its own"));
}
