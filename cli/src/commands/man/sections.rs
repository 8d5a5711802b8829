//! The sections that the command line's description does not have: exit status, environment, files, examples.

use clap_mangen::roff::{Roff, bold, roman};

use crate::error::EXIT_CODES;
use crate::settings::keys::{KEYS, Key, KeyPlace};

const ENVIRONMENT: [(&str, &str); 14] = [
    ("NEWS_CONFIG", "Configuration file. FILES lists the default places."),
    (
        "NEWS_DATABASE_URL, DATABASE_URL",
        "URL of the master's database. The first variable takes precedence. Default: a private PostgreSQL.",
    ),
    ("NEWS_TARGET_URL", "URL of the target. Default: the target that the database remembers."),
    ("NEWS_TARGET_TOKEN", "Bearer token for the target."),
    (
        "NEWS_TARGET_PROFILE",
        "How the target exposes posts and comments: the name of a built-in profile, or a file. Default: the profile that the \
         database remembers, else json-server.",
    ),
    ("NEWS_TARGET_USER", "User name for a target whose profile logs in."),
    ("NEWS_TARGET_PASSWORD", "Password for such a target."),
    (
        "NEWS_JWT_SECRET",
        "Key that signs the tokens of the API, at least 32 bytes. With the private PostgreSQL, a key is created and kept.",
    ),
    ("NEWS_JWT_SECRET_PREVIOUS", "Previous key: tokens that it signed are still accepted."),
    ("NAME_FILE", "For each variable with a secret: a file with the value, such as NEWS_JWT_SECRET_FILE."),
    (
        "NEWS_HOME",
        "Directory of the private PostgreSQL. Default: news in XDG_DATA_HOME or in ~/.local/share; /var/lib/news for root.",
    ),
    ("NEWS_FAKE_TOKEN", "Token that `news fake-api --require-token` requires."),
    ("NO_COLOR", "If set: no colour with --color auto."),
    ("JOURNAL_STREAM", "Set by systemd: log lines begin with their priority."),
];

const FILES: [(&str, &str); 5] = [
    (
        "news/news.toml in XDG_CONFIG_HOME or ~/.config, /etc/news/news.toml",
        "Configuration file, the first that exists. `news config` shows the settings in force and where they come from.",
    ),
    ("~/.local/share/news", "The private PostgreSQL and its signing key; /var/lib/news for root."),
    ("/etc/news/news.env", "Settings of the systemd units: variables of ENVIRONMENT that are not secret."),
    ("/etc/news/credentials/database-url, jwt-secret", "The secrets of the systemd units."),
    ("/usr/lib/systemd/system/news-*", "The units: serve, sync, sync-full, diff, prune, migrate, failure."),
];

/// Returns the exit codes of a command beyond those of every command.
fn codes(page: &str) -> &'static [u8] {
    match page {
        "news-sync" | "news-import" => &[1, 3, 4, 5, 7, 8, 11],
        "news-diff" => &[1, 4, 5, 7, 8],
        "news-doctor" => &[5, 7, 8],
        "news-show" => &[4, 5, 7, 8],
        "news-hold" => &[3, 4, 8],
        "news-retry" | "news-release" | "news-token" | "news-user" | "news-user-add" | "news-user-passwd"
        | "news-user-remove" => &[4, 8],
        "news-status" => &[1, 3, 8],
        "news-db-migrate" | "news-discard" => &[4, 8, 11],
        "news-fake-api" | "news-completions" | "news-man" | "news-help" => &[],
        _ => &[8],
    }
}

/// Exit codes of every command.
const CODES_OF_ALL: [u8; 7] = [0, 2, 70, 74, 130, 141, 143];

