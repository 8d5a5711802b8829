//! `news user`

use std::io::{self, BufRead, IsTerminal, Read};

use postgres::Client;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use crate::api;
use crate::api::passwords::{self, Scratch};
use crate::args::{Switch, User};
use crate::commands::Outcome;
use crate::error::{Failure, Kind, OrFail, Result};
use crate::master;
use crate::pg::{self, Purpose};
use crate::report::Report;
use crate::report::user::{self, Change, UserChange};
use crate::run::watchdog;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::store::lock::Busy;
use crate::store::schema;
use crate::store::users::{self, Added, NewUser, USERNAME_CHARS_MAX};
use crate::ui::Ui;

/// Users that a list shows; the API is used by programs, not by crowds.
const LISTED_MAX: i64 = 10_000;
/// A longer line is no password, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;
/// A shorter password is accepted with a warning (NIST SP 800-63B, 3.1.1.2, asks for at least 8 characters).
const PASSWORD_CHARS_ADVISED: usize = 8;

/// Runs the command.
pub fn run(args: &User, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    match args {
        User::Add { name, inactive, staff } => add(name, !inactive, *staff, settings),
        User::List => list(settings),
        User::Passwd { name } => passwd(name, settings),
        User::Staff { name, switch } => staff(name, *switch, settings),
        User::Remove { name } => remove(name, settings),
    }
}

fn connect(settings: &Settings) -> Result<Client> {
    let mut client = pg::connect(&master::url(settings)?, Purpose::Admin)?;
    schema::require_current(&mut client)?;
    Ok(client)
}

/// Runs the statement that changes something. The process ends if its commit does not return. A signal does not end it at once
/// any more, so all questions must have been asked.
fn write<T>(
    client: &mut Client,
    run: impl FnOnce(&mut Client) -> std::result::Result<T, postgres::Error>,
) -> Result<T> {
    watchdog::start(
        &Signals::install()?,
        "Bring the synchronous standby back: the server still waits for it, and `news user list` shows the change afterwards.",
    )?;
    let _busy = Busy::begin();
    Ok(run(client)?)
}

fn add(name: &str, is_active: bool, is_staff: bool, settings: &Settings) -> Result<Outcome> {
    check_name(name)?;
    let mut client = connect(settings)?;
    // Nobody types a password in vain.
    if users::find(&mut client, name)?.is_some() {
        return Err(taken(name));
    }
    let hash = passwords::hash(&read_password()?, &mut Scratch::default())?;
    let user = NewUser { username: name, password: &hash, is_active, is_staff };
    match write(&mut client, |client| users::add(client, user))? {
        Added::Done(id) => Ok(changed(name, id, Change::Added)),
        Added::Taken => Err(taken(name)),
    }
}

fn list(settings: &Settings) -> Result<Outcome> {
    let rows = users::list(&mut connect(settings)?, LISTED_MAX)?;
    let users = rows.into_iter().map(|row| user::ListedUser {
        id: row.id,
        username: row.username,
        active: row.is_active,
        staff: row.is_staff,
        added_at: row.date_joined.format(&Rfc3339).unwrap_or_default(),
    });
    Ok(Outcome::done(Report::Users(user::Users { users: users.collect() })))
}

fn passwd(name: &str, settings: &Settings) -> Result<Outcome> {
    let mut client = connect(settings)?;
    users::find(&mut client, name)?.ok_or_else(|| missing(name))?;
    let hash = passwords::hash(&read_password()?, &mut Scratch::default())?;
    let id = write(&mut client, |client| users::set_password(client, name, &hash))?.ok_or_else(|| missing(name))?;
    Ok(changed(name, id, Change::PasswordSet))
}

fn staff(name: &str, switch: Switch, settings: &Settings) -> Result<Outcome> {
    let (is_staff, change) = match switch {
        Switch::On => (true, Change::StaffOn),
        Switch::Off => (false, Change::StaffOff),
    };
    let id = write(&mut connect(settings)?, |client| users::set_staff(client, name, is_staff))?;
    Ok(changed(name, id.ok_or_else(|| missing(name))?, change))
}

fn remove(name: &str, settings: &Settings) -> Result<Outcome> {
    let id = write(&mut connect(settings)?, |client| users::remove(client, name))?.ok_or_else(|| missing(name))?;
    Ok(changed(name, id, Change::Removed))
}

fn changed(name: &str, id: i64, change: Change) -> Outcome {
    Outcome::done(Report::UserChange(UserChange { username: name.to_owned(), id, change }))
}

/// What a command says of a name that nobody has.
pub fn missing(name: &str) -> Failure {
    Failure::new(Kind::Refused, format!("there is no user {name:?}")).hint("Run `news user list`: it shows the users.")
}

fn taken(name: &str) -> Failure {
    Failure::new(Kind::Refused, format!("there is a user {name:?} already"))
        .hint(format!("`news user passwd {name}` sets a new password"))
}

/// Refuses a name that could not log in: the API trims what it is sent.
fn check_name(name: &str) -> Result<()> {
    let chars = name.chars().count();
    let why = if name.is_empty() {
        "an empty name".to_owned()
    } else if chars > USERNAME_CHARS_MAX {
        format!("a name of {chars} characters, more than {USERNAME_CHARS_MAX}")
    } else if name.contains('\0') || api::trim(name) != name {
        format!("a name with white space around it, or U+0000 in it: {name:?}")
    } else {
        return Ok(());
    };
    Err(Failure::new(Kind::Usage, why))
}

/// Reads a password: twice from a terminal, without echo, else one line from stdin.
fn read_password() -> Result<Zeroizing<String>> {
    let context = "cannot read the password";
    let typed = if io::stdin().is_terminal() {
        let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new).or_fail(Kind::Usage, context);
        let first = ask("Password: ")?;
        if *first != *ask("Password again: ")? {
            return Err(Failure::new(Kind::Usage, "the passwords differ"));
        }
        first
    } else {
        let mut line = Zeroizing::new(String::new());
        let mut stdin = io::stdin().lock().take(PASSWORD_BYTES_MAX + 1);
        let bytes = stdin.read_line(&mut line).or_fail(Kind::Usage, context)?;
        if u64::try_from(bytes).is_ok_and(|bytes| bytes > PASSWORD_BYTES_MAX) {
            return Err(Failure::new(Kind::Usage, format!("the password has more than {PASSWORD_BYTES_MAX} bytes")));
        }
        line
    };
    // The API trims what it is sent, so white space around a password never counts.
    let password = Zeroizing::new(api::trim(&typed).to_owned());
    if password.is_empty() {
        return Err(Failure::new(Kind::Usage, "the password is empty").hint("Write it to stdin, as one line."));
    }
    if password.contains('\0') {
        return Err(Failure::new(Kind::Usage, "the password contains U+0000"));
    }
    let chars = password.chars().count();
    if chars < PASSWORD_CHARS_ADVISED {
        log::warn!("the password has {chars} characters, and is easy to guess: use {PASSWORD_CHARS_ADVISED} or more");
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "änne", "a b", &"x".repeat(150)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", " a", "a\n", "a\0b", &"x".repeat(151)] {
            assert_eq!(check_name(name).unwrap_err().kind(), Kind::Usage, "{name}");
        }
    }
}
