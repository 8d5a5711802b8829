use news_core::Entity;
use news_core::profile::{Auth, Dialect, Field, IdForm, Ids, Pages, Total, Verb, Writes};
use news_core::reply::Method;

use super::*;

/// json-server in the words of a profile.
const JSON_SERVER_WORDS: &str = r#"
ids = "ours"
id_as = "{id}"
missing = [404, 410]
auth = { kind = "bearer" }
envelope = ""
pages = { kind = "none" }

[posts]
list = "GET /posts"
read = "GET /posts/{id}"
create = "POST /posts"
update = "PUT /posts/{id}"
delete = "DELETE /posts/{id}"
id = "id"
fields = { user_id = "userId", title = "title", body = "body" }

[comments]
list = "GET /comments"
read = "GET /comments/{id}"
create = "POST /comments"
update = "PUT /comments/{id}"
delete = "DELETE /comments/{id}"
fields = { post_id = "postId" }
"#;

fn read(text: &str) -> Result<Chosen> {
    words::profile("json-server", "json-server", "p.toml", text)
}

#[test]
fn the_default_can_be_written_in_words() {
    assert_eq!(read(JSON_SERVER_WORDS).unwrap().profile, &JSON_SERVER);
}

#[test]
fn the_default_is_documented_in_words() {
    let page = include_str!("../../../docs/profiles.md");
    let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(read(block).unwrap().profile, &JSON_SERVER);
}

#[test]
fn a_key_is_documented_as_json_server_1_has_it() {
    let page = include_str!("../../../docs/profiles.md");
    let block = page.split("### Keys").nth(1).and_then(|rest| rest.split("```toml\n").nth(1)).unwrap();
    let words = block.split("```").next().unwrap();
    let profile = |text: &str| words::profile("json-server-1", "json-server-1", "p.toml", text);
    assert_eq!(profile(words).unwrap().profile, &JSON_SERVER_1);
    for (from, to, error) in [
        ("field = \"key\", ", "", "posts.key.field is missing"),
        ("field = \"key\"", "field = \"id\"", "\"id\" is the name of two fields"),
        ("as = \"{id}\"", "as = \"news\"", "posts.key.as: expected {id} or {id:015} in a text"),
        ("\"POST /posts\"", "\"PUT /posts/{id}\"", "posts.create: expected POST /PATH, found"),
        ("?key={key}", "", "posts.key.find: expected GET /PATH?FIELD={key}"),
        ("?key={key}", "?key={id}", "posts.key.find: expected GET /PATH?FIELD={key}"),
        ("as = ", "like = ", "unknown word posts.key.like"),
    ] {
        assert!(words.contains(from), "{from}");
        let failure = profile(&words.replacen(from, to, 1)).unwrap_err();
        assert!(failure.to_string().contains(error), "{to}: {failure}");
    }
}

#[test]
fn a_fingerprint_is_of_what_a_profile_says() {
    let print = |text: &str| read(text).unwrap().print;
    let words = print(JSON_SERVER_WORDS);
    assert_eq!(
        print(&format!("# ours\n{}", JSON_SERVER_WORDS.replace("missing = [404, 410]", "missing=[404,410]"))),
        words
    );
    assert_ne!(print(&JSON_SERVER_WORDS.replace("PUT /comments", "PATCH /comments")), words);
    assert_eq!(words.len(), 8);
}

