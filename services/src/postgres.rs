//! Postgres: connections, with TLS by `sslmode`, and which errors pass by themselves.

use std::time::Duration;

use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

use crate::env::Env;

/// How to reach Postgres.
///
/// - `DATABASE_URL`: `postgresql://user:password@host/database?sslmode=require`, or `host=… user=…`. Required, but for
///   `fandom up`, which starts a server. `sslmode` is `disable`, `prefer`, `require`, `verify-ca` or `verify-full`; the
///   last two take `sslrootcert=FILE`, else the system's certificates (or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name).
#[derive(Clone)]
pub struct PostgresSettings {
    /// What to connect to.
    pub config: Config,
    /// How to encrypt.
    pub tls: MakeTlsConnector,
}

impl PostgresSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> PostgresSettings {
        let url = env.text("DATABASE_URL").unwrap_or_else(|| {
            env.problem("DATABASE_URL", "is not set; give a database as postgresql://user:password@host/database");
            String::new()
        });
        PostgresSettings::parse(&url).unwrap_or_else(|reason| {
            env.problem("DATABASE_URL", reason);
            PostgresSettings { config: Config::new(), tls: no_certificate_checks() }
        })
    }

    /// Reads a connection string. The error never repeats it, since it may hold a password.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<PostgresSettings, String> {
        let (url, mode) = take_parameter(url, "sslmode");
        let (url, root) = take_parameter(&url, "sslrootcert");
        let mut config: Config =
            url.parse().map_err(|error| format!("is not a connection string: {}", cause(&error)))?;
        let (mode, verify, host) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, false, false),
            None | Some("prefer" | "allow") => (SslMode::Prefer, false, false),
            Some("require") => (SslMode::Require, false, false),
            Some("verify-ca") => (SslMode::Require, true, false),
            Some("verify-full") => (SslMode::Require, true, true),
            Some(other) => {
                return Err(format!("sslmode `{other}` is not disable, prefer, require, verify-ca or verify-full"));
            }
        };
        config.ssl_mode(mode).application_name("fandom");
        notice_silence(&mut config, &url);
        if !verify {
            return Ok(PostgresSettings { config, tls: no_certificate_checks() });
        }
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(|error| error.to_string())?;
        match root {
            Some(file) => {
                builder
                    .set_ca_file(&file)
                    .map_err(|_| format!("sslrootcert `{file}` cannot be read as certificates"))?;
            }
            None => trust_system(&mut builder)?,
        }
        let mut tls = MakeTlsConnector::new(builder.build());
        tls.set_callback(move |connection, _| {
            connection.set_verify_hostname(host);
            Ok(())
        });
        Ok(PostgresSettings { config, tls })
    }

    /// Opens a connection. It is driven by a task of its own, which ends with the client.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = %cause(&error), "connection to Postgres was lost");
            }
        });
        Ok(client)
    }
}

/// Has the system notice when the other side has vanished without a word, where the connection string says nothing of that: when what is
/// sent is not acknowledged, or a connection on which nothing is sent is no longer there. By itself that takes hours.
fn notice_silence(config: &mut Config, url: &str) {
    let said = |name: &str| take_parameter(url, name).1.is_some();
    if !said("tcp_user_timeout") {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    if !said("keepalives_idle") {
        config.keepalives_idle(QUIET);
    }
    if !said("keepalives_interval") {
        config.keepalives_interval(ANOTHER_TRY);
    }
    if !said("keepalives_retries") {
        config.keepalives_retries(TRIES);
    }
}

/// How long what is sent may remain unacknowledged, or untaken by a server that is busy.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// How long nothing may be sent before the other side is asked whether it is there, how long from there to the next try, and how many.
const QUIET: Duration = Duration::from_secs(20);
const ANOTHER_TRY: Duration = Duration::from_secs(5);
const TRIES: u32 = 3;

/// Whether the same call may succeed later: the connection was lost, the server is starting or stopping, or two
/// transactions stood in each other's way. What the settings, the certificates or this program's own types are at odds with
/// stays so.
pub fn is_transient(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        None => is_of_the_line(error) || !PERMANENT.iter().any(|kind| error.to_string().starts_with(kind)),
        Some(code) => {
            let code_class = &code.code()[..2];
            matches!(code_class, "08" | "57" | "53")
                || *code == SqlState::T_R_SERIALIZATION_FAILURE
                || *code == SqlState::T_R_DEADLOCK_DETECTED
                || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        }
    }
}

/// How errors begin that come back with every try. Their kinds are told by nothing else.
const PERMANENT: [&str; 9] = [
    "error performing TLS handshake",
    "authentication error",
    "invalid connection string",
    "invalid configuration",
    "error serializing parameter",
    "error deserializing column",
    "invalid column",
    "query returned an unexpected number of",
    "expected ",
];

/// Whether the connection failed, be it in the middle of a handshake.
fn is_of_the_line(error: &tokio_postgres::Error) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source()).any(|cause| {
        let in_handshake = cause.downcast_ref::<openssl::ssl::Error>();
        let cut = |error: &openssl::ssl::Error| error.io_error().is_some() || error.ssl_error().is_none();
        cause.is::<std::io::Error>() || in_handshake.is_some_and(cut)
    })
}

/// The innermost cause of an error, in the server's own words where it spoke.
pub fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Takes the system's certificates for good: the OpenSSL that is built in has none of its own.
pub(crate) fn trust_system(builder: &mut SslConnectorBuilder) -> Result<(), String> {
    let found = openssl_probe::probe();
    let mut any = false;
    if let Some(file) = &found.cert_file {
        any |= builder.load_verify_locations(Some(file), None).is_ok();
    }
    for dir in &found.cert_dir {
        any |= builder.load_verify_locations(None, Some(dir)).is_ok();
    }
    if any {
        return Ok(());
    }
    Err("has sslmode verify-ca or verify-full, and this system has no certificates; install them (Debian: apt-get install \
         ca-certificates), or name those to trust with sslrootcert=FILE"
        .to_owned())
}

