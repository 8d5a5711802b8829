//! The words of a profile. A word is here because a target in `scripts/test` needs it.

use news_core::Entity;
use news_core::profile::{Auth, Call, Dialect, IdForm, Ids, JSON_SERVER, Login, Pages, Profile, Verb};
use news_core::shape::TEXTS_MAX;

use super::Chosen;
use super::read::{Source, Table, Text, keep};
use crate::error::Result;

/// Reads a profile from TOML text. `found_as` finds it again, `file` names it in errors.
pub fn profile(found_as: &str, name: &str, file: &str, text: &str) -> Result<Chosen> {
    let (mut table, print) = Source { name: file, text }.table()?;
    let ids = match table.text("ids")? {
        None => Ids::Ours,
        Some(word) => word.one_of(&[("ours", Ids::Ours), ("none", Ids::None)])?,
    };
    let id_as = table.text("id_as")?.map_or(Ok(IdForm::Number), |form| id_form(&form))?;
    let missing = missing(&mut table)?;
    let auth = table.table("auth")?.map_or(Ok(Auth::Bearer), auth)?;
    let envelope = table.text("envelope")?.map_or(Ok(JSON_SERVER.envelope), |path| path.path())?;
    let pages = table.table("pages")?.map_or(Ok(Pages::None), pages)?;
    let posts = dialect(Entity::Post, ids, table.required_table("posts")?)?;
    let comments = dialect(Entity::Comment, ids, table.required_table("comments")?)?;
    table.end()?;
    let profile = Profile { name: keep(name), ids, id_as, missing, auth, envelope, pages, posts, comments };
    Ok(Chosen { profile: Box::leak(Box::new(profile)), name: found_as.to_owned(), print })
}

/// Reads `{id}`, `{id:015}`, `news-{id}`.
fn id_form(form: &Text<'_>) -> Result<IdForm> {
    let wrong = || form.wrong("expected {id} or {id:015} in a text");
    let (prefix, rest) = form.said.split_once("{id").ok_or_else(wrong)?;
    let (width, suffix) = rest.split_once('}').ok_or_else(wrong)?;
    if [prefix, suffix].iter().any(|text| text.contains(['{', '}', '/'])) {
        return Err(wrong());
    }
    let digits = match width.strip_prefix(":0") {
        None if width.is_empty() => 0,
        None => return Err(wrong()),
        // An id of ours has no more digits than 16: zeros in front are a few.
        Some(digits) => digits.parse().ok().filter(|digits| (1..=64).contains(digits)).ok_or_else(wrong)?,
    };
    match (prefix, digits, suffix) {
        ("", 0, "") => Ok(IdForm::Number),
        (prefix, digits, suffix) => Ok(IdForm::Text { prefix: keep(prefix), digits, suffix: keep(suffix) }),
    }
}

