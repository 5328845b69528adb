//! The certificate that TLS shows. Its files are looked at every few seconds, and read again when they have changed, so that
//! whatever renews it need tell nobody. While new files cannot be used, the certificate before them stays.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::ssl::{SslAcceptor, SslContext, SslFiletype, SslMethod};
use openssl::x509::X509;
use tokio_util::sync::CancellationToken;

use crate::meters;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Where the certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those that lead to its authority, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    /// The files are no certificate and its key.
    #[error("{0} is no chain of certificates in PEM, or {1} is not its private key")]
    Unusable(PathBuf, PathBuf, #[source] ErrorStack),
}

/// When files were changed, and how long they are.
type Stamp = [(SystemTime, u64); 2];

/// The certificate as it was last read.
pub struct Certificates {
    files: CertificateFiles,
    context: RwLock<SslContext>,
}

impl Certificates {
    /// Reads the certificate.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn read(files: CertificateFiles) -> Result<Certificates, CertificateError> {
        let context = RwLock::new(files.load()?);
        Ok(Certificates { files, context })
    }

    /// What a connection is encrypted with.
    pub fn context(&self) -> SslContext {
        self.context.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads the files again whenever they change, until the API closes.
pub async fn follow(certificates: Arc<Certificates>, closing: CancellationToken) {
    let mut seen = certificates.files.stamp();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = closing.cancelled() => return,
        }
        // A file that is being replaced may not be there for a moment.
        let Ok(stamp) = certificates.files.stamp() else { continue };
        if seen.as_ref().is_ok_and(|seen| *seen == stamp) {
            continue;
        }
        seen = Ok(stamp);
        match certificates.files.load() {
            Ok(context) => {
                *certificates.context.write().unwrap_or_else(PoisonError::into_inner) = context;
                tracing::info!(file = %certificates.files.certificate.display(), "the certificate was read again");
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "a new certificate cannot be used; the one before stays");
            }
        }
    }
}

impl CertificateFiles {
    fn stamp(&self) -> Result<Stamp, CertificateError> {
        let of = |path: &PathBuf| {
            let read = std::fs::metadata(path).and_then(|file| Ok((file.modified()?, file.len())));
            read.map_err(|error| CertificateError::Read(path.clone(), error))
        };
        Ok([of(&self.certificate)?, of(&self.key)?])
    }

    /// Reads both files; notes when the certificate expires.
    fn load(&self) -> Result<SslContext, CertificateError> {
        self.stamp()?;
        let pem = std::fs::read(&self.certificate)
            .map_err(|error| CertificateError::Read(self.certificate.clone(), error))?;
        let make = || -> Result<(SslContext, i64), ErrorStack> {
            let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
            acceptor.set_certificate_chain_file(&self.certificate)?;
            acceptor.set_private_key_file(&self.key, SslFiletype::PEM)?;
            acceptor.check_private_key()?;
            let left = Asn1Time::days_from_now(0)?.diff(X509::from_pem(&pem)?.not_after())?;
            let expires = Timestamp::now().as_second() + i64::from(left.days) * 86_400 + i64::from(left.secs);
            Ok((acceptor.build().into_context(), expires))
        };
        let (context, expires) =
            make().map_err(|error| CertificateError::Unusable(self.certificate.clone(), self.key.clone(), error))?;
        meters::certificate(expires);
        Ok(context)
    }
}
