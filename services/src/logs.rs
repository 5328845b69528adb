//! Structured logs on standard error.

use tracing_subscriber::EnvFilter;

use crate::env::Env;

/// How to log.
///
/// - `FANDOM_LOG`: levels by module, such as `info,fandom_dataflows=debug` (`info`).
/// - `FANDOM_LOG_FORMAT`: `pretty` or `json` (`pretty`).
#[derive(Clone, Debug)]
pub struct LogSettings {
    filter: String,
    json: bool,
}

impl LogSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> LogSettings {
        let filter = env.checked("FANDOM_LOG", "info".to_owned(), "a filter such as info,fandom_api=debug", |text| {
            EnvFilter::try_new(text).ok().map(|_| text.to_owned())
        });
        let json = env.checked("FANDOM_LOG_FORMAT", false, "pretty or json", |text| match text {
            "pretty" => Some(false),
            "json" => Some(true),
            _ => None,
        });
        LogSettings { filter, json }
    }

    /// Begins to log. A second call has no effect.
    pub fn start(&self) {
        let filter = EnvFilter::new(&self.filter);
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true);
        let _ = if self.json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    }
}
