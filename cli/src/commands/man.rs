//! `news man`: the man pages, made from the command line's own description and from [`sections`].

mod sections;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};

use crate::args::{Cli, Man};
use crate::commands::Outcome;
use crate::error::{Kind, OrFail, Result};
use crate::settings::Settings;
use crate::ui::Ui;

/// Writes news.1 and a page for each command.
pub fn run(args: &Man, _settings: &Settings, _ui: &Ui) -> Result<Outcome> {
    std::fs::create_dir_all(&args.dir).or_fail(Kind::Output, format!("cannot create {}", args.dir.display()))?;
    let mut news = Cli::command().disable_help_subcommand(true);
    news.build();
    write_pages(&news, &args.dir).or_fail(Kind::Output, format!("cannot write man pages to {}", args.dir.display()))?;
    Ok(Outcome::default())
}

fn write_pages(command: &clap::Command, dir: &Path) -> io::Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub, dir)?;
    }
    let page = Page::new(command.clone()).manual("news").source(concat!("news ", env!("CARGO_PKG_VERSION")));
    let mut out = BufWriter::new(File::create(dir.join(page.get_filename()))?);
    write_page(command, &page, &mut out)?;
    out.flush()
}

/// As the help has it: a list of all flags, the global ones among them, says nothing that OPTIONS does not.
fn synopsis(command: &clap::Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for line in usage.trim_start_matches("Usage: ").lines() {
        roff.control("PP", []).text([roman(line.trim())]);
    }
    roff
}

fn write_page(command: &clap::Command, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    page.render_title(out)?;
    page.render_name_section(out)?;
    synopsis(command).to_writer(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(out)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    sections::of(name, command.get_after_long_help().map(ToString::to_string).as_deref()).to_writer(out)
}
