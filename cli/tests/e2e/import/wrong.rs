//! Objects that the master cannot hold.

use super::*;

#[test]
fn wrong_objects_are_named_and_nothing_is_imported() {
    let long = "é".repeat(257);
    let posts = |last: Value| json!([post(1), post(2), last]);
    let comments = |last: Value| json!([comment(1, 1), comment(2, 2), last]);
    let good = posts(post(3));
    let (no_comments, none) = (json!([]), json!([]));
    // What is wrong, and what of it is told.
    let table: Vec<(Value, Value, &[&str])> = vec![
        (
            posts(json!({"id": 7, "userId": 1, "title": long, "body": ""})),
            no_comments.clone(),
            &["posts/7", "title", "257"],
        ),
        (
            posts(json!({"id": 7, "userId": 1, "title": "a\u{0}b", "body": ""})),
            no_comments.clone(),
            &["posts/7", "title", "U+0000"],
        ),
        (posts(json!({"id": 7, "title": "t"})), no_comments.clone(), &["posts/7", "userId", "body", "missing"]),
        (posts(json!({"userId": 1, "title": "t", "body": ""})), no_comments.clone(), &["posts", "element 3", "id"]),
        (
            posts(json!({"id": 7, "userId": 1, "title": 5, "body": null})),
            no_comments.clone(),
            &["posts/7", "title", "number"],
        ),
        (posts(json!("text")), no_comments.clone(), &["posts", "element 3"]),
        (posts(post(9_007_199_254_740_992)), no_comments.clone(), &["posts/9007199254740992"]),
        (posts(post(0)), no_comments.clone(), &["posts/0"]),
        (posts(post(-5)), no_comments.clone(), &["posts/-5"]),
        (posts(json!({"id": 7.5, "userId": 1, "title": "t", "body": ""})), no_comments.clone(), &["element 3", "id"]),
        (posts(post(2)), no_comments, &["posts/2", "twice"]),
        (good.clone(), comments(comment(2, 1)), &["comments/2", "twice"]),
        (good.clone(), comments(comment(8, 999)), &["comments/8", "posts/999"]),
        (good.clone(), comments(comment(8, 9_007_199_254_740_992)), &["comments/8", "postId"]),
        (
            good.clone(),
            comments(json!({"id": 8, "postId": 1, "name": "n", "email": "e", "body": "a\u{0}"})),
            &["comments/8", "body"],
        ),
        (none, comments(comment(8, 1)), &["comments/1", "posts/1"]),
    ];
    let db = Db::new();
    let news = News::on(&db);
    for (posts, comments, told) in table {
        let refused = import_from(&news, folder(&posts, &comments).path()).expect_code(4);
        for words in told {
            assert!(refused.stderr.contains(words), "{words:?} in {}", refused.stderr);
        }
        nothing_imported(&db, &news, 4);
    }
}

#[test]
fn many_wrong_objects_are_listed_up_to_twenty() {
    let posts: Vec<Value> = (1..=30).map(|id| json!({"id": id, "userId": 1, "title": "t"})).collect();
    let db = Db::new();
    let news = News::on(&db);
    let refused = import_from(&news, folder(&json!(posts), &json!([])).path()).expect_code(4);
    assert!(refused.stderr.contains("posts/1:") && refused.stderr.contains("posts/20:"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("posts/21:"), "{}", refused.stderr);
    assert!(refused.stderr.contains("30 faults") && refused.stderr.contains("10 more"), "{}", refused.stderr);
}

#[test]
fn wrong_objects_can_be_left_out_and_are_told_of() {
    let posts = json!([
        post(1),
        {"id": 2, "userId": 1, "title": "x".repeat(300), "body": null},
        post(3),
        post(1),
        "text",
        post(0),
    ]);
    let comments =
        json!([comment(1, 1), comment(2, 2), comment(3, 99), comment(4, 3), comment(4, 1), {"id": 5, "postId": 1}]);
    let db = Db::new();
    let news = News::on(&db);
    let folder = folder(&posts, &comments);
    import_from(&news, folder.path()).expect_code(4);
    nothing_imported(&db, &news, 4);
    let path = folder.path().to_str().unwrap();
    let report = news.run(["--json", "import", "--skip-invalid", "--from", path]).expect_code(3).json();
    let skipped = &report["skipped"];
    assert_eq!((&report["posts"], &report["comments"]), (&json!(2), &json!(2)));
    assert_eq!((&skipped["posts"], &skipped["comments"], &skipped["more"]), (&json!(4), &json!(4), &json!(0)));
    let faults: Vec<String> = skipped["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            format!("{} {} {} {}: {}", fault["entity"], fault["id"], fault["element"], fault["field"], fault["why"])
                .replace('"', "")
        })
        .collect();
    for told in [
        "posts 2 2 body: null instead of a text",
        "posts 1 4 id: comes twice",
        "posts null 5 id: a text instead of an object",
        "comments 2 2 postId: posts/2 was left out",
        "comments 3 3 postId: there is no posts/99",
        "comments 4 5 id: comes twice",
        "comments 5 6 email: missing",
    ] {
        assert!(faults.iter().any(|fault| fault == told), "{told} in {faults:#?}");
    }
    assert_eq!((number(&db, ROWS), number(&db, EVENTS), number(&db, ALWAYS)), (4, 0, 8));
    let (status, exit_code, _) = last_run(&news);
    assert_eq!((status.as_str(), exit_code), ("done", 3));
    let next = "SELECT nextval(pg_get_serial_sequence('news_post', 'id'))";
    assert_eq!(number(&db, next), 4);

    // Nothing wrong: nothing left out. And the list of what is has an end.
    let db = Db::new();
    let news = News::on(&db);
    let fake = Fake::start([""; 0]);
    let report = news.run(["--json", "import", "--skip-invalid", "--target-url", fake.url()]).ok().json();
    assert_eq!(report["skipped"], json!({"posts": 0, "comments": 0, "faults": [], "more": 0}));
    let db = Db::new();
    let news = News::on(&db);
    let wrong: Vec<Value> = (1..=1500).map(|id| json!({"id": id, "userId": 1, "title": "t"})).collect();
    let report = from_stdin(&news, &["--skip-invalid"], &json!({"posts": wrong}).to_string()).expect_code(3).json();
    assert_eq!((&report["skipped"]["posts"], &report["skipped"]["more"]), (&json!(1500), &json!(500)));
    assert_eq!(report["skipped"]["faults"].as_array().unwrap().len(), 1000);
}
