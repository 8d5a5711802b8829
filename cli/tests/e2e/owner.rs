//! What the owner of the database does, on purpose or by accident, is said in one clear line, and no sync deletes, doubles
//! or forgets because of it.

mod copies;
mod ids;
mod policies;
mod rows;
mod settings;
mod untracked;

use super::support::{Db, News};

/// JSON from a target cannot be kept in each encoding; what could not be read would be called a difference.
#[test]
fn only_utf8_databases_are_accepted_by_any_command() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let db = Db::encoded(encoding);
        let news = News::on(&db).env("NEWS_TARGET_URL", "http://127.0.0.1:1").env("NEWS_JWT_SECRET", &"s".repeat(32));
        let commands = ["db migrate", "db status", "import", "sync", "sync --dry-run", "sync --full", "diff", "status"];
        let more = ["runs", "parked", "retry --all", "user list", "token ada", "serve --listen 127.0.0.1:0"];
        for command in commands.into_iter().chain(more) {
            let refused = news.run(command.split(' ')).expect_code(8);
            let said = format!("the database's encoding is {encoding}, expected UTF8");
            assert!(
                refused.stderr.contains(&said) && refused.stderr.contains("hint: "),
                "{command}: {}",
                refused.stderr
            );
        }
        let doctor = news.run(["doctor"]).expect_code(8).stdout;
        assert!(doctor.contains(&format!("encoding is {encoding}")), "{doctor}");
        assert_eq!(news.run(["--json", "db", "status"]).expect_code(8).json()["encoding"], encoding);
    }
}
