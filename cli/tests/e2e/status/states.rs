//! Random states of log, rows, ledger and left-out objects: all commands that look ahead say the same.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Db, News};

const ROUNDS: u64 = 40;

/// splitmix64: a failing round is named by its number alone.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// Returns statements that make a state: edits, some of them synced, entries of all kinds, and objects that were left out.
fn state(dice: &mut Dice) -> String {
    let mut sql = String::from(
        "DELETE FROM news_comment; DELETE FROM news_post; DELETE FROM news_modelevent; DELETE FROM news_sync_object;
         DELETE FROM news_sync_left_out; UPDATE news_sync_state SET doubtful_until = 0;",
    );
    for _ in 0..40 {
        let (post, comment) = (1 + dice.below(6), 1 + dice.below(9));
        let _ = match dice.below(9) {
            0 | 1 => write!(
                sql,
                "INSERT INTO news_post (id, user_id, title, body) VALUES ({post}, 1, 't', 'b') ON CONFLICT DO NOTHING;"
            ),
            2 => write!(sql, "UPDATE news_post SET title = title || 'x' WHERE id = {post};"),
            3 => write!(sql, "DELETE FROM news_post WHERE id = {post};"),
            4..=6 => write!(
                sql,
                "INSERT INTO news_comment (id, post_id, name, email, body) SELECT {comment}, id, 'n', 'e', 'b' FROM news_post WHERE id = {post} ON CONFLICT DO NOTHING;"
            ),
            7 => write!(
                sql,
                "UPDATE news_comment SET post_id = p.id FROM news_post p WHERE p.id = {post} AND news_comment.id = {comment};"
            ),
            _ => write!(
                sql,
                "UPDATE news_modelevent SET synced_at = clock_timestamp() WHERE synced_at IS NULL AND entity_pk = {post};"
            ),
        };
    }
    for _ in 0..8 {
        let table = dice.one(&["news_post", "news_post", "news_comment"]);
        let pk = 1 + dice.below(7);
        let presence = dice.one(&["absent", "present", "unknown", "doubled"]);
        let state = dice.one(&["sent", "waiting", "parked", "parked", "held", "discarded"]);
        let reason = dice.one(&["''", "'status 500'"]);
        let reason = if state == "parked" { "'status 422'" } else { reason };
        let older = dice.below(4) / 3;
        let next = dice.one(&["NULL", "clock_timestamp() + interval '1 h'", "clock_timestamp() - interval '1 h'"]);
        let settled = dice.one(&["NULL", "clock_timestamp() + interval '20 s'"]);
        let _ = write!(
            sql,
            "INSERT INTO news_sync_object (entity_table, entity_pk, presence, state, event_id, reason, next_try_at, settled_at)
             SELECT '{table}', {pk}, '{presence}', '{state}', coalesce(max(id), 0) - {older}, {reason}, {next}, {settled}
             FROM news_modelevent WHERE entity_table = '{table}' AND entity_pk = {pk} AND synced_at IS NULL
             ON CONFLICT DO NOTHING;"
        );
    }
    if dice.below(3) == 0 {
        let (table, pk) = (dice.one(&["news_post", "news_comment"]), 1 + dice.below(6));
        let _ = write!(sql, "INSERT INTO news_sync_left_out VALUES ('{table}', {pk}, 'title: too long');");
    }
    if dice.below(4) == 0 {
        sql.push_str(
            "UPDATE news_sync_state SET doubtful_until = (SELECT coalesce(max(id), 0) / 2 FROM news_modelevent);",
        );
    }
    sql
}

#[test]
fn status_the_dry_run_and_parked_agree_in_any_state() {
    let db = Db::new();
    let news = News::on(&db).env("NEWS_TARGET_URL", "http://127.0.0.1:1");
    news.run(["db", "migrate"]).ok();
    let mut sql = db.client();
    let mut seen = [0_u64; 4];
    for round in 0..ROUNDS {
        let state = state(&mut Dice(round));
        sql.batch_execute(&state).unwrap_or_else(|error| panic!("round {round}: {error:?}\n{state}"));
        let status = news.run(["--json", "status"]).ok().json();
        let plan = news.run(["--json", "sync", "--dry-run", "--force"]);
        assert!([0, 1, 3].contains(&plan.code), "round {round}: {}", plan.stderr);
        let plan = plan.json();
        for key in ["plan", "parked", "held", "waiting", "in_flight"] {
            assert_eq!(status[key], plan[key], "round {round}: {key}\n{status}\n{plan}\n{state}");
        }
        let number = |report: &Value, path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or(0);
        let actions = plan["actions"].as_array().unwrap();
        let mut tried = 0;
        for entity in ["posts", "comments"] {
            for action in ["create", "update", "delete", "ask", "renew"] {
                let listed =
                    actions.iter().filter(|one| one["entity"] == entity && one["action"] == action).count() as u64;
                assert_eq!(listed, number(&plan, &format!("/plan/{entity}/{action}")), "round {round}: {plan}");
                tried += listed;
            }
            tried += number(&plan, &format!("/plan/{entity}/nothing"));
        }
        let [parked, held, waiting] = ["parked", "held", "waiting"].map(|key| number(&status, &format!("/{key}")));
        assert_eq!(number(&status, "/pending"), tried + parked + held, "round {round}: {status}");
        let objects = news.run(["--json", "parked"]).ok().json()["objects"].as_array().unwrap().clone();
        for (state, count) in [("parked", parked), ("held", held), ("waiting", waiting)] {
            let told = objects.iter().filter(|object| object["state"] == state).count() as u64;
            assert_eq!(told, count, "round {round}: {state}\n{objects:?}");
        }
        assert!(
            objects.iter().all(|object| object["state"] == "waiting" || object["reason"] != json!(null)),
            "{objects:?}"
        );
        for (seen, count) in seen.iter_mut().zip([tried, parked, held, waiting]) {
            *seen += count;
        }
    }
    assert!(seen.iter().all(|count| *count >= 10), "the rounds try everything: {seen:?}");
}
