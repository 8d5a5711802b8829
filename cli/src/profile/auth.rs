//! The word `auth`: how a request shows who sends it.

use news_core::profile::{Auth, Login};

use super::headers;
use super::read::ProfileTable;
use crate::error::Result;

/// Reads its table.
pub fn read(mut table: ProfileTable<'_>) -> Result<Auth> {
    #[derive(Clone, Copy)]
    enum Kind {
        None,
        Bearer,
        Basic,
        Header,
        Login,
    }
    let kind = table.required("kind")?.one_of(&[
        ("none", Kind::None),
        ("bearer", Kind::Bearer),
        ("basic", Kind::Basic),
        ("header", Kind::Header),
        ("login", Kind::Login),
    ])?;
    let auth = match kind {
        Kind::None => Auth::None,
        Kind::Bearer => Auth::Bearer,
        Kind::Basic => Auth::Basic,
        Kind::Header => {
            let name = table.required("name")?;
            if !headers::is_name(&name.said) {
                return Err(name.wrong("expected the name of a header field"));
            }
            let prefix = table.text("prefix")?.map_or(Ok(""), |prefix| headers::value(&prefix))?;
            Auth::Header { name: name.keep(), prefix }
        }
        Kind::Login => {
            let path = table.required("path")?.url_path()?;
            let (user, password) = (table.required("user")?.member()?, table.required("password")?.member()?);
            let token = table.required("token")?;
            if token.said.is_empty() {
                return Err(token.wrong("expected the path of the token in the response"));
            }
            let prefix = table.text("prefix")?.map_or(Ok("Bearer "), |prefix| headers::value(&prefix))?;
            Auth::Login(Login { path, user, password, token: token.path()?, prefix })
        }
    };
    table.end()?;
    Ok(auth)
}
