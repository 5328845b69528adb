//! A folder as Google Drive, without Google.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use fandom_drive_sim::{Simulator, folder};
use fandom_services::env::Env;

use crate::parts::{begin, until_stopped};

/// What is served as Google Drive, and where.
#[derive(Clone, Debug, Args)]
pub struct DriveSimArgs {
    /// Folder whose files are served; the key file is written to .drive-sim/ in it
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Port, on loopback; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 9090)]
    pub port: u16,
}

/// Serves a folder as a simulated Google Drive until SIGTERM or Ctrl-C, and says which settings make the connectors read it.
///
/// # Errors
/// When the folder is none, or the port is in use.
pub fn run(args: &DriveSimArgs, env: Env) -> anyhow::Result<()> {
    begin(env, ())?;
    if !args.dir.is_dir() {
        bail!("{} is no folder; make it, or name another", args.dir.display());
    }
    let dir = std::path::absolute(&args.dir)?;
    let key_file = dir.join(".drive-sim/service-account.json");
    until_stopped(async |stop| {
        let simulator = Simulator::start(args.port, &key_file).await;
        let simulator =
            simulator.with_context(|| format!("could not serve on port {} (--port takes another)", args.port))?;
        simulator.mirror(&dir).await.with_context(|| format!("could not read {}", dir.display()))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "# A simulator of Google Drive serves {} (no Google account is involved).", dir.display())?;
        writeln!(
            out,
            "# What goes wrong next: curl -X PUT {}/simulator/faults -H 'content-type: application/json' -d '{{\"quota\": 5}}'",
            simulator.url()
        )?;
        writeln!(out, "export FANDOM_DRIVE_URL={}", simulator.url())?;
        writeln!(out, "export FANDOM_DRIVE_CREDENTIALS='{}'", key_file.display())?;
        writeln!(out, "export FANDOM_DRIVE_FOLDERS={}", folder::ROOT)?;
        writeln!(out, "export FANDOM_DRIVE_POLL_MS=1000")?;
        out.flush()?;
        drop(out);
        stop.cancelled().await;
        anyhow::Ok(())
    })
}
