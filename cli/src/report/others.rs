//! Fields of the target's objects that are not ours, in words.

use std::fmt;

use news_core::Entity;
use news_core::profile::{Ids, Profile, Verb};
use news_core::wire::OtherFields;
use serde::Serialize;

/// Names that are told.
const SHOWN: usize = 5;

/// What an update does to such fields.
pub const LOST: &str = "an update is a PUT, which replaces the object: the target loses them";

/// Such fields of one entity.
#[derive(Debug, Serialize)]
pub struct OthersRow {
    /// posts, comments.
    pub entity: &'static str,
    /// The first of their names.
    pub names: Vec<String>,
    /// There are more.
    #[serde(skip)]
    has_more: bool,
}

impl OthersRow {
    /// Describes what was seen; `None` where there is nothing to tell. An update that only changes what it names (PATCH)
    /// leaves such fields as they are, and where the target gives ids of its own there are no updates.
    pub fn new(profile: &Profile, entity: Entity, seen: &OtherFields) -> Option<Self> {
        if profile.dialect(entity).update.verb == Verb::Patch || profile.ids == Ids::None {
            return None;
        }
        let names: Vec<String> = seen.names().take(SHOWN).map(str::to_owned).collect();
        let has_more = seen.names().nth(SHOWN).is_some();
        (!names.is_empty()).then_some(Self { entity: entity.plural(), names, has_more })
    }
}

impl fmt::Display for OthersRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.has_more { ", …" } else { "" };
        write!(f, "{} have fields that are not ours ({}{more})", self.entity, self.names.join(", "))
    }
}
