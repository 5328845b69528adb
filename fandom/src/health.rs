//! Whether a part answers on this machine: what containers and supervisors ask.

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use fandom_api::ApiSettings;
use fandom_services::env::Env;
use fandom_services::metrics::MetricsSettings;

use crate::settings::finish;
use crate::up::readiness::answers_ok;

/// Which part is asked, and for what.
#[derive(Clone, Copy, Debug, Args)]
pub struct HealthArgs {
    /// The part
    #[arg(value_enum)]
    part: Part,
    /// Of the API: whether its figures can be relied upon now, not only whether it lives
    #[arg(long)]
    ready: bool,
}

/// A part that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Api,
    Connect,
    Dataflow,
    Archive,
}

/// Asks a part. The API is asked on its port; the others on that of their metrics, which they need for it.
///
/// # Errors
/// When it does not answer, or (the API, with `--ready`) says that it is not ready.
pub fn run(args: &HealthArgs, mut env: Env) -> anyhow::Result<()> {
    let (port, path, over_tls) = match args.part {
        Part::Api => {
            let settings = ApiSettings::from_env(&mut env);
            let settings = finish(env, settings)?;
            let path = if args.ready { "/api/v1/ready" } else { "/api/v1/health" };
            (settings.port, path, settings.tls.is_some())
        }
        _ if args.ready => bail!("--ready can be asked of the api alone"),
        _ => {
            let settings = MetricsSettings::from_env(&mut env);
            (finish(env, settings)?.port, "/metrics", false)
        }
    };
    ensure!(port != 0, "the part answers nowhere: set FANDOM_METRICS_PORT (of the api, FANDOM_PORT) to a port");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    ensure!(
        runtime.block_on(answers_ok(port, path, over_tls)),
        "no answer with status 200 from port {port} of 127.0.0.1, {path}"
    );
    Ok(())
}