/// Returns example command lines with their purpose.
fn examples(page: &str) -> &'static [(&'static str, &'static str)] {
    match page {
        "news" => &[
            ("news import && news status", "Load the initial data from the target, and show the state."),
            ("news sync --dry-run; news sync; news diff", "Show what would be sent, send it, compare."),
            ("news --json runs --limit 1 | jq .runs[0].status", "Print the status of the last run."),
        ],
        "news-serve" => &[
            ("news serve", "With the private PostgreSQL, on http://127.0.0.1:8000/news/posts/."),
            (
                "NEWS_JWT_SECRET_FILE=/run/secrets/jwt news serve --listen 0.0.0.0:8000 --trust-proxy",
                "In a container behind a proxy that sets X-Forwarded-Proto and X-Forwarded-Host.",
            ),
            ("news serve --console act", "Let staff users retry, discard, hold and release objects in a browser."),
            (
                "news serve --replica",
                "Let another `news` keep this service in sync, as a staff user (news user add sync --staff).",
            ),
            (
                "news serve --check",
                "Ask the service at 127.0.0.1:8000 whether it is ready, as a container's health check.",
            ),
        ],
        "news-import" => &[
            ("news import", "Import from the target, or from JSONPlaceholder if no target is set."),
            ("news import --from backup/", "Import backup/posts.json and backup/comments.json."),
        ],
        "news-sync" => &[
            ("news sync --dry-run", "Show what would be sent; exit 1 if there is something."),
            (
                "news sync --every 5m --metrics-file /var/lib/node_exporter/news.prom",
                "Sync every five minutes, and write metrics for Prometheus.",
            ),
            (
                "news sync --full --max-deletes 10",
                "Compare all objects and repair differences, but refuse to delete more than ten objects.",
            ),
            ("news sync --shard 2/4", "The second of four processes that share the work."),
        ],
        "news-diff" => &[
            (
                "news diff --ignore-pending",
                "In CI: exit 1 only for differences of objects that have no pending change and are not on hold.",
            ),
            ("news diff posts/5 comments/7", "Compare only these two objects."),
            (
                "news --json diff | jq -r '.differences[] | \"\\(.entity)/\\(.id) \\(.kind)\"'",
                "Print one line per difference.",
            ),
        ],
        "news-status" => &[(
            "news status --check --max-lag 15m",
            "For monitoring: exit 1 if a change has waited for more than 15 minutes.",
        )],
        "news-show" => &[("news show posts/5", "Show why the post is pending, and what the next run does.")],
        "news-runs" => &[
            ("news runs --limit 5", "List the last five runs."),
            ("news runs --failed --since 1d", "List the runs of the last day that did not send everything."),
            ("news runs 16204", "Show this run."),
        ],
        "news-acts" => &[("news acts --since 1d", "List the operators' actions of the last day.")],
        "news-log" => &[
            ("news log posts/5", "Show the changes of one object, who made them, and which run sent them."),
            ("news log --since 1h", "Show the newest 50 changes of the last hour."),
            ("news --json log --follow --limit 0", "Print each change from now on as one JSON document per line."),
        ],
        "news-user" | "news-user-add" => &[
            ("news user add ada", "Add a user; prompt for the password."),
            ("news user add ada < password.txt", "Add a user; read the password from a line of a file."),
        ],
        "news-user-staff" => &[("news user staff ada on", "Let ada see the operator's console.")],
        "news-token" => &[(
            "curl -H \"Authorization: Bearer $(news token ada)\" http://127.0.0.1:8000/news/posts/",
            "Use the API as ada.",
        )],
        "news-db" | "news-db-migrate" => {
            &[("news db migrate", "Update the schema, once per release, with a role that owns the tables.")]
        }
        "news-db-shell" => &[("news db shell -c 'SELECT count(*) FROM news_post'", "Run one statement.")],
        "news-db-prune" => {
            &[("news db prune --older-than 30d", "Delete events that were synced 30 days ago or earlier.")]
        }
        "news-fake-api" => &[
            ("news fake-api --cut-after 10% --throttle 50", "A target that cuts connections and limits the rate."),
            ("news fake-api --mode pretend", "A target that acknowledges and stores nothing, as JSONPlaceholder does."),
        ],
        "news-completions" => &[
            ("news completions bash > /etc/bash_completion.d/news", "Install completions for bash, for all users."),
            (
                "news completions fish > ~/.config/fish/completions/news.fish",
                "Install completions for fish, for one user.",
            ),
        ],
        "news-man" => &[("news man /usr/local/share/man/man1", "Then `man news`, `man news-sync`.")],
        _ => examples_of_operators(page),
    }
}

