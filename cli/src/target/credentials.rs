//! What shows a request's sender: nothing, a token that we were given, or one that a login gives.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use news_core::profile::{Auth, Login, Profile};
use zeroize::Zeroizing;

use super::given::{Given, SecretForm, fits_a_header};
use crate::error::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::settings::TargetAccess;

/// A token that a login gave is not asked for anew within this time: what is refused then is refused for another reason, and
/// logins in a row get an account locked.
const RENEWED_FOR: Duration = Duration::from_secs(10);

/// A shorter secret is not looked for in responses: it would be found in innocent words.
const SECRET_BYTES_MIN: usize = 6;

/// The credentials for one target.
#[derive(Debug)]
pub enum Credentials {
    /// None.
    None,
    /// A token or a password that we were given.
    Given(Given),
    /// A name and a password, and the token that they last gave.
    Login(Box<LoginSession>),
}

/// A login, and the token that it last gave.
pub struct LoginSession {
    login: Login,
    user: String,
    password: Mutex<Secret>,
    token: Mutex<Option<(Zeroizing<String>, Instant)>>,
}

impl Credentials {
    /// Takes what the profile needs.
    ///
    /// Fails with [`Kind::Usage`] where the name or the password for a login is not set, or no header may carry the token.
    pub fn new(profile: &Profile, access: &TargetAccess) -> Result<Self> {
        match profile.auth {
            Auth::None => Ok(Credentials::None),
            Auth::Bearer => Self::token(access, SecretForm::Bearer),
            Auth::Header { name, prefix } => Self::token(access, SecretForm::Header { name, prefix }),
            Auth::Basic => {
                let (user, password) = user_and_password(profile, access)?;
                Given::new(password, SecretForm::Basic(user.to_owned())).map(Credentials::Given)
            }
            Auth::Login(login) => {
                let (user, password) = user_and_password(profile, access)?;
                let (user, password, token) = (user.to_owned(), Mutex::new(password.fresh()), Mutex::default());
                Ok(Credentials::Login(Box::new(LoginSession { login, user, password, token })))
            }
        }
    }

    fn token(access: &TargetAccess, form: SecretForm) -> Result<Self> {
        let given = access.token.as_ref().map(|token| Given::new(token, form)).transpose()?;
        Ok(given.map_or(Credentials::None, Credentials::Given))
    }

    /// Returns the header field that shows them, its name and its value, if there is one.
    pub fn header(&self) -> Option<(&'static str, Zeroizing<String>)> {
        match self {
            Credentials::None => None,
            Credentials::Given(given) => Some(given.header()),
            Credentials::Login(session) => {
                let token = session.token();
                let (token, _) = token.as_ref()?;
                Some(("Authorization", Zeroizing::new(format!("{}{}", session.login.prefix, token.as_str()))))
            }
        }
    }

    /// Returns `text` without our secrets: a target may repeat in a response what it was sent, and responses are kept and
    /// shown.
    pub fn hide(&self, text: String) -> String {
        let header = self.header();
        // The scheme in front of a token is no secret.
        let token = header.as_ref().and_then(|(_, value)| value.split_whitespace().last());
        let secret = match self {
            Credentials::None => None,
            Credentials::Given(given) => Some(given.secret()),
            Credentials::Login(session) => Some(session.password()),
        };
        let secrets = [token, secret.as_ref().map(|secret| secret.expose())];
        secrets
            .into_iter()
            .flatten()
            .filter(|secret| secret.len() >= SECRET_BYTES_MIN)
            .fold(text, |text, secret| if text.contains(secret) { text.replace(secret, "[secret]") } else { text })
    }

    /// Returns the login that is to be done before a request is sent, if one is.
    pub fn login(&self) -> Option<&LoginSession> {
        match self {
            Credentials::None | Credentials::Given(_) => None,
            Credentials::Login(session) => session.token().is_none().then_some(session),
        }
    }

    /// Takes note that the target refused a request that was sent with `used`. Returns whether there are others now, or may
    /// be after a login.
    pub fn renew(&self, used: Option<&str>) -> bool {
        let now = self.header();
        // Another request was refused before, and has seen to it.
        if used.is_some() && now.as_ref().map(|(_, value)| value.as_str()) != used {
            return true;
        }
        match self {
            Credentials::None => false,
            Credentials::Given(given) => given.renew(),
            Credentials::Login(session) => {
                let mut token = session.token();
                let has_run_out = token.as_ref().is_some_and(|(_, since)| since.elapsed() >= RENEWED_FOR);
                if has_run_out {
                    *token = None;
                }
                has_run_out
            }
        }
    }

    /// Says whether there are any.
    pub fn are_set(&self) -> bool {
        match self {
            Credentials::None => false,
            Credentials::Given(_) | Credentials::Login(_) => true,
        }
    }

