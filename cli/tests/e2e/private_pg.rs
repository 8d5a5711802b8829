//! The private PostgreSQL: made, started, found again, stopped, and its ways to die.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::support::{Db, Fake, Http, News, Output, Reaper, Running, server_user};

/// A binary with no database named, and the server it starts: gone when the test is.
struct Private {
    // Dropped first: it reads the folder that `news` removes.
    _reaper: Reaper,
    news: News,
}

impl Private {
    fn new() -> Self {
        let news = News::bare();
        // Also when the tests are killed: by the number that the server itself has written down.
        let stop = "pid=$(head -n 1 pg/data/postmaster.pid) && kill -QUIT \"$pid\"
            for _ in 1 2 3 4 5 6 7 8 9; do [ -e pg/data/postmaster.pid ] && sleep 0.2; done
            where=$(cat pg.socket) && rm -rf \"$where\"
            here=$(pwd); cd /; rm -rf \"$here\"";
        let reaper = Reaper::new(news.home(), stop, None);
        Self { _reaper: reaper, news }
    }

    fn state(&self) -> serde_json::Value {
        self.news.run(["--json", "db", "status"]).ok().json()["private"].clone()
    }

    fn pid(&self) -> Pid {
        let pid = self.state()["pid"].as_i64().expect("it runs");
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    fn sql(&self, sql: &str) -> Output {
        self.news.run(["db", "shell", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
    }
}

#[test]
fn one_command_makes_starts_and_migrates_it_and_the_next_finds_it() {
    let private = Private::new();
    assert_eq!(private.state()["version"], serde_json::Value::Null, "status makes nothing");
    let first = private.news.run(["db", "url"]).ok();
    assert_eq!(first.stderr.lines().count(), 1, "one line says it: {}", first.stderr);
    assert!(first.stderr.contains("making and starting"), "{}", first.stderr);
    assert!(first.stdout.starts_with("postgresql:///news?host=/"), "{}", first.stdout);
    let second = private.news.run(["db", "url"]).ok();
    assert_eq!((second.stdout, second.stderr.as_str()), (first.stdout.clone(), ""), "nothing is left to do or to say");

    let facts = private.sql("SHOW data_checksums; SHOW fsync; SHOW listen_addresses; SHOW server_encoding").ok();
    assert_eq!(facts.stdout, "on\non\n\nUTF8\n");
    assert_eq!(private.sql("SELECT count(*) FROM news_post").ok().stdout, "0\n");
    let status = private.news.run(["--json", "db", "status"]).ok().json();
    assert_eq!(status["schema"], "current", "{status}");
    assert_eq!(status["pending_events"], 0, "{status}");
    let migrated = private.news.run(["--json", "db", "migrate"]).ok().json();
    assert_eq!(migrated["applied"].as_array().unwrap().len(), 0, "it migrates itself");

    // psql takes the URL as it is, and the folders are closed to others.
    let psql = Command::new("psql").args([first.stdout.trim(), "-Xtqc", "SELECT 1"]).output().unwrap();
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    for folder in ["pg", "pg/data", "pg/run"] {
        assert_eq!(fs::metadata(private.news.home().join(folder)).unwrap().mode() & 0o077, 0, "{folder}");
    }
}

#[test]
fn stop_and_start_may_be_repeated() {
    let private = Private::new();
    let action = |args: [&str; 3]| private.news.run(args).ok().json()["action"].clone();
    assert_eq!(action(["--json", "db", "stop"]), "did_not_run");
    assert_eq!(action(["--json", "db", "start"]), "made");
    assert_eq!(action(["--json", "db", "start"]), "ran_already");
    private.sql("INSERT INTO news_post (user_id, title, body) VALUES (1, 'kept', '')").ok();
    assert_eq!(action(["--json", "db", "stop"]), "stopped");
    assert!(!private.news.home().join("pg/data/postmaster.pid").exists(), "stop waits for the end");
    assert_eq!(private.state()["running"], false);
    assert_eq!(action(["--json", "db", "stop"]), "did_not_run");
    assert_eq!(action(["--json", "db", "start"]), "started");
    assert_eq!(private.sql("SELECT title FROM news_post").ok().stdout, "kept\n");

    // Data of a version that is not installed: another one must not touch it.
    private.news.run(["db", "stop"]).ok();
    fs::write(private.news.home().join("pg/data/PG_VERSION"), "9\n").unwrap();
    let refused = private.news.run(["db", "start"]).expect_code(8);
    assert!(refused.stderr.contains("data is of version 9"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: install PostgreSQL 9"), "{}", refused.stderr);
}

#[test]
fn it_comes_back_after_a_crash() {
    let private = Private::new();
    private.sql("INSERT INTO news_post (user_id, title, body) VALUES (1, 'kept', '')").ok();
    let pid = private.pid();
    kill_process(pid, Signal::KILL).unwrap();
    // At once: its children may still be there.
    let after = private.sql("SELECT title FROM news_post").ok();
    assert_eq!(after.stdout, "kept\n");
    assert!(after.stderr.contains("starting the private PostgreSQL"), "{}", after.stderr);
    assert_ne!(private.pid(), pid);

    // A stale number that is somebody else's now does not stop it.
    let file = private.news.home().join("pg/data/postmaster.pid");
    let text = fs::read_to_string(&file).unwrap();
    private.news.run(["db", "stop"]).ok();
    // What a crash and a restart of the machine leave: the number belongs to somebody else,
    // who is the same user (else PostgreSQL sees by itself that it is none).
    let mut stranger = Command::new("sleep");
    stranger.arg("600");
    if let Some((uid, gid)) = server_user() {
        stranger.uid(uid).gid(gid);
    }
    let stranger = Running::start(stranger);
    let rest = text.split_once('\n').unwrap().1;
    fs::write(&file, format!("{}\n{rest}", stranger.pid())).unwrap();
    if let Some((uid, gid)) = server_user() {
        std::os::unix::fs::chown(&file, Some(uid), Some(gid)).unwrap();
    }
    assert_eq!(private.state()["running"], false);
    private.sql("SELECT 1").ok();
    assert!(private.state()["running"].as_bool().unwrap());
}

#[test]
fn several_at_once_make_one() {
    let private = Private::new();
    let running: Vec<Running> = (0..4).map(|_| private.news.spawn(["db", "url"])).collect();
    let ended: Vec<Output> = running.into_iter().map(|one| one.wait().ok()).collect();
    assert!(ended.iter().all(|one| one.stdout == ended[0].stdout), "{ended:?}");
    let said = ended.iter().filter(|one| one.stderr.contains("making and starting")).count();
    assert_eq!(said, 1, "{ended:?}");
}

#[test]
fn what_was_half_made_is_made_anew() {
    let private = Private::new();
    private.news.run(["db", "start"]).ok();
    private.news.run(["db", "stop"]).ok();
    let server = private.news.home().join("pg");
    fs::rename(server.join("data"), server.join("data.new")).unwrap();
    fs::remove_file(server.join("data.new/pg_hba.conf")).unwrap();
    let again = private.news.run(["db", "url"]).ok();
    assert!(again.stderr.contains("making and starting"), "{}", again.stderr);
    assert!(!server.join("data.new").exists());
}

#[test]
fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let private = Private::new();
    let long = private.news.home().join("a long, \"strange\" and 'quoted' name/".to_owned() + &"x".repeat(80));
    let news = || private.news.command(["db", "url"]);
    let run = |mut command: Command| {
        Output::of(
            {
                command.env("NEWS_HOME", &long);
                command
            },
            "",
        )
    };
    // Root's HOME is open to nobody until a cluster is in it.
    fs::set_permissions(private.news.home(), fs::Permissions::from_mode(0o711)).unwrap();
    let first = run(news()).ok();
    assert!(first.stdout.contains("host=/tmp/news-"), "{}", first.stdout);
    run(private.news.command(["db", "stop"])).ok();
    let short = PathBuf::from(fs::read_to_string(long.join("pg.socket")).unwrap());
    fs::remove_dir_all(&short).unwrap();
    let second = run(news()).ok();
    assert_eq!(second.stdout, first.stdout, "it is remembered, and made again where it was cleaned away");
    // A running server whose socket was cleaned away is of no use to anybody.
    fs::remove_dir_all(&short).unwrap();
    run(private.news.command(["db", "shell", "-Xqtc", "SELECT 1"])).ok();
    run(private.news.command(["db", "stop"])).ok();
    fs::remove_dir_all(&short).unwrap();
}

#[test]
fn a_home_that_cannot_serve_is_named() {
    let news = News::bare();
    let open = news.home().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = news.command(["db", "start"]);
    command.env("NEWS_HOME", &open);
    let refused = Output::of(command, "").expect_code(2);
    assert!(refused.stderr.contains("everybody may write"), "{}", refused.stderr);
    if geteuid().is_root() {
        let closed = news.home().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("diary"), "").unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let mut command = news.command(["db", "start"]);
        command.env("NEWS_HOME", closed.join("home"));
        let refused = Output::of(command, "").expect_code(2);
        assert!(refused.stderr.contains("is closed to that user"), "{}", refused.stderr);
        assert_eq!(fs::metadata(&closed).unwrap().mode() & 0o777, 0o700, "somebody's folder is left as it is");
    }
}

/// Copies the binary under test. Another process does it: were it open for writing here, a child that another test starts at
/// that moment would hold it open, and it could not be run.
fn copy_program(to: &Path) {
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_news")).arg(to).status().unwrap();
    assert!(copied.success(), "{copied}");
}

/// Run by root, the tests try it as another user, too.
#[test]
fn an_ordinary_user_has_one_of_their_own() {
    let Some((uid, gid)) = server_user() else { return };
    let private = Private::new();
    fs::set_permissions(private.news.home(), fs::Permissions::from_mode(0o711)).unwrap();
    let home = private.news.home().join("theirs");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(uid), Some(gid)).unwrap();
    // The binary may be built where that user cannot go.
    let binary = private.news.home().join("news");
    copy_program(&binary);
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(&binary);
        command
            .args(args)
            .env_clear()
            .env("NEWS_HOME", &home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir(&home).uid(uid).gid(gid);
        Output::of(command, "")
    };
    run(&["db", "url"]).ok();
    assert_eq!(run(&["db", "shell", "-XAtqc", "SELECT count(*) FROM news_comment"]).ok().stdout, "0\n");
    // Root is not that user: said, not half done.
    let mut as_root = private.news.command(["db", "url"]);
    as_root.env("NEWS_HOME", &home);
    let refused = Output::of(as_root, "").expect_code(2);
    assert!(refused.stderr.contains("belongs to uid"), "{}", refused.stderr);
    run(&["db", "stop"]).ok();
}

/// A socket in a closed folder, and the kernel's word on who knocks.
#[test]
fn other_users_do_not_get_in() {
    let Some((uid, gid)) = server_user() else { return };
    let private = Private::new();
    let url = private.news.run(["db", "url"]).ok().stdout;
    let psql = |uid: u32, gid: u32| {
        let mut command = Command::new("psql");
        command
            .args([url.trim(), "-Xqtc", "SELECT 1"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Output::of(
            {
                command.current_dir("/").uid(uid).gid(gid);
                command
            },
            "",
        )
    };
    let stranger = psql(65_534, 65_534).expect_code(2);
    assert!(stranger.stderr.contains("ermission denied"), "{}", stranger.stderr);
    // The server's own user passes the folder, but peer authentication lets root alone in.
    let server = psql(uid, gid).expect_code(2);
    assert!(server.stderr.contains("eer authentication failed"), "{}", server.stderr);
}

#[test]
fn a_home_that_cannot_be_made_is_told_with_what_to_do() {
    let news = News::bare().env("NEWS_HOME", "/proc/no-such-folder");
    let failed = news.run(["user", "list"]).expect_code(74);
    for said in ["cannot make /proc/no-such-folder", "hint: name a database with NEWS_DATABASE_URL, or set NEWS_HOME"] {
        assert!(failed.stderr.contains(said), "{}", failed.stderr);
    }
}

#[test]
fn who_only_looks_makes_no_database() {
    let news = News::bare();
    for command in [&["status", "--check"][..], &["diff"], &["runs"], &["parked"], &["retry", "--all"]] {
        let failed = news.run(command).expect_code(8);
        assert!(failed.stderr.contains("no database is configured"), "{}", failed.stderr);
    }
    assert!(!news.home().join("news").exists() && !news.home().join("pg").exists());
}

/// Nothing of ours depends on a folder for temporary files.
#[test]
fn a_long_or_unusable_tmpdir_stops_nobody() {
    let long = format!("/tmp/{}", "x".repeat(200));
    for folder in ["/nonexistent", "/dev/null", &long] {
        let db = Db::new();
        let news = News::on(&db).env("TMPDIR", folder).env("NEWS_JWT_SECRET", &"s".repeat(32));
        let file = news.home().join("m.prom");
        let fake = Fake::start([""; 0]);
        news.run(["--target-url", fake.url(), "import"]).ok();
        news.run(["sync", "--metrics-file", file.to_str().unwrap()]).ok();
        news.run(["diff", "--output", news.home().join("diff").to_str().unwrap()]).ok();
        let mut server = news.spawn(["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(Http::new(&format!("http://{}", server.address())).get("/readyz").status, 200);
    }
    let private = Private::new();
    let mut command = private.news.command(["db", "url"]);
    command.env("TMPDIR", "/nonexistent");
    Output::of(command, "").ok();
}

/// A hardened root has such a umask, and a fresh image has none of the folders.
#[test]
fn folders_that_do_not_exist_yet_are_made_whatever_the_umask() {
    for umask in ["077", "027"] {
        let private = Private::new();
        fs::set_permissions(private.news.home(), fs::Permissions::from_mode(0o711)).unwrap();
        let home = private.news.home().join("srv/data/news");
        let command = |args: &str| {
            let mut command = private.news.command([""; 0]);
            let binary = command.get_program().to_owned();
            let script = format!("umask {umask}; exec \"$0\" {args}");
            let environment: Vec<_> =
                command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
            command = Command::new("sh");
            command.args(["-c", &script]).arg(binary).env_clear().envs(environment).env("NEWS_HOME", &home);
            command
        };
        Output::of(command("db url"), "").ok();
        assert_eq!(Output::of(command("db shell -XAtqc 'SELECT 1'"), "").ok().stdout, "1\n");
        Output::of(command("db stop"), "").ok();
        assert_eq!(fs::metadata(home.join("pg")).unwrap().mode() & 0o077, 0);
        assert_eq!(fs::metadata(&home).unwrap().mode() & 0o007, 0, "others do not look into it");
    }
}

/// Containers run as any number (`docker run --user 12345`); initdb and peer authentication want a name.
#[test]
fn a_user_without_a_name_is_told_before_anything_is_made() {
    if !geteuid().is_root() {
        return;
    }
    let private = Private::new();
    fs::set_permissions(private.news.home(), fs::Permissions::from_mode(0o711)).unwrap();
    let home = private.news.home().join("theirs");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(54_321), Some(54_321)).unwrap();
    let binary = private.news.home().join("news");
    copy_program(&binary);
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&binary);
    command.args(["db", "url"]).env_clear().env("NEWS_HOME", &home);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(&home).uid(54_321).gid(54_321);
    let refused = Output::of(command, "").expect_code(2);
    assert!(
        refused.stderr.contains("this user has no name") && refused.stderr.contains("hint: "),
        "{}",
        refused.stderr
    );
    assert!(!home.join("pg/data.new").exists());
}

#[test]
fn a_server_that_does_not_start_says_why_and_doctor_fails_for_data_of_another_version() {
    let private = Private::new();
    private.news.run(["db", "start"]).ok();
    private.news.run(["db", "stop"]).ok();
    let data = private.news.home().join("pg/data");
    // Lines of earlier starts are not what is wrong now; LOG lines after the fatal one are not the reason.
    let file = data.join("postgresql.conf");
    let sound = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{sound}\nshared_preload_libraries = 'no_such_library'\n")).unwrap();
    let failed = private.news.run(["db", "start"]).expect_code(8);
    assert!(failed.stderr.contains("FATAL:") && failed.stderr.contains("no_such_library"), "{}", failed.stderr);
    fs::write(&file, sound).unwrap();
    private.news.run(["db", "start"]).ok();
    private.news.run(["db", "stop"]).ok();
    fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let doctor = private.news.run(["doctor"]).expect_code(8).stdout;
    assert!(doctor.contains("fail  database       the private PostgreSQL's data is of version 9"), "{doctor}");
}