#[test]
fn the_built_in_profiles_can_be_read() {
    assert_eq!(names().collect::<Vec<_>>(), ["json-server", "json-server-1", "pocketbase", "wordpress", "news"]);
    let pocketbase = Chosen::find("pocketbase").unwrap().profile;
    let call = pocketbase.dialect(Entity::Comment).call(Method::Put);
    assert_eq!((call.verb, call.path("000000000000007")), (Verb::Patch, "/comments/records/000000000000007".into()));
    assert_eq!(pocketbase.id_as, IdForm::Text { prefix: "", digits: 15, suffix: "" });
    assert!(matches!(pocketbase.auth, Auth::Login(login) if login.prefix.is_empty() && login.token == ["token"]));
    let news = Chosen::find("news").unwrap().profile;
    assert_eq!((news.ids, news.comments.number.read), (Ids::Ours, &["post_id"][..]));
    let create = news.comments.create;
    assert_eq!((create.verb, create.path("5")), (Verb::Put, "/news/replica/comments/5/".into()));
    assert!(news.comments.condition(Method::Post).is_some());
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (from, to, error) in [
        ("ids = \"ours\"", "ids = \"yours\"", "p.toml:2:7: ids: expected ours or key or none, found \"yours\""),
        ("ids = \"ours\"", "ids = \"key\"", "posts.key is missing"),
        ("ids = \"ours\"", "ids = 5", "p.toml:2:7: ids: expected a string, found an integer"),
        ("envelope =", "enveloppe =", "p.toml:6:1: unknown word enveloppe"),
        ("envelope = \"\"", "envelope = \"a..b\"", "p.toml:6:12: envelope: expected names with dots between them"),
        ("\"{id}\"", "\"{id:15}\"", "p.toml:3:9: id_as: expected {id} or {id:015} in a text"),
        ("\"{id}\"", "\"{id}/{id}\"", "p.toml:3:9: id_as: expected"),
        ("[404, 410]", "[404, 401]", "p.toml:4:17: missing: expected 400, 403, 404 or 410, found 401"),
        ("[404, 410]", "[200]", "p.toml:4:12: missing: expected 400"),
        ("[404, 410]", "[]", "p.toml:1:1: missing: expected at least one status"),
        ("kind = \"bearer\"", "kind = \"bearer\", path = \"/x\"", "unknown word auth.path"),
        ("kind = \"bearer\"", "kind = \"login\"", "auth.path is missing"),
        ("kind = \"none\"", "kind = \"page\", param = \"p\", size_param = \"s\"", "pages.total is missing"),
        (
            "kind = \"none\"",
            "kind = \"page\", param = \"p\", size_param = \"s\", size = 0",
            "pages.size: expected at least 1",
        ),
        ("\"GET /posts\"", "\"POST /posts\"", "posts.list: expected GET /PATH, found \"POST /posts\""),
        ("\"GET /posts\"", "\"GET posts\"", "posts.list: expected GET /PATH"),
        ("\"GET /posts\"", "\"GET /posts/{id}\"", "posts.list: expected GET /PATH"),
        ("\"GET /posts/{id}\"", "\"GET /posts\"", "posts.read: expected GET /PATH/{id}"),
        ("\"GET /posts/{id}\"", "\"GET /posts/{key}\"", "posts.read: expected GET /PATH/{id}"),
        ("\"PUT /posts/{id}\"", "\"POST /posts/{id}\"", "posts.update: expected PUT or PATCH /PATH/{id}"),
        ("\"POST /posts\"", "\"PATCH /posts\"", "posts.create: expected POST /PATH, found \"PATCH /posts\""),
        ("\"POST /posts\"", "\"PUT /posts\"", "posts.create: expected PUT /PATH/{id}, found \"PUT /posts\""),
        ("\"GET /comments\"", "\"GET /a b\"", "comments.list: expected GET /PATH or /PATH/{post}/PATH"),
        ("read = \"GET /posts/{id}\"", "", "posts.read is missing"),
        (
            "ids =",
            "writes = \"shown\"\nids =",
            "p.toml:2:10: writes: expected trusted or echoed or read, found \"shown\"",
        ),
        ("ids =", "item = \"a.\"\nids =", "p.toml:2:8: item: expected names with dots between them"),
        ("ids =", "wrap = 7\nids =", "p.toml:2:8: wrap: expected a string, found an integer"),
        ("ids =", "headers = \"x\"\nids =", "p.toml:2:11: headers: expected a table"),
        ("ids =", "headers = { Prefer = 1 }\nids =", "p.toml:2:22: headers.Prefer: expected a string"),
        ("ids =", "headers = { \"a b\" = \"x\" }\nids =", "headers.a b: expected the name of a header field"),
        ("ids =", "headers = { Prefer = \"ä\" }\nids =", "headers.Prefer: expected what a header field may carry"),
        ("ids =", "headers = { If-None-Match = \"*\" }\nids =", "this field is not the profile's to set"),
        ("ids =", "headers = { Host = \"x\" }\nids =", "headers.Host: this field is not the profile's to set"),
        ("ids =", "headers = { X-Api-Key = \"abc\" }\nids =", "headers.X-Api-Key: a secret has no place in a profile"),
        ("ids =", "headers = { X-Is = \"Bearer abc\" }\nids =", "headers.X-Is: a secret has no place in a profile"),
        ("kind = \"bearer\"", "kind = \"header\"", "auth.name is missing"),
        ("kind = \"bearer\"", "kind = \"header\", name = \"a:b\"", "auth.name: expected the name of a header field"),
        ("kind = \"bearer\"", "kind = \"basic\", user = \"x\"", "unknown word auth.user"),
        ("kind = \"bearer\"", "kind = \"login\", path = \"login\"", "auth.path: expected /PATH"),
        ("kind = \"none\"", "kind = \"offset\", param = \"o\", size_param = \"l\"", "pages.total is missing"),
        ("kind = \"none\"", "kind = \"page\", param = \"a b\"", "pages.param: expected the name of a parameter"),
        ("kind = \"none\"", "kind = \"link\", size = 5", "unknown word pages.size"),
        ("kind = \"none\"", "kind = \"link\", total = \"header:a b\"", "pages.total: expected header:NAME"),
        ("kind = \"none\"", "kind = \"cursor\", field = \"next\"", "pages.param is missing"),
        ("title = \"title\"", "title = { read = \"x\" }", "posts.fields.title.write is missing"),
        ("title = \"title\"", "title = { read = \"x\", write = \"body\" }", "\"body\" is the name of two fields"),
        ("title = \"title\"", "title = \"body.raw\"", "\"body\" is the name of two fields"),
        ("title = \"title\"", "title = 5", "posts.fields.title: expected a string, a table or false"),
        ("title = \"title\"", "title = true", "posts.fields.title: expected a string, a table or false, found true"),
        ("post_id = \"postId\"", "post_id = false", "comments.fields.post_id: expected where it is, found false"),
        ("[comments]", "always = { title = \"x\" }\n[comments]", "\"title\" is the name of two fields"),
        ("[comments]", "always = { \"a.b\" = \"x\" }\n[comments]", "posts.always.a.b: expected the name of a member"),
        (
            "[comments]",
            "always = { a = 1.5 }\n[comments]",
            "posts.always.a: expected a string, an integer, true or false",
        ),
        (
            "[comments]",
            "always = { a = [] }\n[comments]",
            "posts.always.a: expected a string, an integer, true or false",
        ),
        ("title = \"title\"", "title = \"body\"", "\"body\" is the name of two fields"),
        ("title = \"title\"", "titel = \"title\"", "unknown word posts.fields.titel"),
        ("title = \"title\"", "title = \"\"", "posts.fields.title: expected the name of a member"),
        ("[comments]", "[coments]", "comments is missing"),
        ("[posts]", "[posts", "p.toml:9:"),
    ] {
        assert!(JSON_SERVER_WORDS.contains(from), "{from}");
        let failure = read(&JSON_SERVER_WORDS.replacen(from, to, 1)).unwrap_err();
        assert!(failure.to_string().contains(error), "{to}: {failure}");
        assert_eq!(failure.kind(), Kind::Usage);
    }
    let near = read(&JSON_SERVER_WORDS.replace("envelope =", "enveloppe =")).unwrap_err();
    assert_eq!(near.hints(), ["Do you mean envelope?"]);
}

