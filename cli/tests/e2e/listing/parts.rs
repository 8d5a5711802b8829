//! Listings that are only a part of the whole, in all the ways in which a target says so.

use std::io::Write;

use super::Sides;
use crate::support::canned::{Canned, respond};
use crate::support::{Db, Fake, News};

#[test]
fn a_part_of_a_listing_is_never_compared_or_repaired_from() {
    let sides = Sides::new();
    for (headers, said) in [
        ("Link: </posts?page=2>; rel=\"next\"\r\n", "Link names a next page: /posts?page=2"),
        ("Link: </a>; rel=prev\r\nlink: </b>;REL=\"last NEXT\"\r\n", "Link names a next page: /b"),
        ("X-Total-Count: 501\r\n", "elements, but X-Total-Count says 501"),
        ("X-WP-Total: 501\r\n", "elements, but X-WP-Total says 501"),
        ("X-Total: 501\r\n", "elements, but X-Total says 501"),
        ("X-Pagination-Total: 501\r\n", "elements, but X-Pagination-Total says 501"),
        ("Content-Range: items 0-24/501\r\n", "Content-Range is items 0-24/501"),
    ] {
        let news = sides.served(move |text, stream| respond(stream, headers, text.as_bytes()));
        for command in [&["diff"][..], &["sync", "--full", "--force"]] {
            let output = news.run(command).expect_code(5);
            assert_eq!(output.stdout, "", "{headers}");
            assert!(output.stderr.contains("the listing is not whole: "), "{headers}: {}", output.stderr);
            assert!(output.stderr.contains(said), "{headers}: {}", output.stderr);
        }
    }
    let news = sides.served(|text, stream| {
        let head = "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())).ok();
    });
    assert!(news.run(["diff"]).expect_code(5).stderr.contains("status 206 (partial content)"));
}

#[test]
fn a_first_page_is_not_imported() {
    let target = Canned::start(|_, stream| {
        let post = r#"[{"id":1,"userId":1,"title":"t","body":"b"}]"#;
        respond(stream, "Link: </posts?page=2>; rel=\"next\"\r\n", post.as_bytes());
    });
    let db = Db::new();
    let refused = News::on(&db).env("NEWS_TARGET_URL", target.url()).run(["import"]).expect_code(5);
    assert!(refused.stderr.contains("hint: Let the target answer with all of them"), "{}", refused.stderr);
    let posts: i64 = db.client().query_one("SELECT count(*) FROM news_post", &[]).unwrap().get(0);
    assert_eq!(posts, 0);
    let paged = Fake::start(["--page", "10", "--no-total"]);
    let refused = News::on(&db).env("NEWS_TARGET_URL", paged.url()).run(["import"]).expect_code(5);
    assert!(refused.stderr.contains("posts?_page=2&_limit=10"), "{}", refused.stderr);
    let doctor = News::on(&db).env("NEWS_TARGET_URL", paged.url()).run(["doctor"]).expect_code(5);
    assert!(doctor.stdout.contains("Link names a next page"), "{}", doctor.stdout);
}
