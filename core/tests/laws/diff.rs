//! The join against a comparison of two sets.

use std::collections::{BTreeMap, BTreeSet};

use news_core::diff::{Counts, Difference, Join, Kind, Match};
use news_core::fingerprint::Fingerprint;
use news_core::model::ID_MAX;
use news_core::wire::Element;
use news_core::{Entity, Object};
use proptest::prelude::*;

use crate::cases;

/// What the target lists for one of the ids: enough kinds to be in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Same,
    SameAsText,
    Other,
    /// What the target is known to keep in place of the row.
    Altered,
    Faulty,
    Nameless,
}

const LISTED: [Listed; 6] =
    [Listed::Same, Listed::SameAsText, Listed::Other, Listed::Altered, Listed::Faulty, Listed::Nameless];

fn json(entity: Entity, id: i64, listed: Listed) -> String {
    let title = match listed {
        Listed::Other => "other",
        Listed::Altered => "altered",
        Listed::Same | Listed::SameAsText | Listed::Faulty | Listed::Nameless => "same",
    };
    let id = match listed {
        Listed::Same | Listed::Other | Listed::Altered | Listed::Faulty => format!("{id}"),
        Listed::SameAsText => format!("\"{id}\""),
        Listed::Nameless => format!("\"{id} or so\""),
    };
    let body = if listed == Listed::Faulty { "null" } else { "\"\\u2028\"" };
    match entity {
        Entity::Post => format!(r#"{{"body":{body},"id":{id},"userId":1,"title":"{title}"}}"#),
        Entity::Comment => format!(r#"{{"body":{body},"id":{id},"email":"e","postId":"1","name":"{title}"}}"#),
    }
}

fn element(entity: Entity, id: i64, listed: Listed) -> Element<'static> {
    Element::from_json(entity, json(entity, id, listed).as_bytes()).unwrap().into_owned(usize::MAX)
}

fn row(entity: Entity, id: i64) -> Object {
    element(entity, id, Listed::Same).into_object().unwrap()
}

/// What the target keeps in place of a row: of every third one nothing is known.
fn kept(entity: Entity, id: i64) -> Option<Fingerprint> {
    (id % 3 != 0).then(|| element(entity, id, Listed::Altered).fingerprint().unwrap())
}

/// Feeds a row.
fn take_row(join: &mut Join, entity: Entity, id: i64) {
    let row = row(entity, id);
    if let Some(kept) = kept(entity, id) {
        join.keeps(row.key(), kept);
    }
    join.local(&row);
}

/// Small ids that meet each other, and the largest there are.
fn ids() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1_i64..12, 1 => 60_i64..70, 2 => ID_MAX - 2..=ID_MAX]
}

fn listings() -> impl Strategy<Value = Vec<(i64, Listed)>> {
    prop::collection::vec((ids(), prop::sample::select(LISTED.as_slice())), 0..24)
}

/// The same comparison, on whole sets.
fn naive(entity: Entity, local: &BTreeSet<i64>, listing: &[(i64, Listed)]) -> (Vec<Difference>, Counts) {
    let mut target: BTreeMap<i64, Vec<Listed>> = BTreeMap::new();
    let (named, nameless): (Vec<_>, Vec<_>) = listing.iter().partition(|(_, listed)| *listed != Listed::Nameless);
    for (id, listed) in named {
        target.entry(id).or_default().push(listed);
    }
    let kinds = local.iter().chain(target.keys()).collect::<BTreeSet<_>>().into_iter().filter_map(|id| {
        let kind = match (local.contains(id), target.get(id).map_or(&[][..], Vec::as_slice)) {
            (true, []) => Some(Kind::Missing),
            (_, [Listed::Faulty]) => Some(Kind::Unreadable),
            (true, [Listed::Other]) => Some(Kind::Different),
            (true, [Listed::Altered]) if kept(entity, *id).is_none() => Some(Kind::Different),
            (false, [_]) => Some(Kind::Extra),
            (_, [_, _, ..]) => Some(Kind::Duplicate),
            (_, _) => None,
        };
        Some(Difference { key: entity.key(*id).unwrap(), kind: kind? })
    });
    let differences: Vec<Difference> = kinds.collect();
    let unequal = differences.iter().filter(|difference| local.contains(&difference.key.id())).count();
    let is_altered =
        |id: &i64| kept(entity, *id).is_some() && matches!(target.get(id).map(Vec::as_slice), Some([Listed::Altered]));
    let counts = Counts {
        local: local.len() as u64,
        target: listing.len() as u64,
        equal: (local.len() - unequal) as u64,
        altered: local.iter().filter(|id| is_altered(id)).count() as u64,
        nameless: nameless.len() as u64,
        copies: target.values().map(|all| all.len() as u64 - 1).sum(),
    };
    (differences, counts)
}

