//! `news.toml`, and who has the last word.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use super::support::{Db, News, Pair};

/// Writes a file into the folder of `news`, readable by its owner alone.
fn write(news: &News, name: &str, text: &str) -> PathBuf {
    let path = news.home().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Returns a setting of `news config --json`.
fn setting<'a>(config: &'a Value, name: &str) -> &'a Value {
    config["settings"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let db = Db::new();
    let news = News::bare();
    let text = format!(
        "# all of it\ndatabase_url = \"{}\"\njwt_secret_file = \"key\"\ncolor = \"never\"\n\
         [serve]\nlisten = \"127.0.0.1:8001\"\nworkers = 3\n[sync]\njobs = 7\nrate = 2.5\n",
        db.url()
    );
    let file = write(&news, "news.toml", &text).display().to_string();
    write(&news, "key", "a-key-of-the-tests-that-nobody-else-has-0123456789\n");
    let news = news.env("NEWS_CONFIG", &file).env("NEWS_SERVE_WORKERS", "5").env("NEWS_TARGET_TOKEN", "s3cret");
    let output = news.run(["--json", "config", "--color", "always"]).ok();
    let config = output.json();
    assert_eq!(config["file"], file.as_str());
    for (name, value, origin, from) in [
        ("database_url", db.url().as_str(), "file", format!("{file}:2")),
        ("target_token", "***", "environment", "environment NEWS_TARGET_TOKEN".into()),
        ("jwt_secret", "***", "file", format!("{file}:3")),
        ("color", "always", "flag", "flag --color".into()),
        ("serve.listen", "127.0.0.1:8001", "file", format!("{file}:6")),
        ("serve.workers", "5", "environment", "environment NEWS_SERVE_WORKERS".into()),
        ("serve.grace", "10s", "default", "default".into()),
        ("serve.trust_proxy", "false", "default", "default".into()),
        ("sync.jobs", "7", "file", format!("{file}:9")),
        ("sync.rate", "2.5", "file", format!("{file}:10")),
    ] {
        let one = setting(&config, name);
        assert_eq!(
            (&one["value"], &one["origin"], &one["from"]),
            (&value.into(), &origin.into(), &from.into()),
            "{name}"
        );
    }
    assert_eq!(setting(&config, "sync.max_deletes")["value"], Value::Null);
    assert!(!format!("{output:?}").contains("s3cret"));
    let text = news.run(["config"]).ok().stdout;
    assert!(text.lines().any(|line| line.starts_with("sync.jobs") && line.ends_with(&format!("{file}:9"))), "{text}");
    // What it says is what the commands do.
    let mut serve = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    serve.address();
    news.run(["db", "status"]).ok();
}

#[test]
fn the_file_is_found_where_it_belongs_and_the_remembered_target_is_told() {
    let pair = Pair::new([]);
    let url = pair.db.url();
    let news = News::bare().env("NEWS_CONFIG", "");
    let path = write(&news, ".config/news/news.toml", &format!("database_url = '{url}'\n"));
    let config = news.run(["--json", "config"]).ok().json();
    assert_eq!(config["file"], path.display().to_string());
    let target = setting(&config, "target_url");
    assert_eq!((&target["value"], &target["origin"]), (&pair.fake.url().into(), &"database".into()), "{target}");
    news.run(["sync"]).ok();
    // A flag names another one, and one that is named must be there.
    let other = write(&news, "other.toml", "[sync]\njobs = 2\n").display().to_string();
    let config = news.run(["--json", "config", "--config", &other, "--database-url", &url]).ok().json();
    assert_eq!(setting(&config, "sync.jobs")["value"], "2");
    let missing = news.run(["status", "--config", "/nowhere.toml"]).expect_code(2);
    assert!(missing.stderr.contains("/nowhere.toml"), "{}", missing.stderr);
}

