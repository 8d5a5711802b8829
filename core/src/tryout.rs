//! Does a profile fit its target? A few requests are tried whose answers are known beforehand.
//!
//! ```text
//! GET of an id that no record has ─▶ it is not there            else: `read`, `missing`
//! GET of a listed object ──────────▶ it is there                else: `read`, `item`, `id`, `id_as`, `missing`
//! GET of a key that no record has ─▶ nothing else is shown      else: `find`, `key`
//! POST, GET ───────────────────────▶ accepted, and shown as sent
//! PUT, GET ────────────────────────▶ accepted, and shown as sent
//! DELETE, GET ─────────────────────▶ accepted, and not there
//! ```
//!
//! In scope: what an answer says about the profile. Out of scope: asking (`cli/src/commands/doctor`).

use alloc::format;
use alloc::string::String;

use crate::model::Key;
use crate::profile::{Ids, Profile};
use crate::reply::{Answer, Method, Named, Told};

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// GET of an id that no record has.
    Nobody,
    /// GET of an object that is listed.
    Listed,
    /// POST.
    Create,
    /// GET of what was created or updated.
    Shown,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
    /// GET of what was deleted.
    Left,
}

/// Why an answer is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// The profile does not fit, or the target does not promise what is needed.
    Profile {
        /// What was seen.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// Our credentials are refused.
    Credentials(String),
    /// The target is in trouble, or limits us: nothing is known.
    Trouble(String),
    /// The test's own id is in use.
    Taken(String),
}

impl Question {
    /// Returns the request.
    pub fn method(self) -> Method {
        match self {
            Question::Nobody | Question::Listed | Question::Shown | Question::Left => Method::Get,
            Question::Create => Method::Post,
            Question::Update => Method::Put,
            Question::Delete => Method::Delete,
        }
    }

