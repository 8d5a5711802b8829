//! `news doctor` as text.

use std::io::{self, Write};

use crate::render::{Layout, paint};
use crate::report::doctor::{CheckVerdict, DoctorReport};
use crate::ui::printable;

/// Wide enough for the longest name of a check.
const NAME_WIDTH: usize = 13;

/// A line for each check, and below it what to do.
pub fn doctor(report: &DoctorReport, page: Layout, out: &mut dyn Write) -> io::Result<()> {
    for check in &report.checks {
        let verdict = match check.verdict {
            CheckVerdict::Ok => paint("ok  ", "32", page.colour),
            CheckVerdict::Warn => paint("warn", "33", page.colour),
            CheckVerdict::Fail => paint("fail", "31", page.colour),
        };
        writeln!(out, "{verdict}  {:NAME_WIDTH$}  {}", check.name, printable(&check.text))?;
        for hint in &check.hints {
            writeln!(out, "      {:NAME_WIDTH$}  hint: {}", "", printable(hint))?;
        }
    }
    Ok(())
}
