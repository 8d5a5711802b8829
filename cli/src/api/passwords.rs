//! Passwords: argon2id, written as Django's Argon2PasswordHasher writes it, so that a database
//! can go either way. Django's pbkdf2_sha256 is accepted, and renewed at login.

use std::sync::{Condvar, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::error::{Failure, Kind, OrFail, Result};

/// 19 MiB and two passes, which OWASP recommends: some tens of milliseconds.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// One lane: the hashes that run at once are the parallelism.
const LANES: u32 = 1;
/// RFC 9106, section 3.1, recommends 16, in bytes.
const SALT_BYTES: usize = 16;
/// A stored hash that asks for more memory is not computed. Django asks for 100 MiB.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Django 4.2 makes 600,000 rounds; a hash that asks for many more is no hash of Django's.
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;
/// So many hashes run at once, whatever the machine: each takes 19 MiB, and the service stays small.
pub const HASHES_MAX: usize = 2;

/// Hashed for names that nobody has, so that these take as long as the others. Nobody knows a password for it.
const NOBODY: &str =
    "argon2$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a password is, compared with a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordVerdict {
    /// It is the one.
    Right,
    /// It is the one; the hash is to be made anew.
    RightButOld,
    /// It is another.
    Wrong,
}

/// The memory that hashing works in. It is kept: the allocator would give each thread its own,
/// and never give it back.
#[derive(Debug, Default)]
pub struct Scratch(Vec<Block>);

impl Scratch {
    fn compute(&mut self, hasher: &Argon2<'_>, password: &str, salt: &[u8], out: &mut [u8]) -> argon2::Result<()> {
        let blocks = hasher.params().block_count();
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::new());
        }
        let result = hasher.hash_password_into_with_memory(
            password.as_bytes(),
            salt,
            out,
            self.0.get_mut(..blocks).unwrap_or_default(),
        );
        // What an older hash needed beyond ours is not kept.
        if self.0.len() > MEMORY_KIB as usize {
            self.0.truncate(MEMORY_KIB as usize);
            self.0.shrink_to_fit();
        }
        result
    }
}

/// Returns a new hash of `password`: `argon2$argon2id$v=19$…`.
pub fn hash(password: &str, scratch: &mut Scratch) -> Result<String> {
    let mut salt = [0_u8; SALT_BYTES];
    getrandom::fill(&mut salt).or_fail(Kind::Bug, "no random numbers")?;
    let mut out = [0_u8; Params::DEFAULT_OUTPUT_LEN];
    Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
        .and_then(|hasher| scratch.compute(&hasher, password, &salt, &mut out))
        .map_err(|error| Failure::new(Kind::Bug, format!("cannot hash a password: {error}")))?;
    Ok(format!("{}{}${}", our_head(), STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(out)))
}

/// Every hash of ours begins so.
fn our_head() -> String {
    format!("argon2$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")
}

/// Compares `password` with a stored hash; with none it takes as long, and is wrong.
pub fn verify(password: &str, stored: Option<&str>, scratch: &mut Scratch) -> PasswordVerdict {
    match stored {
        None => {
            verify_argon2(password, NOBODY, scratch);
            PasswordVerdict::Wrong
        }
        Some(stored) if stored.starts_with("pbkdf2_sha256$") => verify_pbkdf2(password, stored),
        Some(stored) => verify_argon2(password, stored, scratch).unwrap_or(PasswordVerdict::Wrong),
    }
}

/// Returns nothing where the hash is none, such as the `!` with which Django marks unusable ones.
fn verify_argon2(password: &str, stored: &str, scratch: &mut Scratch) -> Option<PasswordVerdict> {
    let phc = stored.strip_prefix("argon2$").map(|phc| format!("${phc}"));
    let hash = PasswordHash::new(phc.as_deref().unwrap_or(stored)).ok()?;
    // The parameters are the hash's own.
    let params = Params::try_from(&hash).ok().filter(|params| params.m_cost() <= MEMORY_KIB_MAX)?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from).ok()?;
    let (salt, wanted) = (hash.salt?, hash.hash?);
    let mut made = vec![0_u8; wanted.len()];
    scratch.compute(&Argon2::new(algorithm, version, params), password, &salt, &mut made).ok()?;
    let is_right = bool::from(made.ct_eq(wanted.as_bytes()));
    Some(match (is_right, stored.starts_with(&our_head())) {
        (false, _) => PasswordVerdict::Wrong,
        (true, true) => PasswordVerdict::Right,
        (true, false) => PasswordVerdict::RightButOld,
    })
}

