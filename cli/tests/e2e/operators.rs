//! What packagers and operators meet: log lines in the journal, man pages, completions, systemd units.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Db, News, Output};

/// Nobody listens there.
const NOWHERE: &str = "postgresql://news@127.0.0.1:1/news";

/// Returns what `news ARGS` writes to a file as its stderr, with this JOURNAL_STREAM (`None`: of that file).
fn stderr_in_journal(args: &[&str], stream: Option<&str>) -> String {
    let news = News::with_url(NOWHERE);
    let path = news.home().join("stderr");
    let file = File::create(&path).unwrap();
    let stat = rustix::fs::fstat(&file).unwrap();
    let own = format!("{}:{}", stat.st_dev, stat.st_ino);
    let mut command = news.command(args);
    command.env("JOURNAL_STREAM", stream.unwrap_or(&own)).stderr(file);
    assert_eq!(command.status().unwrap().code(), Some(8));
    fs::read_to_string(path).unwrap()
}

#[test]
fn lines_for_the_journal_have_priorities() {
    let text = stderr_in_journal(&["status"], None);
    assert!(text.starts_with("<3>news: ") && text.lines().count() > 1, "{text}");
    assert!(text.lines().all(|line| line.starts_with("<3>")), "hints too: {text}");
    let json = stderr_in_journal(&["--log-format", "json", "status"], None);
    let line: Value = serde_json::from_str(json.strip_prefix("<3>").unwrap()).unwrap();
    assert_eq!((&line["level"], &line["exit_code"]), (&"error".into(), &8.into()));
    // Inherited, but stderr goes elsewhere by now.
    for other in ["1:1", "", "x:y"] {
        let text = stderr_in_journal(&["status"], Some(other));
        assert!(text.starts_with("news: "), "{text}");
    }
}

#[test]
fn log_lines_as_json() {
    let text = News::with_url(NOWHERE).run(["--log-format", "json", "status"]).expect_code(8).stderr;
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        assert!(line["time"].is_string() && line["message"].is_string() && line["hints"].is_string(), "{line}");
    }
}

#[test]
fn man_pages_have_the_sections_that_operators_look_for() {
    let news = News::bare();
    news.run(["man", "pages"]).ok();
    let folder = news.home().join("pages");
    let pages: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(pages.len() > 20, "{pages:?}");
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains("EXIT STATUS") && text.contains("SYNOPSIS"), "{}", page.display());
    }
    let main = fs::read_to_string(folder.join("news.1")).unwrap();
    for word in ["ENVIRONMENT", "FILES", "EXAMPLES", "NEWS_JWT_SECRET", "143"] {
        assert!(main.contains(word), "{word}");
    }
    assert!(fs::read_to_string(folder.join("news-sync.1")).unwrap().contains("another run holds the lock"));
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let news = News::bare();
    let script = news.run(["completions", "bash"]).ok().stdout;
    fs::write(news.home().join("news.bash"), script).unwrap();
    for (words, wanted) in
        [("news sy", "sync"), ("news sync --max", "--max-deletes"), ("news diff --only co", "comments")]
    {
        let ask = format!(
            "source ./news.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1));
             _news news \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &ask]).current_dir(news.home());
        let output = Output::of(bash, "").ok();
        assert_eq!(output.stdout.trim(), wanted, "{words}: {}", output.stderr);
    }
}

/// What a container's health is judged by.
#[test]
fn a_service_is_asked_whether_it_is_ready() {
    let db = Db::new();
    let news = News::on(&db).env("NEWS_JWT_SECRET", &"s".repeat(32));
    let mut running = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
    let address = running.address().to_string();
    // Without any settings: it is the service that is asked.
    let check = || News::bare().run(["serve", "--check", "--listen", &address]);
    check().ok();
    let newest = "UPDATE news_schema_history SET version = version + 1000 WHERE version = \
                  (SELECT max(version) FROM news_schema_history)";
    db.client().batch_execute(newest).unwrap();
    assert!(check().expect_code(8).stderr.contains("503"));
    drop(running);
    assert!(check().expect_code(8).stderr.contains("does not answer"));
}

/// systemd has no include: what protects the services is written into each.
#[test]
fn the_units_are_all_protected_in_the_same_way() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let mut blocks = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "service") {
            let text = fs::read_to_string(&path).unwrap();
            let (_, block) = text.split_once("\nDynamicUser=yes\n").unwrap_or_else(|| panic!("{}", path.display()));
            blocks.push(block.split("\n\n").next().unwrap().trim_end().to_owned());
        }
    }
    assert!(blocks.len() >= 5 && blocks[0].contains("SystemCallFilter"));
    blocks.dedup();
    assert_eq!(blocks.len(), 1, "{blocks:#?}");
}
