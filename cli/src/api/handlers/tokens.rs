//! Tokens: credentials in, JSON Web Tokens out. An Authorization header is ignored here.

use serde::Serialize;
use serde_json::json;

use super::{Context, require_active};
use crate::api::auth::TokenType;
use crate::api::forms::{self, LoginForm};
use crate::api::passwords::{self, PasswordVerdict};
use crate::api::response::{Denied, Problem, Response};
use crate::error::Failure;
use crate::store::users::{self, LoginRecord};

/// What a login gives.
#[derive(Serialize)]
struct Pair {
    refresh: String,
    access: String,
}

const BAD_LOGIN: Problem = Problem::Denied(Denied::BadLogin);
/// Hashing is slow on purpose, and only so many may wait for it.
const TOO_MANY_LOGINS: Problem = Problem::Unavailable("Too many logins at once. Try again in a moment.");

/// POST `/api-auth/token/`. Takes as long for a name that nobody has, and for an inactive user.
pub fn obtain(context: &Context<'_>) -> Result<Response, Problem> {
    let form = context.form(LoginForm::new)?;
    let stored = context.read(|live| users::credentials(live, &form.username))?;
    let hash = stored.as_ref().map(|credentials| credentials.password.as_str());
    let gate = &context.service.gate;
    let verdict = gate.pass(|scratch| passwords::verify(&form.password, hash, scratch)).ok_or(TOO_MANY_LOGINS)?;
    let user = match (stored, verdict) {
        (Some(user), PasswordVerdict::Right | PasswordVerdict::RightButOld) if user.is_active => user,
        (_, _) => return Err(BAD_LOGIN),
    };
    if verdict == PasswordVerdict::RightButOld {
        renew(context, &user, &form.password);
    }
    let tokens = &context.service.tokens;
    let pair = tokens.issue(TokenType::Refresh, user.id).and_then(|refresh| {
        let access = tokens.issue(TokenType::Access, user.id)?;
        Ok(Pair { refresh, access })
    });
    Ok(Response::json(200, &pair.map_err(|failure| unsigned(&failure))?, context.layout))
}

/// Replaces a hash of an older kind while the password is at hand. The login succeeds anyway.
fn renew(context: &Context<'_>, user: &LoginRecord, password: &str) {
    let renewed = context.service.gate.pass(|scratch| passwords::hash(password, scratch));
    if let Some(Ok(new)) = renewed
        && context.write(|live| users::renew(live, user.id, &user.password, &new)).is_ok()
    {
        return;
    }
    log::warn!("the password hash of user {} could not be renewed; the next login tries again", user.id);
}

/// POST `/api-auth/token/refresh/`
pub fn refresh(context: &Context<'_>) -> Result<Response, Problem> {
    let token = context.form(|data| forms::token(data, "refresh"))?;
    let subject = context.service.tokens.check(&token, Some(TokenType::Refresh));
    let subject = subject.map_err(|why| Problem::Denied(Denied::BadToken(why)))?;
    let user = subject.user_id().map_err(Problem::Denied)?;
    require_active(context.read(|live| users::caller(live, user))?)?;
    let access = context.service.tokens.issue(TokenType::Access, user).map_err(|failure| unsigned(&failure))?;
    Ok(Response::json(200, &json!({ "access": access }), context.layout))
}

/// POST `/api-auth/token/verify/`
pub fn verify(context: &Context<'_>) -> Result<Response, Problem> {
    let token = context.form(|data| forms::token(data, "token"))?;
    context.service.tokens.check(&token, None).map_err(|why| Problem::Denied(Denied::BadToken(why)))?;
    Ok(Response::json(200, &json!({}), context.layout))
}

fn unsigned(failure: &Failure) -> Problem {
    log::error!("{failure}");
    Problem::Internal
}
