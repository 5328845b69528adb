//! Structured logs on standard error.

use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::env::Env;
use crate::metrics::process;
use crate::trace::TraceSettings;
use crate::trace::export::ExportError;

/// What libraries say about themselves is of no use to whoever runs the suite, unless asked for by name. Spans that
/// are sent to a collector are not told in the log too.
const QUIET: &str = "notify=warn,fandom_spans=off";

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
        self.start_with(None);
    }

    /// Begins to log, and to send the spans of this part if they are to be sent. A second call has no effect.
    ///
    /// # Errors
    /// When spans cannot be sent; then nothing has begun.
    pub fn start_and_trace(&self, traces: &TraceSettings, part: &str) -> Result<(), ExportError> {
        self.start_with(traces.start(part)?);
        Ok(())
    }

    fn start_with(&self, spans: Option<Box<dyn Layer<Registry> + Send + Sync>>) {
        let lines =
            fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(true);
        let lines = if self.json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
        // The level of the log is not that of the spans.
        let lines = lines.and_then(Counted).with_filter(self.filter());
        let _ = tracing_subscriber::registry().with(spans).with(lines).try_init();
    }

    fn filter(&self) -> EnvFilter {
        EnvFilter::new(format!("{QUIET},{}", self.filter))
    }
}

/// Counts lines that tell of trouble.
struct Counted;

impl<S: Subscriber> Layer<S> for Counted {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        match *event.metadata().level() {
            Level::ERROR => process::log_line("error"),
            Level::WARN => process::log_line("warn"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quiet_unless_they_are_named() {
        let filter = |text: &str| {
            let mut env = Env::from_pairs(vec![("FANDOM_LOG".into(), text.into())]);
            let directives = LogSettings::from_env(&mut env).filter().to_string();
            let mut directives: Vec<String> = directives.split(',').map(str::to_owned).collect();
            directives.retain(|directive| directive != "fandom_spans=off");
            directives.sort();
            directives
        };
        assert_eq!(filter(""), ["info", "notify=warn"]);
        assert_eq!(filter("info,fandom_api=debug"), ["fandom_api=debug", "info", "notify=warn"]);
        assert_eq!(filter("debug,notify=trace"), ["debug", "notify=trace"]);
    }
}
