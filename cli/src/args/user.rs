//! The command line of what manages users of the API.

use clap::{Args, Subcommand, ValueEnum};

/// `news user`
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user; prompts for a password, or reads one line from stdin
    Add {
        /// Name to log in with
        name: String,
        /// Create a user who cannot log in yet
        #[arg(long)]
        inactive: bool,
        /// Make the user staff: staff users may see the operator's console and write to a replica
        #[arg(long)]
        staff: bool,
    },
    /// List the users
    List,
    /// Set a new password; prompts for it, or reads one line from stdin
    Passwd {
        /// Name of the user
        name: String,
    },
    /// Make a user staff, or not: staff users may see the operator's console and write to a replica
    Staff {
        /// Name of the user
        name: String,
        /// on or off
        switch: Switch,
    },
    /// Remove a user
    Remove {
        /// Name of the user
        name: String,
    },
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// `news token`
#[derive(Debug, Args)]
pub struct Token {
    /// Name of the user
    pub user: String,
}
