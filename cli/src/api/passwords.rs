//! Passwords: argon2id, written as Django's Argon2PasswordHasher writes it, so that a database
//! can go either way. Django's pbkdf2_sha256 is accepted, and renewed at login.

use std::sync::{Condvar, Mutex, PoisonError};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::error::{Failure, Kind, Result};

/// 19 MiB and two passes, which OWASP recommends: some tens of milliseconds.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// One lane: as many hashes run at once as there are processors.
const LANES: u32 = 1;
/// Django 4.2 makes 600,000 rounds; a hash that asks for many more is no hash of Django's.
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;

/// Hashed for names that nobody has, so that these take as long as the others. Nobody knows a password for it.
const NOBODY: &str =
    "argon2$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a password is, compared with a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Right,
    /// It is the one; the hash is to be made anew.
    RightButOld,
    /// It is another.
    Wrong,
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|error| Failure::new(Kind::Bug, error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Returns a new hash of `password`: `argon2$argon2id$v=19$…`.
pub fn hash(password: &str) -> Result<String> {
    let hash: PasswordHash = hasher()?
        .hash_password(password.as_bytes())
        .map_err(|error| Failure::new(Kind::Bug, format!("cannot hash a password: {error}")))?;
    Ok(format!("argon2{hash}"))
}

/// Compares `password` with a stored hash; with none it takes as long, and is wrong.
pub fn verify(password: &str, stored: Option<&str>) -> Verdict {
    match stored {
        None => {
            verify_argon2(password, NOBODY);
            Verdict::Wrong
        }
        Some(stored) if stored.starts_with("pbkdf2_sha256$") => verify_pbkdf2(password, stored),
        Some(stored) => verify_argon2(password, stored),
    }
}

fn verify_argon2(password: &str, stored: &str) -> Verdict {
    let phc = stored.strip_prefix("argon2$").map(|phc| format!("${phc}"));
    let Ok(hash) = PasswordHash::new(phc.as_deref().unwrap_or(stored)) else {
        // Django marks an unusable password with '!'.
        return Verdict::Wrong;
    };
    // The parameters are the hash's own.
    let Ok(hasher) = hasher() else { return Verdict::Wrong };
    match hasher.verify_password(password.as_bytes(), &hash) {
        Ok(()) if stored.starts_with(&format!("argon2$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")) => {
            Verdict::Right
        }
        Ok(()) => Verdict::RightButOld,
        Err(_) => Verdict::Wrong,
    }
}

/// `pbkdf2_sha256$600000$salt$base64`
fn verify_pbkdf2(password: &str, stored: &str) -> Verdict {
    let read = || {
        let mut parts = stored.split('$').skip(1);
        let rounds = parts.next()?.parse::<u32>().ok().filter(|&rounds| (1..=PBKDF2_ROUNDS_MAX).contains(&rounds))?;
        let salt = parts.next()?;
        let hash = STANDARD.decode(parts.next()?).ok()?;
        parts.next().is_none().then_some((rounds, salt, hash))
    };
    let Some((rounds, salt, hash)) = read() else { return Verdict::Wrong };
    let made = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt.as_bytes(), rounds);
    if bool::from(made.as_slice().ct_eq(&hash)) { Verdict::RightButOld } else { Verdict::Wrong }
}

/// Lets so many hashes run at once, so that logins take neither all memory nor all processors.
#[derive(Debug)]
pub struct Gate {
    running: Mutex<Running>,
    left: Condvar,
    running_max: usize,
    waiting_max: usize,
}

#[derive(Debug, Default)]
struct Running {
    now: usize,
    waiting: usize,
}

impl Gate {
    /// Lets `running_max` in, and `waiting_max` wait.
    pub fn new(running_max: usize, waiting_max: usize) -> Self {
        Self { running: Mutex::default(), left: Condvar::new(), running_max: running_max.max(1), waiting_max }
    }

    /// Runs `work` as soon as there is room; nothing where too many wait already.
    pub fn pass<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.now >= self.running_max {
            if running.waiting >= self.waiting_max {
                return None;
            }
            running.waiting += 1;
            while running.now >= self.running_max {
                running = self.left.wait(running).unwrap_or_else(PoisonError::into_inner);
            }
            running.waiting -= 1;
        }
        running.now += 1;
        drop(running);
        let _seat = Seat(self);
        Some(work())
    }
}

/// Gives the place back, also when the work panics.
struct Seat<'a>(&'a Gate);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).now -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_new_hash_is_djangos() {
        let stored = hash("påss").unwrap();
        assert!(stored.len() <= 128 && stored.starts_with("argon2$argon2id$v=19$m="), "{stored}");
        assert_eq!(verify("påss", Some(&stored)), Verdict::Right);
        assert_eq!(verify("pass", Some(&stored)), Verdict::Wrong);
    }

    #[test]
    fn old_hashes() {
        // Made by Django 4.2's make_password("admin", hasher="pbkdf2_sha256"), with fewer rounds in the second.
        let table = [
            ("pbkdf2_sha256$600000$saltsaltsalt$NTJtnWwvXzcHUDox9aTC8PA/vUuBUBCFL/wrcqeHXzE=", Verdict::RightButOld),
            ("pbkdf2_sha256$1000$s$qfhC6uhB1d7QaBVjngoP+aCA5r4n2Z1zBbQUQO/Gdos=", Verdict::RightButOld),
            ("pbkdf2_sha256$0$salt$AAAA", Verdict::Wrong),
            ("pbkdf2_sha256$4000000000$salt$AAAA", Verdict::Wrong),
            ("pbkdf2_sha256$1000$salt", Verdict::Wrong),
            ("pbkdf2_sha256$1000$salt$AAAA$x", Verdict::Wrong),
            ("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", Verdict::Wrong),
            ("!unusable", Verdict::Wrong),
            ("", Verdict::Wrong),
            (NOBODY, Verdict::Wrong),
        ];
        for (stored, verdict) in table {
            assert_eq!(verify("admin", Some(stored)), verdict, "{stored}");
            assert_eq!(verify("admin ", Some(stored)), Verdict::Wrong, "{stored}");
        }
        assert_eq!(verify("", None), Verdict::Wrong);
    }

    #[test]
    fn nobodys_hash_costs_what_a_new_one_costs() {
        let stored = hash("x").unwrap();
        let head = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(head(NOBODY), head(&stored));
        assert!(PasswordHash::new(NOBODY.strip_prefix("argon2").unwrap()).is_ok());
    }

    #[test]
    fn the_gate_lets_in_so_many() {
        let gate = Gate::new(2, 100);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        gate.pass(|| {
                            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                        })
                        .unwrap();
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
        assert_eq!(Gate::new(1, 0).pass(|| 1), Some(1));
        let full = Gate::new(1, 0);
        assert_eq!(full.pass(|| full.pass(|| 1)), Some(None));
    }
}