    /// Says whether an answer about `key` is as it should be.
    pub fn judge(self, profile: &Profile, key: Key, told: &Told) -> Result<(), Misfit> {
        let call = profile.dialect(key.entity()).call(self.method());
        let misfit = |why: String, hint| Err(Misfit::Profile { why, hint });
        // Of a record that is not there, 403 says what targets say that tell nobody what there is.
        let is_denied = told.answer == Answer::Unauthorized || self != Question::Nobody;
        match (self, told.answer) {
            (_, Answer::Unauthorized | Answer::Forbidden) if is_denied => {
                Err(Misfit::Credentials(format!("{call}: {}", told.why)))
            }
            (_, Answer::Throttled | Answer::Broken | Answer::Lost | Answer::NotSent) => {
                Err(Misfit::Trouble(format!("{call}: {}", told.why)))
            }
            (Question::Create, Answer::Accepted) => match (&told.named, profile.ids) {
                (Named::AsSent, Ids::Ours | Ids::None) | (Named::Other(_), Ids::Key) => Ok(()),
                (Named::Other(named), Ids::Ours | Ids::None) => misfit(
                    format!("{call}: {key} was sent, and the target gave it the id \"{named}\""),
                    "A target that gives ids of its own needs a profile with ids = \"key\", or ids = \"none\": import and diff \
                     only.",
                ),
                (Named::AsSent, Ids::Key) => {
                    misfit(format!("{call}: the response shows no id of the new record"), "Look at `item` and `id`.")
                }
            },
            (_, Answer::Unfiltered) => misfit(
                format!("{}: {}", profile.dialect(key.entity()).key.map_or(call, |key| key.find), told.why),
                "Look at `find` and `key`: the target has to show only records with the key that is asked for.",
            ),
            (Question::Nobody | Question::Left | Question::Delete, Answer::Gone)
            | (Question::Listed | Question::Shown, Answer::Equal)
            | (Question::Listed, Answer::Different)
            | (Question::Update | Question::Delete, Answer::Accepted) => Ok(()),
            (Question::Nobody, Answer::Equal | Answer::Different) | (Question::Create, Answer::Exists) => {
                Err(Misfit::Taken(format!("the target has {key}, an id that should not exist")))
            }
            (Question::Nobody, Answer::Refused | Answer::Forbidden) => misfit(
                format!("{call} of a record that is not there: {}", told.why),
                "If this status means that the record does not exist, add it to `missing`.",
            ),
            (Question::Listed, Answer::Gone) => misfit(
                format!("{key} is listed, and is not found at {call}: {}", told.why),
                "Look at `read`, `id`, `id_as` and `missing`.",
            ),
            (Question::Listed | Question::Nobody | Question::Shown | Question::Left, Answer::Unreadable) => misfit(
                format!("the answer to {call} is not the record {key}: {}", told.why),
                "Look at `read`, `item`, `id` and `id_as`.",
            ),
            (Question::Shown, Answer::Different) => misfit(
                format!("{key} was accepted, and {call} shows something else: {}", told.why),
                "Look at `fields`. A target that alters texts differs in each comparison.",
            ),
            (Question::Shown, Answer::Gone) => misfit(
                format!("{key} was accepted, and is not found at {call}: {}", told.why),
                "Does the target store what it accepts, under the id that it was sent?",
            ),
            (Question::Left, Answer::Equal | Answer::Different) => misfit(
                format!("{key} was deleted, and {call} still shows it"),
                "Does `delete` move records to a trash?",
            ),
            (_, answer) => misfit(format!("{call}: {} ({answer:?})", told.why), "Look at the verb and the path."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::JSON_SERVER;
    use crate::reply::{self, Reply};
    use crate::wire::Element;
    use alloc::string::ToString;

    #[test]
    fn answers_show_what_is_wrong_with_a_profile() {
        let json = r#"{"id":5,"userId":1,"title":"t","body":"b"}"#;
        let key: Key = "posts/5".parse().unwrap();
        let object = Element::from_json(key.entity(), json.as_bytes()).unwrap().into_object().unwrap();
        let other = r#"{"id":5,"userId":1,"title":"T","body":"b"}"#;
        for (question, status, body, says) in [
            (Question::Nobody, 404, "", ""),
            (Question::Nobody, 200, "[]", ""),
            (Question::Nobody, 200, json, "taken"),
            (Question::Nobody, 200, "[{\"id\":1}]", "is not the record posts/5"),
            (Question::Nobody, 400, "", "add it to `missing`"),
            (Question::Nobody, 403, "", "add it to `missing`"),
            (Question::Nobody, 401, "", "credentials"),
            (Question::Nobody, 500, "", "trouble"),
            (Question::Listed, 200, other, ""),
            (Question::Listed, 404, "", "posts/5 is listed, and is not found at GET /posts/{id}"),
            (Question::Listed, 403, "", "credentials"),
            (Question::Listed, 200, "{\"data\":{}}", "is not the record posts/5"),
            (Question::Create, 201, json, ""),
            (Question::Create, 201, "", ""),
            (Question::Create, 201, "{\"id\":101}", "the target gave it the id \"101\""),
            (Question::Create, 409, "", "taken"),
            (Question::Create, 405, "", "POST /posts: status 405"),
            (Question::Create, 404, "", "POST /posts: status 404"),
            (Question::Shown, 200, json, ""),
            (Question::Shown, 200, other, "shows something else"),
            (Question::Shown, 404, "", "was accepted, and is not found"),
            (Question::Update, 204, "", ""),
            (Question::Update, 404, "", "PUT /posts/{id}: status 404"),
            (Question::Delete, 204, "", ""),
            (Question::Delete, 403, "", "credentials"),
            (Question::Left, 410, "", ""),
            (Question::Left, 200, json, "still shows it"),
        ] {
            let reply = Reply::Http { status, retry_after: None, location: None, body: body.to_string() };
            let sent = Some(reply::Sent { object: &object, parent: None, kept: None });
            let told = reply::read(&JSON_SERVER, question.method(), key, sent, &reply);
            let said = match question.judge(&JSON_SERVER, key, &told) {
                Ok(()) => String::new(),
                Err(Misfit::Profile { why, hint }) => format!("{why} {hint}"),
                Err(Misfit::Credentials(why)) => format!("credentials {why}"),
                Err(Misfit::Trouble(why)) => format!("trouble {why}"),
                Err(Misfit::Taken(why)) => format!("taken {why}"),
            };
            assert!(if says.is_empty() { said.is_empty() } else { said.contains(says) }, "{question:?} {body}: {said}");
        }
    }
}
