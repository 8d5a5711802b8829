//! The kinds of targets.

use crate::rng::Rng;
use news_core::profile::{Dialect, JSON_SERVER, JSON_SERVER_1, Pages, Profile, Total, Writes};
use std::sync::LazyLock;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// json-server 0.17: cascades, drops orphans, keeps ids unique; how it says so varies. With 412 creates are conditional PUTs.
    Strict { duplicate: u16 },
    /// Directus: acknowledges updates and deletes of what is not there.
    Silent,
    /// json-server 1.0 beta.3, Mockoon: a second POST makes a second record.
    Duplicates { ids: Ids },
    /// JSONPlaceholder: accepts, keeps nothing.
    Pretends,
    /// json-server 1.0 beta.15, or a sequence of the target's own.
    OwnIds { ids: Ids },
    /// It chooses the ids, and finds an object by a field with ours. Such a field may be unique, and comments may go with
    /// their post.
    Keyed { unique: bool, cascades: bool, pages: bool },
    /// The same, but it cannot be kept in sync: it ignores the filter, or it keeps keys in other words.
    OddKeys { ignores: bool, pages: bool },
}

/// The status of a conditional PUT that meets an object.
pub const CONDITION_FAILED: u16 = 412;

pub static BY_PUT: LazyLock<Profile> = LazyLock::new(|| {
    let by_put = |dialect: Dialect| Dialect { create: dialect.update, ..dialect };
    Profile { posts: by_put(JSON_SERVER.posts), comments: by_put(JSON_SERVER.comments), ..JSON_SERVER.clone() }
});

pub static ECHOED: LazyLock<Profile> = LazyLock::new(|| Profile { writes: Writes::Echoed, ..JSON_SERVER.clone() });

/// [`JSON_SERVER_1`] in pages.
pub static PAGED: LazyLock<Profile> = LazyLock::new(|| {
    let (envelope, total) = (&["data"][..], Total::Body(&["items"]));
    let pages = Pages::Page { param: "_page", size_param: "_per_page", size: PAGE, first: 1, total };
    Profile { envelope, pages, ..JSON_SERVER_1.clone() }
});

pub const PAGE: u64 = 2;

/// The post of a comment whose post is not there.
pub const NOWHERE: i64 = 900;

/// What is added to a key by a target that keeps it in other words.
pub const ODD: i64 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    Numbers,
    Texts,
}

impl Column {
    pub fn any(rng: &mut Rng) -> Self {
        let ids = if rng.permille(500) { Ids::Numbers } else { Ids::Texts };
        match rng.below(14) {
            10..13 => {
                let (unique, cascades) = (rng.permille(300), rng.permille(500));
                Column::Keyed { unique, cascades, pages: rng.permille(500) }
            }
            13 => Column::OddKeys { ignores: rng.permille(500), pages: rng.permille(500) },
            0 => Column::Silent,
            1..5 => Column::Strict { duplicate: rng.pick(&[500, 500, 409, 422, CONDITION_FAILED]).unwrap_or(500) },
            5..8 => Column::Duplicates { ids },
            8 => Column::Pretends,
            _ => Column::OwnIds { ids },
        }
    }

    /// Says whether it keeps what it accepts, under the ids that it is given.
    pub fn keeps(self) -> bool {
        match self {
            Column::Strict { .. } | Column::Duplicates { .. } | Column::Silent | Column::Keyed { .. } => true,
            Column::Pretends | Column::OwnIds { .. } | Column::OddKeys { .. } => false,
        }
    }

    /// Says whether it chooses the ids, and has a field for ours.
    pub fn has_keys(self) -> bool {
        matches!(self, Column::Keyed { .. } | Column::OddKeys { .. })
    }

    /// Says whether others, who delete a post, change its comments with that: they go, too, or belong to nothing.
    pub fn ties_comments(self) -> bool {
        self.has_keys() || matches!(self, Column::Strict { .. })
    }

    pub fn profile(self) -> &'static Profile {
        match self {
            Column::Keyed { pages: true, .. } | Column::OddKeys { pages: true, .. } => &PAGED,
            Column::Keyed { .. } | Column::OddKeys { .. } => &JSON_SERVER_1,
            Column::Silent => &ECHOED,
            Column::Strict { duplicate: CONDITION_FAILED } => &BY_PUT,
            Column::Strict { .. } | Column::Duplicates { .. } | Column::Pretends | Column::OwnIds { .. } => {
                &JSON_SERVER
            }
        }
    }
}
