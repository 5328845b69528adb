//! Structured logs on standard error.

use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::env::Env;
use crate::metrics::process;
use crate::trace::TraceSettings;
use crate::trace::export::ExportError;

/// What libraries say about themselves is of no use to whoever runs the suite, unless asked for by name; and of what is sent to the
/// database, the names of fans would stand in the log. Spans that are sent to a collector are not told in the log too.
const QUIET: &str = "notify=warn,tokio_postgres=info,fandom_spans=off";

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
        let lines = lines(self.json, std::io::stderr, std::io::stderr().is_terminal());
        // The level of the log is not that of the spans.
        let lines = lines.and_then(Counted).with_filter(self.filter());
        let _ = tracing_subscriber::registry().with(spans).with(lines).try_init();
    }

    fn filter(&self) -> EnvFilter {
        EnvFilter::new(format!("{QUIET},{}", self.filter))
    }
}

/// Lines of JSON with the fields beside the message, or lines for people.
fn lines<S, W>(json: bool, writer: W, coloured: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(coloured).with_target(true);
    if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() }
}

/// Counts lines that tell of trouble.
struct Counted;

impl<S: Subscriber> Layer<S> for Counted {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let module = module_of(event.metadata().target());
        match *event.metadata().level() {
            Level::ERROR => process::log_line("error", module),
            Level::WARN => process::log_line("warn", module),
            _ => {}
        }
    }
}

/// Crate and first module of where a line comes from: `fandom_dataflows::sink::writer` is of `fandom_dataflows::sink`.
fn module_of(target: &str) -> &str {
    target.match_indices("::").nth(1).map_or(target, |(end, _)| &target[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_crate_and_first_module() {
        let of = ["fandom_dataflows::sink::writer", "fandom_api::present", "librdkafka"].map(module_of);
        assert_eq!(of, ["fandom_dataflows::sink", "fandom_api::present", "librdkafka"]);
    }

    #[test]
    fn a_line_of_json_has_its_fields_beside_the_message() {
        let (told, lines) = std::sync::mpsc::channel::<Vec<u8>>();
        let writer = move || Told(told.clone());
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(super::lines(true, writer, false)),
            || {
                tracing::warn!(file = "drive:7", duration_ms = 12_u64, "a file was read slowly");
            },
        );
        let line: serde_json::Value =
            serde_json::from_slice(&lines.iter().flatten().collect::<Vec<u8>>()).expect("one line of JSON");
        let field = |name: &str| line[name].to_string();
        assert_eq!([field("level"), field("message")], [r#""WARN""#, r#""a file was read slowly""#]);
        assert_eq!([field("file"), field("duration_ms")], [r#""drive:7""#, "12"]);
        assert!(field("target").contains("logs") && field("timestamp").contains('T'), "{line}");
    }

    struct Told(std::sync::mpsc::Sender<Vec<u8>>);

    impl std::io::Write for Told {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

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
        let quiet = "tokio_postgres=info";
        assert_eq!(filter(""), ["info", "notify=warn", quiet]);
        assert_eq!(filter("info,fandom_api=debug"), ["fandom_api=debug", "info", "notify=warn", quiet]);
        assert_eq!(filter("debug,notify=trace"), ["debug", "notify=trace", quiet]);
    }
}
