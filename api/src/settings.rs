//! What can be set.

mod changeable;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use fandom_services::env::{Env, listen_address};
use fandom_services::sealing::{self, KeyRing};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::accounts::mail::Mail;
use crate::certificates::CertificateFiles;
use crate::connections::Bounds;
pub use changeable::{Changeable, InForce, Stored};

/// How the API answers. What can be changed while it runs is in `settings::Changeable`.
///
/// - `FANDOM_PORT`: the port; 0 takes a free one (8080).
/// - `FANDOM_LISTEN`: the address of this machine that is listened on (127.0.0.1).
/// - `FANDOM_REPORTING_TZ`: the IANA zone in which days are cut (`UTC`).
/// - `FANDOM_API_POOL`: connections to Postgres for requests, 1 to 1000 (8). One more waits for commits.
/// - `FANDOM_API_TIMEOUT_SECONDS`: the longest that a request may take (10).
/// - `FANDOM_API_SLOW_MS`: a statement that takes longer is told in the log, without values (500).
/// - `FANDOM_API_HEARTBEAT_SECONDS`: how often an idle live stream says that it lives (15).
/// - `FANDOM_API_LIVE_STREAMS`: live streams at once (256); an eighth of them for one account or key, half for one address.
/// - `FANDOM_UPLOADS_DIR`: the folder into which uploads are put, the same one as the connectors'; without it nothing can be uploaded.
/// - `FANDOM_MAX_FILE_BYTES`: the most bytes of an uploaded file (512 MiB).
/// - `FANDOM_API_HOSTS`: further host names by which it may be asked, separated by commas. Loopback names always may;
///   any other is refused, so that no web page elsewhere can read the figures by pointing a name of its own here.
/// - `FANDOM_ARCHIVE_KEY`: the keys of the message archive, see [`KeyRing`]; without it no single messages are shown.
/// - `FANDOM_SECRETS_KEY`: the keys that secrets of the API in the database are sealed with (the keys that sign tokens, and the secrets of second
///   factors), see [`KeyRing`]. Required.
/// - `FANDOM_API_KEY`: a key that is accepted as an administrator's without an account, of at least 32 characters, for whatever
///   starts this process (none).
/// - `FANDOM_API_AT_ONCE`: requests under way at once; one more is turned away (512).
/// - `FANDOM_API_CONNECTIONS`: connections at once; further ones wait until one is closed (4096).
/// - `FANDOM_API_HEADER_SECONDS`: for how long a connection may be idle, dribble the headers of a request, or take nothing of an
///   answer (65, longer than balancers keep idle connections).
/// - `FANDOM_API_TLS_CERT`, `FANDOM_API_TLS_KEY`: files of a certificate with its chain and of its key, PEM; with them nothing is
///   answered but over TLS. They are read again when they change.
/// - `FANDOM_API_PROXIES`: addresses of proxies, or networks such as 10.0.0.0/8, that are believed when they say for whom they ask,
///   separated by commas.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The address that is listened on.
    pub listen: IpAddr,
    /// The zone in which days are cut.
    pub reporting_tz: TimeZone,
    /// Connections to Postgres for requests.
    pub pool: usize,
    /// The longest that a request may take.
    pub timeout: Duration,
    /// A statement that takes longer is told in the log.
    pub slow: Duration,
    /// How often an idle live stream says that it lives.
    pub heartbeat: Duration,
    /// Live streams at once.
    pub live_streams: usize,
    /// The folder into which uploads are put.
    pub uploads: Option<PathBuf>,
    /// The most bytes of an uploaded file.
    pub max_file_bytes: u64,
    /// Further host names, in lower case and without a port.
    pub hosts: Vec<String>,
    /// The keys that message texts are read with.
    pub archive_keys: Option<KeyRing>,
    /// The keys that secrets in the database are sealed with.
    pub secret_keys: Option<KeyRing>,
    /// A key of whatever starts this process.
    pub key: Option<String>,
    /// Requests under way at once.
    pub at_once: usize,
    /// Proxies that are believed.
    pub proxies: Vec<IpNet>,
    /// What connections are bound by.
    pub bounds: Bounds,
    /// The certificate that is shown; without one, TLS is left to a proxy.
    pub tls: Option<CertificateFiles>,
    /// What can be changed while the API runs.
    pub in_force: InForce,
    /// How messages are sent.
    pub(crate) mail: Option<Mail>,
}