/// Feeds both sides, `turns` saying which side is next; what is left then comes at the end.
fn join(entity: Entity, local: &BTreeSet<i64>, listing: &[(i64, Listed)], turns: &[bool]) -> (Vec<Difference>, Counts) {
    let mut join = Join::new(entity);
    let (mut rows, mut elements) = (local.iter(), listing.iter());
    let rest = std::iter::repeat_n(true, local.len()).chain(std::iter::repeat_n(false, listing.len()));
    for locals_turn in turns.iter().copied().chain(rest) {
        if locals_turn {
            match rows.next() {
                Some(id) => take_row(&mut join, entity, *id),
                None => join.end_rows(),
            }
        } else {
            elements.next().into_iter().for_each(|(id, listed)| join.target(&element(entity, *id, *listed)));
        }
    }
    join.finish()
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn the_join_is_the_comparison_of_two_sets_in_any_order_and_interleaving(
        is_post in any::<bool>(),
        local in prop::collection::btree_set(ids(), 0..16),
        (listing, shuffled) in listings().prop_flat_map(|listing| (Just(listing.clone()), Just(listing).prop_shuffle())),
        turns in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let entity = if is_post { Entity::Post } else { Entity::Comment };
        let expected = naive(entity, &local, &listing);
        for order in [&listing, &shuffled] {
            law!("the join = the comparison of two sets", expected expected, seen join(entity, &local, order, &turns),
                of "rows {local:?}, listing {order:?}, turns {turns:?}");
        }
    }

    /// Feeding as `wants_local` advises holds back nothing of a listing in id order.
    #[test]
    fn the_advised_interleaving_gives_the_same(local in prop::collection::btree_set(ids(), 0..16), listing in listings()) {
        let entity = Entity::Comment;
        let mut join = Join::new(entity);
        let mut rows = local.iter();
        for (id, listed) in &listing {
            let element = element(entity, *id, *listed);
            let mut met = false;
            while !met && join.wants_local(*id) {
                let Some(next) = rows.next() else { break };
                let row = row(entity, *next);
                let kept = kept(entity, *next);
                if let Some(kept) = kept {
                    join.keeps(row.key(), kept);
                }
                met = element.key() == Some(row.key());
                if met {
                    // Both at hand: a fingerprint is asked for only where the element came before.
                    let found = match element.is_readable() {
                        true if element.same_fields(&row) => Match::Equal,
                        true if kept.is_some() && kept == element.fingerprint() => Match::Altered,
                        true => Match::Different,
                        false => Match::Unreadable,
                    };
                    join.both(row.key(), found, || Fingerprint::of(&row));
                } else {
                    join.local(&row);
                }
            }
            if !met {
                join.target(&element);
            }
        }
        rows.for_each(|id| take_row(&mut join, entity, *id));
        law!("the join = the comparison of two sets", expected naive(entity, &local, &listing), seen join.finish(),
            of "rows {local:?}, listing {listing:?}, interleaved as advised");
    }
}

/// All listings of up to three elements of two ids, against all sets of rows, with the rows first, last and between.
#[test]
fn every_small_listing_in_every_interleaving() {
    let entity = Entity::Post;
    let elements: Vec<(i64, Listed)> = [1, 2].into_iter().flat_map(|id| LISTED.map(|listed| (id, listed))).collect();
    let mut listings = vec![Vec::new()];
    for _ in 0..3 {
        let longer = listings.iter().flat_map(|head| elements.iter().map(|last| [head.as_slice(), &[*last]].concat()));
        listings.extend(longer.collect::<Vec<_>>());
    }
    for rows in [&[][..], &[1], &[2], &[1, 2]] {
        let local: BTreeSet<i64> = rows.iter().copied().collect();
        for listing in &listings {
            let expected = naive(entity, &local, listing);
            for turns in 0_u32..32 {
                let turns: Vec<bool> = (0..5).map(|bit| (turns >> bit) & 1 == 1).collect();
                law!("the join = the comparison of two sets", expected expected,
                    seen join(entity, &local, listing, &turns), of "rows {local:?}, listing {listing:?}, turns {turns:?}");
            }
        }
    }
}
