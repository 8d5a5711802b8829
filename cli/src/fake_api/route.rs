//! Paths and queries: what a request is about.

use news_core::Entity;

use crate::fake_api::record::Id;

/// Parameters of a query, at most; the rest is dropped.
const PARAMETERS_MAX: usize = 64;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/`
    Home,
    /// `/db`: everything.
    Everything,
    /// `/posts`, `/comments`.
    List(Entity),
    /// `/posts/5`.
    Object(Entity, Id),
    /// `/posts/5/comments`: the list of the second, as if its field (`postId`) had been asked for.
    Nested {
        /// The field that must have `id`.
        field: String,
        /// As it stands in the path.
        id: String,
        /// What is listed.
        entity: Entity,
    },
    /// Where the profile logs in.
    Login,
    /// `/__requests` and the like, for tests.
    Control(Control),
    /// Anything else.
    Unknown,
}

/// What tests ask and tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The last requests.
    Requests,
    /// What happened to each id.
    Counts,
    /// Begin again.
    Reset,
    /// The faults in force.
    Faults,
}

/// Names and values of a query or form, in order.
pub type Parameters = Vec<(String, String)>;

/// Takes a request's target apart.
pub fn parse(target: &str) -> (Route, Parameters) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (route(path), parameters(query))
}

fn route(path: &str) -> Route {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<String> = path.split('/').map(|segment| decoded(segment, Plus::IsPlus)).collect();
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    let entity = |name: &str| Entity::ALL.into_iter().find(|entity| entity.plural() == name);
    match *names.as_slice() {
        [""] => Route::Home,
        ["db"] => Route::Everything,
        ["__requests"] => Route::Control(Control::Requests),
        ["__counts"] => Route::Control(Control::Counts),
        ["__reset"] => Route::Control(Control::Reset),
        ["__faults"] => Route::Control(Control::Faults),
        [name] => entity(name).map_or(Route::Unknown, Route::List),
        [name, id] if !id.is_empty() => {
            entity(name).map_or(Route::Unknown, |entity| Route::Object(entity, Id::of_text(id)))
        }
        [owner, id, name] if !id.is_empty() => entity(name).map_or(Route::Unknown, |entity| Route::Nested {
            field: format!("{}Id", owner.strip_suffix('s').unwrap_or(owner)),
            id: id.to_owned(),
            entity,
        }),
        _ => Route::Unknown,
    }
}

/// Reads `a=1&b=x+y%20z`, of a query or a form.
pub fn parameters(text: &str) -> Parameters {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX);
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name, Plus::IsBlank), decoded(value, Plus::IsBlank))
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plus {
    IsPlus,
    IsBlank,
}

/// Undoes percent-encoding; what is no encoding stays, what is no UTF-8 becomes U+FFFD.
fn decoded(text: &str, plus: Plus) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let pair = hex(0).zip(hex(1)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        let (byte, skip) = match (first, pair) {
            (b'%', Some(byte)) => (byte, 3),
            (b'+', _) if plus == Plus::IsBlank => (b' ', 1),
            (other, _) => (other, 1),
        };
        bytes.push(byte);
        rest = rest.get(skip..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let object = |id: &str| Route::Object(Entity::Post, Id::of_text(id));
        let nested = |field: &str, entity| Route::Nested { field: field.into(), id: "1".into(), entity };
        for (target, expected) in [
            ("/", Route::Home),
            ("/db", Route::Everything),
            ("/posts", Route::List(Entity::Post)),
            ("/posts/", Route::List(Entity::Post)),
            ("/comments?postId=1", Route::List(Entity::Comment)),
            ("/posts/5", object("5")),
            ("/posts/5/", object("5")),
            ("/posts/%35", object("5")),
            ("/posts/a%20b+", object("a b+")),
            ("/posts/1/comments", nested("postId", Entity::Comment)),
            ("/users/1/posts", nested("userId", Entity::Post)),
            ("/posts//", Route::Unknown),
            ("/post", Route::Unknown),
            ("/posts/1/likes", Route::Unknown),
            ("/posts/1/comments/2", Route::Unknown),
            ("/__counts", Route::Control(Control::Counts)),
        ] {
            assert_eq!(parse(target).0, expected, "{target}");
        }
    }

    #[test]
    fn queries() {
        let pairs =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        for (query, expected) in [
            ("", pairs(&[])),
            ("a=1&a=2", pairs(&[("a", "1"), ("a", "2")])),
            ("a=b+c%20d&&e", pairs(&[("a", "b c d"), ("e", "")])),
            ("a=%zz%4&b=%F0%9F%8C%8A", pairs(&[("a", "%zz%4"), ("b", "🌊")])),
        ] {
            assert_eq!(parameters(query), expected, "{query}");
        }
    }
}
