//! `fandom mapping`: how sheets of other makes are read. Suggestions and previews read a file of this machine and need no server; all
//! else works on the database of `DATABASE_URL`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use fandom_connectors::ConnectorSettings;
use fandom_connectors::workbook::ReadOptions;
use fandom_connectors::workbook::mapping::{preview, suggest};
use fandom_schemas::mappings::{self, Mapping, Stored};
use fandom_services::env::Env;
use fandom_services::postgres::PostgresSettings;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::settings::finish;

/// What to do with mappings.
#[derive(Clone, Debug, Args)]
pub struct MappingArgs {
    #[command(subcommand)]
    command: MappingCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum MappingCommand {
    /// Suggest a mapping for a file
    Suggest {
        /// A spreadsheet
        file: PathBuf,
        /// Zone of its times, where it differs from that of the settings
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
    },
    /// Show what a mapping would make of the first rows of a file
    Preview {
        /// A spreadsheet
        file: PathBuf,
        /// A mapping, as JSON
        #[arg(long, value_name = "FILE")]
        mapping: PathBuf,
    },
    /// Save a mapping, in place of one of the same name
    Save {
        /// A mapping, as JSON
        file: PathBuf,
        /// Its name, where it differs from that in the file
        #[arg(long)]
        name: Option<String>,
        /// The source whose files it applies to, where it differs from that in the file
        #[arg(long)]
        source: Option<String>,
        /// The folder of that source, where it differs from that in the file
        #[arg(long)]
        folder: Option<String>,
    },
    /// List the mappings
    List,
    /// Write all mappings as JSON
    Export {
        /// Where to; else to the terminal
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Save all mappings of a file that was exported
    Import {
        /// What was exported
        file: PathBuf,
    },
    /// Remove a mapping
    Remove {
        /// Its name
        name: String,
    },
}

/// Mappings as they are exported and imported.
#[derive(Debug, Serialize, Deserialize)]
struct Several {
    mappings: Vec<Mapping>,
}

/// Does what the arguments say.
///
/// # Errors
/// When settings or a mapping cannot be used, a file cannot be read, or the database does not answer.
pub fn run(args: MappingArgs, env: Env) -> anyhow::Result<()> {
    match args.command {
        MappingCommand::Suggest { file, zone } => {
            let suggestions = suggest(&file, &name_of(&file), &options(env, zone)?)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            print(&suggestions)
        }
        MappingCommand::Preview { file, mapping } => {
            let mapping = sound(from_json(&mapping)?)?;
            let preview = preview(&file, &name_of(&file), &options(env, None)?, &mapping)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            print(&preview)
        }
        MappingCommand::Save { file, name, source, folder } => {
            let given: Mapping = from_json(&file)?;
            let mapping = Mapping {
                name: name.unwrap_or_else(|| given.name.clone()),
                source: source.unwrap_or_else(|| given.source.clone()),
                folder: folder.unwrap_or_else(|| given.folder.clone()),
                ..given
            };
            save(env, vec![mapping])
        }
        MappingCommand::Import { file } => save(env, from_json::<Several>(&file)?.mappings),
        MappingCommand::List => with_database(env, async |client| {
            let Stored { mappings, unreadable } = mappings::all(client).await?;
            let mut out = std::io::stdout().lock();
            for Mapping { name, source, folder, kind, .. } in &mappings {
                writeln!(out, "{name}\t{}\t{source}:{folder}", kind.name())?;
            }
            for name in unreadable {
                writeln!(out, "{name}\tcannot be read by this program; save it again")?;
            }
            Ok(())
        }),
        MappingCommand::Export { out } => with_database(env, async |client| {
            let several = Several { mappings: mappings::all(client).await?.mappings };
            match out {
                None => print(&several),
                Some(path) => {
                    let cannot = || format!("{} cannot be written", path.display());
                    let mut file = File::create(&path).with_context(cannot)?;
                    serde_json::to_writer_pretty(&mut file, &several).with_context(cannot)?;
                    writeln!(file).with_context(cannot)
                }
            }
        }),
        MappingCommand::Remove { name } => with_database(env, async |client| {
            if !mappings::remove(client, &name).await? {
                bail!("there is no mapping `{name}`; `fandom mapping list` lists them");
            }
            Ok(())
        }),
    }
}

fn save(env: Env, mappings: Vec<Mapping>) -> anyhow::Result<()> {
    let mappings = mappings.into_iter().map(sound).collect::<anyhow::Result<Vec<_>>>()?;
    with_database(env, async |client| {
        let transaction = client.transaction().await?;
        mappings::save(&transaction, &mappings).await?;
        transaction.commit().await?;
        Ok(())
    })
}

/// The mapping, if it can be used.
fn sound(mapping: Mapping) -> anyhow::Result<Mapping> {
    let problems = mapping.problems();
    if problems.is_empty() {
        return Ok(mapping);
    }
    bail!("the mapping `{}` cannot be used:\n  {}", mapping.name, problems.join("\n  "))
}

fn with_database(env: Env, work: impl AsyncFnOnce(&mut Client) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut env = env;
    let settings = PostgresSettings::from_env(&mut env);
    let settings = finish(env, settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = settings.connect().await.context("could not connect to the database of DATABASE_URL")?;
        work(&mut client).await
    })
}

/// How files are read, as the connectors are told.
fn options(env: Env, zone: Option<String>) -> anyhow::Result<ReadOptions> {
    let mut env = env.with("FANDOM_SOURCE_TZ", zone);
    let settings = ConnectorSettings::from_env(&mut env);
    let settings = finish(env, settings)?;
    Ok(ReadOptions {
        zone: TimeZone::get(&settings.source_tz).with_context(|| format!("the zone {}", settings.source_tz))?,
        zone_name: settings.source_tz,
        default_platform: settings.default_platform,
        limits: settings.limits,
        mappings: Default::default(),
    })
}

fn from_json<T: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as docs/mapping.md shows", path.display()))
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn print(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    Ok(writeln!(out)?)
}
