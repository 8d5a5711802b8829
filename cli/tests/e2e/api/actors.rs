//! The change log says which user of the API made a change.

use serde_json::json;

use super::Service;

#[test]
fn an_event_names_the_user_of_the_api() {
    let service = Service::start();
    let mut sql = service.db.client();
    sql.batch_execute("UPDATE auth_user SET username = 'ada' || repeat('é', 140) || E'\\n' WHERE username = 'admin'")
        .unwrap();
    let post = service.ask("POST", "/news/posts/", Some(&json!({"title": "t", "body": "b"}))).expect(201).json();
    let path = format!("/news/posts/{}/", post["id"]);
    let comment = json!({"post": post["id"], "name": "n", "email": "a@example.org", "body": "b"});
    service.ask("POST", &format!("{path}comments/"), Some(&comment)).expect(201);
    service.ask("PUT", &path, Some(&json!({"title": "u", "body": "b"}))).expect(200);
    // With its comment, by the foreign key.
    service.ask("DELETE", &path, None).expect(204);
    let rows = sql.query("SELECT DISTINCT actor, count(*) OVER () FROM news_modelevent", &[]).unwrap();
    let actor: &str = rows[0].get(0);
    assert_eq!((actor, rows[0].get::<_, i64>(1)), (format!("api ada{} ", "é".repeat(140)).as_str(), 5), "{rows:?}");
}
