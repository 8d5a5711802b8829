//! `news diff KEY`: some objects, each asked for by its own address.

use serde_json::json;

use super::{every_kind, keys};
use crate::support::Pair;

#[test]
fn only_the_objects_that_are_named_are_asked_for() {
    let mut pair = Pair::new([]);
    pair.edit("UPDATE news_post SET title = 'pending' WHERE id = 10");
    let equal = pair.news.run(["--json", "diff", "posts/1", "comments/7", "posts/1"]).ok().json();
    assert_eq!((&equal["equal"], &equal["keys"]), (&json!(true), &json!(["posts/1", "comments/7"])));
    assert_eq!(pair.sent().len(), 2, "one GET each");
    let text = pair.news.run(["diff", "posts/1"]).ok().stdout;
    assert!(text.contains("equal: 1 object of this database and"), "{text}");
    // What differs is looked at again.
    pair.sent();
    let report = pair.news.run(["--json", "diff", "posts/10", "posts/11"]).expect_code(1).json();
    assert_eq!(keys(&report), ["posts/10 different true"]);
    assert_eq!(report["differences"][0]["fields"][0]["local"], json!("pending"));
    assert_eq!((&report["summary"]["posts"]["local"], report["summary"].get("comments")), (&json!(2), None));
    let sent = pair.sent();
    assert_eq!(sent.iter().filter(|line| line.contains("posts/10 ")).count(), 2, "{sent:?}");
    assert!(!sent.iter().any(|line| line.starts_with("GET /posts 200")), "no listing: {sent:?}");
    pair.news.run(["diff", "--ignore-pending", "posts/10"]).ok();
    pair.news.run(["diff", "--exit-zero", "posts/10"]).ok();
}

#[test]
fn it_tells_the_same_as_the_comparison_of_everything() {
    let pair = every_kind(&[]);
    // Only a listing shows that an object is there twice.
    let whole: Vec<String> = keys(&pair.diff(1)).into_iter().filter(|line| !line.contains("duplicate")).collect();
    let named: Vec<&str> = whole.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let flags = ["--json", "diff", "--jobs", "2", "--rate", "1000"];
    let some = pair.news.run(flags.iter().chain(&named)).expect_code(1).json();
    assert_eq!(keys(&some), whole);
    for key in ["fields", "faults"] {
        let of = |report: &serde_json::Value, at: usize| report["differences"][at][key].clone();
        assert_eq!(of(&some, 1), of(&pair.diff(1), 1));
    }
}

#[test]
fn a_404_is_a_missing_object_only_where_others_are_found_at_their_addresses() {
    let mut pair = Pair::new([]);
    pair.fake.http().send("DELETE", "/posts/9", "");
    pair.sent();
    let report = pair.news.run(["--json", "diff", "posts/9"]).expect_code(1).json();
    assert_eq!(keys(&report), ["posts/9 missing false"]);
    let sent = pair.sent();
    assert_eq!(sent[..3], ["GET /posts/9 404", "GET /posts 200", "GET /posts/1 200"], "{sent:?}");
    // A base URL where everything is a 404.
    let wrong = format!("{}/api", pair.fake.url());
    let output = pair.news.run(["diff", "posts/9", "--target-url", &wrong]).expect_code(5);
    assert_eq!(output.stdout, "");
    // Nobody has it.
    let output = pair.news.run(["diff", "posts/9000"]).ok();
    assert!(output.stderr.contains("posts/9000: neither side has it"), "{}", output.stderr);
}

#[test]
fn trouble_with_one_object_is_no_difference() {
    let pair = Pair::new([]);
    for (faults, code) in [(r#"{"html": true}"#, 4), (r#"{"fail_rate": 1}"#, 5), (r#"{"forbid": "all"}"#, 7)] {
        pair.fake.set_faults(faults);
        for flags in [&[][..], &["--exit-zero"], &["--ignore-pending"]] {
            let output = pair.news.run(["diff", "posts/4", "posts/5"].iter().chain(flags)).expect_code(code);
            assert_eq!(output.stdout, "", "no report of half a comparison");
        }
    }
    pair.fake.set_faults(r#"{"fail_rate": 0.3}"#);
    pair.news.run(["diff", "posts/4", "posts/5", "--jobs", "1"]).ok();
    pair.fake.set_faults("{}");
    for wrong in [
        &["diff", "post/5"][..],
        &["diff", "posts/5", "--only", "posts"],
        &["diff", "posts/5", "--from", "."],
        &["diff", "--jobs", "2"],
    ] {
        pair.news.run(wrong).expect_code(2);
    }
    let many: Vec<String> = (1..=1001).map(|id| format!("posts/{id}")).collect();
    let output = pair.news.run(["diff"].into_iter().chain(many.iter().map(String::as_str))).expect_code(2);
    assert!(output.stderr.contains("at most 1000 keys, found 1001"), "{}", output.stderr);
}
