//! What the command line's description does not say: exit status, environment, files, examples.

use clap_mangen::roff::{Roff, bold, roman};

use crate::settings::keys::{KEYS, Key, Place};

/// What each exit code means, as scripts rely on it.
const CODES: [(u8, &str); 14] = [
    (0, "Done; equal."),
    (1, "They differ (diff), changes are pending (sync --dry-run, status --check); nothing else."),
    (2, "Wrong usage or configuration."),
    (3, "Partly done: some objects failed, are held, parked or on hold."),
    (4, "Refused by a safety limit or a precondition; nothing was sent or written."),
    (5, "The target is unavailable; try later."),
    (7, "The target refused our credentials."),
    (8, "The database is unavailable, or its schema is not ours."),
    (11, "Another run holds the lock."),
    (70, "A bug."),
    (74, "A local file or stdout could not be written."),
    (130, "Stopped cleanly by SIGINT; what was answered is recorded."),
    (141, "Whoever read stdout is gone."),
    (143, "Stopped cleanly by SIGTERM; what was answered is recorded."),
];

const ENVIRONMENT: [(&str, &str); 14] = [
    ("NEWS_CONFIG", "The configuration: a news.toml. See FILES for where it is looked for otherwise."),
    (
        "NEWS_DATABASE_URL, DATABASE_URL",
        "The master's database, the first of them that is set. None: a private PostgreSQL.",
    ),
    ("NEWS_TARGET_URL", "The remote API. Unset: the one that the database remembers."),
    ("NEWS_TARGET_TOKEN", "A bearer token for the target."),
    (
        "NEWS_TARGET_PROFILE",
        "How the target exposes posts and comments: json-server, pocketbase, news, or a file. Unset: what the database \
         remembers, else json-server.",
    ),
    ("NEWS_TARGET_USER", "The name for a target whose profile logs in."),
    ("NEWS_TARGET_PASSWORD", "The password for such a target."),
    (
        "NEWS_JWT_SECRET",
        "What the API signs its tokens with, 32 bytes at least. With the private PostgreSQL it is made once, and kept.",
    ),
    ("NEWS_JWT_SECRET_PREVIOUS", "The one before: tokens signed with it are still good."),
    ("NAME_FILE", "For each variable that may hold a secret: a file with its value, such as NEWS_JWT_SECRET_FILE."),
    (
        "NEWS_HOME",
        "Where the private PostgreSQL lives. Unset: news in XDG_DATA_HOME or in ~/.local/share; /var/lib/news for root.",
    ),
    ("NEWS_FAKE_TOKEN", "The token that `news fake-api --require-token` asks for."),
    ("NO_COLOR", "Set: no colour under --color auto."),
    ("JOURNAL_STREAM", "Set by systemd: log lines on that stream begin with their priority."),
];

const FILES: [(&str, &str); 5] = [
    (
        "news/news.toml in XDG_CONFIG_HOME or ~/.config, /etc/news/news.toml",
        "The configuration, the first of these that is there. `news config` shows what is in force, and from where.",
    ),
    ("~/.local/share/news", "The private PostgreSQL and its signing key; /var/lib/news for root."),
    ("/etc/news/news.env", "Settings of the systemd units: variables of ENVIRONMENT that are no secrets."),
    ("/etc/news/credentials/database-url, jwt-secret", "The secrets of the systemd units."),
    ("/usr/lib/systemd/system/news-*", "The units: serve, sync, sync-full, diff, migrate."),
];

/// Returns the codes that the command may end with, beside those of every command.
fn codes(page: &str) -> &'static [u8] {
    match page {
        "news-sync" => &[1, 3, 4, 5, 7, 8, 11],
        "news-diff" => &[1, 4, 5, 7, 8],
        "news-import" => &[3, 4, 5, 7, 8, 11],
        "news-doctor" => &[5, 7, 8],
        "news-show" => &[4, 5, 7, 8],
        "news-hold" => &[3, 4, 8],
        "news-retry" | "news-release" | "news-token" | "news-user" | "news-user-add" | "news-user-passwd"
        | "news-user-remove" => &[4, 8],
        "news-status" => &[1, 8],
        "news-db-migrate" | "news-discard" => &[4, 8, 11],
        "news-fake-api" | "news-completions" | "news-man" | "news-help" => &[],
        _ => &[8],
    }
}

/// Said by every command.
const CODES_OF_ALL: [u8; 7] = [0, 2, 70, 74, 130, 141, 143];