/// Reads the statuses that mean that there is no such object. Others have a meaning of their own, which nothing may hide:
/// with 401 among them, a token that has run out would look like an empty target.
fn missing(table: &mut Table<'_>) -> Result<&'static [u16]> {
    const POSSIBLE: [u16; 4] = [400, 403, 404, 410];
    let Some(numbers) = table.numbers("missing")? else { return Ok(JSON_SERVER.missing) };
    let mut statuses = Vec::new();
    for (at, number) in numbers {
        let status = u16::try_from(number).ok().filter(|status| POSSIBLE.contains(status));
        statuses.push(status.ok_or_else(|| {
            let what = format!("expected 400, 403, 404 or 410, found {number}");
            table.wrong_at("missing", at, &what)
        })?);
    }
    if statuses.is_empty() {
        return Err(table.wrong("missing: expected at least one status, found none"));
    }
    Ok(statuses.leak())
}

fn auth(mut table: Table<'_>) -> Result<Auth> {
    #[derive(Clone, Copy)]
    enum Kind {
        None,
        Bearer,
        Login,
    }
    let kind =
        table.required("kind")?.one_of(&[("none", Kind::None), ("bearer", Kind::Bearer), ("login", Kind::Login)])?;
    let auth = match kind {
        Kind::None => Auth::None,
        Kind::Bearer => Auth::Bearer,
        Kind::Login => {
            let path = table.required("path")?;
            let (user, password) = (table.required("user")?.member()?, table.required("password")?.member()?);
            let token = table.required("token")?;
            if token.said.is_empty() {
                return Err(token.wrong("expected the path of the token in the response"));
            }
            let prefix = table.text("prefix")?;
            let prefix = prefix.map_or("Bearer ", |prefix| prefix.keep());
            Auth::Login(Login { path: url_path(&path)?, user, password, token: token.path()?, prefix })
        }
    };
    table.end()?;
    Ok(auth)
}

fn pages(mut table: Table<'_>) -> Result<Pages> {
    #[derive(Clone, Copy)]
    enum Kind {
        None,
        Page,
        Next,
    }
    let kind = table.required("kind")?.one_of(&[("none", Kind::None), ("page", Kind::Page), ("next", Kind::Next)])?;
    let pages = match kind {
        Kind::None => Pages::None,
        Kind::Page => Pages::Page {
            param: table.required("param")?.member()?,
            size_param: table.required("size_param")?.member()?,
            size: table.number("size", 1)?.unwrap_or(100),
            first: table.number("first", 0)?.unwrap_or(1),
            // Without it, nothing tells the last page from one that is cut.
            total: table.required("total")?.path()?,
        },
        Kind::Next => Pages::Next {
            field: table.required("field")?.path()?,
            total: table.text("total")?.map_or(Ok(JSON_SERVER.envelope), |path| path.path())?,
        },
    };
    table.end()?;
    Ok(pages)
}

fn dialect(entity: Entity, ids: Ids, mut table: Table<'_>) -> Result<Dialect> {
    let shape = entity.shape();
    let list = call(&table.required("list")?, &[Verb::Get], Place::Parent(entity))?;
    let (read, create, update, delete) = match ids {
        // Nothing asks for them: what is only read has its listing.
        Ids::None => (list, list, list, list),
        Ids::Ours => (
            call(&table.required("read")?, &[Verb::Get], Place::Id)?,
            call(&table.required("create")?, &[Verb::Post], Place::Nowhere)?,
            call(&table.required("update")?, &[Verb::Put, Verb::Patch], Place::Id)?,
            call(&table.required("delete")?, &[Verb::Delete], Place::Id)?,
        ),
    };
    let id = table.text("id")?.map_or(Ok(news_core::shape::ID), |name| name.member())?;
    let (mut number, mut texts) = (shape.number.json, [""; TEXTS_MAX]);
    for (place, text) in texts.iter_mut().zip(shape.texts) {
        *place = text.name;
    }
    if let Some(mut fields) = table.table("fields")? {
        if let Some(name) = fields.text(shape.number.column)? {
            number = name.member()?;
        }
        for (place, text) in texts.iter_mut().zip(shape.texts) {
            if let Some(name) = fields.text(text.name)? {
                *place = name.member()?;
            }
        }
        let mut names: Vec<&str> = [id, number].into_iter().chain(texts).filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        if let Some((twice, _)) = names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next) {
            return Err(fields.wrong(&format!("{twice:?} is the name of two fields")));
        }
        fields.end()?;
    }
    table.end()?;
    Ok(Dialect { entity, list, read, create, update, delete, id, number, texts })
}

/// What a path has a place for.
#[derive(Clone, Copy)]
enum Place {
    Nowhere,
    /// `{id}`, which has to be there.
    Id,
    /// Of an entity with a parent: `{post}`, which may be there. One listing then is that of one post.
    Parent(Entity),
}

/// Reads `GET /posts/{id}`.
fn call(text: &Text<'_>, verbs: &[Verb], place: Place) -> Result<Call> {
    let names: Vec<&str> = verbs.iter().map(|verb| verb.name()).collect();
    let wrong = |path: &str| text.wrong(&format!("expected {} {path}", names.join(" or ")));
    let form = match place {
        Place::Id => "/PATH/{id}",
        Place::Parent(entity) if entity.shape().number.parent.is_some() => "/PATH or /PATH/{post}/PATH",
        Place::Nowhere | Place::Parent(_) => "/PATH",
    };
    let (verb, path) = text.said.split_once(' ').ok_or_else(|| wrong(form))?;
    let verb = verbs.iter().copied().find(|known| known.name() == verb).ok_or_else(|| wrong(form))?;
    let hole = match place {
        Place::Nowhere => None,
        Place::Id => Some("{id}"),
        Place::Parent(entity) => entity.shape().number.parent.map(|_| "{post}"),
    };
    let (before, after) = match hole.and_then(|hole| path.split_once(hole)) {
        Some((before, after)) => (before, Some(after)),
        None if matches!(place, Place::Id) => return Err(wrong(form)),
        None => (path, None),
    };
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}#\"<>\\^`|".contains(&byte));
    if !before.starts_with('/') || !is_plain(before) || !after.is_none_or(is_plain) {
        return Err(wrong(form));
    }
    Ok(Call { verb, before: keep(before), after: after.map(keep) })
}

fn url_path(text: &Text<'_>) -> Result<&'static str> {
    let is_plain = text.said.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}#\"<>\\^`|".contains(&byte));
    if text.said.starts_with('/') && is_plain { Ok(text.keep()) } else { Err(text.wrong("expected /PATH")) }
}