#[test]
fn the_profiles_beside_the_documents_can_be_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/profiles");
    let read = |name: &str| Chosen::find(&format!("{folder}/{name}")).unwrap().profile;
    assert_eq!(read("directus.toml").writes, Writes::Echoed);
    assert_eq!(read("strapi.toml").comments.number.read, ["post", "id"]);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2, "each is named here");
}

#[test]
fn each_documented_example_can_be_read() {
    let page = include_str!("../../../docs/profiles.md");
    let lines = page.lines().filter(|line| line.starts_with("auth = {") || line.starts_with("pages = {"));
    let mut kinds = std::collections::BTreeSet::new();
    for line in lines {
        let (word, value) = line.split_once(" = ").unwrap();
        let default = JSON_SERVER_WORDS.lines().find(|default| default.starts_with(word)).unwrap();
        read(&JSON_SERVER_WORDS.replace(default, line)).unwrap_or_else(|failure| panic!("{line}: {failure}"));
        kinds.insert((word, value.split('"').nth(1).unwrap()));
    }
    // Each kind of both has an example.
    assert_eq!(kinds.iter().filter(|(word, _)| *word == "auth").count(), 5, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|(word, _)| *word == "pages").count(), 6, "{kinds:?}");
}

#[test]
fn a_profile_that_is_shown_reads_back() {
    let more = "item = \"data\"\nwrap = \"a.b\"\nwrites = \"read\"\nheaders = { Prefer = \"return=\\\"x\\\"\" }\n";
    let odd = format!("{more}{JSON_SERVER_WORDS}")
        .replace("title = \"title\"", "title = { write = \"t\", read = \"t.raw\" }")
        .replace("user_id = \"userId\"", "user_id = false")
        .replace("[comments]", "always = { status = \"publish\", sticky = false, rank = 7 }\n[comments]");
    let mut all = vec![JSON_SERVER.clone(), read(&odd).unwrap().profile.clone()];
    all.extend(names().map(|name| Chosen::find(name).unwrap().profile.clone()));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/profiles");
    all.extend(
        ["directus", "strapi"].map(|name| Chosen::find(&format!("{folder}/{name}.toml")).unwrap().profile.clone()),
    );
    let page = include_str!("../../../docs/profiles.md");
    for line in page.lines().filter(|line| line.starts_with("auth = {") || line.starts_with("pages = {")) {
        let word = line.split_once(" = ").unwrap().0;
        let default = JSON_SERVER_WORDS.lines().find(|default| default.starts_with(word)).unwrap();
        all.push(read(&JSON_SERVER_WORDS.replace(default, line)).unwrap().profile.clone());
    }
    for profile in all {
        let words = in_words(&profile);
        let again = read(&words).unwrap_or_else(|failure| panic!("{failure} in {words}")).profile;
        assert_eq!(&Profile { name: profile.name, ..again.clone() }, &profile, "{words}");
    }
}