/// Encryption without proof of who answers: what `sslmode` `prefer` and `require` mean.
fn no_certificate_checks() -> MakeTlsConnector {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("OpenSSL has a TLS client");
    builder.set_verify(SslVerifyMode::NONE);
    MakeTlsConnector::new(builder.build())
}

/// Takes `name=value` out of a connection string of either form.
fn take_parameter(url: &str, name: &str) -> (String, Option<String>) {
    let pattern = format!("{name}=");
    let Some(start) = url
        .match_indices(&pattern)
        .map(|(at, _)| at)
        .find(|&at| at == 0 || matches!(url.as_bytes()[at - 1], b'?' | b'&' | b' '))
    else {
        return (url.to_owned(), None);
    };
    let value_start = start + pattern.len();
    let end = url[value_start..].find(['&', ' ']).map_or(url.len(), |offset| value_start + offset);
    let mut rest = format!("{}{}", &url[..start], url[end..].trim_start_matches(['&', ' ']));
    rest.truncate(rest.trim_end_matches(['?', '&', ' ']).len());
    (rest, Some(url[value_start..end].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sslmode_is_read_from_both_forms() {
        for (url, rest, mode) in [
            ("postgresql://a@h/d?sslmode=require", "postgresql://a@h/d", "require"),
            ("postgresql://a@h/d?sslmode=disable&connect_timeout=3", "postgresql://a@h/d?connect_timeout=3", "disable"),
            ("host=h sslmode=prefer user=u", "host=h user=u", "prefer"),
        ] {
            assert_eq!(take_parameter(url, "sslmode"), (rest.to_owned(), Some(mode.to_owned())));
        }
        assert!(PostgresSettings::parse("host=h user=u sslmode=full").is_err_and(|reason| reason.contains("`full`")));
    }

    #[test]
    fn silence_is_noticed_unless_the_url_says_otherwise() {
        let of = |url: &str| {
            let config = PostgresSettings::parse(url).expect("a URL").config;
            let idle = config.get_keepalives_idle();
            (config.get_tcp_user_timeout().copied(), idle, config.get_keepalives_retries())
        };
        let seconds = Duration::from_secs;
        assert_eq!(of("postgresql://u@h/d?sslmode=disable"), (Some(UNACKNOWLEDGED), QUIET, Some(TRIES)));
        assert_eq!(
            of("postgresql://u@h/d?tcp_user_timeout=90&keepalives_idle=300"),
            (Some(seconds(90)), seconds(300), Some(TRIES))
        );
    }

    /// A server that agrees to TLS, with a certificate of its own, or hangs up.
    fn server(hangs_up: bool) -> u16 {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.read_exact(&mut [0; 8]).expect("the wish for TLS");
            stream.write_all(b"S").expect("an answer");
            if !hangs_up {
                let _ = acceptor().accept(stream);
            }
        });
        port
    }

    fn acceptor() -> openssl::ssl::SslAcceptor {
        use openssl::asn1::Asn1Time;
        let key = openssl::rsa::Rsa::generate(2048).and_then(openssl::pkey::PKey::from_rsa).expect("a key");
        let mut name = openssl::x509::X509Name::builder().expect("a name");
        name.append_entry_by_text("CN", "localhost").expect("a name");
        let name = name.build();
        let mut made = openssl::x509::X509::builder().expect("a certificate");
        made.set_subject_name(&name).and_then(|()| made.set_issuer_name(&name)).expect("a name");
        made.set_pubkey(&key).expect("a key");
        made.set_not_before(&Asn1Time::days_from_now(0).expect("today")).expect("a day");
        made.set_not_after(&Asn1Time::days_from_now(2).expect("a day")).expect("a day");
        made.sign(&key, openssl::hash::MessageDigest::sha256()).expect("a signature");
        let mut acceptor =
            openssl::ssl::SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).expect("an acceptor");
        acceptor.set_private_key(&key).and_then(|()| acceptor.set_certificate(&made.build())).expect("they fit");
        acceptor.build()
    }

    #[tokio::test]
    async fn a_certificate_that_no_one_vouches_for_is_not_waited_for() {
        for (hangs_up, transient) in [(false, false), (true, true)] {
            let url = format!("postgresql://u@localhost:{}/d?sslmode=verify-full", server(hangs_up));
            let settings = PostgresSettings::parse(&url).expect("the system's certificates are found");
            let error = settings.connect().await.map(|_| ()).expect_err("it is no server of Postgres");
            assert_eq!(is_transient(&error), transient, "{error}: {}", cause(&error));
        }
        let nowhere = PostgresSettings { config: Config::new(), tls: no_certificate_checks() };
        let error = nowhere.connect().await.map(|_| ()).expect_err("there is no host");
        assert!(!is_transient(&error), "{error}");
    }

    #[test]
    fn the_systems_certificates_are_found() {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        trust_system(&mut builder).expect("this system has certificates");
        assert!(!builder.build().context().cert_store().all_certificates().is_empty(), "they are loaded");
    }

    #[test]
    fn a_wrong_connection_string_is_not_repeated() {
        let reason = PostgresSettings::parse("postgresql://u:secret@h:port/d").err().expect("no port");
        assert!(!reason.contains("secret"), "{reason}");
    }
}
