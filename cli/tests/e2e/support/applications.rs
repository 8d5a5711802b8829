//! Directus, Strapi and an application on Feathers: targets that people run. `scripts/try-targets` installs them, and says where
//! in `NEWS_DIRECTUS`, `NEWS_STRAPI` and `NEWS_FEATHERS`; without it a line says that they are left out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::{Db, Http, News, Running, served};

const TOKEN: &str = "a-static-token-of-an-administrator";

/// An application, stopped when dropped.
#[derive(Debug)]
pub struct Application {
    base: String,
    profile: &'static str,
    token: String,
    _running: Running,
    _folder: TempDir,
}

impl Application {
    /// Starts Directus with two empty collections, their ids integers.
    pub fn directus() -> Option<Self> {
        let program = named("NEWS_DIRECTUS")?.join("node_modules/directus/cli.js");
        let folder = tempfile::tempdir().unwrap();
        let command = |address: Option<SocketAddr>, argument: &str| {
            let mut command = Command::new("node");
            command.arg(&program).arg(argument).current_dir(folder.path());
            command.env("DB_CLIENT", "sqlite3").env("DB_FILENAME", folder.path().join("data.db"));
            command
                .env("SECRET", "0123456789abcdef0123456789abcdef")
                .env("TELEMETRY", "false")
                .env("LOG_LEVEL", "warn");
            command.env("ADMIN_EMAIL", "admin@example.com").env("ADMIN_PASSWORD", TOKEN).env("ADMIN_TOKEN", TOKEN);
            if let Some(address) = address {
                command.env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
            }
            command
        };
        let bootstrap = command(None, "bootstrap").output().unwrap();
        assert!(bootstrap.status.success(), "{bootstrap:?}");
        let (running, address) = served("/server/ping", |address| command(Some(address), "start"));
        let base = format!("http://{address}");
        let http = Http::new(&base).bearer(TOKEN);
        for (collection, number, texts) in
            [("posts", "userId", &["title", "body"][..]), ("comments", "postId", &["name", "email", "body"])]
        {
            let key = json!({"is_primary_key": true, "has_auto_increment": true});
            let mut fields = vec![json!({"field": "id", "type": "integer", "schema": key, "meta": {}})];
            fields.push(json!({"field": number, "type": "integer", "schema": {}, "meta": {}}));
            fields.extend(texts.iter().map(|text| json!({"field": text, "type": "text", "schema": {}, "meta": {}})));
            let made = json!({"collection": collection, "schema": {}, "meta": {}, "fields": fields}).to_string();
            let made = http.send("POST", "/collections", &made);
            assert_eq!(made.status, 200, "{}", made.text);
        }
        let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/profiles/directus.toml");
        Some(Self { base, profile, token: TOKEN.to_owned(), _running: running, _folder: folder })
    }

    /// Starts the application on Feathers, with empty services.
    pub fn feathers() -> Option<Self> {
        let modules = named("NEWS_FEATHERS")?;
        let folder = tempfile::tempdir().unwrap();
        let start = |address: SocketAddr| {
            let mut command = Command::new("node");
            command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/feathers/app.js")).arg(&modules);
            command
                .arg(folder.path().join(format!("{}.db", address.port())))
                .arg(address.port().to_string())
                .arg(TOKEN);
            command
        };
        // It lets nobody in without its key, and says so once it listens.
        let (running, address) = served("/posts", start);
        let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/feathers/profile.toml");
        Some(Self {
            base: format!("http://{address}"),
            profile,
            token: TOKEN.to_owned(),
            _running: running,
            _folder: folder,
        })
    }

    /// Starts Strapi, which loads our fixtures itself.
    pub fn strapi() -> Option<Self> {
        let application = named("NEWS_STRAPI")?;
        let folder = tempfile::tempdir().unwrap();
        let start = |address: SocketAddr| {
            let mut command = Command::new("node");
            command.arg(application.join("node_modules/@strapi/strapi/bin/strapi.js")).arg("start");
            command.current_dir(&application).env("STRAPI_TELEMETRY_DISABLED", "true");
            command.env("DATABASE_FILENAME", folder.path().join("data.db"));
            command.env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
            command
        };
        let (running, address) = served("/_health", start);
        let token = std::fs::read_to_string(application.join("token")).unwrap();
        let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/profiles/strapi.toml");
        Some(Self { base: format!("http://{address}/api"), profile, token, _running: running, _folder: folder })
    }

    /// Returns the base URL, as its profile means it.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns the binary on `db`, with the application at `url` as its target.
    pub fn news(&self, db: &Db, url: &str) -> News {
        let news = News::on(db).env("NEWS_TARGET_URL", url).env("NEWS_TARGET_PROFILE", self.profile);
        // Node needs its time on a machine that does something else besides.
        news.env("NEWS_TARGET_TOKEN", &self.token).env("NEWS_TARGET_TIMEOUT", "10s").env("NEWS_TARGET_LATE", "10s")
    }

    /// Returns the token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: {variable} names no application (scripts/try-targets)");
    }
    folder
}
