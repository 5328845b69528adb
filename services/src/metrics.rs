//! Metrics, as Prometheus reads them.

use std::net::{Ipv4Addr, SocketAddr};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use crate::env::Env;

/// Upper ends, in seconds, of what durations are counted in: from a small commit to a large one.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// Where metrics are served.
///
/// - `FANDOM_METRICS_PORT`: port, on loopback, of `/metrics` of this part; 0 for none (0). With `fandom up` that of the API; the
///   connectors, the dataflow and the archive have the next ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// The port; 0 for none.
    pub port: u16,
}

impl MetricsSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> MetricsSettings {
        MetricsSettings { port: env.parsed("FANDOM_METRICS_PORT", 0, "a port") }
    }

    /// Serves what is measured from now on, from a thread of its own.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub fn start(self) -> Result<(), BuildError> {
        if self.port == 0 {
            return Ok(());
        }
        PrometheusBuilder::new()
            .with_http_listener(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install()
    }
}
