//! `news user` for people.

use std::io::{self, Write};

use crate::render::{Layout, lines, table};
use crate::report::user::{Change, UserChange, Users};
use crate::ui::printable;

/// Says what happened, in a line.
pub fn change(report: &UserChange, out: &mut dyn Write) -> io::Result<()> {
    let name = printable(&report.username);
    match report.change {
        Change::Added => writeln!(out, "added user {name} (id {})", report.id),
        Change::PasswordSet => writeln!(out, "set the password of user {name} (id {})", report.id),
        Change::StaffOn => writeln!(out, "user {name} (id {}) is staff now, and may see the console", report.id),
        Change::StaffOff => writeln!(out, "user {name} (id {}) is not staff any more", report.id),
        Change::Removed => writeln!(out, "removed user {name} (id {})", report.id),
    }
}

/// Writes a table.
pub fn list(report: &Users, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    if report.users.is_empty() {
        return writeln!(out, "no users; add one with `news user add NAME`");
    }
    let mut table = table(page, &["id", "name", "active", "staff", "added"], &[0]);
    for user in &report.users {
        let word = |is_so: bool| String::from(if is_so { "yes" } else { "no" });
        let name = printable(&user.username);
        table.add_row([user.id.to_string(), name, word(user.active), word(user.staff), user.added_at.clone()]);
    }
    lines(&table, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::user::ListedUser;
    use crate::ui::Colour;

    #[test]
    fn a_list_is_a_table() {
        let user = |id, name: &str, active| ListedUser {
            id,
            username: name.to_owned(),
            active,
            staff: id == 1,
            added_at: "2026-01-01T00:00:00Z".to_owned(),
        };
        let users = Users { users: vec![user(1, "admin", true), user(20, "evil\u{1b}[2J", false)] };
        let mut out = Vec::new();
        list(&users, Layout { width: 100, colour: Colour::Off }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let expected = [
            ["id", "name", "active", "staff", "added"],
            ["1", "admin", "yes", "yes", "2026-01-01T00:00:00Z"],
            ["20", "evil\\u{1b}[2J", "no", "no", "2026-01-01T00:00:00Z"],
        ];
        assert_eq!(rows, expected);
    }
}
