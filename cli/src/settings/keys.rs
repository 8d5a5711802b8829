//! Everything that can be set, in one table: in `news.toml`, in the environment, and mostly by a flag.

/// A setting. In the file it is `name`, in the environment `NEWS_NAME` (a dot is an underscore there).
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// `serve.listen`: `listen` in the table `[serve]`.
    pub name: &'static str,
    /// What the file may say.
    pub shape: Shape,
    /// Who reads it.
    pub place: KeyPlace,
}

/// What a value looks like in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// A string; in the file it is relative to the file's own folder.
    Path,
    /// A time with a unit: a string such as `"15m"`.
    Time,
    /// An integer.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A string, or a list of strings; in the environment they are set apart by commas.
    List,
}

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// `Settings`.
    Setting,
    /// `Settings`, masked wherever it is shown. NAME_file, and NAME_FILE in the environment, name a file with it.
    Secret,
    /// clap: the default of a flag that every command has.
    Global(&'static str),
    /// clap: the default of a command's flag.
    Flag(&'static str, &'static str),
}

/// The master's database.
pub const DATABASE_URL: &Key = &KEYS[0];
/// The target.
pub const TARGET_URL: &Key = &KEYS[1];
/// A bearer token for the target.
pub const TARGET_TOKEN: &Key = &KEYS[2];
/// The target's dialect.
pub const TARGET_PROFILE: &Key = &KEYS[3];
/// Who logs in at the target.
pub const TARGET_USER: &Key = &KEYS[4];
/// With which password.
pub const TARGET_PASSWORD: &Key = &KEYS[5];
/// What the API signs its tokens with.
pub const JWT_SECRET: &Key = &KEYS[6];
/// What it signed them with before.
pub const JWT_SECRET_PREVIOUS: &Key = &KEYS[7];
/// Where the private PostgreSQL lives.
pub const HOME: &Key = &KEYS[8];
/// How many deletes a run may send.
pub const SYNC_MAX_DELETES: &Key = &KEYS[23];

/// All of them, in the order in which they are shown.
pub const KEYS: [Key; 25] = [
    Key { name: "database_url", shape: Shape::Text, place: KeyPlace::Secret },
    Key { name: "target_url", shape: Shape::Text, place: KeyPlace::Setting },
    Key { name: "target_token", shape: Shape::Text, place: KeyPlace::Secret },
    Key { name: "target_profile", shape: Shape::Text, place: KeyPlace::Setting },
    Key { name: "target_user", shape: Shape::Text, place: KeyPlace::Setting },
    Key { name: "target_password", shape: Shape::Text, place: KeyPlace::Secret },
    Key { name: "jwt_secret", shape: Shape::Text, place: KeyPlace::Secret },
    Key { name: "jwt_secret_previous", shape: Shape::Text, place: KeyPlace::Secret },
    Key { name: "home", shape: Shape::Path, place: KeyPlace::Setting },
    Key { name: "target_timeout", shape: Shape::Time, place: KeyPlace::Global("target_timeout") },
    Key { name: "target_late", shape: Shape::Time, place: KeyPlace::Global("target_late") },
    Key { name: "color", shape: Shape::Text, place: KeyPlace::Global("color") },
    Key { name: "progress", shape: Shape::Text, place: KeyPlace::Global("progress") },
    Key { name: "log_format", shape: Shape::Text, place: KeyPlace::Global("log_format") },
    Key { name: "serve.listen", shape: Shape::Text, place: KeyPlace::Flag("serve", "listen") },
    Key { name: "serve.workers", shape: Shape::Integer, place: KeyPlace::Flag("serve", "workers") },
    Key { name: "serve.trust_proxy", shape: Shape::Boolean, place: KeyPlace::Flag("serve", "trust_proxy") },
    Key { name: "serve.cors_origin", shape: Shape::List, place: KeyPlace::Flag("serve", "cors_origin") },
    Key { name: "serve.console", shape: Shape::Text, place: KeyPlace::Flag("serve", "console") },
    Key { name: "serve.replica", shape: Shape::Boolean, place: KeyPlace::Flag("serve", "replica") },
    Key { name: "serve.grace", shape: Shape::Time, place: KeyPlace::Flag("serve", "grace") },
    Key { name: "sync.jobs", shape: Shape::Integer, place: KeyPlace::Flag("sync", "jobs") },
    Key { name: "sync.rate", shape: Shape::Number, place: KeyPlace::Flag("sync", "rate") },
    Key { name: "sync.max_deletes", shape: Shape::Integer, place: KeyPlace::Flag("sync", "max_deletes") },
    Key { name: "sync.metrics_file", shape: Shape::Path, place: KeyPlace::Flag("sync", "metrics_file") },
];

impl Key {
    /// Returns its environment variable.
    pub fn variable(&self) -> String {
        format!("NEWS_{}", self.name.to_uppercase().replace('.', "_"))
    }

    /// Says whether its value is never shown.
    pub fn is_secret(&self) -> bool {
        self.place == KeyPlace::Secret
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_exist_and_names_are_what_they_are_called() {
        let cli = crate::args::Cli::command();
        for key in &KEYS {
            let (command, id) = match key.place {
                KeyPlace::Setting | KeyPlace::Secret => continue,
                KeyPlace::Global(id) => (&cli, id),
                KeyPlace::Flag(command, id) => (cli.find_subcommand(command).unwrap(), id),
            };
            assert!(command.get_arguments().any(|arg| arg.get_id() == id), "{}", key.name);
            assert!(key.name.ends_with(id), "{}", key.name);
        }
        assert_eq!(
            [DATABASE_URL.name, TARGET_URL.name, TARGET_TOKEN.name],
            ["database_url", "target_url", "target_token"]
        );
        assert_eq!(
            [TARGET_PROFILE.name, TARGET_USER.name, TARGET_PASSWORD.name],
            ["target_profile", "target_user", "target_password"]
        );
        assert_eq!(
            [JWT_SECRET.name, JWT_SECRET_PREVIOUS.name, HOME.name],
            ["jwt_secret", "jwt_secret_previous", "home"]
        );
        assert_eq!(SYNC_MAX_DELETES.name, "sync.max_deletes");
        assert_eq!(KEYS[14].variable(), "NEWS_SERVE_LISTEN");
    }

    #[test]
    fn the_settings_page_has_each_setting_with_its_variable_flag_and_default() {
        let cli = crate::args::Cli::command();
        let document = include_str!("../../../docs/settings.md");
        let rows: Vec<Vec<&str>> = document
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(rows.len(), KEYS.len());
        for (key, row) in KEYS.iter().zip(rows) {
            let (scope, argument) = match key.place {
                KeyPlace::Setting | KeyPlace::Secret => {
                    ("", cli.get_arguments().find(|argument| argument.get_id() == key.name))
                }
                KeyPlace::Global(id) => ("", cli.get_arguments().find(|argument| argument.get_id() == id)),
                KeyPlace::Flag(command, id) => {
                    let command_line = cli.find_subcommand(command).unwrap();
                    (command, command_line.get_arguments().find(|argument| argument.get_id() == id))
                }
            };
            let flag = argument.and_then(|argument| argument.get_long()).map(|long| format!("{scope} --{long}"));
            let flag = flag.map_or_else(String::new, |flag| format!("`{}`", flag.trim_start()));
            assert_eq!(row[1..4], [format!("`{}`", key.name), format!("`{}`", key.variable()), flag]);
            if let Some([default]) = argument.map(clap::Arg::get_default_values) {
                assert!(row[4].starts_with(&format!("`{}`", default.display())), "{}: {}", key.name, row[4]);
            }
        }
    }
}
