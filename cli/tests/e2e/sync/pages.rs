//! Pages of HTML in the place of the API's answers: one exit code, and words instead of markup.

use serde_json::json;

use crate::support::pair::last_run;
use crate::support::told::{Scene, Threads, answer};

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title>\n<style>body { color: red }</style>\
    <script>if (a < b) alert('<p>no</p>')</script></head>\n<body><!-- padding --><center><h1>502 Bad Gateway</h1></center>\
    <hr>The upstream &amp; its friends are <b>away</b>&hellip;<p>nginx/1.22.1</body></html>\n";

const WORDS: &str = "502 Bad Gateway The upstream & its friends are away … nginx/1.22.1";

fn scene(status: u16, edit: &str) -> Scene {
    let mut scene = Scene::new(Threads::Many);
    scene.told.tell(move |_| Some(answer(status, "Content-Type: text/html\r\n", PAGE)));
    scene.edit(edit);
    scene
}

#[test]
fn a_page_in_the_place_of_a_listing_is_4_for_every_command() {
    for edit in ["UPDATE news_post SET title = 'v' WHERE id = 3", "DELETE FROM news_comment WHERE id = 3"] {
        let scene = scene(200, edit);
        for args in [&["sync"][..], &["sync", "--full"], &["diff"]] {
            let refused = scene.news().run(args).expect_code(4);
            assert!(refused.stderr.contains("it begins with '<' and not with '['"), "{args:?} {}", refused.stderr);
        }
    }
}

#[test]
fn a_gateways_page_with_an_error_is_5_for_every_command() {
    for status in [404, 502] {
        let scene = scene(status, "UPDATE news_post SET title = 'v' WHERE id = 3");
        for args in [&["sync"][..], &["sync", "--full"], &["diff"]] {
            scene.news().run(args).expect_code(5);
        }
    }
}

#[test]
fn a_page_is_told_in_words_wherever_it_is_told() {
    let mut scene = scene(422, "UPDATE news_post SET title = 'v' WHERE id = 3");
    scene
        .told
        .tell(|asked| asked.line.starts_with("PUT /posts/3").then(|| answer(422, "Content-Type: text/html\r\n", PAGE)));
    scene.edit("UPDATE news_post SET title = 'v' WHERE id = 4");
    let report = scene.news().run(["--json", "sync"]).expect_code(3).json();
    let said = format!("status 422: {WORDS}");
    assert_eq!(report["first_error"], json!(format!("posts/3: {said}")));
    assert_eq!(last_run(&scene.news()).2, format!("posts/3: {said}"));
    let parked = scene.news().run(["--json", "parked"]).ok().json();
    assert_eq!(parked["objects"][0]["reason"], json!(said));
    // A run that meets nothing new says why it ends with 3 all the same.
    scene.news().run(["sync"]).expect_code(3);
    assert_eq!(last_run(&scene.news()).2, "1 object parked by earlier runs: `news parked` says why");
}

#[test]
fn what_a_retry_overcame_is_not_what_caused_the_exit_code() {
    let mut scene = Scene::new(Threads::Many);
    let mut first = true;
    scene.told.tell(move |asked| {
        let is_first = std::mem::replace(&mut first, false);
        (is_first && asked.line.starts_with("PUT")).then(|| answer(503, "", "warming up"))
    });
    scene.edit("UPDATE news_post SET title = 'v' WHERE id = 3");
    let report = scene.news().run(["--json", "sync"]).ok().json();
    assert_eq!(report["first_error"], json!(null), "{report}");
    assert_eq!(report["overcome"], json!("posts/3: status 503: warming up"));
    assert_eq!(last_run(&scene.news()), ("done".to_owned(), 0, String::new()));
}