/// `pbkdf2_sha256$600000$salt$base64`
fn verify_pbkdf2(password: &str, stored: &str) -> PasswordVerdict {
    let read = || {
        let mut parts = stored.split('$').skip(1);
        let rounds = parts.next()?.parse::<u32>().ok().filter(|&rounds| (1..=PBKDF2_ROUNDS_MAX).contains(&rounds))?;
        let salt = parts.next()?;
        let hash = STANDARD.decode(parts.next()?).ok()?;
        parts.next().is_none().then_some((rounds, salt, hash))
    };
    let Some((rounds, salt, hash)) = read() else { return PasswordVerdict::Wrong };
    let made = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt.as_bytes(), rounds);
    if bool::from(made.as_slice().ct_eq(&hash)) { PasswordVerdict::RightButOld } else { PasswordVerdict::Wrong }
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
    /// Of those who are not running.
    scratches: Vec<Scratch>,
}

impl Gate {
    /// Lets `running_max` in, and `waiting_max` wait.
    pub fn new(running_max: usize, waiting_max: usize) -> Self {
        Self { running: Mutex::default(), left: Condvar::new(), running_max: running_max.max(1), waiting_max }
    }

    /// Runs `work` as soon as there is room; nothing where too many wait already.
    pub fn pass<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> Option<T> {
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
        let mut seat = Seat { gate: self, scratch: running.scratches.pop().unwrap_or_default() };
        drop(running);
        Some(work(&mut seat.scratch))
    }
}

/// Gives the place back, also when the work panics.
struct Seat<'a> {
    gate: &'a Gate,
    scratch: Scratch,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut running = self.gate.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.now -= 1;
        running.scratches.push(std::mem::take(&mut self.scratch));
        drop(running);
        self.gate.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_new_hash_is_djangos() {
        let stored = hash("påss", &mut Scratch::default()).unwrap();
        assert!(stored.len() <= 128 && stored.starts_with("argon2$argon2id$v=19$m="), "{stored}");
        assert_eq!(verify("påss", Some(&stored), &mut Scratch::default()), PasswordVerdict::Right);
        assert_eq!(verify("pass", Some(&stored), &mut Scratch::default()), PasswordVerdict::Wrong);
    }

    #[test]
    fn old_hashes() {
        // Made by Django 4.2's make_password("admin", hasher="pbkdf2_sha256"), with fewer rounds in the second.
        let table = [
            (
                "pbkdf2_sha256$600000$saltsaltsalt$NTJtnWwvXzcHUDox9aTC8PA/vUuBUBCFL/wrcqeHXzE=",
                PasswordVerdict::RightButOld,
            ),
            ("pbkdf2_sha256$1000$s$qfhC6uhB1d7QaBVjngoP+aCA5r4n2Z1zBbQUQO/Gdos=", PasswordVerdict::RightButOld),
            ("pbkdf2_sha256$0$salt$AAAA", PasswordVerdict::Wrong),
            ("pbkdf2_sha256$4000000000$salt$AAAA", PasswordVerdict::Wrong),
            ("pbkdf2_sha256$1000$salt", PasswordVerdict::Wrong),
            ("pbkdf2_sha256$1000$salt$AAAA$x", PasswordVerdict::Wrong),
            ("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", PasswordVerdict::Wrong),
            ("argon2$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", PasswordVerdict::Wrong),
            (
                "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0c2FsdA$6RF/c8wUisMjDgC6nd2TsfTFVzF2EvEXrIIEghDf/Tg",
                PasswordVerdict::RightButOld,
            ),
            ("!unusable", PasswordVerdict::Wrong),
            ("", PasswordVerdict::Wrong),
            (NOBODY, PasswordVerdict::Wrong),
        ];
        for (stored, verdict) in table {
            assert_eq!(verify("admin", Some(stored), &mut Scratch::default()), verdict, "{stored}");
            assert_eq!(verify("admin ", Some(stored), &mut Scratch::default()), PasswordVerdict::Wrong, "{stored}");
        }
        assert_eq!(verify("", None, &mut Scratch::default()), PasswordVerdict::Wrong);
    }

    #[test]
    fn nobodys_hash_costs_what_a_new_one_costs() {
        let stored = hash("x", &mut Scratch::default()).unwrap();
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
                        gate.pass(|_| {
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
        assert_eq!(Gate::new(1, 0).pass(|_| 1), Some(1));
        let full = Gate::new(1, 0);
        assert_eq!(full.pass(|_| full.pass(|_| 1)), Some(None));
    }
}
