//! The words of a profile. A word is here because a target in `scripts/test` needs it.

use news_core::Entity;
use news_core::profile::{Call, Dialect, Field, IdForm, Ids, JSON_SERVER, KeyField, Path, Profile, Verb, Writes};
use news_core::shape::TEXTS_MAX;

use super::Chosen;
use super::read::{Either, ProfileSource, ProfileTable, ProfileText, is_plain, keep};
use super::{auth, headers, pages};
use crate::error::Result;

/// Reads a profile from TOML text. `found_as` finds it again, `file` names it in errors.
pub fn profile(found_as: &str, name: &str, file: &str, text: &str) -> Result<Chosen> {
    let (mut table, print) = ProfileSource { name: file, text }.table()?;
    let ids = match table.text("ids")? {
        None => Ids::Ours,
        Some(word) => word.one_of(&[("ours", Ids::Ours), ("key", Ids::Key), ("none", Ids::None)])?,
    };
    let id_as = table.text("id_as")?.map_or(Ok(IdForm::Number), |form| id_form(&form, &['{', '}', '/']))?;
    let missing = missing(&mut table)?;
    let auth = table.table("auth")?.map_or(Ok(JSON_SERVER.auth), auth::read)?;
    let headers = table.table("headers")?.map_or(Ok(JSON_SERVER.headers), headers::read)?;
    let [envelope, item, wrap] = paths(&mut table, ["envelope", "item", "wrap"])?;
    let writes = match table.text("writes")? {
        None => JSON_SERVER.writes,
        Some(word) => {
            word.one_of(&[("trusted", Writes::Trusted), ("echoed", Writes::Echoed), ("read", Writes::Read)])?
        }
    };
    let pages = table.table("pages")?.map_or(Ok(JSON_SERVER.pages), pages::read)?;
    let posts = dialect(Entity::Post, ids, table.required_table("posts")?)?;
    let comments = dialect(Entity::Comment, ids, table.required_table("comments")?)?;
    table.end()?;
    let profile = Profile {
        name: keep(name),
        ids,
        id_as,
        missing,
        auth,
        headers,
        envelope,
        item,
        wrap,
        writes,
        pages,
        posts,
        comments,
    };
    Ok(Chosen { profile: Box::leak(Box::new(profile)), name: found_as.to_owned(), print })
}

/// Reads paths of members; one that is not there is empty.
fn paths<const N: usize>(table: &mut ProfileTable<'_>, names: [&'static str; N]) -> Result<[Path; N]> {
    let mut paths = [&[][..]; N];
    for (path, name) in paths.iter_mut().zip(names) {
        *path = table.text(name)?.map_or(Ok(*path), |text| text.path())?;
    }
    Ok(paths)
}

