//! Settings of the dataflow.

use std::time::Duration;

use fandom_services::env::Env;
use jiff::tz::TimeZone;

use crate::runtime::cluster::Cluster;
use crate::views::kept::Kept;

/// What the figures depend on, and how the job runs. For several processes see also [`Cluster`].
///
/// - `FANDOM_WORKERS`: worker threads (2, or 1 on a machine of one core).
/// - `FANDOM_REPORTING_TZ`: the IANA zone in which hours, days, weeks and months are cut (`UTC`).
/// - `FANDOM_AS_OF`: `today`, or `data` for the last day that any row carries (`today`).
/// - `FANDOM_MASS_SOURCES`: a message is mass when its source contains one of these words (`mass,welcome,automat`).
/// - `FANDOM_VIEWS`: names of the views that are kept, separated by commas, or `all` (`all`). See [`Kept`].
/// - `FANDOM_WHALE_CENTS`, `FANDOM_REGULAR_CENTS`: least spend of these classes (100000 and 10000).
/// - `FANDOM_EPOCH_MS`: how often a change reaches the views at most, when there is little to do (2).
/// - `FANDOM_VIEW_TOPICS`: whether changes of the views are written to the topics `fandom.views.*`, `yes` or `no` (`yes`).
/// - `FANDOM_MAX_ROWS_IN_FLIGHT`: rows read from Kafka whose effect is not yet in Postgres, at most (400000).
/// - `FANDOM_MAX_BYTES_IN_FLIGHT`: the same in bytes (256 MiB).
/// - `FANDOM_OPERATOR_METRICS`: whether metrics tell what each operator does, `yes` or `no` (`yes`); of use with `FANDOM_METRICS_PORT`.
#[derive(Clone, Debug)]
pub struct DataflowSettings {
    /// Worker threads of each process.
    pub workers: usize,
    /// The processes.
    pub cluster: Cluster,
    /// Where hours, days, weeks and months are cut.
    pub reporting_tz: TimeZone,
    /// Up to when "days since" are counted.
    pub as_of: AsOf,
    /// Words, in lower case, of which the source of a mass message contains one.
    pub mass_sources: Vec<String>,
    /// The views that are kept.
    pub views: Kept,
    /// Least spend of a whale, in cents.
    pub whale_cents: i64,
    /// Least spend of a regular, in cents.
    pub regular_cents: i64,
    /// Least length of an epoch.
    pub epoch: Duration,
    /// Whether changes of the views are written to topics.
    pub view_topics: bool,
    /// Bound of the rows read and not yet committed.
    pub max_rows_in_flight: usize,
    /// The same in bytes of the log.
    pub max_bytes_in_flight: usize,
    /// Whether metrics tell what each operator does.
    pub operator_metrics: bool,
}

/// Up to when "days since" are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Today in the reporting zone.
    Today,
    /// The last day that any row carries.
    Data,
}

/// Two workers read the log and keep the views about as fast as a broker and a database on the same machine can follow.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(2)
}

impl DataflowSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> DataflowSettings {
        let positive = |text: &str| text.parse().ok().filter(|&number: &usize| number > 0);
        let workers = env.checked("FANDOM_WORKERS", default_workers(), "a number of threads", positive);
        let cluster = Cluster::from_env(env);
        let reporting_tz =
            env.checked("FANDOM_REPORTING_TZ", TimeZone::UTC, "an IANA time zone", |text| TimeZone::get(text).ok());
        let as_of = env.checked("FANDOM_AS_OF", AsOf::Today, "today or data", |text| match text {
            "today" => Some(AsOf::Today),
            "data" => Some(AsOf::Data),
            _ => None,
        });
        let words = env.text("FANDOM_MASS_SOURCES").unwrap_or_else(|| "mass,welcome,automat".to_owned());
        let mass_sources =
            words.split(',').map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).collect();
        let of_views = "all, or names of views such as chatter_day,sales_day";
        let views = env.checked("FANDOM_VIEWS", Kept::all(), of_views, Kept::named);
        let whale_cents = env.parsed("FANDOM_WHALE_CENTS", 100_000, "a number of cents");
        let regular_cents = env.parsed("FANDOM_REGULAR_CENTS", 10_000, "a number of cents");
        let epoch = Duration::from_millis(env.parsed("FANDOM_EPOCH_MS", 2, "a number of milliseconds"));
        let yes_or_no = |text: &str| match text {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let view_topics = env.checked("FANDOM_VIEW_TOPICS", true, "yes or no", yes_or_no);
        // Without metrics nobody would see it.
        let operator_metrics = env.checked("FANDOM_OPERATOR_METRICS", true, "yes or no", yes_or_no)
            && env.text("FANDOM_METRICS_PORT").is_some_and(|port| port.trim() != "0");
        let max_rows_in_flight = env.checked("FANDOM_MAX_ROWS_IN_FLIGHT", 400_000, "a number of rows", positive);
        let max_bytes_in_flight = env.checked("FANDOM_MAX_BYTES_IN_FLIGHT", 256 << 20, "a number of bytes", positive);
        DataflowSettings {
            workers,
            cluster,
            reporting_tz,
            as_of,
            mass_sources,
            views,
            whale_cents,
            regular_cents,
            epoch,
            view_topics,
            max_rows_in_flight,
            max_bytes_in_flight,
            operator_metrics,
        }
    }
}
