//! Texts of the private server: its settings, and the reason in its log.

use std::path::Path;

use super::socket::PORT;

/// If the log has no fatal error, so many of its last lines are cited.
const LINES_CITED: usize = 4;

/// Returns why a server ended, as its log has it: its last FATAL or PANIC line, with what follows to explain it; else the
/// last lines. `None` where it has said nothing.
pub(super) fn reason(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let is_fatal = |line: &&str| line.contains("FATAL:") || line.contains("PANIC:");
    let explains = |line: &&&str| ["DETAIL:", "HINT:", "CONTEXT:"].iter().any(|word| line.contains(word));
    let picked: Vec<&str> = match lines.iter().rposition(is_fatal) {
        Some(at) => {
            let rest = lines.iter().skip(at + 1).take_while(explains);
            lines.iter().skip(at).take(1).chain(rest).copied().collect()
        }
        None => lines.iter().skip(lines.len().saturating_sub(LINES_CITED)).copied().collect(),
    };
    if picked.is_empty() { None } else { Some(picked.join("\n")) }
}

/// Returns news.conf: little more than PostgreSQL's own settings.
pub(super) fn settings(socket: &Path) -> String {
    // A quoted name in a quoted value: a list of folders, whose name may hold anything.
    let folder = socket.to_string_lossy().replace('"', "\"\"").replace('\\', "\\\\").replace('\'', "''");
    format!(
        "# Written by news at each start. Your own settings: at the end of postgresql.conf, or ALTER SYSTEM.
cluster_name = 'news'
listen_addresses = ''
port = {PORT}
unix_socket_directories = '\"{folder}\"'
unix_socket_permissions = 0700
fsync = on
# One for each database session of the API, and some for runs and operators.
max_connections = 300
shared_buffers = 128MB
jit = off
# A logout can take shared memory from a user's processes (RemoveIPC in logind.conf), but no files.
dynamic_shared_memory_type = mmap
# The log is for the server's own trouble: what a statement did wrong its sender is told.
log_min_messages = warning
log_min_error_statement = panic
log_checkpoints = off
timezone = 'UTC'
log_timezone = 'UTC'
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_folders_are_quoted() {
        let text = settings(Path::new("/a b/it's \"x\"\\y"));
        assert!(text.contains(r#"unix_socket_directories = '"/a b/it''s ""x""\\y"'"#), "{text}");
    }

    #[test]
    fn the_fatal_line_says_why_a_server_ended() {
        let version = "2026-01-02 UTC [7] FATAL:  database files are incompatible with server
2026-01-02 UTC [7] DETAIL:  The data directory was initialized by PostgreSQL version 14.";
        let full = "LOG:  starting PostgreSQL\nFATAL:  could not write lock file: No space left on device\nLOG:  database system is shut down\n\nLOG: a\nLOG: b\nLOG: c";
        let rows = [
            (version, Some(version)),
            (full, Some("FATAL:  could not write lock file: No space left on device")),
            ("a\nb\nc\nd\ne\n", Some("b\nc\nd\ne")),
            ("\n", None),
        ];
        for (log, expected) in rows {
            assert_eq!(reason(log).as_deref(), expected, "{log}");
        }
    }
}
