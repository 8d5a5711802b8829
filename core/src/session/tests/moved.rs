//! Comments that are moved to other posts, while their old post is deleted: a target that deletes comments with their post must
//! not delete these.

use super::*;
use Presence::{Present, Unknown};

#[test]
fn a_posts_delete_waits_for_a_comment_that_is_moved_away_from_it() {
    let mut works = works(&[
        ("posts/1", Present, Wish::Absent),
        ("posts/2", Present, Wish::Absent),
        ("comments/7", Present, Wish::Present),
        ("comments/8", Present, Wish::Present),
    ]);
    works[2].parent = PostId::new(3).ok();
    works[3].parent = PostId::new(3).ok();
    let leaving: Leaving = [
        ("comments/7".parse().unwrap(), [1, 2].map(|id| PostId::new(id).unwrap()).into()),
        ("comments/8".parse().unwrap(), [2].map(|id| PostId::new(id).unwrap()).into()),
    ]
    .into();
    let moving = || Scene { leaving: leaving.clone(), ..scene(works.clone()) };
    let played = moving().jobs(4).play(|request, _, _| fine(request));
    assert_eq!(played.requests, ["PUT comments/7", "PUT comments/8", "DELETE posts/1", "DELETE posts/2"]);

    let refuses = |id: i64| move |request: &Request| if request.key.id() == id { status(422) } else { fine(request) };
    let played = moving().play(|request, _, _| refuses(8)(request));
    let left = ["comments/7 done", "comments/8 Parked Present", "posts/1 done", "posts/2 Held Present"];
    assert_eq!(played.recorded(), left);
    let played = moving().play(|request, _, _| refuses(7)(request));
    let left = ["comments/7 Parked Present", "comments/8 done", "posts/1 Held Present", "posts/2 Held Present"];
    assert_eq!(played.recorded(), left);

    // It is known before the run.
    for standing in [Standing::Parked, Standing::OnHold, Standing::Waiting, Standing::Held] {
        let stands =
            |work: &Work| if work.key.to_string() == "comments/8" { Work { standing, ..*work } } else { *work };
        let plan = Plan::new(works.iter().map(stands).collect()).with_leaving(leaving.clone());
        let held: Vec<_> = Session::untried(&plan).held.into_iter().filter(|(key, _)| *key == works[1].key).collect();
        assert_eq!(held, [(works[1].key, String::from("waits for comments/8"))], "{standing:?}");
    }
}

#[test]
fn a_comment_that_the_target_does_not_have_keeps_no_post() {
    let mut works = works(&[("posts/1", Present, Wish::Absent), ("comments/7", Unknown, Wish::Present)]);
    works[1].parent = PostId::new(3).ok();
    let leaving: Leaving = [("comments/7".parse().unwrap(), [PostId::new(1).unwrap()].into())].into();
    let played = Scene { leaving, ..scene(works) }.play(|request, _, _| match request.method {
        Method::Get => status(404),
        Method::Post => status(422),
        Method::Put | Method::Delete => fine(request),
    });
    assert_eq!(played.recorded(), ["comments/7 Parked Absent", "posts/1 done"]);
}

#[test]
fn a_post_is_left_to_the_next_run_where_a_newer_change_overtakes_its_comment() {
    let mut works = works(&[("posts/1", Present, Wish::Absent), ("comments/7", Present, Wish::Present)]);
    works[1].parent = PostId::new(3).ok();
    let leaving: Leaving = [("comments/7".parse().unwrap(), [PostId::new(1).unwrap()].into())].into();
    let loaded = alloc::vec![(works[1].key, Loaded::Overtaken)];
    let played = Scene { leaving, loaded, ..scene(works) }.play(|request, _, _| fine(request));
    assert_eq!((played.requests.len(), played.summary.overtaken, played.summary.left()), (0, 2, 0));
}
