//! Where spans are sent, by the variables that OpenTelemetry has for it.

use std::collections::HashMap;
use std::time::Duration;

use hyper::Uri;
use opentelemetry_sdk::trace::Sampler;

use crate::env::Env;

/// How long a batch of spans may take to be sent, unless it is set.
const TIMEOUT_MS: u64 = 10_000;

/// Where spans are sent; nowhere unless an address is set.
///
/// - `OTEL_EXPORTER_OTLP_ENDPOINT`: a collector of OpenTelemetry, such as `http://collector:4318`; `/v1/traces` is put behind it.
/// - `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`: the whole address instead.
/// - `OTEL_EXPORTER_OTLP_HEADERS`: headers to send along, as `name=value,name=value`, values percent-encoded.
/// - `OTEL_EXPORTER_OTLP_PROTOCOL`: `http/protobuf`, which is the only one.
/// - `OTEL_EXPORTER_OTLP_TIMEOUT`: milliseconds for which a batch may take (10000).
/// - `OTEL_SERVICE_NAME`: the name of the service (`fandom-` and the part's command).
/// - `OTEL_TRACES_SAMPLER`: `always_on`, `always_off`, `traceidratio`, or one of them with `parentbased_` before it
///   (`parentbased_always_on`).
/// - `OTEL_TRACES_SAMPLER_ARG`: the share of traces that `traceidratio` keeps, 0 to 1 (1).
/// - `OTEL_SDK_DISABLED`: `true` sends nothing, whatever else is set.
///
/// The SDK itself reads `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_SCHEDULE_DELAY` and `OTEL_BSP_MAX_QUEUE_SIZE`.
#[derive(Clone, Debug, Default)]
pub struct TraceSettings {
    pub(super) to: Option<Destination>,
}

/// Where spans are sent, and which.
#[derive(Clone)]
pub(super) struct Destination {
    pub address: Uri,
    pub headers: HashMap<String, String>,
    pub timeout: Duration,
    pub service: Option<String>,
    pub sampler: Sampler,
}

impl std::fmt::Debug for Destination {
    /// Without headers and what stands before the host, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination").field("host", &self.address.host()).finish_non_exhaustive()
    }
}

impl TraceSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> TraceSettings {
        let expected = "an address such as http://collector:4318";
        let whole = env.checked("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None, expected, |text| address(text).map(Some));
        let base = env.checked("OTEL_EXPORTER_OTLP_ENDPOINT", None, expected, |text| {
            address(text)?;
            address(&format!("{}/v1/traces", text.trim_end_matches('/'))).map(Some)
        });
        let headers = headers(env);
        env.checked("OTEL_EXPORTER_OTLP_PROTOCOL", (), "http/protobuf, the only one that is spoken here", |text| {
            (text == "http/protobuf").then_some(())
        });
        let timeout = env.parsed("OTEL_EXPORTER_OTLP_TIMEOUT", TIMEOUT_MS, "a number of milliseconds");
        let sampler = sampler(env);
        let disabled =
            env.checked("OTEL_SDK_DISABLED", false, "true or false", |text| text.to_lowercase().parse().ok());
        let to = whole.or(base).filter(|_| !disabled).map(|address| Destination {
            address,
            headers,
            timeout: Duration::from_millis(timeout),
            service: env.text("OTEL_SERVICE_NAME"),
            sampler,
        });
        TraceSettings { to }
    }
}

fn address(text: &str) -> Option<Uri> {
    let address: Uri = text.parse().ok()?;
    (matches!(address.scheme_str(), Some("http" | "https")) && address.host().is_some()).then_some(address)
}

/// The headers. What is wrong with them is told without them, since they hold keys.
fn headers(env: &mut Env) -> HashMap<String, String> {
    const VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    let given = env.text(VARIABLE).unwrap_or_default();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let name = hyper::header::HeaderName::try_from(name.trim()).ok()?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        hyper::header::HeaderValue::try_from(&*value).ok()?;
        Some((name.to_string(), value.into_owned()))
    };
    let pairs = given.split(',').map(str::trim).filter(|text| !text.is_empty());
    pairs.map(pair).collect::<Option<_>>().unwrap_or_else(|| {
        env.problem(VARIABLE, "is not a list of headers, as name=value,name=value");
        HashMap::new()
    })
}

fn sampler(env: &mut Env) -> Sampler {
    let share = env.checked("OTEL_TRACES_SAMPLER_ARG", 1.0, "a share from 0 to 1", |text| {
        text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share))
    });
    let expected = "always_on, always_off or traceidratio, with parentbased_ before it or not";
    let of_parent = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
    env.checked("OTEL_TRACES_SAMPLER", of_parent, expected, |text| {
        let (root, is_of_parent) = match text.strip_prefix("parentbased_") {
            Some(root) => (root, true),
            None => (text, false),
        };
        let root = match root {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::TraceIdRatioBased(share),
            _ => return None,
        };
        Some(if is_of_parent { Sampler::ParentBased(Box::new(root)) } else { root })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (TraceSettings, Vec<String>) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut env = Env::from_pairs(pairs.collect());
        let settings = TraceSettings::from_env(&mut env);
        let problems = env.finish(()).err().map_or(Vec::new(), |problems| problems.0);
        (settings, problems.iter().map(|problem| format!("{}: {}", problem.variable, problem.message)).collect())
    }

    #[test]
    fn nothing_is_sent_unless_an_address_is_set() {
        assert!(read(&[("OTEL_SERVICE_NAME", "x")]).0.to.is_none());
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        let to = read(&[endpoint]).0.to.expect("a destination");
        assert_eq!(to.address, "http://collector:4318/v1/traces");
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/in");
        let to = read(&[endpoint, whole, ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=y")]).0.to.expect("one");
        assert_eq!(
            (to.address, to.headers["api-key"].as_str()),
            (Uri::from_static("https://traces.example/in"), "a b")
        );
        assert!(read(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]).0.to.is_none());
    }

    #[test]
    fn problems_are_told_without_secrets() {
        let (_, problems) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ]);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(!problems.iter().any(|problem| problem.contains("`authorization`")), "{problems:?}");
        let to = Destination {
            address: Uri::from_static("http://u:secret@c:1/"),
            headers: HashMap::from([("key".to_owned(), "secret".to_owned())]),
            timeout: Duration::ZERO,
            service: None,
            sampler: Sampler::AlwaysOn,
        };
        assert!(!format!("{to:?}").contains("secret"), "{to:?}");
    }
}