    /// Returns what sets them.
    pub fn name(&self) -> &'static str {
        match self {
            Credentials::None => "NEWS_TARGET_TOKEN",
            Credentials::Given(given) => given.variable(),
            Credentials::Login(_) => "NEWS_TARGET_USER",
        }
    }

    /// Returns what to do where the target refuses them.
    pub fn hint(&self) -> String {
        match self {
            Credentials::None => String::from("Set NEWS_TARGET_TOKEN to a token that may write."),
            Credentials::Given(given) => given.hint(),
            Credentials::Login(_) => {
                String::from("Set NEWS_TARGET_USER and NEWS_TARGET_PASSWORD to those of a user that may write.")
            }
        }
    }
}

/// Returns the name and the password that a profile wants.
fn user_and_password<'a>(profile: &Profile, access: &'a TargetAccess) -> Result<(&'a str, &'a Secret)> {
    if let (Some(user), Some(password)) = (&access.user, &access.password) {
        return Ok((user, password));
    }
    let what = format!("the target profile {} expects a name and a password", profile.name);
    Err(Failure::new(Kind::Usage, what)
        .hint("Set NEWS_TARGET_USER, and NEWS_TARGET_PASSWORD or NEWS_TARGET_PASSWORD_FILE."))
}

impl LoginSession {
    /// Returns where the login is, below the base URL.
    pub fn path(&self) -> &'static str {
        self.login.path
    }

    /// Returns the body of the login: the password as its file has it now.
    pub fn body(&self) -> Zeroizing<String> {
        let mut password = self.password();
        *password = password.fresh();
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let Login { user, password: member, .. } = self.login;
        Zeroizing::new(format!(
            "{{{}:{},{}:{}}}",
            text(user),
            text(&self.user),
            text(member),
            Zeroizing::new(text(password.expose())).as_str()
        ))
    }

    /// Takes the token out of the body of the response.
    ///
    /// Fails where there is none, or one that no header may carry.
    pub fn take(&self, body: &str) -> Result<()> {
        let unreadable = || {
            let path = self.login.token.join(".");
            Failure::new(Kind::Credentials, format!("the response to the login has no token at {path}"))
        };
        let mut value: serde_json::Value = serde_json::from_str(body).map_err(|_| unreadable())?;
        for name in self.login.token {
            value = value.get_mut(*name).map(serde_json::Value::take).ok_or_else(unreadable)?;
        }
        let serde_json::Value::String(token) = value else { return Err(unreadable()) };
        let token = Secret::new(token);
        fits_a_header(&token)?;
        *self.token() = Some((Zeroizing::new(token.expose().to_owned()), Instant::now()));
        Ok(())
    }

    fn password(&self) -> MutexGuard<'_, Secret> {
        self.password.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self) -> MutexGuard<'_, Option<(Zeroizing<String>, Instant)>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LoginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} at {})", self.user, self.login.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> LoginSession {
        let login =
            Login { path: "/login", user: "name", password: "pass word", token: &["data", "token"], prefix: "" };
        let password = Mutex::new(Secret::new(String::from("p\"ß")));
        LoginSession { login, user: String::from("a\\b"), password, token: Mutex::default() }
    }

    #[test]
    fn a_response_that_repeats_the_secret_is_kept_without_it() {
        let session = session();
        session.take(r#"{"data":{"token":"abcdef"}}"#).unwrap();
        let credentials = Credentials::Login(Box::new(session));
        assert_eq!(credentials.hide(String::from(r#"{"you": "abcdef", "n": 1}"#)), r#"{"you": "[secret]", "n": 1}"#);
        let Credentials::Login(session) = credentials else { panic!("it logs in") };
        let session = LoginSession { password: Mutex::new(Secret::new(String::from("lovelace"))), ..*session };
        let credentials = Credentials::Login(Box::new(session));
        assert_eq!(credentials.hide(String::from("abcdef or lovelace?")), "[secret] or [secret]?");
        assert_eq!(Credentials::None.hide(String::from("abcdef")), "abcdef");
    }

    #[test]
    fn a_login_sends_two_members_and_takes_the_token_at_its_path() {
        let session = session();
        assert_eq!(session.body().as_str(), r#"{"name":"a\\b","pass word":"p\"ß"}"#);
        for body in ["", "[]", r#"{"data":{}}"#, r#"{"data":{"token":5}}"#, r#"{"data":{"token":"a\nb"}}"#] {
            assert!(session.take(body).is_err(), "{body}");
        }
        session.take(r#"{"data":{"token":"abc"}}"#).unwrap();
        let credentials = Credentials::Login(Box::new(session));
        assert_eq!(credentials.header().unwrap().1.as_str(), "abc");
        assert!(credentials.login().is_none());
        assert!(!credentials.renew(Some("abc")), "a token that was just given is not asked for again");
        assert!(!credentials.renew(None), "nor is one that was given for the request itself");
        assert!(credentials.renew(Some("before")), "another request has logged in meanwhile");
    }
}
