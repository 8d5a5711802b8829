//! Texts that the target alters: what an answer teaches of them. `kept` has the rules.
//!
//! What was learnt makes the answer one that shows the object as it should be: an alteration is neither asked for once more nor
//! warned of.

use core::time::Duration;

use crate::fingerprint::Fingerprint;
use crate::kept::{Before, Evidence, Kept, learn};
use crate::model::{Key, Object};
use crate::profile::Ids;
use crate::reply::{Answer, Echo, Method, Named, Told};
use crate::session::Session;
use crate::session::trial::Errand;

impl Session {
    /// Says what is recorded of an object that is loaded: what the target keeps in place of a row.
    pub fn keeps(&mut self, key: Key, kept: Kept) {
        if let Some(place) = self.places.get(&key) {
            self.items[*place].kept = Some(kept);
        }
    }

    /// Takes what an answer to a request, which was sent at `sent_at`, shows of the object.
    pub(super) fn take_texts(
        &mut self,
        place: usize,
        method: Method,
        sent: &Object,
        told: &mut Told,
        sent_at: Duration,
    ) {
        let is_early = self.is_early(place, sent_at);
        let item = &mut self.items[place];
        let is_by_key = self.config.profile.ids == Ids::Key;
        let learn_from = |evidence| told.shown.and_then(|shown| learn(Fingerprint::of(sent), shown, evidence));
        match (&item.errand, method, told.answer) {
            // It is the row, or what is known to be in its place.
            (
                Errand::Talk | Errand::AskFirst | Errand::ReadBack { .. } | Errand::Confirm { .. },
                Method::Get,
                Answer::Equal,
            ) => {
                item.kept = item.kept.filter(|_| told.shown.is_some());
                item.before = told.shown.map_or(Before::Unlike, |shown| Before::Seen(shown.print));
            }
            (Errand::Talk, Method::Get, Answer::Different) => {
                item.before = told.shown.map_or(Before::Unlike, |shown| Before::Seen(shown.print));
            }
            (
                Errand::Confirm { .. } | Errand::ReadBack { named: Named::AsSent, .. },
                Method::Get,
                Answer::Different,
            ) if !is_early => {
                if let Some(kept) = learn_from(Evidence::Read) {
                    item.kept = Some(kept);
                    told.answer = Answer::Equal;
                }
            }
            (Errand::ReadBack { .. }, Method::Get, Answer::Different) if is_by_key && !is_early => {
                if let Some(kept) = learn_from(Evidence::Read) {
                    item.kept = Some(kept);
                    told.answer = Answer::Equal;
                }
            }
            (Errand::Talk, Method::Post | Method::Put, Answer::Accepted) => match told.echo {
                Echo::Shown => item.kept = item.kept.filter(|_| told.shown.is_some()),
                Echo::OtherContent => {
                    let before = match (method, told.status) {
                        (Method::Post, Some(201)) => Before::Unlike,
                        (Method::Post, _) => Before::Unknown,
                        (Method::Get | Method::Put | Method::Delete, _) => item.before,
                    };
                    item.kept = learn_from(Evidence::Response(before));
                    if item.kept.is_some() {
                        told.echo = Echo::Shown;
                    }
                }
                Echo::Plain => item.kept = item.kept.filter(|kept| kept.sent == Fingerprint::of(sent)),
                Echo::OtherObject | Echo::Denial => {}
            },
            (_, _, _) => {}
        }
    }
}
