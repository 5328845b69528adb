//! Postgres: connections, with TLS by `sslmode`, and which errors pass by themselves.

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

use crate::env::Env;

/// How to reach Postgres.
///
/// - `DATABASE_URL`: `postgresql://user:password@host/database?sslmode=require`, or `host=… user=…`. Required, but for
///   `fandom up`, which starts a server. `sslmode` is `disable`, `prefer`, `require`, `verify-ca` or `verify-full`; the
///   last two take `sslrootcert=FILE`, else the system's certificates.
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
        if !verify {
            return Ok(PostgresSettings { config, tls: no_certificate_checks() });
        }
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(|error| error.to_string())?;
        if let Some(file) = root {
            builder.set_ca_file(&file).map_err(|_| format!("sslrootcert `{file}` cannot be read as certificates"))?;
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

/// Whether the same call may succeed later: the connection was lost, the server is starting or stopping, or two
/// transactions stood in each other's way.
pub fn is_transient(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        None => true,
        Some(code) => {
            let code_class = &code.code()[..2];
            matches!(code_class, "08" | "57" | "53")
                || *code == SqlState::T_R_SERIALIZATION_FAILURE
                || *code == SqlState::T_R_DEADLOCK_DETECTED
        }
    }
}

/// The innermost cause of an error, in the server's own words where it spoke.
pub fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
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
    fn a_wrong_connection_string_is_not_repeated() {
        let reason = PostgresSettings::parse("postgresql://u:secret@h:port/d").err().expect("no port");
        assert!(!reason.contains("secret"), "{reason}");
    }
}
