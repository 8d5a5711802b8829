//! Tokens whose signature was found good: some hundred of them, by their SHA-256. What a token says never changes, so it is
//! enough to verify it once; the caller judges whether its time has come or gone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::Claims;

/// Tokens in each of two generations: when the young one is full it becomes the old one, which is forgotten. An entry has
/// a hundred bytes; a service with more users at a time verifies some tokens again.
const GENERATION_MAX: usize = 1024;

type Generation = HashMap<[u8; 32], Claims>;

/// The tokens.
#[derive(Default)]
pub struct Verified(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").finish_non_exhaustive()
    }
}

impl Verified {
    /// Returns what `verify` returned for this token before, or returns now. A bad token is not remembered: it would
    /// push out good ones.
    pub fn get_or_verify(&self, token: &str, verify: impl FnOnce() -> Option<Claims>) -> Option<Claims> {
        let key = <[u8; 32]>::from(Sha256::digest(token.as_bytes()));
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key);
        if known.is_some() {
            return known;
        }
        let claims = verify()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, claims);
        Some(claims)
    }
}

impl Generations {
    fn get(&mut self, key: &[u8; 32]) -> Option<Claims> {
        if let Some(claims) = self.young.get(key) {
            return Some(*claims);
        }
        // What is in use stays.
        let claims = self.old.remove(key)?;
        self.insert(*key, claims);
        Some(claims)
    }

    fn insert(&mut self, key: [u8; 32], claims: Claims) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, claims);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Claim, Subject, TokenType};
    use super::*;

    fn claims(user: i64) -> Claims {
        Claims {
            begins_s: Some(0),
            exp: Claim::Is(1),
            jti: Claim::Is(()),
            token_type: Claim::Is(TokenType::Access),
            subject: Subject::User(user),
        }
    }

    #[test]
    fn a_good_token_is_verified_once_and_a_bad_one_each_time() {
        let verified = Verified::default();
        assert_eq!(verified.get_or_verify("a", || Some(claims(1))), Some(claims(1)));
        assert_eq!(verified.get_or_verify("a", || unreachable!()), Some(claims(1)));
        assert_eq!(verified.get_or_verify("b", || None), None);
        assert_eq!(verified.get_or_verify("b", || Some(claims(2))), Some(claims(2)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_in_use_stays() {
        let verified = Verified::default();
        for number in 0..5 * GENERATION_MAX {
            verified.get_or_verify(&number.to_string(), || Some(claims(1)));
            verified.get_or_verify("in use", || (number == 0).then(|| claims(7))).expect("known");
        }
        let generations = verified.0.lock().unwrap();
        assert!(generations.young.len() <= GENERATION_MAX && generations.old.len() <= GENERATION_MAX);
    }
}