#[test]
fn a_secret_is_not_repeated() {
    let words = format!("headers = {{ X-Api-Key = \"hunter2\" }}\n{JSON_SERVER_WORDS}");
    assert!(!read(&words).unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn the_other_words_can_be_read() {
    let words = JSON_SERVER_WORDS
        .replace("kind = \"bearer\"", "kind = \"header\", name = \"X-Api-Key\", prefix = \"Key \"")
        .replace(
            "kind = \"none\"",
            "kind = \"cursor\", field = \"meta.after\", param = \"after\", total = \"header:X-Total\"",
        )
        .replace("title = \"title\"", "title = { write = \"title\", read = \"title.raw\" }");
    let more =
        "item = \"data\"\nwrap = \"data\"\nwrites = \"echoed\"\nheaders = { Prefer = \"return=representation\" }\n";
    let expected = Profile {
        auth: Auth::Header { name: "X-Api-Key", prefix: "Key " },
        pages: Pages::Cursor { field: &["meta", "after"], param: "after", total: Total::Header("X-Total") },
        item: &["data"],
        wrap: &["data"],
        writes: Writes::Echoed,
        headers: &[("Prefer", "return=representation")],
        posts: Dialect {
            texts: [Field { write: &["title"], read: &["title", "raw"] }, Field::at(&["body"]), Field::NONE],
            ..JSON_SERVER.posts
        },
        ..JSON_SERVER.clone()
    };
    assert_eq!(read(&format!("{more}{words}")).unwrap().profile, &expected);
    let with = |from: &str, to: &str| read(&JSON_SERVER_WORDS.replace(from, to)).unwrap().profile;
    let basic = with("kind = \"bearer\"", "kind = \"basic\"");
    assert_eq!((basic.auth, basic.writes), (Auth::Basic, Writes::Trusted));
    let offset = with("kind = \"none\"", "kind = \"offset\", param = \"skip\", size_param = \"take\", total = \"n\"");
    assert_eq!(
        offset.pages,
        Pages::Offset { param: "skip", size_param: "take", size: 100, total: Total::Body(&["n"]) }
    );
    assert_eq!(with("kind = \"none\"", "kind = \"link\"").pages, Pages::Link { total: Total::None });
}

#[test]
fn a_profile_that_nobody_has_is_answered_with_those_that_are_there() {
    let unknown = Chosen::find("pocketbace").unwrap_err();
    assert!(unknown.to_string().contains("unknown target profile \"pocketbace\""), "{unknown}");
    assert!(
        unknown.hints()[0].contains("json-server, json-server-1, pocketbase, wordpress, news"),
        "{:?}",
        unknown.hints()
    );
    let none = Chosen::find("./none.toml").unwrap_err();
    assert!(none.to_string().contains("cannot read the target profile ./none.toml"), "{none}");
}
