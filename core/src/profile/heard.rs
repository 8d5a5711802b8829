//! A request of a profile, as the target understands it.

use alloc::string::String;

use super::{Profile, Verb};
use crate::model::Entity;
use crate::reply::Method;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Of which entity.
    pub entity: Entity,
    /// What is asked.
    pub asked: Asked,
    /// The id in its path, as the target writes it; of a listing that of the parent; empty where there is none.
    pub id: String,
}

/// What is asked of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All objects, or a page of them.
    List,
    /// Those with a key.
    Find,
    /// Something about one object.
    One(Method),
}

impl Profile {
    /// Says what a request is about, as the target understands it. `is_new` says that the request has [`IF_NEW`]. Of several
    /// calls that the request fits, the most particular one is meant.
    pub fn hear(&self, verb: Verb, target: &str, is_new: bool) -> Option<Heard> {
        let mut best: Option<(usize, Heard)> = None;
        for entity in Entity::ALL {
            let dialect = self.dialect(entity);
            let calls = [
                (Asked::List, dialect.list),
                (Asked::One(Method::Get), dialect.read),
                (Asked::One(Method::Post), dialect.create),
                (Asked::One(Method::Put), dialect.update),
                (Asked::One(Method::Delete), dialect.delete),
            ];
            let find = dialect.key.map(|key| (Asked::Find, key.find));
            for (asked, call) in calls.into_iter().chain(find) {
                // Creates and updates by PUT may have one address.
                let is_meant = match asked {
                    Asked::One(Method::Post) => is_new || dialect.condition(Method::Post).is_none(),
                    Asked::One(Method::Put) => !is_new || dialect.condition(Method::Post).is_none(),
                    Asked::One(Method::Get | Method::Delete) | Asked::List | Asked::Find => true,
                };
                let fits = is_meant && call.verb == verb;
                let Some(id) = fits.then(|| call.id_in(target)).flatten() else { continue };
                if best.as_ref().is_none_or(|(particulars, _)| call.particulars() > *particulars) {
                    best = Some((call.particulars(), Heard { entity, asked, id }));
                }
            }
        }
        best.map(|(_, heard)| heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Call, Dialect, JSON_SERVER};

    #[test]
    fn a_target_understands_what_it_is_asked() {
        let profile = &JSON_SERVER;
        for entity in Entity::ALL {
            let dialect = profile.dialect(entity);
            let list = Heard { entity, asked: Asked::List, id: String::new() };
            assert_eq!(profile.hear(Verb::Get, &dialect.list.path(""), false), Some(list));
            for method in [Method::Get, Method::Post, Method::Put, Method::Delete] {
                let call = dialect.call(method);
                let id = if method == Method::Post { "" } else { "7" };
                let one = Heard { entity, asked: Asked::One(method), id: id.into() };
                assert_eq!(profile.hear(call.verb, &call.path(id), false), Some(one));
            }
        }
        assert_eq!(profile.hear(Verb::Patch, "/posts/5", false), None);
        let by_query = Call { verb: Verb::Get, before: "/posts?id=eq.", after: Some("") };
        let profile = Profile { posts: Dialect { read: by_query, ..profile.posts }, ..profile.clone() };
        let heard = |target| profile.hear(Verb::Get, target, false).map(|heard| heard.asked);
        assert_eq!(heard("/posts?id=eq.5"), Some(Asked::One(Method::Get)));
        assert_eq!(heard("/posts?limit=5"), Some(Asked::List));
    }

    #[test]
    fn a_create_by_put_says_that_it_replaces_nothing() {
        let posts = Dialect { create: JSON_SERVER.posts.update, ..JSON_SERVER.posts };
        let profile = Profile { posts, ..JSON_SERVER.clone() };
        for (is_new, method) in [(true, Method::Post), (false, Method::Put)] {
            let call = posts.call(method);
            assert_eq!((call.verb, call.path("5")), (Verb::Put, "/posts/5".into()));
            assert_eq!(posts.condition(method).is_some(), is_new, "{method:?}");
            let heard = Heard { entity: Entity::Post, asked: Asked::One(method), id: "5".into() };
            assert_eq!(profile.hear(Verb::Put, "/posts/5", is_new), Some(heard));
        }
        // Of targets that create by POST such a header says nothing.
        assert_eq!(JSON_SERVER.posts.condition(Method::Post), None);
        for is_new in [true, false] {
            let heard = JSON_SERVER.hear(Verb::Put, "/posts/5", is_new).map(|heard| heard.asked);
            assert_eq!(heard, Some(Asked::One(Method::Put)));
        }
    }
}
