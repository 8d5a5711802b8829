//! `news doctor` as text.

use std::io::{self, Write};

use crate::render::{Page, paint};
use crate::report::doctor::{Doctor, Verdict};
use crate::ui::printable;

/// Wide enough for the longest name of a check.
const NAME_WIDTH: usize = 13;

/// A line for each check, and below it what to do.
pub fn doctor(report: &Doctor, page: Page, out: &mut dyn Write) -> io::Result<()> {
    for check in &report.checks {
        let verdict = match check.verdict {
            Verdict::Ok => paint("ok  ", "32", page.colour),
            Verdict::Warn => paint("warn", "33", page.colour),
            Verdict::Fail => paint("fail", "31", page.colour),
        };
        writeln!(out, "{verdict}  {:NAME_WIDTH$}  {}", check.name, printable(&check.text))?;
        for hint in &check.hints {
            writeln!(out, "      {:NAME_WIDTH$}  hint: {}", "", printable(hint))?;
        }
    }
    Ok(())
}
