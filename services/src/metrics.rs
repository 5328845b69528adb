//! Metrics, as Prometheus reads them.
//!
//! - [`Metric`]: what is measured, said once, where it is measured; [`describe`] tells it to the recorder.
//! - [`process`]: what is measured of every process.
//! - [`page`]: the page of all metrics, made of what the parts say.

pub mod page;
pub mod process;

use std::net::{IpAddr, SocketAddr};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use crate::env::{Env, listen_address};

/// Upper ends, in seconds, of what durations are counted in: from a small commit to a large one.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// Upper ends of what numbers of rows are counted in.
const ROWS: [f64; 7] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0];

/// How a metric is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that grows, from 0 at the start of the process.
    Counter,
    /// A number as of now.
    Gauge,
    /// How many of what was measured were up to some sizes; their number and sum.
    Histogram,
}

impl Kind {
    /// The word that Prometheus has for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// `fandom_<part>_<what>_<unit>`, of a counter with `_total` at its end.
    pub name: &'static str,
    /// How it is to be read.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence.
    pub help: &'static str,
}

impl Metric {
    /// A counter.
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
        Metric { name, kind: Kind::Counter, labels, help }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
        Metric { name, kind: Kind::Gauge, labels, help }
    }

    /// A histogram: of seconds or rows, as the end of its name says.
    pub const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
        Metric { name, kind: Kind::Histogram, labels, help }
    }
}

/// Tells the recorder what these mean. Counters without labels are there from then on, with 0, so that the first time that one
/// grows is seen.
pub fn describe(metrics: &[Metric]) {
    for Metric { name, kind, labels, help } in metrics {
        match kind {
            Kind::Counter => {
                metrics::describe_counter!(*name, *help);
                if labels.is_empty() {
                    metrics::counter!(*name).increment(0);
                }
            }
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *help),
        }
    }
}

/// Where metrics are served.
///
/// - `FANDOM_METRICS_PORT`: port of `/metrics` of this part; 0 for none (0). With `fandom up` that of the API; the
///   connectors have the next one, then the dataflow, then the archive.
/// - `FANDOM_LISTEN`: the address of this machine that is listened on (127.0.0.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// The port; 0 for none.
    pub port: u16,
    /// The address.
    pub listen: IpAddr,
}

impl MetricsSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> MetricsSettings {
        MetricsSettings { port: env.parsed("FANDOM_METRICS_PORT", 0, "a port"), listen: listen_address(env) }
    }

    /// Serves what is measured from now on, from a thread of its own, with what is measured of every process. `part` is the name
    /// of this one; `disks` names directories whose disks are watched.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub fn start(self, part: &'static str, disks: Vec<process::Disk>) -> Result<(), BuildError> {
        if self.port == 0 {
            return Ok(());
        }
        PrometheusBuilder::new()
            .with_http_listener(SocketAddr::from((self.listen, self.port)))
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_rows".to_owned()), &ROWS)?
            .install()?;
        process::start(part, disks);
        Ok(())
    }
}
