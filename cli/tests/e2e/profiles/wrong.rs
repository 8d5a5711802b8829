//! Profiles that do not fit their target: nothing is created twice, overwritten or forgotten because of one, and
//! `news doctor` says what is wrong.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::FIXTURES;
use super::spoken::written;
use crate::support::{Db, Fake, News};

/// What the target speaks.
const RIGHT: &str = "id_as = \"p{id}\"\nmissing = [404]\nauth = { kind = \"none\" }\nenvelope = \"all\"\nitem = \"one\"\n\
                     pages = { kind = \"page\", param = \"page\", size_param = \"size\", size = 70, total = \"total\" }\n\
                     [posts]\n[comments]\n";

/// How profiles are wrong: what is replaced, by what, and what `news doctor` says.
const WRONG: [(&str, &str, &str); 10] = [
    ("envelope = \"all\"", "envelope = \"items\"", "no array at \"items\" in the page"),
    ("item = \"one\"", "item = \"data\"", "is not the record posts/1: status 200"),
    ("item = \"one\"", "item = \"\"", "is not the record posts/1: status 200"),
    ("id_as = \"p{id}\"", "id_as = \"q{id}\"", "what it lists has no id of ours"),
    ("id_as = \"p{id}\"", "id_as = \"{id}\"", "what it lists has no id of ours"),
    ("total = \"total\"", "total = \"count\"", "does not say how many there are"),
    ("param = \"page\"", "param = \"number\"", "comes on two pages"),
    ("[posts]", "[posts]\nread = \"GET /nowhere/{id}\"", "posts/1 is listed, and is not found at GET /nowhere/{id}"),
    ("[posts]", "[posts]\nread = \"GET /posts?one={id}\"", "is not the record posts/"),
    ("[posts]", "[posts]\nfields = { title = \"subject\" }", "cannot be read: posts/1: title: missing"),
];

/// A target with our fixtures that speaks as [`RIGHT`] says, and a master with the same, one row less and one more.
struct Pair {
    fake: Fake,
    db: Db,
    folder: TempDir,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let right = written(folder.path(), RIGHT);
        let fake = Fake::start_by(News::bare(), ["--profile", right.to_str().unwrap()]);
        let db = Db::new();
        News::on(&db).run(["import", "--from", FIXTURES]).ok();
        let pair = Self { fake, db, folder };
        pair.news(&pair.db, RIGHT).run(["sync", "--full"]).ok();
        let edits = "INSERT INTO news_post (user_id, title, body) VALUES (1, 'new', 'b'); DELETE FROM news_comment WHERE id = 7";
        pair.db.client().batch_execute(edits).unwrap();
        pair
    }

    /// Returns the binary with a profile in words.
    fn news(&self, db: &Db, words: &str) -> News {
        let path = written(self.folder.path(), words);
        News::on(db).env("NEWS_TARGET_URL", self.fake.url()).env("NEWS_TARGET_PROFILE", path.to_str().unwrap())
    }

    /// Returns how often records were created, updated, deleted, or refused as duplicates. The deletion that the master wants
    /// does not count: it needs the right `delete` alone.
    fn writes(&self) -> u64 {
        let counts = self.fake.counts();
        let tallies = ["posts", "comments"].into_iter().flat_map(|entity| counts[entity].as_object().unwrap().iter());
        let tallies = tallies.filter(|(id, _)| *id != "7").map(|(_, tally)| tally.as_object().unwrap());
        tallies.flat_map(|tally| tally.values()).filter_map(Value::as_u64).sum()
    }
}

#[test]
fn nothing_is_lost_with_a_profile_that_does_not_fit() {
    let pair = Pair::new();
    for (from, to, says) in WRONG {
        let words = RIGHT.replacen(from, to, 1);
        assert!(words != RIGHT, "{from}");
        let news = pair.news(&pair.db, &words);
        let doctor = news.run(["--json", "doctor"]).json();
        let fail = doctor["checks"].as_array().unwrap().iter().find(|check| check["verdict"] == "fail");
        let text = fail.map(|check| check["text"].as_str().unwrap()).unwrap_or_default();
        assert!(text.contains(says), "{to}: {doctor}");
        let full = news.run(["sync", "--full"]);
        assert!((3..=5).contains(&full.code) && pair.writes() == 0, "{to}: {full:?}");
        let empty = Db::new();
        let output = pair.news(&empty, &words).run(["import"]);
        let rows: i64 = empty.client().query_one("SELECT count(*) FROM news_post", &[]).unwrap().get(0);
        assert!(rows == 0 || (rows == 100 && output.code == 0), "{to}: {rows} rows, {output:?}");
    }
    pair.news(&pair.db, RIGHT).run(["sync"]).ok();
    assert_eq!(pair.writes(), 1, "{}", pair.fake.counts());
    pair.news(&pair.db, RIGHT).run(["diff"]).ok();
}

#[test]
fn a_missing_that_is_too_wide_is_noticed_before_anything_is_believed() {
    let pair = Pair::new();
    // These credentials may list, and read nothing: each GET of a record is 403.
    pair.fake.set_faults(r#"{"forbid": "objects"}"#);
    let wide = pair.news(&pair.db, &RIGHT.replace("[404]", "[403, 404]"));
    let output = wide.run(["sync", "--full"]).expect_code(5);
    assert!(output.stderr.contains("none of"), "{}", output.stderr);
    assert_eq!(pair.writes(), 0);
    let output = wide.run(["doctor"]).expect_code(2);
    assert!(output.stdout.contains("posts/1 is listed, and is not found at GET /posts/{id}"), "{}", output.stdout);
    let narrow = pair.news(&pair.db, RIGHT);
    // A deletion asks for nothing; what is new is.
    narrow.run(["sync", "--full"]).expect_code(3);
    narrow.run(["doctor"]).expect_code(7);
    assert_eq!(pair.writes(), 0);
    pair.fake.set_faults("{}");
    narrow.run(["retry", "--all"]).ok();
    narrow.run(["sync"]).ok();
    narrow.run(["diff"]).ok();
}

#[test]
fn the_doctor_tries_a_profile_and_leaves_nothing_behind() {
    let pair = Pair::new();
    let news = pair.news(&pair.db, RIGHT);
    let before = pair.fake.http().get("/posts?page=1&size=1000").text;
    let output = news.run(["doctor"]).ok();
    assert!(output.stdout.contains("records are found by their own addresses"), "{}", output.stdout);
    assert_eq!(pair.writes(), 0);
    let output = news.run(["doctor", "--write-test"]).ok();
    assert!(
        output.stdout.contains("a post and a comment were created, read, updated and deleted"),
        "{}",
        output.stdout
    );
    assert_eq!((pair.writes(), pair.fake.http().get("/posts?page=1&size=1000").text), (6, before));
    // What the target acknowledges and does not store is noticed, and so is what it alters.
    pair.fake.set_faults(&json!({"lose_writes": 1.0}).to_string());
    let output = news.run(["doctor", "--write-test"]).expect_code(2);
    assert!(output.stdout.contains("posts/2147483645 was accepted, and is not found"), "{}", output.stdout);
}