/// Returns those of the commands with which operators decide about objects.
fn examples_of_operators(page: &str) -> &'static [(&'static str, &'static str)] {
    match page {
        "news-parked" => {
            &[("news parked", "List parked, held, waiting and on-hold objects, with the target's response.")]
        }
        "news-retry" => &[
            ("news retry posts/5 comments/7", "Let the next run send these two again."),
            ("news retry --all", "Let the next run send all parked objects again."),
        ],
        "news-discard" => &[("news discard posts/5", "Mark its changes as synced; `news diff` shows the difference.")],
        "news-hold" | "news-release" => &[
            ("news hold posts/5 --why maintenance", "Send nothing for this post until it is released."),
            ("news release posts/5", "Let the next run send the pending changes of the post."),
        ],
        _ => &[],
    }
}

/// Returns the sections for the page `news-…`; `notes` is what the help says at its end.
pub(super) fn of(page: &str, notes: Option<&str>) -> Roff {
    let mut roff = Roff::new();
    if let Some(notes) = notes {
        roff.control("SH", ["NOTES"]);
        for paragraph in notes.split("\n\n") {
            roff.control("PP", []).text([roman(paragraph)]);
        }
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        if page == "news" || codes(page).contains(&code) || CODES_OF_ALL.contains(&code) {
            item(&mut roff, &code.to_string(), meaning);
        }
    }
    if page == "news-db-shell" {
        item(&mut roff, "others", "Exit codes of psql.");
    }
    if page == "news" {
        roff.control("SH", ["ENVIRONMENT"]);
        for (name, meaning) in &ENVIRONMENT {
            item(&mut roff, name, meaning);
        }
        for (name, meaning) in KEYS.iter().filter_map(of_flag) {
            item(&mut roff, &name, &meaning);
        }
        roff.control("SH", ["FILES"]);
        for (name, meaning) in &FILES {
            item(&mut roff, name, meaning);
        }
    }
    if !examples(page).is_empty() {
        roff.control("SH", ["EXAMPLES"]);
    }
    for (command, meaning) in examples(page) {
        item(&mut roff, command, meaning);
    }
    if page != "news" {
        roff.control("SH", ["SEE ALSO"])
            .text([bold("news"), roman("(1), which describes environment variables and files")]);
    }
    roff
}

/// Returns the variable of a setting that is a flag's default, and what it is.
fn of_flag(key: &Key) -> Option<(String, String)> {
    let flag = |id: &str| id.replace('_', "-");
    let meaning = match key.place {
        KeyPlace::Setting | KeyPlace::Secret => return None,
        KeyPlace::Global(id) => format!("The default of --{}.", flag(id)),
        KeyPlace::Flag(command, id) => format!("The default of `news {command} --{}`.", flag(id)),
    };
    Some((key.variable(), meaning))
}

fn item(roff: &mut Roff, term: &str, text: &str) {
    roff.control("TP", []).text([bold(term)]).text([roman(text)]);
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::Cli;

    #[test]
    fn the_main_page_has_everything_and_the_others_what_is_theirs() {
        let news = of("news", None).render();
        for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
            assert!(news.contains(&format!(".SH \"{section}\"")) || news.contains(&format!(".SH {section}")), "{news}");
        }
        let man = of("news-man", None).render();
        assert!(news.contains("NEWS_SYNC_MAX_DELETES") && news.contains("news.toml"), "{news}");
        assert!(man.contains("\\fB74\\fR") && !man.contains("\\fB8\\fR"), "{man}");
        assert!(of("news-fake-api", Some("one\n\ntwo")).render().contains("NOTES"));
    }

    #[test]
    fn examples_are_command_lines() {
        let mut news = Cli::command();
        news.build();
        let mut pages = vec![String::from("news")];
        let mut open: Vec<_> = news.get_subcommands().collect();
        while let Some(command) = open.pop() {
            pages.push(command.get_display_name().unwrap_or_default().to_owned());
            open.extend(command.get_subcommands());
        }
        let mut parsed = 0;
        for (line, _) in pages.iter().flat_map(|page| examples(page)) {
            for command in line.split("; ").flat_map(|line| line.split(" && ")) {
                let words = command.split(" | ").next().unwrap_or_default().split(" < ").next().unwrap_or_default();
                let words = words.split(" > ").next().unwrap_or_default().split(" -c ").next().unwrap_or_default();
                let words = words.split_whitespace().skip_while(|word| *word != "news");
                if words.clone().count() > 0 {
                    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
                    parsed += 1;
                }
            }
        }
        assert!(parsed > 20, "{parsed}");
    }
}