/// Returns commands with what they are good for.
fn examples(page: &str) -> &'static [(&'static str, &'static str)] {
    match page {
        "news" => &[
            ("news import && news status", "Load the first data from the target, and see how things stand."),
            ("news sync --dry-run; news sync; news diff", "See what would be sent, send it, compare."),
            ("news --json runs --limit 1 | jq .runs[0].status", "How did the last run end?"),
        ],
        "news-serve" => &[
            ("news serve", "With the private PostgreSQL, on http://127.0.0.1:8000/news/posts/."),
            (
                "NEWS_JWT_SECRET_FILE=/run/secrets/jwt news serve --listen 0.0.0.0:8000 --trust-proxy",
                "In a container behind a proxy that sets X-Forwarded-Proto and X-Forwarded-Host.",
            ),
            (
                "news serve --console act",
                "Let users who are staff retry, discard, hold and release objects in a browser.",
            ),
            ("news serve --check", "Is the service at 127.0.0.1:8000 ready? For a container's health check."),
        ],
        "news-import" => &[
            ("news import", "From the target; JSONPlaceholder where none is named."),
            ("news import --from backup/", "From backup/posts.json and backup/comments.json."),
        ],
        "news-sync" => &[
            ("news sync --dry-run", "What would be sent; exit 1 if there is something."),
            (
                "news sync --every 5m --metrics-file /var/lib/node_exporter/news.prom",
                "For ever, with numbers for Prometheus.",
            ),
            (
                "news sync --full --max-deletes 10",
                "Compare everything and repair it, but refuse to delete more than ten objects.",
            ),
            ("news sync --shard 2/4", "The second of four processes that share the work."),
        ],
        "news-diff" => &[
            ("news diff --ignore-pending", "In CI: exit 1 only for what neither a pending change nor a hold explains."),
            ("news diff posts/5 comments/7", "These two only, asked for one by one."),
            ("news --json diff | jq -r '.differences[] | \"\\(.entity)/\\(.id) \\(.kind)\"'", "One line a difference."),
        ],
        "news-status" => {
            &[("news status --check --max-lag 15m", "For monitoring: exit 1 if a change waits for longer.")]
        }
        "news-show" => &[("news show posts/5", "Why is it pending, and what does the next run do?")],
        "news-runs" => &[
            ("news runs --limit 5", "The last five runs."),
            ("news runs --failed --since 1d", "What went wrong since yesterday."),
            ("news runs 16204", "All that is kept of this run."),
        ],
        "news-log" => &[
            ("news log posts/5", "What happened to one object, who did it, and which run sent it."),
            ("news log --since 1h", "The changes of the last hour, the newest 50 of them."),
            ("news --json log --follow --limit 0", "Each change from now on, a JSON document a line."),
        ],
        "news-parked" => &[("news parked", "What waits for an operator, with the target's own words.")],
        "news-retry" => &[
            ("news retry posts/5 comments/7", "Let these two be tried again by the next run."),
            ("news retry --all", "Let all of them."),
        ],
        "news-discard" => {
            &[("news discard posts/5", "Its changes count as synced from here on; `news diff` will show it.")]
        }
        "news-hold" => &[("news hold posts/5 --why maintenance", "Send nothing for this post until it is released.")],
        "news-release" => &[("news release posts/5", "The next run sends what is pending of it.")],
        "news-user" | "news-user-add" => &[
            ("news user add ada", "Asks for the password."),
            ("news user add ada < password.txt", "Takes it from a line of a file."),
        ],
        "news-user-staff" => &[("news user staff ada on", "Let ada see the operator's console.")],
        "news-token" => &[(
            "curl -H \"Authorization: Bearer $(news token ada)\" http://127.0.0.1:8000/news/posts/",
            "Ask the API as ada.",
        )],
        "news-db" | "news-db-migrate" => &[("news db migrate", "Once per release, with a role that owns the tables.")],
        "news-db-shell" => &[("news db shell -c 'SELECT count(*) FROM news_post'", "Ask the database.")],
        "news-db-prune" => {
            &[("news db prune --older-than 30d", "Delete what was synced more than a month ago from the log.")]
        }
        "news-fake-api" => &[
            ("news fake-api --cut-after 10% --throttle 50", "A target that cuts connections and limits the rate."),
            ("news fake-api --mode pretend", "A target that acknowledges and stores nothing, as JSONPlaceholder does."),
        ],
        "news-completions" => &[
            ("news completions bash > /etc/bash_completion.d/news", "For everybody's bash."),
            ("news completions fish > ~/.config/fish/completions/news.fish", "For one's own fish."),
        ],
        "news-man" => &[("news man /usr/local/share/man/man1", "Then `man news`, `man news-sync`.")],
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
    for (code, meaning) in CODES {
        if page == "news" || codes(page).contains(&code) || CODES_OF_ALL.contains(&code) {
            item(&mut roff, &code.to_string(), meaning);
        }
    }
    if page == "news-db-shell" {
        item(&mut roff, "others", "psql's own.");
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
        roff.control("SH", ["SEE ALSO"]).text([bold("news"), roman("(1), which has the environment and the files")]);
    }
    roff
}

/// Returns the variable of a setting that is a flag's default, and what it is.
fn of_flag(key: &Key) -> Option<(String, String)> {
    let flag = |id: &str| id.replace('_', "-");
    let meaning = match key.place {
        Place::Setting | Place::Secret => return None,
        Place::Global(id) => format!("The default of --{}.", flag(id)),
        Place::Flag(command, id) => format!("The default of `news {command} --{}`.", flag(id)),
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
