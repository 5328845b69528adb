//! Every setting of every part, read and checked together.

use std::collections::BTreeSet;
use std::fmt::Write;

use fandom_api::ApiSettings;
use fandom_archive::ArchiveSettings;
use fandom_connectors::ConnectorSettings;
use fandom_dataflows::DataflowSettings;
use fandom_services::env::{Env, Problems};
use fandom_services::kafka::KafkaSettings;
use fandom_services::logs::LogSettings;
use fandom_services::metrics::MetricsSettings;
use fandom_services::postgres::PostgresSettings;
use fandom_services::trace::TraceSettings;

use crate::database_accounts::DatabaseAccounts;

/// An environment variable that sets something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub variable: &'static str,
    /// What holds when it is not set.
    pub default: &'static str,
    /// What it sets.
    pub meaning: &'static str,
}

const fn setting(variable: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { variable, default, meaning }
}

/// Every setting, in the order in which help lists them.
pub const SETTINGS: &[Setting] = &[
    setting("KAFKA_BOOTSTRAP_SERVERS", "local, with up", "brokers, as host:port,host:port"),
    setting(
        "DATABASE_URL",
        "local, with up",
        "Postgres, as postgresql://user:password@host/database?sslmode=…; sslmode is disable, prefer, require, verify-ca or \
         verify-full (the last two take sslrootcert=FILE)",
    ),
    setting(
        "FANDOM_CONNECTORS_DATABASE_PASSWORD",
        "none",
        "with migrate: password of the account fandom_connectors, which is made; none leaves DATABASE_URL to all parts",
    ),
    setting("FANDOM_DATAFLOW_DATABASE_PASSWORD", "none", "the same of fandom_dataflow"),
    setting("FANDOM_ARCHIVE_DATABASE_PASSWORD", "none", "the same of fandom_archive"),
    setting("FANDOM_API_DATABASE_PASSWORD", "none", "the same of fandom_api"),
    setting("FANDOM_DATA", ".fandom", "directory for everything that up keeps (--data)"),
    setting(
        "FANDOM_INBOX",
        "inbox, with up that of the data directory",
        "folder that is watched for spreadsheets (--inbox)",
    ),
    setting(
        "FANDOM_UPLOADS_DIR",
        "none, with up that of the data directory",
        "folder of what is uploaded through the API, the same one for API and connectors",
    ),
    setting("FANDOM_PORT", "8080", "port of API and page; 0 takes a free one (--port)"),
    setting(
        "FANDOM_LISTEN",
        "127.0.0.1",
        "address of this machine on which API and metrics listen; 0.0.0.0 in a container, behind a proxy that ends TLS",
    ),
    setting("FANDOM_WORKERS", "2, or 1 on one core", "worker threads of the dataflow (--workers)"),
    setting("FANDOM_PROCESSES", "1", "processes of the dataflow, which are one dataflow together (--processes)"),
    setting("FANDOM_PROCESS", "0", "which of them this is; the first writes the views (--process)"),
    setting("FANDOM_HOSTS", "none", "file with the host:port of each process, a line each (--hosts)"),
    setting("FANDOM_REPORTING_TZ", "UTC", "IANA zone in which hours, days, weeks and months are cut"),
    setting(
        "FANDOM_AS_OF",
        "today",
        "day up to which \"days since\" are counted: today, or data for the last day in the data",
    ),
    setting(
        "FANDOM_MASS_SOURCES",
        "mass,welcome,automat",
        "a message is mass when its source contains one of these words",
    ),
    setting("FANDOM_WHALE_CENTS", "100000", "least spend of a whale, in cents"),
    setting("FANDOM_REGULAR_CENTS", "10000", "least spend of a regular, in cents"),
    setting(
        "FANDOM_INBOX_MOVED",
        "no",
        "yes, for one start, if the watched folder may be another one than before; else another one that holds none of the files, \
         such as the mount point of a disk that is not mounted, takes nothing back",
    ),
    setting("FANDOM_SOURCE", "inbox", "name of the source, the first part of the id of each of its files"),
    setting("FANDOM_SOURCE_TZ", "as FANDOM_REPORTING_TZ", "IANA zone of times in sheets whose header names none"),
    setting("FANDOM_DEFAULT_PLATFORM", "OF", "platform of a creator whose name gives none"),
    setting("FANDOM_POLL_MS", "1000", "milliseconds between two looks at the folder"),
    setting("FANDOM_SETTLE_MS", "200", "milliseconds for which a file must not change before it is read"),
    setting(
        "FANDOM_DRIVE_FOLDERS",
        "none",
        "folders of Google Drive that are read, by id or address, separated by commas; each may have settings of its own, as in ID;zone=Europe/Riga;platform=Fansly;interval_ms=5000",
    ),
    setting("FANDOM_DRIVE_CREDENTIALS", "none", "key file of the service account that the folders are shared with"),
    setting("FANDOM_DRIVE_SUBJECT", "none", "user on whose behalf the account reads, by domain-wide delegation"),
    setting("FANDOM_DRIVE_SOURCE", "drive", "name of the Drive source, the first part of the id of each of its files"),
    setting(
        "FANDOM_DRIVE_POLL_MS",
        "10000",
        "milliseconds between two questions for changes; a wait is up to a quarter shorter",
    ),
    setting("FANDOM_DRIVE_RECONCILE_SECONDS", "3600", "seconds between two full listings"),
    setting(
        "FANDOM_DRIVE_BACKOFF_MS",
        "1000",
        "milliseconds of the first wait after a fault; the next ones double up to a minute",
    ),
    setting("FANDOM_DRIVE_TIMEOUT_SECONDS", "60", "seconds for which Drive may be silent in the middle of an answer"),
    setting(
        "FANDOM_DRIVE_DOWNLOADS",
        "that of the system",
        "directory for downloads, each of which is deleted when it was read",
    ),
    setting("FANDOM_DRIVE_URL", "https://www.googleapis.com", "where the Drive API is, such as a simulator"),
    setting(
        "FANDOM_FILES_AT_ONCE",
        "2",
        "files read and published at the same time; one takes up to 700 MiB of memory, a usual one some 10 MiB",
    ),
    setting(
        "FANDOM_MAX_FILE_BYTES",
        "536870912",
        "most bytes of a file (512 MiB); one beyond this or a limit below is refused",
    ),
    setting("FANDOM_MAX_INFLATED_BYTES", "8589934592", "most bytes that a zipped workbook holds (8 GiB)"),
    setting(
        "FANDOM_MAX_SHARED_STRING_BYTES",
        "268435456",
        "most bytes of the texts that a workbook's cells share (256 MiB)",
    ),
    setting("FANDOM_MAX_SHARED_STRINGS", "8000000", "most texts that a workbook's cells share"),
    setting("FANDOM_MAX_ZIP_ENTRIES", "4000", "most entries of a zipped workbook"),
    setting(
        "FANDOM_MAX_INFLATION_RATIO",
        "200",
        "most times that an entry of a zipped workbook may grow when it is inflated",
    ),
    setting("FANDOM_MAX_CELLS", "100000000", "most cells of a file"),
    setting("FANDOM_MAX_SHEETS", "256", "most sheets of a file"),
    setting("FANDOM_MAX_COLUMNS", "16384", "most columns of a sheet"),
    setting(
        "FANDOM_MAX_TEXT_BYTES",
        "4294967296",
        "most bytes of text of all cells of a file, each counted as often as a cell names it (4 GiB)",
    ),
    setting("FANDOM_MAX_STRING_CHARS", "200000", "most characters of a cell"),
    setting("FANDOM_MAX_ROW_BYTES", "8388608", "most bytes of a row (8 MiB)"),
    setting("FANDOM_MAX_XLS_BYTES", "134217728", "most bytes of an .xls file (128 MiB)"),
    setting("FANDOM_MAX_READ_SECONDS", "300", "most seconds of computing that it takes to read a file"),
    setting("FANDOM_EPOCH_MS", "2", "least milliseconds between two commits of the views"),
    setting("FANDOM_VIEW_TOPICS", "yes", "whether changes of the views are written to the topics fandom.views.*"),
    setting("FANDOM_MAX_ROWS_IN_FLIGHT", "400000", "most rows read from Kafka whose effect is not yet in Postgres"),
    setting(
        "FANDOM_MAX_BYTES_IN_FLIGHT",
        "268435456",
        "most bytes read from Kafka whose effect is not yet in Postgres (256 MiB)",
    ),
    setting(
        "FANDOM_OPERATOR_METRICS",
        "yes",
        "whether metrics tell what each operator of the dataflow does (with FANDOM_METRICS_PORT)",
    ),
    setting("FANDOM_API_POOL", "8", "connections of the API to Postgres"),
    setting("FANDOM_API_TIMEOUT_SECONDS", "10", "longest time of a request"),
    setting("FANDOM_API_SLOW_MS", "500", "milliseconds after which a statement is told in the log, without values"),
    setting("FANDOM_API_HEARTBEAT_SECONDS", "15", "seconds after which an idle live stream says that it lives"),
    setting(
        "FANDOM_API_LIVE_STREAMS",
        "256",
        "most live streams at once; an eighth of them for one account or key, half for one address",
    ),
    setting("FANDOM_API_HOSTS", "none", "further host names by which the API may be asked, separated by commas"),
    setting(
        "FANDOM_API_KEY",
        "none, with up a new one at each start",
        "key with which whatever starts the API may ask everything, at least 32 characters",
    ),
    setting(
        "FANDOM_API_RATE",
        "200",
        "requests a second by one account, key or address, of which five times as many may come at once; 0 for any number",
    ),
    setting("FANDOM_API_AT_ONCE", "512", "requests under way at once; one more is turned away"),
    setting("FANDOM_API_CONNECTIONS", "4096", "connections at once; further ones wait until one is closed"),
    setting(
        "FANDOM_API_HEADER_SECONDS",
        "65",
        "seconds for which a connection may be idle, dribble the headers of a request, or take nothing of an answer; longer than balancers keep idle ones",
    ),
    setting(
        "FANDOM_API_TLS_CERT",
        "none",
        "file of the certificate that the API shows, with its chain, in PEM; read again when it changes. None leaves TLS to a proxy",
    ),
    setting("FANDOM_API_TLS_KEY", "none", "file of the certificate's private key, in PEM"),
    setting("FANDOM_SESSION_HOURS", "720", "hours for which a session lasts"),
    setting("FANDOM_SESSION_IDLE_HOURS", "168", "hours for which a session lasts without being used"),
    setting("FANDOM_TEAM_RANKS", "no", "yes lets chatters be told their rank among all chatters, without names"),
    setting("FANDOM_API_ORIGINS", "none", "origins of pages elsewhere that may read answers, separated by commas"),
    setting(
        "FANDOM_API_PROXIES",
        "none",
        "addresses of proxies, or networks such as 10.0.0.0/8, that are believed when they say for whom they ask, separated by commas",
    ),
    setting("FANDOM_API_URL", "http://127.0.0.1:8080", "address of the page, as links in messages name it"),
    setting(
        "FANDOM_SMTP_URL",
        "none",
        "mail server for invitations and forgotten passwords: smtps://user:password@host, smtp://host?tls=required, or smtp://host on this machine",
    ),
    setting("FANDOM_SMTP_FROM", "none", "sender's address of these messages"),
    setting(
        "FANDOM_ARCHIVE_KEY",
        "made, with up",
        "key of the message archive: 32 random bytes in base64; several separated by commas, the newest first",
    ),
    setting(
        "FANDOM_SECRETS_KEY",
        "made, with up",
        "key of what only the API may read in the database, of the same form: keys that sign tokens, secrets of second factors",
    ),
    setting("FANDOM_SECOND_FACTOR", "optional", "who must have a second factor: optional, administrators, everyone"),
    setting(
        "FANDOM_ENV",
        "development",
        "development or production, where up makes no key but needs FANDOM_ARCHIVE_KEY and FANDOM_SECRETS_KEY",
    ),
    setting("FANDOM_KAFKA_PARTITIONS", "12", "partitions of topics that are made"),
    setting("FANDOM_KAFKA_REPLICATION", "1", "copies of topics that are made"),
    setting(
        "FANDOM_KAFKA_<PROPERTY>",
        "none",
        "any property of librdkafka but those on which exactness rests (acknowledgements, idempotence, offsets), its dots written as \
         underscores, such as FANDOM_KAFKA_SECURITY_PROTOCOL=SASL_SSL",
    ),
    setting(
        "FANDOM_KAFKA_JARS",
        "kafka/target/jars",
        "directory of Apache Kafka's jars; Maven fills it if they are missing",
    ),
    setting("FANDOM_LOG", "info", "what is logged, by module, such as info,fandom_dataflows=debug"),
    setting("FANDOM_LOG_FORMAT", "pretty", "pretty or json"),
    setting(
        "FANDOM_METRICS_PORT",
        "0",
        "port of /metrics for Prometheus, 0 for none; with up that of the API, the next three of connectors, dataflow and archive",
    ),
    setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "none",
        "collector of OpenTelemetry to which spans are sent by OTLP over HTTP, such as http://collector:4318; none sends nothing",
    ),
    setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "none", "the same as a whole address, to which nothing is added"),
    setting(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "none",
        "headers that are sent along, such as a key, as name=value,name=value, values percent-encoded",
    ),
    setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "the only one that is spoken"),
    setting("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "milliseconds for which sending a batch of spans may take"),
    setting("OTEL_SERVICE_NAME", "fandom- and the part's command", "name under which spans are sent"),
    setting("OTEL_RESOURCE_ATTRIBUTES", "none", "what else is said of the service, as name=value,name=value"),
    setting(
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        "which traces are kept: always_on, always_off or traceidratio, with parentbased_ before it to do as the asker does",
    ),
    setting("OTEL_TRACES_SAMPLER_ARG", "1", "share of traces that traceidratio keeps, 0 to 1"),
    setting("OTEL_BSP_SCHEDULE_DELAY", "5000", "milliseconds between two batches of spans"),
    setting("OTEL_BSP_MAX_QUEUE_SIZE", "2048", "most spans that wait to be sent; further ones are thrown away"),
    setting("OTEL_SDK_DISABLED", "false", "true sends no spans, whatever else is set"),
    setting("FANDOM_FAILPOINTS", "none", "for tests: where a part ends as if killed, as name=N,name=N"),
];

