//! `news db` on a named database.

use super::support::{Db, News, Output, Running};

#[test]
fn migrate_names_what_it_applied_and_may_be_repeated() {
    let db = Db::empty();
    let news = News::on(&db);
    let first = news.run(["--json", "db", "migrate"]).ok().json();
    assert_eq!(first["applied"].as_array().unwrap().len(), 3, "{first}");
    let second = news.run(["--json", "db", "migrate"]).ok().json();
    assert_eq!(second["applied"].as_array().unwrap().len(), 0, "{second}");
    assert_eq!(first["schema_version"], second["schema_version"]);
}

#[test]
fn four_migrators_at_once_all_end_well() {
    let db = Db::empty();
    let news = News::on(&db);
    let running: Vec<Running> = (0..4).map(|_| news.spawn(["--json", "db", "migrate"])).collect();
    let ended: Vec<Output> = running.into_iter().map(|one| one.wait().ok()).collect();
    let applied: usize = ended.iter().map(|one| one.json()["applied"].as_array().unwrap().len()).sum();
    assert_eq!(applied, 3, "each migration is applied by one of them: {ended:?}");
}