impl ApiSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> ApiSettings {
        let seconds = |env: &mut Env, variable, default| {
            Duration::from_secs(env.checked(variable, default, "a number of seconds from 1 to 3600", |text| {
                text.parse().ok().filter(|seconds| (1..=3600).contains(seconds))
            }))
        };
        ApiSettings {
            listen: listen_address(env),
            port: env.parsed("FANDOM_PORT", 8080, "a port from 0 to 65535"),
            reporting_tz: env.checked(
                "FANDOM_REPORTING_TZ",
                TimeZone::UTC,
                "an IANA time zone such as Europe/Belgrade",
                |text| TimeZone::get(text).ok(),
            ),
            pool: env.checked("FANDOM_API_POOL", 8, "a number from 1 to 1000", |text| {
                text.parse().ok().filter(|size| (1..=1000).contains(size))
            }),
            timeout: seconds(env, "FANDOM_API_TIMEOUT_SECONDS", 10),
            slow: Duration::from_millis(env.parsed("FANDOM_API_SLOW_MS", 500, "a number of milliseconds")),
            heartbeat: seconds(env, "FANDOM_API_HEARTBEAT_SECONDS", 15),
            live_streams: env.checked("FANDOM_API_LIVE_STREAMS", 256, "a number from 1 to 100000", |text| {
                text.parse().ok().filter(|count| (1..=100_000).contains(count))
            }),
            uploads: env.text("FANDOM_UPLOADS_DIR").map(PathBuf::from),
            max_file_bytes: env.checked("FANDOM_MAX_FILE_BYTES", 512 << 20, "a number greater than 0", |text| {
                text.parse().ok().filter(|most| *most > 0)
            }),
            hosts: env
                .text("FANDOM_API_HOSTS")
                .unwrap_or_default()
                .split(',')
                .map(|host| host.trim().to_lowercase())
                .filter(|host| !host.is_empty())
                .collect(),
            archive_keys: KeyRing::from_env(env, sealing::ARCHIVE),
            secret_keys: secret_keys(env),
            key: start_key(env),
            at_once: env.checked("FANDOM_API_AT_ONCE", 512, "a number from 1 to 100000", |text| {
                text.parse().ok().filter(|count| (1..=100_000).contains(count))
            }),
            proxies: env.checked(
                "FANDOM_API_PROXIES",
                Vec::new(),
                "addresses or networks such as 10.0.0.0/8",
                |text| text.split(',').map(|given| network(given.trim())).collect(),
            ),
            bounds: Bounds {
                connections: env.checked("FANDOM_API_CONNECTIONS", 4096, "a number from 1 to 100000", |text| {
                    text.parse().ok().filter(|count| (1..=100_000).contains(count))
                }),
                silence: seconds(env, "FANDOM_API_HEADER_SECONDS", 65),
            },
            tls: certificate(env),
            in_force: InForce::from_env(env),
            mail: Mail::from_env(env),
        }
    }

    /// What is set, by variable; of secrets, whether they are.
    pub fn shown(&self) -> Vec<(&'static str, Value)> {
        let texts =
            |paths: Option<[&PathBuf; 2]>, place: usize| json!(paths.map(|paths| paths[place].display().to_string()));
        let tls = self.tls.as_ref().map(|files| [&files.certificate, &files.key]);
        let proxies: Vec<String> = self.proxies.iter().map(IpNet::to_string).collect();
        let mut all = vec![
            ("FANDOM_PORT", self.port.into()),
            ("FANDOM_LISTEN", self.listen.to_string().into()),
            ("FANDOM_REPORTING_TZ", json!(self.reporting_tz.iana_name())),
            ("FANDOM_API_POOL", self.pool.into()),
            ("FANDOM_API_TIMEOUT_SECONDS", self.timeout.as_secs().into()),
            ("FANDOM_API_SLOW_MS", json!(u64::try_from(self.slow.as_millis()).ok())),
            ("FANDOM_API_HEARTBEAT_SECONDS", self.heartbeat.as_secs().into()),
            ("FANDOM_API_LIVE_STREAMS", self.live_streams.into()),
            ("FANDOM_API_CONNECTIONS", self.bounds.connections.into()),
            ("FANDOM_API_HEADER_SECONDS", self.bounds.silence.as_secs().into()),
            ("FANDOM_API_TLS_CERT", texts(tls, 0)),
            ("FANDOM_API_TLS_KEY", texts(tls, 1)),
            ("FANDOM_UPLOADS_DIR", json!(self.uploads.as_ref().map(|folder| folder.display().to_string()))),
            ("FANDOM_MAX_FILE_BYTES", self.max_file_bytes.into()),
            ("FANDOM_API_HOSTS", json!(self.hosts)),
            ("FANDOM_API_AT_ONCE", self.at_once.into()),
            ("FANDOM_API_PROXIES", json!(proxies)),
            ("FANDOM_SECRETS_KEY", self.secret_keys.is_some().into()),
            ("FANDOM_API_KEY", self.key.is_some().into()),
            ("FANDOM_ARCHIVE_KEY", self.archive_keys.is_some().into()),
            ("FANDOM_SMTP_URL", self.mail.is_some().into()),
        ];
        all.extend(self.in_force.now().shown());
        all
    }
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    let one = |address: IpAddr| IpNet::from(address.to_canonical());
    text.parse().map(|network: IpNet| network.trunc()).or_else(|_| text.parse().map(one)).ok()
}

