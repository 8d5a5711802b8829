//! The token that goes with each request.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::error::{Failure, Kind, Result};
use crate::settings::Secret;

/// A bearer token (RFC 6750, section 2.1), as its file had it when it was last read.
pub struct Bearer(Mutex<Secret>);

impl Bearer {
    /// Takes `token` as its file has it now.
    ///
    /// Fails with [`Kind::Usage`] where no header may carry it.
    pub fn new(token: &Secret) -> Result<Self> {
        let token = token.fresh();
        fits_a_header(&token)?;
        Ok(Self(Mutex::new(token)))
    }

    /// Returns the value of the header `Authorization`.
    pub fn header(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", self.token().expose()))
    }

    /// Reads the token's file again, after the target refused the token. Returns whether the file has another one now.
    pub fn renew(&self) -> bool {
        let mut current = self.token();
        let token = current.fresh();
        if token.expose() == current.expose() {
            return false;
        }
        if let Err(failure) = fits_a_header(&token) {
            log::warn!("{failure}");
            return false;
        }
        log::info!("the target refused the token, and its file has another one now: going on with that");
        *current = token;
        true
    }

    /// Returns what to do where the target refuses the token.
    pub fn hint(&self) -> String {
        match self.token().file() {
            Some(file) => {
                format!("Put a token that may write into {}: it is read again at each try.", file.display())
            }
            None => String::from("Set NEWS_TARGET_TOKEN to a token that may write."),
        }
    }

    fn token(&self) -> MutexGuard<'_, Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(***)")
    }
}

/// Fails with [`Kind::Usage`] where no header may carry a token.
pub(super) fn fits_a_header(token: &Secret) -> Result<()> {
    if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, "NEWS_TARGET_TOKEN has a character that no header may carry")
        .hint("is there a line break or a blank in it?"))
}
