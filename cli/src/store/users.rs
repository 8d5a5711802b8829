//! The API's users: the Django service's table, `auth_user`.

use postgres::error::SqlState;
use postgres::types::Type;
use postgres::{Client, Row};
use time::OffsetDateTime;

use super::session::{Live, Sql};

/// Whether a request's user may do anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// There is no such user.
    Unknown,
    /// The user may not log in.
    Inactive,
    /// The user may.
    Active,
}

impl Caller {
    /// Reads `is_active` in a row's first column; NULL where no user was found.
    pub(super) fn read(row: &Row) -> Result<Self, postgres::Error> {
        Ok(match row.try_get::<_, Option<bool>>(0)? {
            None => Caller::Unknown,
            Some(false) => Caller::Inactive,
            Some(true) => Caller::Active,
        })
    }
}

/// A user whose token came with a request of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub username: String,
    /// May the user log in?
    pub is_active: bool,
    /// May the user look at the sync, and act where the service allows it?
    pub is_staff: bool,
}

/// What a statement found, and who asked: look at the caller first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenUser<T> {
    /// Who asked.
    pub caller: Caller,
    /// What was found.
    pub found: T,
}

impl<T> SeenUser<T> {
    pub(super) fn new(caller: Caller, found: T) -> Self {
        Self { caller, found }
    }
}

/// What a login is checked against.
#[derive(Clone)]
pub struct LoginRecord {
    /// The user's id.
    pub id: i64,
    /// The hash.
    pub password: String,
    /// May the user log in?
    pub is_active: bool,
}

/// A user, for a list.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// The id.
    pub id: i64,
    /// The name.
    pub username: String,
    /// May the user log in?
    pub is_active: bool,
    /// May the user see the console?
    pub is_staff: bool,
    /// When the user was added.
    pub date_joined: OffsetDateTime,
}

/// The longest name the table takes, in characters.
pub const USERNAME_CHARS_MAX: usize = 150;

const CALLER: Sql = Sql::new("SELECT (SELECT is_active FROM auth_user WHERE id = $1::bigint)", &[Type::INT8]);

const PERSON: Sql =
    Sql::new("SELECT username, is_active, is_staff FROM auth_user WHERE id = $1::bigint", &[Type::INT8]);

const CREDENTIALS: Sql =
    Sql::new("SELECT id::bigint, password, is_active FROM auth_user WHERE username = $1", &[Type::TEXT]);

// Unless it was changed meanwhile.
const RENEW: Sql = Sql::new(
    "UPDATE auth_user SET password = $2 WHERE id = $1::bigint AND password = $3 RETURNING 1",
    &[Type::INT8, Type::TEXT, Type::TEXT],
);

/// Looks a user up.
pub fn caller(live: &mut Live, user: i64) -> Result<Caller, postgres::Error> {
    Caller::read(&live.one(&CALLER, &[&user])?)
}

/// Returns the user with this id.
pub fn person(live: &mut Live, user: i64) -> Result<Option<Person>, postgres::Error> {
    let rows = live.all(&PERSON, &[&user])?;
    let read =
        |row: &Row| Ok(Person { username: row.try_get(0)?, is_active: row.try_get(1)?, is_staff: row.try_get(2)? });
    rows.first().map(read).transpose()
}

/// Returns what a login under this name is checked against.
pub fn credentials(live: &mut Live, username: &str) -> Result<Option<LoginRecord>, postgres::Error> {
    let rows = live.all(&CREDENTIALS, &[&username])?;
    let read =
        |row: &Row| Ok(LoginRecord { id: row.try_get(0)?, password: row.try_get(1)?, is_active: row.try_get(2)? });
    rows.first().map(read).transpose()
}

/// Replaces a user's hash by a newer one of the same password.
pub fn renew(live: &mut Live, user: i64, old: &str, new: &str) -> Result<(), postgres::Error> {
    live.all(&RENEW, &[&user, &new, &old]).map(drop)
}

/// What became of a new user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// Added, with this id.
    Done(i64),
    /// The name is taken.
    Taken,
}

/// A user to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// The name.
    pub username: &'a str,
    /// The hash of the password.
    pub password: &'a str,
    /// May the user log in?
    pub is_active: bool,
    /// May the user see the console?
    pub is_staff: bool,
}

/// Adds a user. All columns are given: Django's table has no defaults.
pub fn add(client: &mut Client, user: NewUser<'_>) -> Result<Added, postgres::Error> {
    let NewUser { username, password, is_active, is_staff } = user;
    let added = client.query_one(
        "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
         VALUES ($1, false, $2, '', '', '', $4, $3, now()) RETURNING id::bigint",
        &[&password, &username, &is_active, &is_staff],
    );
    match added {
        Ok(row) => Ok(Added::Done(row.try_get(0)?)),
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(Added::Taken),
        Err(error) => Err(error),
    }
}

/// Returns the users by name, at most `limit`.
pub fn list(client: &mut Client, limit: i64) -> Result<Vec<UserRow>, postgres::Error> {
    let rows = client.query(
        "SELECT id::bigint, username, is_active, date_joined, is_staff FROM auth_user ORDER BY username LIMIT $1",
        &[&limit],
    )?;
    rows.iter()
        .map(|row| {
            Ok(UserRow {
                id: row.try_get(0)?,
                username: row.try_get(1)?,
                is_active: row.try_get(2)?,
                date_joined: row.try_get(3)?,
                is_staff: row.try_get(4)?,
            })
        })
        .collect()
}

/// Returns the user of this name: the id, and whether the user may log in.
pub fn find(client: &mut Client, username: &str) -> Result<Option<(i64, bool)>, postgres::Error> {
    let row = client.query_opt("SELECT id::bigint, is_active FROM auth_user WHERE username = $1", &[&username])?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Sets a user's hash. Returns the id; nothing where there is no such user.
pub fn set_password(client: &mut Client, username: &str, password: &str) -> Result<Option<i64>, postgres::Error> {
    let row = client.query_opt(
        "UPDATE auth_user SET password = $2 WHERE username = $1 RETURNING id::bigint",
        &[&username, &password],
    )?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Sets whether a user is staff. Returns the id; nothing where there is no such user.
pub fn set_staff(client: &mut Client, username: &str, is_staff: bool) -> Result<Option<i64>, postgres::Error> {
    let row = client.query_opt(
        "UPDATE auth_user SET is_staff = $2 WHERE username = $1 RETURNING id::bigint",
        &[&username, &is_staff],
    )?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Removes a user. Returns the id; nothing where there is no such user.
pub fn remove(client: &mut Client, username: &str) -> Result<Option<i64>, postgres::Error> {
    let row = client.query_opt("DELETE FROM auth_user WHERE username = $1 RETURNING id::bigint", &[&username])?;
    row.map(|row| row.try_get(0)).transpose()
}
