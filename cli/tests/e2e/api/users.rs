//! `news user` and `news token`, and what a login makes of them.

use serde_json::json;

use super::wire::Wire;
use super::{SECRET, Service};
use crate::support::{Db, News};

fn login(service: &Service, username: &str, password: &str) -> super::Reply {
    let body = json!({ "username": username, "password": password }).to_string();
    let json = [("Content-Type", "application/json")];
    Wire::open(service.address).send("POST", "/api-auth/token/", &json, Some(body.as_bytes())).unwrap()
}

#[test]
fn users_are_added_listed_changed_and_removed() {
    let service = Service::start();
    let news = &service.news;
    let added = news.run_with(["--json", "user", "add", "jo"], "p4ss word\n").ok().json();
    assert_eq!((&added["username"], &added["change"]), (&"jo".into(), &"added".into()), "{added}");
    let weak = news.run_with(["user", "add", "sleeper", "--inactive"], "pw").ok();
    assert!(weak.stderr.contains("warning: the password has 2 characters"), "{}", weak.stderr);
    // The same name, no name, no password.
    assert!(news.run_with(["user", "add", "jo"], "x\n").expect_code(4).stderr.contains("hint: "));
    news.run_with(["user", "add", ""], "x\n").expect_code(2);
    news.run_with(["user", "add", "x"], "\n").expect_code(2);

    let users = news.run(["--json", "user", "list"]).ok().json();
    let names: Vec<_> =
        users["users"].as_array().unwrap().iter().map(|user| (&user["username"], &user["active"])).collect();
    let expected =
        [("admin", true), ("jo", true), ("sleeper", false)].map(|(name, active)| (json!(name), json!(active)));
    assert_eq!(names, expected.each_ref().map(|(name, active)| (name, active)));
    // No password, no hash.
    let shown = format!("{users} {}", news.run(["user", "list"]).ok().stdout);
    assert!(!shown.contains("argon2") && !shown.contains("p4ss"), "{shown}");

    login(&service, "jo", "p4ss word").expect(200);
    login(&service, " jo ", "p4ss word").expect(200);
    let refusal = "{\"detail\":\"No active account found with the given credentials\"}";
    for (username, password) in
        [("jo", "p4ss"), ("sleeper", "pw"), ("nobody", "pw"), ("JO", "p4ss word"), ("admin", "!")]
    {
        assert_eq!(login(&service, username, password).expect(401).text(), refusal, "{username}");
    }

    news.run_with(["user", "passwd", "jo"], "another\n").ok();
    login(&service, "jo", "p4ss word").expect(401);
    let access = login(&service, "jo", "another").expect(200).json()["access"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {access}");
    let list = || service.wire().send("GET", "/news/posts/", &[("Authorization", &bearer)], None).unwrap();
    list().expect(200);
    news.run(["user", "remove", "jo"]).ok();
    list().expect(401);
    for verb in ["passwd", "remove"] {
        assert!(news.run_with(["user", verb, "jo"], "x\n").expect_code(4).stderr.contains("hint: "));
    }
}

#[test]
fn a_token_of_the_command_is_as_good_as_one_of_a_login() {
    let service = Service::start();
    let news = &service.news;
    let token = news.run(["token", "admin"]).ok().stdout;
    let bearer = format!("Bearer {}", token.trim());
    service.wire().send("GET", "/news/posts/", &[("Authorization", &bearer)], None).unwrap().expect(200);
    news.run(["token", "nobody"]).expect_code(4);
    news.run_with(["user", "add", "sleeper", "--inactive"], "pw").ok();
    news.run(["token", "sleeper"]).expect_code(4);
}

#[test]
fn a_password_of_the_django_service_is_accepted_and_its_hash_renewed() {
    let service = Service::start();
    // PBKDF2-HMAC-SHA256 of "django" with the salt "saltysalt" in 1000 rounds, as Django writes it.
    let mut key = [0_u8; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(b"django", b"saltysalt", 1000, &mut key);
    let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
    let mut client = service.db.client();
    let hash = format!("pbkdf2_sha256$1000$saltysalt${key}");
    client.execute("UPDATE auth_user SET password = $1", &[&hash]).unwrap();
    login(&service, "admin", "wrong").expect(401);
    login(&service, "admin", "django").expect(200);
    let renewed: String = client.query_one("SELECT password FROM auth_user", &[]).unwrap().get(0);
    assert!(renewed.starts_with("argon2$argon2id$"), "{renewed}");
    login(&service, "admin", "django").expect(200);
}

#[test]
fn a_missing_or_short_secret_is_refused_at_the_start() {
    let db = Db::new();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let refused = News::on(&db).run(serve).expect_code(2);
    assert!(refused.stderr.contains("NEWS_JWT_SECRET") && refused.stderr.contains("hint: "), "{}", refused.stderr);
    let short = "too-short-to-sign-with";
    for (secret, previous) in [(short, ""), (SECRET, short)] {
        let news = News::on(&db).env("NEWS_JWT_SECRET", secret).env("NEWS_JWT_SECRET_PREVIOUS", previous);
        let refused = news.run(serve).expect_code(2);
        assert!(refused.stderr.contains("hint: ") && !refused.stderr.contains(short), "{}", refused.stderr);
    }
}