/// Reads `{id}`, `{id:015}`, `news-{id}`, without these characters around it.
fn id_form(form: &ProfileText<'_>, never: &[char]) -> Result<IdForm> {
    let wrong = || form.wrong("expected {id} or {id:015} in a text");
    let (prefix, rest) = form.said.split_once("{id").ok_or_else(wrong)?;
    let (width, suffix) = rest.split_once('}').ok_or_else(wrong)?;
    if [prefix, suffix].iter().any(|text| text.contains(never)) {
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
fn missing(table: &mut ProfileTable<'_>) -> Result<&'static [u16]> {
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

fn dialect(entity: Entity, ids: Ids, mut table: ProfileTable<'_>) -> Result<Dialect> {
    let shape = entity.shape();
    let list = call(&table.required("list")?, &[Verb::Get], PathPlace::Parent(entity))?;
    let (read, create, update, delete) = match ids {
        // Nothing asks for them: what is only read has its listing.
        Ids::None => (list, list, list, list),
        Ids::Ours | Ids::Key => (
            call(&table.required("read")?, &[Verb::Get], PathPlace::Id)?,
            create(&table.required("create")?, ids)?,
            call(&table.required("update")?, &[Verb::Put, Verb::Patch], PathPlace::Id)?,
            call(&table.required("delete")?, &[Verb::Delete], PathPlace::Id)?,
        ),
    };
    let id = table.text("id")?.map_or(Ok(news_core::shape::ID), |name| name.member())?;
    let key = match ids {
        Ids::Key => Some(key_field(table.required_table("key")?)?),
        Ids::Ours | Ids::None => None,
    };
    let mut number = Field::at(vec![shape.number.json].leak());
    let mut texts = [Field::NONE; TEXTS_MAX];
    for (place, text) in texts.iter_mut().zip(shape.texts) {
        *place = Field::at(vec![text.name].leak());
    }
    if let Some(mut fields) = table.table("fields")? {
        if let Some(named) = field(&mut fields, shape.number.column)? {
            if shape.number.parent.is_some() && !named.is_carried() {
                let what =
                    format!("{}.fields.{}: expected where it is, found false", shape.plural, shape.number.column);
                return Err(fields.wrong(&what));
            }
            number = named;
        }
        for (place, text) in texts.iter_mut().zip(shape.texts) {
            if let Some(named) = field(&mut fields, text.name)? {
                *place = named;
            }
        }
        fields.end()?;
    }
    let always = table.table("always")?.map_or(Ok(&[][..]), |mut constants| constants.constants())?;
    let key_place = key.map(|key| key.field);
    let all = || [Field::at(vec![id].leak()), number].into_iter().chain(key_place).chain(texts);
    let constants = always.iter().map(|(name, _)| core::slice::from_ref(name));
    let written = all().map(|field| field.write).chain(constants);
    for paths in [all().map(|field| field.read).collect::<Vec<_>>(), written.collect()] {
        if let Some(twice) = clash(paths) {
            return Err(table.wrong(&format!("{:?} is the name of two fields", twice.join("."))));
        }
    }
    table.end()?;
    Ok(Dialect { entity, list, read, create, update, delete, id, number, texts, key, always })
}

fn key_field(mut table: ProfileTable<'_>) -> Result<KeyField> {
    let field = table.required("field")?.members().map(Field::at)?;
    // A key is never a part of a path, where a slash would end it.
    let form = table.text("as")?.map_or(Ok(IdForm::Number), |form| id_form(&form, &['{', '}']))?;
    let find = call(&table.required("find")?, &[Verb::Get], PathPlace::Key)?;
    table.end()?;
    Ok(KeyField { field, form, find })
}

/// Reads where a field is: `title`, `attributes.title`, or `{ write = "title", read = "title.raw" }`; `false`: nowhere.
fn field(fields: &mut ProfileTable<'_>, name: &'static str) -> Result<Option<Field>> {
    match fields.text_or_table(name)? {
        None => Ok(None),
        Some(Either::No) => Ok(Some(Field::NONE)),
        Some(Either::Text(text)) => text.members().map(Field::at).map(Some),
        Some(Either::Table(mut table)) => {
            let field = Field { write: table.required("write")?.members()?, read: table.required("read")?.members()? };
            table.end()?;
            Ok(Some(field))
        }
    }
}

/// Returns a path that is another one too, or that leads through another one.
fn clash(mut paths: Vec<Path>) -> Option<Path> {
    paths.retain(|path| !path.is_empty());
    paths.sort_unstable();
    let next = paths.iter().skip(1);
    paths.iter().zip(next).find(|(one, next)| next.starts_with(one)).map(|(one, _)| *one)
}

/// Reads `POST /posts`, or `PUT /posts/{id}`: the second where the id is ours to choose.
fn create(text: &ProfileText<'_>, ids: Ids) -> Result<Call> {
    let is_put = text.said.split_once(' ').is_some_and(|(verb, _)| verb == Verb::Put.name());
    match ids {
        Ids::Ours if is_put => call(text, &[Verb::Put], PathPlace::Id),
        Ids::Ours | Ids::Key | Ids::None => call(text, &[Verb::Post], PathPlace::Nowhere),
    }
}

/// What a path has a place for.
#[derive(Clone, Copy)]
enum PathPlace {
    Nowhere,
    /// `{id}`, which has to be there.
    Id,
    /// `{key}`, which has to be there.
    Key,
    /// Of an entity with a parent: `{post}`, which may be there. One listing then is that of one post.
    Parent(Entity),
}

/// Reads `GET /posts/{id}`.
fn call(text: &ProfileText<'_>, verbs: &[Verb], place: PathPlace) -> Result<Call> {
    let names: Vec<&str> = verbs.iter().map(|verb| verb.name()).collect();
    let wrong = |path: &str| text.wrong(&format!("expected {} {path}", names.join(" or ")));
    let form = match place {
        PathPlace::Id => "/PATH/{id}",
        PathPlace::Key => "/PATH?FIELD={key}",
        PathPlace::Parent(entity) if entity.shape().number.parent.is_some() => "/PATH or /PATH/{post}/PATH",
        PathPlace::Nowhere | PathPlace::Parent(_) => "/PATH",
    };
    let (verb, path) = text.said.split_once(' ').ok_or_else(|| wrong(form))?;
    let verb = verbs.iter().copied().find(|known| known.name() == verb).ok_or_else(|| wrong(form))?;
    let hole = match place {
        PathPlace::Nowhere => None,
        PathPlace::Id => Some("{id}"),
        PathPlace::Key => Some("{key}"),
        PathPlace::Parent(entity) => entity.shape().number.parent.map(|_| "{post}"),
    };
    let (before, after) = match hole.and_then(|hole| path.split_once(hole)) {
        Some((before, after)) => (before, Some(after)),
        None if matches!(place, PathPlace::Id | PathPlace::Key) => return Err(wrong(form)),
        None => (path, None),
    };
    if !before.starts_with('/') || !is_plain(before) || !after.is_none_or(is_plain) {
        return Err(wrong(form));
    }
    Ok(Call { verb, before: keep(before), after: after.map(keep) })
}
