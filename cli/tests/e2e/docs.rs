//! The documents are true: every `sh` block in them runs.
//!
//! The blocks of a file are one session of bash, in order, with a database, a target of its own at
//! http://127.0.0.1:3000 and NEWS_TARGET_URL set to it. The notation:
//!
//! - a line ends well, or it says otherwise in a comment: `news diff   # exits 1: they differ`;
//! - a line that ends with `&` stays until the end; the next one waits until it listens;
//! - `console` blocks are not run, and the line before the block says why: `<!-- not run: needs systemd -->`;
//! - a password that is asked for is `lovelace`.

mod json;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::support::{Db, News, Output, psql};

/// Where the documents say that things are.
const HOST: &str = "127.0.0.1";

/// Numbers the sessions of this process.
static SESSION: AtomicU8 = AtomicU8::new(1);

/// Defined before the blocks: an end for everything in the background, exit codes, waiting.
const PRELUDE: &str = r#"
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
news() {
    local port=
    case "$1" in
        serve) port=8000 ;;
        fake-api) port=3000 ;;
        user) yes lovelace | command news "$@"; return "${PIPESTATUS[1]}" ;;
    esac
    [[ -z $port || " $* " == *" --listen "* ]] || set -- "$1" --listen "$HOST:$port" "${@:2}"
    # In the background this is a shell of its own, which must not outlive the server, nor the server it.
    [ "$BASHPID" = $$ ] || exec "$(type -P news)" "$@" </dev/null
    command news "$@" </dev/null
}
__exits() { [ "$1" = "$2" ] || { echo "$3: exit code $1, not $2" >&2; exit 1; }; }
__listens() {
    for _ in $(seq 600); do
        [ "$(cat listens-* | grep -c 'listening on')" = "$1" ] && return
        sleep 0.05
    done
    cat listens-* >&2
    exit 1
}
"#;

/// Returns what is to be run of a document, as a script.
fn script(name: &str, text: &str) -> String {
    let mut script = String::from(PRELUDE);
    let (mut kind, mut before, mut listening) = (None, "", 0);
    let mut command = String::new();
    for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
        let place = format!("{name}:{number}");
        match (kind, line.trim_start().strip_prefix("```")) {
            (None, Some(fence)) => {
                assert!(
                    ["sh", "text", "ini", "toml", "console", "json"].contains(&fence),
                    "{place}: a block of {fence:?}"
                );
                assert!(fence != "console" || before.starts_with("<!-- not run: "), "{place}: why is it not run?");
                kind = Some(fence);
            }
            (Some(_), Some(_)) => {
                assert!(command.is_empty(), "{place}: the last line goes on");
                kind = None;
            }
            (Some("sh"), None) => {
                command.push_str(line);
                if line.ends_with('\\') {
                    command.push('\n');
                    continue;
                }
                let line = std::mem::take(&mut command);
                let code: u8 = line.split_once("# exits ").map_or(0, |(_, rest)| {
                    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().expect("a number")
                });
                let shown = line.split("  #").next().unwrap().trim_end();
                writeln!(script, "echo '$ {}' >&2", shown.replace('\'', "'\\''")).unwrap();
                if shown.ends_with('&') && !shown.ends_with("&&") {
                    let listens = ["serve", "fake-api"].iter().any(|server| shown.contains(server));
                    listening += usize::from(listens);
                    let log = if listens { format!(">/dev/null 2>listens-{number}") } else { String::new() };
                    writeln!(script, "{} {log} &", shown.trim_end_matches('&')).unwrap();
                    if listens {
                        writeln!(script, "__listens {listening}").unwrap();
                    }
                } else if !shown.trim_start().is_empty() && !shown.trim_start().starts_with('#') {
                    writeln!(script, "{line}\n__exits $? {code} {place}").unwrap();
                }
            }
            (Some(_) | None, None) => {}
        }
        if !line.is_empty() {
            before = line;
        }
    }
    script
}

/// Runs a document in a session with the environment of `news`.
#[track_caller]
fn run(name: &str, news: News) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let text = fs::read_to_string(path).unwrap();
    // All of 127.0.0.0/8 is this machine's: each session has an address of its own, and the ports that are written.
    let pid = std::process::id();
    let host = format!("127.{}.{}.{}", pid >> 8 & 0xff, pid & 0xff, SESSION.fetch_add(1, Ordering::Relaxed));
    let script = script(name, &text).replace(HOST, &host);
    assert!(script.contains("__exits $? "), "{name}: expected commands to run, found none");

    let bin = news.home().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_news"), bin.join("news")).unwrap();
    fs::set_permissions(news.home(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let news = news.env("PATH", &path).env("HOST", &host).env("NEWS_TARGET_URL", &format!("http://{host}:3000"));
    let inner = news.command::<&str>([]);
    // It ends a whole process group, in which nothing is left that holds our pipes.
    let mut bash = Command::new("timeout");
    bash.args(["--kill-after=1", "50", "bash", "--norc", "-c", &script, "docs"]).current_dir(news.home()).env_clear();
    bash.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = Output::of(bash, "");
    news.run(["--quiet", "db", "stop"]);
    output.ok();
}

/// With a database that has the schema and nothing in it.
fn on_a_database(name: &str) {
    let db = Db::new();
    run(name, News::on(&db).env("NEWS_JWT_SECRET", &"s".repeat(32)));
}

#[test]
fn readme() {
    run("README.md", News::bare());
}

#[test]
fn operations() {
    on_a_database("docs/operations.md");
}

#[test]
fn api() {
    on_a_database("docs/api.md");
}

#[test]
fn console() {
    on_a_database("docs/console.md");
}

#[test]
fn sync() {
    on_a_database("docs/sync.md");
}

#[test]
fn recovery() {
    on_a_database("docs/recovery.md");
}

#[test]
fn security() {
    on_a_database("docs/security.md");
}

#[test]
fn scaling() {
    on_a_database("docs/scaling.md");
}

#[test]
fn targets() {
    on_a_database("docs/targets.md");
}

#[test]
fn reports() {
    on_a_database("docs/json.md");
}

#[test]
fn profiles() {
    on_a_database("docs/profiles.md");
}

/// On what a real Django service left.
#[test]
fn takeover() {
    let db = Db::empty();
    psql(&db, crate::takeover::LEFT_BY_DJANGO);
    run("docs/takeover.md", News::on(&db).env("DJANGO_SECRET_KEY", &"d".repeat(50)));
}
