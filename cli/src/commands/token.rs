//! `news token`

use crate::api::{ACCESS_LIFE_S, TokenType};
use crate::args::Token;
use crate::commands::{Outcome, serve, user};
use crate::error::{Failure, Kind, Result};
use crate::master;
use crate::pg::{self, Purpose};
use crate::report::{self, Report};
use crate::settings::Settings;
use crate::store::{schema, users};
use crate::ui::Ui;

/// Makes an access token for a user, with the key that `news serve` has.
pub fn run(args: &Token, settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    let tokens = serve::tokens(settings)?;
    let mut client = pg::connect(&master::url(settings)?, Purpose::Admin)?;
    schema::require_current(&mut client)?;
    let (id, is_active) = users::find(&mut client, &args.user)?.ok_or_else(|| user::missing(&args.user))?;
    if !is_active {
        let why = format!("the user {:?} is inactive: a token would not be accepted", args.user);
        return Err(Failure::new(Kind::Refused, why));
    }
    let access = tokens.issue(TokenType::Access, id)?;
    let username = args.user.clone();
    Ok(Outcome::done(Report::Token(report::token::TokenReport { access, username, expires_in_s: ACCESS_LIFE_S })))
}