/// The settings as help shows them: the variable and its default, below it what it sets.
pub fn help() -> String {
    let mut text = String::from(
        "Settings (environment variables; options override them; <NAME>_FILE may name a file that holds the value):\n",
    );
    for Setting { variable, default, meaning } in SETTINGS {
        let _ = write!(text, "\n  {variable}  [{default}]\n      {meaning}");
    }
    text
}

/// The settings of all parts.
pub struct AllSettings {
    /// Logs.
    pub logs: LogSettings,
    /// Metrics.
    pub metrics: MetricsSettings,
    /// Spans.
    pub traces: TraceSettings,
    /// Kafka.
    pub kafka: KafkaSettings,
    /// Postgres.
    pub postgres: PostgresSettings,
    /// Accounts of the database.
    pub accounts: DatabaseAccounts,
    /// Connectors.
    pub connectors: ConnectorSettings,
    /// Dataflow.
    pub dataflow: DataflowSettings,
    /// API.
    pub api: ApiSettings,
    /// Message archive.
    pub archive: ArchiveSettings,
}

impl AllSettings {
    /// Reads the settings of all parts; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> AllSettings {
        AllSettings {
            logs: LogSettings::from_env(env),
            metrics: MetricsSettings::from_env(env),
            traces: TraceSettings::from_env(env),
            kafka: KafkaSettings::from_env(env),
            postgres: PostgresSettings::from_env(env),
            accounts: DatabaseAccounts::from_env(env),
            connectors: ConnectorSettings::from_env(env),
            dataflow: DataflowSettings::from_env(env),
            api: ApiSettings::from_env(env),
            archive: ArchiveSettings::from_env(env),
        }
    }
}