/// Where the certificate is: both files, or neither.
fn certificate(env: &mut Env) -> Option<CertificateFiles> {
    match (env.text("FANDOM_API_TLS_CERT"), env.text("FANDOM_API_TLS_KEY")) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate: certificate.into(), key: key.into() }),
        (None, None) => None,
        (Some(_), None) => {
            env.problem("FANDOM_API_TLS_KEY", "is not set; a certificate (FANDOM_API_TLS_CERT) needs its key");
            None
        }
        (None, Some(_)) => {
            env.problem("FANDOM_API_TLS_CERT", "is not set; a key (FANDOM_API_TLS_KEY) needs its certificate");
            None
        }
    }
}

/// The keys of secrets, which there must be.
fn secret_keys(env: &mut Env) -> Option<KeyRing> {
    if env.text(sealing::SECRETS).is_none() {
        env.problem(sealing::SECRETS, "is not set; `openssl rand -base64 32` makes such a key");
    }
    KeyRing::from_env(env, sealing::SECRETS)
}

/// The key of whatever starts this process. What is wrong with it is told without repeating it.
fn start_key(env: &mut Env) -> Option<String> {
    let key = env.text("FANDOM_API_KEY")?;
    if key.len() < 32 || !key.bytes().all(|b| b.is_ascii_graphic()) {
        env.problem("FANDOM_API_KEY", "is not a key of at least 32 characters without spaces");
        return None;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ApiSettings, String> {
        let key = (sealing::SECRETS, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let pairs = pairs.iter().chain([&key]).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let mut env = Env::from_pairs(pairs.collect());
        let settings = ApiSettings::from_env(&mut env);
        env.finish(settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn defaults_are_sound() {
        let settings = read(&[]).expect("nothing else is required");
        assert_eq!((settings.port, settings.pool, settings.hosts.len()), (8080, 8, 0));
        assert_eq!(settings.reporting_tz, TimeZone::UTC);
    }

    #[test]
    fn every_wrong_setting_is_named() {
        let problems = read(&[
            ("FANDOM_PORT", "99999"),
            ("FANDOM_REPORTING_TZ", "Mars/Olympus"),
            ("FANDOM_API_POOL", "0"),
            ("FANDOM_API_TIMEOUT_SECONDS", "-1"),
            ("FANDOM_API_TLS_CERT", "/certificate.pem"),
            ("FANDOM_SESSION_IDLE_HOURS", "0"),
            ("FANDOM_SECOND_FACTOR", "nobody"),
        ])
        .expect_err("seven are wrong");
        for variable in [
            "FANDOM_PORT",
            "FANDOM_REPORTING_TZ",
            "FANDOM_API_POOL",
            "FANDOM_API_TIMEOUT_SECONDS",
            "FANDOM_API_TLS_KEY",
            "FANDOM_SESSION_IDLE_HOURS",
            "FANDOM_SECOND_FACTOR",
        ] {
            assert!(problems.contains(variable), "{problems}");
        }
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        let settings = read(&[("FANDOM_API_PROXIES", "127.0.0.1, 10.1.2.3/8,::ffff:192.0.2.1,2001:db8::/32")]);
        let proxies: Vec<String> = settings.expect("networks").proxies.iter().map(IpNet::to_string).collect();
        assert_eq!(proxies, ["127.0.0.1/32", "10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
        assert!(read(&[("FANDOM_API_PROXIES", "10.0.0.0/33")]).is_err_and(|problems| problems.contains("PROXIES")));
    }

    #[test]
    fn hosts_are_listed_in_lower_case() {
        let settings = read(&[("FANDOM_API_HOSTS", " Figures.example , ,b ")]).expect("hosts");
        assert_eq!(settings.hosts, ["figures.example", "b"]);
    }
}
