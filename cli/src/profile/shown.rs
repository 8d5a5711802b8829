//! A profile in its own words: what `words` reads, the other way round.

use std::fmt::Write as _;

use news_core::Entity;
use news_core::profile::{Auth, Call, Constant, Dialect, Field, Ids, Pages, Path, Profile, Total, Writes};

/// Returns the profile as TOML, each word of it.
pub fn in_words(profile: &Profile) -> String {
    let mut out = String::new();
    let mut say = |word: &str, value: &str| {
        // Writing to a String has no way to fail.
        let _ = writeln!(out, "{word} = {value}");
    };
    let ids = match profile.ids {
        Ids::Ours => "ours",
        Ids::Key => "key",
        Ids::None => "none",
    };
    let writes = match profile.writes {
        Writes::Trusted => "trusted",
        Writes::Echoed => "echoed",
        Writes::Read => "read",
    };
    say("ids", &text(ids));
    say("id_as", &text(&profile.id_as.to_string()));
    say("missing", &format!("{:?}", profile.missing));
    say("auth", &auth(profile.auth));
    let headers = profile.headers.iter().map(|(name, value)| (text(name), text(value)));
    say("headers", &table(headers));
    say("envelope", &path(profile.envelope));
    say("item", &path(profile.item));
    say("wrap", &path(profile.wrap));
    say("writes", &text(writes));
    say("pages", &pages(profile.pages));
    for entity in Entity::ALL {
        dialect(profile, profile.dialect(entity), &mut out);
    }
    out
}

fn dialect(profile: &Profile, dialect: &Dialect, out: &mut String) {
    let shape = dialect.entity.shape();
    let hole = if shape.number.parent.is_some() { "{post}" } else { "{id}" };
    let mut lines = vec![("list", call(dialect.list, hole))];
    match profile.ids {
        Ids::None => {}
        Ids::Ours | Ids::Key => {
            let calls = [
                ("read", dialect.read),
                ("create", dialect.create),
                ("update", dialect.update),
                ("delete", dialect.delete),
            ];
            lines.extend(calls.map(|(word, one)| (word, call(one, "{id}"))));
        }
    }
    lines.push(("id", text(dialect.id)));
    let names = [shape.number.column].into_iter().chain(shape.texts.iter().map(|text| text.name));
    let fields = [dialect.number].into_iter().chain(dialect.texts);
    lines.push(("fields", table(names.zip(fields).map(|(name, one)| (name.to_owned(), field(one))))));
    if let Some(key) = dialect.key {
        let words =
            [("field", path(key.field.read)), ("as", text(&key.form.to_string())), ("find", call(key.find, "{key}"))];
        lines.push(("key", table(words.map(|(name, value)| (name.to_owned(), value)))));
    }
    let always = dialect.always.iter().map(|(name, value)| (text(name), constant(*value)));
    lines.push(("always", table(always)));
    let _ = writeln!(out, "\n[{}]", shape.plural);
    for (word, value) in lines {
        let _ = writeln!(out, "{word} = {value}");
    }
}

/// Returns a text as TOML has it: its basic strings have the escapes of JSON.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn constant(value: Constant) -> String {
    match value {
        Constant::Text(value) => text(value),
        Constant::Number(number) => number.to_string(),
        Constant::Flag(flag) => flag.to_string(),
    }
}

fn path(path: Path) -> String {
    text(&path.join("."))
}

fn table(entries: impl IntoIterator<Item = (String, String)>) -> String {
    let entries: Vec<String> = entries.into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

fn field(field: Field) -> String {
    if !field.is_carried() {
        return String::from("false");
    }
    if field.read == field.write {
        return path(field.read);
    }
    table([("write".to_owned(), path(field.write)), ("read".to_owned(), path(field.read))])
}

fn call(call: Call, hole: &str) -> String {
    let hole = call.after.map_or("", |_| hole);
    text(&format!("{} {}{hole}{}", call.verb.name(), call.before, call.after.unwrap_or_default()))
}

fn kind(kind: &str, rest: Vec<(&str, String)>) -> String {
    let rest = rest.into_iter().map(|(name, value)| (name.to_owned(), value));
    table([("kind".to_owned(), text(kind))].into_iter().chain(rest))
}

fn auth(auth: Auth) -> String {
    match auth {
        Auth::None => kind("none", vec![]),
        Auth::Bearer => kind("bearer", vec![]),
        Auth::Basic => kind("basic", vec![]),
        Auth::Header { name, prefix } => kind("header", vec![("name", text(name)), ("prefix", text(prefix))]),
        Auth::Login(login) => {
            let names = [("path", login.path), ("user", login.user), ("password", login.password)];
            let names = names.map(|(name, value)| (name, text(value)));
            let rest = [("token", path(login.token)), ("prefix", text(login.prefix))];
            kind("login", names.into_iter().chain(rest).collect())
        }
    }
}

fn pages(pages: Pages) -> String {
    let total = match pages.total() {
        Total::None => None,
        Total::Body(at) => Some(path(at)),
        Total::Header(name) => Some(text(&format!("header:{name}"))),
    };
    let total = total.map(|total| ("total", total));
    let numbered = |param, size_param, size: u64| {
        vec![("param", text(param)), ("size_param", text(size_param)), ("size", size.to_string())]
    };
    let (name, mut rest) = match pages {
        Pages::None => ("none", vec![]),
        Pages::Page { param, size_param, size, first, .. } => {
            let mut rest = numbered(param, size_param, size);
            rest.push(("first", first.to_string()));
            ("page", rest)
        }
        Pages::Offset { param, size_param, size, .. } => ("offset", numbered(param, size_param, size)),
        Pages::Next { field, .. } => ("next", vec![("field", path(field))]),
        Pages::Link { .. } => ("link", vec![]),
        Pages::Cursor { field, param, .. } => ("cursor", vec![("field", path(field)), ("param", text(param))]),
    };
    rest.extend(total);
    kind(name, rest)
}