#[test]
fn what_the_file_must_not_say_is_refused_by_every_command() {
    let news = News::bare();
    for (text, said) in [
        (
            "\ndatbase_url = \"x\"",
            &["news.toml:2: unknown setting datbase_url", "hint: Did you mean database_url?"][..],
        ),
        ("[serve]\nlisten = \"nowhere\"", &["news.toml:2: serve.listen: invalid value 'nowhere'"]),
        ("[sync]\njobs = 1000", &["news.toml:2: sync.jobs: invalid value '1000'"]),
        ("[sync]\njobs = \"4\"", &["news.toml:2: sync.jobs: expected an integer, found a string"]),
        ("color = \"blue\"", &["news.toml:1: color: invalid value 'blue'", "hint: it is one of auto, always, never"]),
        ("color = ", &["news.toml:1: "]),
        ("jwt_secret = \"a\"\njwt_secret_file = \"b\"", &["both jwt_secret and jwt_secret_file are set"]),
    ] {
        let path = write(&news, "news.toml", text).display().to_string();
        let command = if text.starts_with("jwt") { "config" } else { "status" };
        let refused = news.run(["--config", &path, command]).expect_code(2);
        assert!(said.iter().all(|said| refused.stderr.contains(said)), "{text:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    let wrong = News::bare().env("NEWS_SYNC_JOBS", "many").run(["config"]).expect_code(2);
    assert!(wrong.stderr.contains("environment NEWS_SYNC_JOBS: sync.jobs: invalid value 'many'"), "{}", wrong.stderr);
}

#[test]
fn every_command_refuses_a_target_url_that_is_not_one() {
    let db = Db::new();
    let news = News::with_url(&db.url()).env("NEWS_TARGET_URL", "htp:/x");
    for command in ["status", "runs", "parked", "log", "sync", "diff"] {
        let refused = news.run([command]).expect_code(2);
        assert!(refused.stderr.starts_with("news: target URL: "), "{command}: {}", refused.stderr);
    }
}

#[test]
fn an_error_of_the_command_line_is_json_where_the_log_is() {
    let news = News::bare();
    for (arguments, said, hint) in [
        (&["--log-format", "json", "sync", "--shard", "0/2"][..], "'0/2' for '--shard <K/N>'", "try '--help'"),
        (&["--log-format=json", "sinc"], "unrecognized subcommand 'sinc'", "'sync'"),
        (&["sync", "--every", "30", "--log-format", "json"], "'30' for '--every <TIME>'", "try '--help'"),
    ] {
        let refused = news.run(arguments).expect_code(2);
        assert_eq!(refused.stderr.lines().count(), 1, "{arguments:?}: {}", refused.stderr);
        let error: Value = serde_json::from_str(&refused.stderr).unwrap();
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
        assert!(error["hints"].as_str().unwrap().contains(hint), "{error}");
        assert_eq!((&error["level"], &error["exit_code"]), (&"error".into(), &2.into()));
    }
    let news = news.env("NEWS_LOG_FORMAT", "json");
    assert!(news.run(["sinc"]).expect_code(2).stderr.starts_with('{'));
    assert!(news.run(["sync", "--help"]).ok().stdout.contains("Usage: news sync"));
}

#[test]
fn a_secret_is_refused_in_a_file_that_others_may_read() {
    let news = News::bare();
    for (text, mode, code) in [
        ("target_token = \"s3cret\"\n", 0o644, 2),
        ("target_token = \"s3cret\"\n", 0o660, 2),
        ("target_token = \"s3cret\"\n", 0o640, 0),
        ("database_url = \"postgresql://me:s3cret@127.0.0.1:1/x\"\n", 0o644, 2),
        ("database_url = \"postgresql://me@127.0.0.1:1/x\"\n", 0o644, 0),
        ("target_url = \"http://127.0.0.1:1\"\n", 0o644, 0),
    ] {
        let path = write(&news, "news.toml", text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let output = news.run(["--config", path.to_str().unwrap(), "config"]).expect_code(code);
        assert!(!format!("{output:?}").contains("s3cret"), "{output:?}");
        assert_eq!(output.stderr.contains("chmod 600"), code == 2, "{text} {mode:o}: {}", output.stderr);
    }
}
