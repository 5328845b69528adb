//! `fandom user`, `fandom key`, `fandom audit`: accounts, keys and the audit trail of the database of `DATABASE_URL`, or of what
//! `fandom up` runs on this machine.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use fandom_api::command::Administration;
use fandom_services::env::Env;
use fandom_services::postgres::PostgresSettings;

use crate::settings::finish;
use crate::up::connection::Connection;

/// Accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; prints its password once, unless one is given on standard input
    Add {
        /// The e-mail address, by which its owner signs in
        #[arg(long)]
        email: String,
        /// admin, manager, analyst, chatter or creator
        #[arg(long)]
        role: String,
        /// Ids of creators whose rows are seen, of a manager and of a creator
        #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "IDS")]
        creators: Vec<i64>,
        /// Ids of chatters whose rows are seen, of a manager and of a chatter
        #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "IDS")]
        chatters: Vec<i64>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set another password, end all sessions; prints the password once, unless one is given on standard input
    Password {
        /// The e-mail address
        #[arg(long)]
        email: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take the second factor of an account away, whose owner has lost it; ends all sessions
    ResetSecondFactor {
        /// The e-mail address
        #[arg(long)]
        email: String,
    },
}

/// Keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it; it cannot be shown again
    Add {
        /// What it is for
        #[arg(long)]
        name: String,
        /// The role whose permissions it has
        #[arg(long, default_value = "service")]
        role: String,
        /// Permissions it is limited to, such as figures.read
        #[arg(long, value_delimiter = ',')]
        scopes: Option<Vec<String>>,
        /// Days for which it holds
        #[arg(long, default_value_t = 90)]
        days: i32,
    },
}

/// The audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no entry was changed or taken out; prints how many there are and the hash of the last
    Verify,
}

/// Runs `fandom user`.
///
/// # Errors
/// When it is refused, or the database cannot be reached.
pub fn user(command: UserCommand, env: Env) -> anyhow::Result<()> {
    run(env, async |administration| match command {
        UserCommand::Add { email, role, creators, chatters, password_stdin } => {
            let given = password(password_stdin)?;
            let told = given.is_none();
            let made = administration.add_user(&email, &role, [creators, chatters], given).await?;
            say(&if told { made.password } else { format!("{} may sign in", made.email) })
        }
        UserCommand::Password { email, password_stdin } => {
            let given = password(password_stdin)?;
            let told = given.is_none();
            let set = administration.set_password(&email, given).await?;
            say(if told { &set } else { "the password is set, and all sessions have ended" })
        }
        UserCommand::ResetSecondFactor { email } => {
            administration.reset_second_factor(&email).await?;
            say("the second factor is gone, and all sessions have ended")
        }
    })
}

/// Runs `fandom key`.
///
/// # Errors
/// When it is refused, or the database cannot be reached.
pub fn key(command: KeyCommand, env: Env) -> anyhow::Result<()> {
    let KeyCommand::Add { name, role, scopes, days } = command;
    run(env, async |administration| say(&administration.add_key(&name, &role, scopes, days).await?))
}

/// Runs `fandom audit`.
///
/// # Errors
/// When the trail is broken, or the database cannot be reached.
pub fn audit(command: AuditCommand, env: Env) -> anyhow::Result<()> {
    let AuditCommand::Verify = command;
    run(env, async |administration| {
        let (entries, hash) = administration.verify_audit().await?;
        say(&format!("{entries} entries, whole; the last has the hash {hash}"))
    })
}

fn run(env: Env, what: impl AsyncFnOnce(Administration) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut env = match env.text("DATABASE_URL") {
        Some(_) => env,
        None => {
            let data = env.text("FANDOM_DATA").map_or_else(|| PathBuf::from(".fandom"), PathBuf::from);
            let running = Connection::read(&data).context("DATABASE_URL is not set")?;
            env.with("DATABASE_URL", Some(running.database_url))
        }
    };
    let postgres = PostgresSettings::from_env(&mut env);
    let postgres = finish(env, postgres)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async { what(Administration::new(postgres)?).await })
}

/// The password on standard input, where it is asked for.
fn password(stdin: bool) -> anyhow::Result<Option<String>> {
    if !stdin {
        return Ok(None);
    }
    let mut input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("the password, then Ctrl-D:");
    }
    let mut text = String::new();
    input.read_to_string(&mut text).context("the password could not be read from standard input")?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
