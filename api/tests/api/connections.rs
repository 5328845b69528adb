//! Connections: TLS with a certificate that is replaced, headers that arrive slowly, and more connections than there may be.

use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::cluster::Cluster;
use crate::people::{PASSWORD, account};
use crate::service::Service;

/// A certificate of 127.0.0.1 that vouches for itself, and its key.
fn certificate(serial: u32) -> (X509, Vec<u8>) {
    let key = PKey::generate_ed25519().expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "127.0.0.1").expect("a part of it");
    let name = name.build();
    let mut builder = X509::builder().expect("a builder");
    builder.set_version(2).expect("a version");
    let number = BigNum::from_u32(serial).and_then(|number| number.to_asn1_integer()).expect("a number");
    builder.set_serial_number(&number).expect("a number");
    builder.set_subject_name(&name).and_then(|()| builder.set_issuer_name(&name)).expect("names");
    builder.set_pubkey(&key).expect("a key");
    builder.set_not_before(&Asn1Time::days_from_now(0).expect("a day")).expect("a day");
    builder.set_not_after(&Asn1Time::days_from_now(30).expect("a day")).expect("a day");
    let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None));
    builder.append_extension(names.expect("a name")).expect("an extension");
    builder.sign(&key, MessageDigest::null()).expect("a signature");
    (builder.build(), key.private_key_to_pem_pkcs8().expect("PEM"))
}

fn write(folder: &Path, (certificate, key): &(X509, Vec<u8>)) {
    // Renamed, so that no half of a file is read.
    for (name, content) in [("key.pem", key.clone()), ("certificate.pem", certificate.to_pem().expect("PEM"))] {
        std::fs::write(folder.join("new"), content).expect("a file");
        std::fs::rename(folder.join("new"), folder.join(name)).expect("a file");
    }
}

/// Connects by TLS, trusting one certificate alone.
async fn connect(service: &Service, trusted: &X509) -> Option<SslStream<TcpStream>> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("a connector");
    connector.cert_store_mut().add_cert(trusted.clone()).expect("a certificate");
    let ssl = connector.build().configure().and_then(|connector| connector.into_ssl("127.0.0.1")).expect("TLS");
    let stream = TcpStream::connect(service.address).await.expect("a connection");
    let mut stream = SslStream::new(ssl, stream).expect("a stream");
    Pin::new(&mut stream).connect().await.ok().map(|()| stream)
}

/// Sends a request; the answer, with its headers, until the connection is closed or nothing more comes.
async fn ask<S: AsyncReadExt + AsyncWriteExt + Unpin>(stream: &mut S, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(read)) = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut buffer)).await {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

const HEALTH: &str = "GET /api/v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_replaced_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (certificate(1), certificate(2));
    write(folder.path(), &first);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (path("certificate.pem"), path("key.pem"));
    let settings = [("FANDOM_API_TLS_CERT", cert.as_str()), ("FANDOM_API_TLS_KEY", key.as_str())];
    let service = Service::over(Cluster::shared().await.database().await, &settings).await;
    let mut old = connect(&service, &first.0).await.expect("the certificate of the files");
    assert!(connect(&service, &second.0).await.is_none(), "nobody else's is shown");
    let answer = ask(&mut old, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security"), "{answer}");

    let email = account(&service, "analyst", &[], &[]).await;
    let body = json!({ "email": email, "password": PASSWORD, "browser": true }).to_string();
    let sign_in = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(&mut old, &sign_in).await;
    assert!(answer.contains("set-cookie: __Host-fandom=") && answer.contains("; Secure"), "{answer}");

    let mut plain = TcpStream::connect(service.address).await.expect("a connection");
    let answer = ask(&mut plain, HEALTH).await;
    assert!(!answer.contains("200 OK"), "what is not encrypted is not answered: {answer}");

    write(folder.path(), &second);
    let begun = Instant::now();
    while connect(&service, &second.0).await.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(15), "the new certificate is not shown");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(ask(&mut old, HEALTH).await.contains("200 OK"), "who was connected stays so");
    std::fs::write(folder.path().join("certificate.pem"), "nonsense").expect("a file");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(connect(&service, &second.0).await.is_some(), "a certificate that cannot be used replaces none");
    drop(old);
    service.stop().await.expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_or_many_keeps_nobody_out() {
    let settings = [("FANDOM_API_HEADER_SECONDS", "1"), ("FANDOM_API_CONNECTIONS", "3")];
    let service = Service::over(Cluster::shared().await.database().await, &settings).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(service.address).await.expect("a connection");
        stream.write_all(b"GET /api/v1/health HTTP/1.1\r\nhost: 127").await.expect("half a request");
        slow.push(stream);
    }
    // All places are taken; who comes now waits until the slow ones are closed.
    let begun = Instant::now();
    assert_eq!(service.get("/health").await.status, 200);
    let waited = begun.elapsed();
    assert!((Duration::from_millis(500)..Duration::from_secs(5)).contains(&waited), "{waited:?}");
    for stream in &mut slow {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "a connection stays open for headers that do not come");
    }
    service.stop().await.expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_keeps_nobody_out() {
    let settings = [("FANDOM_API_HEADER_SECONDS", "1"), ("FANDOM_API_CONNECTIONS", "3")];
    let service = Service::over(Cluster::shared().await.database().await, &settings).await;
    let much = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(12);
    let mut silent = Vec::new();
    for _ in 0..3 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small window");
        let mut stream = socket.connect(service.address).await.expect("a connection");
        stream.write_all(much.as_bytes()).await.expect("requests");
        silent.push(stream);
    }
    let begun = Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(15), service.get("/health")).await;
    assert_eq!(answer.expect("a place is free again").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    drop(silent);
    service.stop().await.expect("a clean stop");
}
