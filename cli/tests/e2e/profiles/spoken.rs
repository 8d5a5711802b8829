//! The Fake API speaking as profiles say: each word of the vocabulary, without other software.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
    fake_wants_a_token: bool,
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
        let fake = Fake::start_by(News::bare().env("NEWS_FAKE_TOKEN", PASSWORD), &flags);
        let db = Db::new();
        let news = News::on(&db).env("NEWS_TARGET_URL", fake.url()).env("NEWS_TARGET_PROFILE", &profile);
        let news = news.env("NEWS_TARGET_USER", "ada").env("NEWS_TARGET_PASSWORD", PASSWORD);
        let news = news.env("NEWS_TARGET_TOKEN", PASSWORD);
        news.run(["import", "--from", FIXTURES]).ok();
        let fake_wants_a_token = flags.contains(&"--require-token");
        Self { fake, db, news, fake_wants_a_token, _folder: folder }
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
        let faults = |mut faults: Value| {
            faults["require_token"] = self.fake_wants_a_token.into();
            self.fake.set_faults(&faults.to_string());
        };
        faults(json!({"cut_before": 0.02, "cut_after": 0.03, "fail_after": 0.02}));
        self.edited(5);
        faults(json!({}));
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

    /// Deletes a record with the credentials of the profile's bearer and its constant field. Returns the status.
    fn deleted_by_others(&self, path: &str) -> u16 {
        let mut request = ureq::http::Request::builder().method("DELETE").uri(format!("{}{path}", self.fake.url()));
        request = request.header("Authorization", format!("Bearer {PASSWORD}"));
        let request = request.header("Prefer", "return=representation").body(()).unwrap();
        ureq::run(request).unwrap().status().as_u16()
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
fn creates_by_put_that_replace_nothing_as_news_serve_has_them() {
    let words = "auth = { kind = \"bearer\" }\n[posts]\ncreate = \"PUT /posts/{id}\"\n[comments]\ncreate = \"PUT /comments/{id}\"\n";
    let spoken = Spoken::start(words, &[]);
    spoken.is_kept_in_sync();
    let put = |id: i64, condition: Option<&str>| {
        let request = ureq::http::Request::builder().method("PUT").uri(format!("{}/posts/{id}", spoken.fake.url()));
        let request = condition.into_iter().fold(request, |request, tag| request.header("If-None-Match", tag));
        let request = request.header("Content-Type", "application/json");
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let body = r#"{"userId": 1, "title": "t", "body": "b"}"#;
        agent.run(request.body(body).unwrap()).unwrap().status().as_u16()
    };
    // Without the condition a PUT is an update, of what is there.
    assert_eq!(put(900_001, None), 404);
    assert_eq!((put(900_001, Some("*")), put(900_001, Some("*"))), (201, 412));
    assert_eq!(put(900_001, None), 200);
    assert_eq!(spoken.get("/posts/900001")["id"], 900_001);
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
fn an_item_a_wrap_offsets_and_updates_that_have_to_be_shown_as_directus_has_them() {
    let words = "missing = [403, 404]\nenvelope = \"data\"\nitem = \"data\"\nwrap = \"record\"\nwrites = \"echoed\"\n\
                 headers = { Prefer = \"return=representation\" }\n\
                 pages = { kind = \"offset\", param = \"skip\", size_param = \"take\", size = 40, total = \"meta.all\" }\n\
                 [posts]\nupdate = \"PATCH /posts/{id}\"\n[comments]\nupdate = \"PATCH /comments/{id}\"\n";
    // It puts less on a page than it is asked for.
    let spoken = Spoken::start(words, &["--page", "30", "--require-token"]);
    spoken.is_kept_in_sync();
    // What others deleted there is created again, although the update is acknowledged.
    let http = spoken.fake.http().clone().authorization(&format!("Bearer {PASSWORD}"));
    assert_eq!(http.get("/posts").status, 400, "without the constant header field");
    let mut sql = spoken.db.client();
    let id: i64 = sql.query_one("SELECT max(id) FROM news_comment", &[]).unwrap().get(0);
    spoken.news.run(["sync"]).ok();
    sql.batch_execute(&format!("UPDATE news_comment SET name = 'shown' WHERE id = {id}")).unwrap();
    let counted = |name: &str| spoken.fake.counts()["comments"][id.to_string()][name].as_u64().unwrap_or(0);
    let before = counted("creates");
    assert_eq!(spoken.deleted_by_others(&format!("/comments/{id}")), 204);
    let report = spoken.news.run(["--json", "sync"]).ok().json();
    assert_eq!((counted("creates"), counted("updates")), (before + 1, counted("updates")), "{report}");
    assert_eq!(spoken.news.run(["--json", "diff"]).ok().json()["equal"], true);
}

#[test]
fn fields_that_the_target_does_not_have_and_members_that_are_always_sent() {
    let words = "writes = \"echoed\"\n[posts]\nfields = { user_id = false }\n\
                 always = { status = \"publish\", rank = 7, sticky = false }\n\
                 [comments]\nfields = { name = false }\nalways = { status = \"approved\" }\n";
    let spoken = Spoken::start(words, &[]);
    spoken.is_kept_in_sync();
    let (post, comment) = (spoken.get("/posts")[0].clone(), spoken.get("/comments")[0].clone());
    assert_eq!((&post["status"], &post["rank"], &post["sticky"]), (&json!("publish"), &json!(7), &json!(false)));
    assert_eq!(
        (&post["userId"], &comment["name"], &comment["status"]),
        (&Value::Null, &Value::Null, &json!("approved"))
    );
    // A change of such a field is sent, and nothing differs.
    spoken.db.client().batch_execute("UPDATE news_post SET user_id = user_id + 1 WHERE id = 1").unwrap();
    spoken.until_done(&["sync"]);
    assert_eq!(spoken.news.run(["--json", "diff"]).ok().json()["equal"], true);
    spoken.news.run(["diff", "posts/1"]).ok();
    let other = Db::new();
    let import = News::on(&other).env("NEWS_TARGET_URL", spoken.fake.url());
    let words = spoken.news.run(["config", "--profile"]).ok().stdout;
    let shown = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(shown.path(), words).unwrap();
    let refused = import.env("NEWS_TARGET_PROFILE", shown.path().to_str().unwrap()).run(["import"]).expect_code(4);
    assert!(refused.stderr.contains("does not have all fields of posts"), "{}", refused.stderr);
}

#[test]
fn nested_fields_links_and_a_total_in_a_header_field_as_wordpress_has_them() {
    let words = "auth = { kind = \"basic\" }\nwrites = \"read\"\n\
                 pages = { kind = \"link\", total = \"header:X-WP-Total\" }\n\
                 [posts]\nupdate = \"PATCH /posts/{id}\"\n\
                 fields = { user_id = \"author.id\", title = { write = \"title\", read = \"title.raw\" }, body = { write = \
                 \"content\", read = \"content.raw\" } }\n\
                 [comments]\nfields = { post_id = { write = \"post\", read = \"_links.up.id\" } }\n";
    let spoken = Spoken::start(words, &["--require-token"]);
    spoken.is_kept_in_sync();
    let http =
        spoken.fake.http().clone().authorization(&format!("Basic {}", STANDARD.encode(format!("ada:{PASSWORD}"))));
    let posts = http.get("/posts").json();
    assert!(posts[0]["title"]["raw"].is_string() && posts[0]["author"]["id"].is_number(), "{}", posts[0]);
    let wrong = spoken.news.env("NEWS_TARGET_PASSWORD", "another").run(["diff"]).expect_code(7);
    assert!(wrong.stderr.contains("NEWS_TARGET_PASSWORD"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("another"), "{}", wrong.stderr);
}

#[test]
fn a_cursor_and_a_header_field_for_the_token() {
    let words = "auth = { kind = \"header\", name = \"X-Api-Key\" }\nenvelope = \"records\"\n\
                 pages = { kind = \"cursor\", field = \"offset\", param = \"offset\" }\n[posts]\n[comments]\n";
    let spoken = Spoken::start(words, &["--require-token"]);
    spoken.is_kept_in_sync();
    let wrong = spoken.news.env("NEWS_TARGET_TOKEN", "another").run(["diff"]).expect_code(7);
    assert!(wrong.stderr.contains("NEWS_TARGET_TOKEN"), "{}", wrong.stderr);
}

#[test]
fn a_target_that_counts_itself_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("drf.toml");
    let page = include_str!("../../../../docs/profiles.md");
    let section = page.split("## Django REST framework, as it is").nth(1).unwrap();
    std::fs::write(&profile, section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()).unwrap();
    let profile = profile.to_str().unwrap();
    let fake = Fake::start_by(News::bare(), ["--profile", profile]);
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", fake.url()).env("NEWS_TARGET_PROFILE", profile);
    let news = news.env("NEWS_TARGET_USER", "reader").env("NEWS_TARGET_PASSWORD", "any");
    let report = news.run(["--json", "import"]).ok().json();
    assert_eq!((&report["posts"], &report["comments"]), (&json!(100), &json!(500)));
    news.run(["diff"]).ok();
    assert!(news.run(["sync"]).expect_code(4).stderr.contains("gives ids of its own"));
}