/// The settings, or every problem: each variable once, since several parts may read the same one.
///
/// # Errors
/// When something cannot be used.
pub fn finish<T>(env: Env, settings: T) -> Result<T, Problems> {
    env.finish(settings).map_err(|Problems(mut problems)| {
        let mut named = BTreeSet::new();
        problems.retain(|problem| named.insert(problem.variable.clone()));
        Problems(problems)
    })
}

/// Variables that look like settings and are none, such as one that is mistyped.
pub fn unknown(env: &Env) -> Vec<String> {
    let known =
        |name: &str| SETTINGS.iter().any(|setting| setting.variable == name) || name.starts_with("FANDOM_KAFKA_");
    env.with_prefix("FANDOM_").into_iter().map(|(name, _)| name).filter(|name| !known(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::from_pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn problems_of_all_parts_are_listed_each_once() {
        let mut env = env(&[
            ("FANDOM_REPORTING_TZ", "Mars/Olympus"),
            ("FANDOM_PORT", "http"),
            ("FANDOM_WORKERS", "-2"),
            ("FANDOM_POLL_MS", "soon"),
            ("FANDOM_LOG_FORMAT", "yaml"),
            ("FANDOM_KAFKA_NO_SUCH_PROPERTY", "1"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
        ]);
        let settings = AllSettings::from_env(&mut env);
        let text = finish(env, settings).err().expect("eleven problems").to_string();
        for variable in [
            "DATABASE_URL",
            "FANDOM_ARCHIVE_KEY",
            "FANDOM_KAFKA_NO_SUCH_PROPERTY",
            "FANDOM_LOG_FORMAT",
            "FANDOM_POLL_MS",
            "FANDOM_PORT",
            "FANDOM_REPORTING_TZ",
            "FANDOM_SECRETS_KEY",
            "FANDOM_WORKERS",
            "KAFKA_BOOTSTRAP_SERVERS",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ] {
            assert_eq!(text.matches(&format!("\n  {variable}: ")).count(), 1, "{variable} in:\n{text}");
        }
        assert!(text.starts_with("11 settings cannot be used:"), "{text}");
    }

    #[test]
    fn a_mistyped_variable_is_noticed() {
        let env = env(&[
            ("FANDOM_WROKERS", "2"),
            ("FANDOM_WORKERS", "2"),
            ("FANDOM_KAFKA_SSL_CA_LOCATION", "x"),
            ("PATH", "/"),
        ]);
        assert_eq!(unknown(&env), ["FANDOM_WROKERS"]);
    }

    /// Every variable that the sources name is in the list above and in the README.
    #[test]
    fn every_setting_is_listed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut named = BTreeSet::new();
        for part in ["services", "connectors", "dataflows", "api", "archive", "fandom"] {
            variables_in(&root.join(part).join("src"), &mut named);
        }
        assert!(named.len() > 10, "too few variables were found to believe it: {named:?}");
        let readme = std::fs::read_to_string(root.join("README.md")).expect("there is a README");
        let listed: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.variable).collect();
        for variable in named {
            assert!(listed.contains(variable.as_str()), "{variable} is not in SETTINGS");
        }
        for Setting { variable, default, .. } in SETTINGS {
            let row = format!("| `{variable}` | {default} |");
            assert!(readme.contains(&row), "README.md has no row that begins with {row}");
        }
    }

    /// Variables in the documentation of the settings, which is where each is said to be documented.
    fn variables_in(dir: &Path, named: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                variables_in(&path, named);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("///")) {
                    let plain =
                        |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '_' | '<' | '>'));
                    let names = line.split('`').skip(1).step_by(2);
                    named.extend(
                        names
                            .filter(|name| {
                                ["FANDOM_", "OTEL_"].iter().any(|start| name.starts_with(start)) && plain(name)
                            })
                            .map(str::to_owned),
                    );
                }
            }
        }
    }
}
