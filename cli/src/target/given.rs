//! A secret that we were given, and how a request shows it.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::{Failure, Kind, Result};
use crate::secret::Secret;

/// A token or a password, as its file had it when it was last read.
pub struct Given {
    secret: Mutex<Secret>,
    form: SecretForm,
}

/// How a request shows it.
#[derive(Debug, Clone)]
pub enum SecretForm {
    /// A bearer token (RFC 6750, section 2.1).
    Bearer,
    /// The password of this user (RFC 7617).
    Basic(String),
    /// In a field of the target's own.
    Header {
        /// The field.
        name: &'static str,
        /// What stands in front of the token.
        prefix: &'static str,
    },
}

impl Given {
    /// Takes `secret` as its file has it now.
    ///
    /// Fails with [`Kind::Usage`] where no header may carry it.
    pub fn new(secret: &Secret, form: SecretForm) -> Result<Self> {
        let secret = secret.fresh();
        form.admits(&secret)?;
        Ok(Self { secret: Mutex::new(secret), form })
    }

    /// Returns the header field that shows it: its name and its value.
    pub fn header(&self) -> (&'static str, Zeroizing<String>) {
        let secret = self.secret();
        match &self.form {
            SecretForm::Bearer => ("Authorization", Zeroizing::new(format!("Bearer {}", secret.expose()))),
            SecretForm::Basic(user) => {
                let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
                let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                ("Authorization", Zeroizing::new(format!("Basic {}", encoded.as_str())))
            }
            SecretForm::Header { name, prefix } => (name, Zeroizing::new(format!("{prefix}{}", secret.expose()))),
        }
    }

    /// Returns the secret itself.
    pub fn secret(&self) -> MutexGuard<'_, Secret> {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads its file again, after the target refused it. Returns whether the file has another one now.
    pub fn renew(&self) -> bool {
        let mut current = self.secret();
        let secret = current.fresh();
        if secret.expose() == current.expose() {
            return false;
        }
        if let Err(failure) = self.form.admits(&secret) {
            log::warn!("{failure}");
            return false;
        }
        log::info!("the target refused the {}, and its file has another one now: going on with that", self.form.noun());
        *current = secret;
        true
    }

    /// Returns the variable that sets it.
    pub fn variable(&self) -> &'static str {
        match self.form {
            SecretForm::Bearer | SecretForm::Header { .. } => "NEWS_TARGET_TOKEN",
            SecretForm::Basic(_) => "NEWS_TARGET_PASSWORD",
        }
    }

    /// Returns what to do where the target refuses it.
    pub fn hint(&self) -> String {
        let noun = self.form.noun();
        match (self.secret().file(), &self.form) {
            (Some(file), _) => {
                format!("Put a {noun} that may write into {}: it is read again at each try.", file.display())
            }
            (None, SecretForm::Basic(_)) => {
                String::from("Set NEWS_TARGET_USER and NEWS_TARGET_PASSWORD to those of a user that may write.")
            }
            (None, SecretForm::Bearer | SecretForm::Header { .. }) => {
                String::from("Set NEWS_TARGET_TOKEN to a token that may write.")
            }
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Given({} ***)", self.form.noun())
    }
}

impl SecretForm {
    fn noun(&self) -> &'static str {
        match self {
            SecretForm::Bearer | SecretForm::Header { .. } => "token",
            SecretForm::Basic(_) => "password",
        }
    }

    fn admits(&self, secret: &Secret) -> Result<()> {
        match self {
            SecretForm::Bearer | SecretForm::Header { .. } => fits_a_header(secret),
            SecretForm::Basic(user) if user.contains(':') => {
                Err(Failure::new(Kind::Usage, "NEWS_TARGET_USER has a colon, which basic authentication cannot carry"))
            }
            SecretForm::Basic(_) => Ok(()),
        }
    }
}

/// Fails with [`Kind::Usage`] where no header may carry a token.
pub(super) fn fits_a_header(token: &Secret) -> Result<()> {
    if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, "NEWS_TARGET_TOKEN has a character that no header may carry")
        .hint("Remove line breaks and blanks from it."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_shows_the_secret_in_its_own_way() {
        let secret = Secret::new(String::from("Sesame"));
        for (form, name, value) in [
            (SecretForm::Bearer, "Authorization", "Bearer Sesame"),
            (SecretForm::Basic(String::from("Aladdin")), "Authorization", "Basic QWxhZGRpbjpTZXNhbWU="),
            (SecretForm::Header { name: "X-Api-Key", prefix: "" }, "X-Api-Key", "Sesame"),
            (SecretForm::Header { name: "Authorization", prefix: "Token " }, "Authorization", "Token Sesame"),
        ] {
            let given = Given::new(&secret, form).unwrap();
            let (field, shown) = given.header();
            assert_eq!((field, shown.as_str()), (name, value));
            assert!(!format!("{given:?}").contains("Sesame"));
        }
        let spaced = Secret::new(String::from("open sesame"));
        assert!(Given::new(&spaced, SecretForm::Bearer).is_err());
        assert!(Given::new(&spaced, SecretForm::Basic(String::from("ada"))).is_ok());
        assert!(Given::new(&spaced, SecretForm::Basic(String::from("a:b"))).is_err());
    }
}
