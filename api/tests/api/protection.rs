//! Too much, too large, too slow, from elsewhere: each is told what is wrong, and the rest goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::fixture;
use crate::people::{administer, ask, ask_as, text};
use crate::service::{KEY, Service};

const LOGIN: &str = "/api/v1/auth/login";

async fn service(settings: &[(&str, &str)]) -> Service {
    Service::over(Cluster::shared().await.database().await, settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_bounded_in_size_and_time() {
    let service = service(&[]).await;
    let large = json!({ "email": "x".repeat(70_000), "password": "" });
    let answer = ask(&service, "POST", LOGIN, &[], Some(&large)).await;
    assert_eq!((answer.status, answer.json()["type"].clone()), (413, json!("urn:fandom:problem:too-large")));
    for (body, status) in [("{", 422), ("[]", 422), ("{\"email\": 1}", 422), ("\u{0}", 422)] {
        let request = reqwest::Client::new().post(service.url(LOGIN)).header("content-type", "application/json");
        let response = request.body(body).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), status, "{body}");
        assert!(!response.text().await.expect("a body").contains("serde"), "no internals");
    }
    // A body that trickles in holds nothing up for long.
    let begun = Instant::now();
    let mut slow = TcpStream::connect(service.address).await.expect("a connection");
    let head = format!(
        "POST {LOGIN} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        service.address
    );
    slow.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(9), slow.read_exact(&mut answer)).await;
    read.expect("an answer in time").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(begun.elapsed() > Duration::from_secs(4), "a slow line is not a fault yet");
    assert_eq!(ask(&service, "GET", "/api/v1/health", &[], None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_much_waits_and_others_do_not() {
    let service = service(&[("FANDOM_API_RATE", "2")]).await;
    fixture::fill(&service).await;
    let key = text(&administer(&service, "POST", "/api/v1/keys", json!({ "name": "busy" })).await, "key");
    let mut statuses = Vec::new();
    for _ in 0..15 {
        let answer = ask_as(&service, &key, "GET", "/api/v1/clusters", None).await;
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=10;w=5");
        assert!(answer.header("ratelimit").starts_with("\"default\";r="), "{answer:?}");
        if answer.status == 429 {
            assert!((1..=5).contains(&answer.header("retry-after").parse::<u32>().expect("seconds")));
            assert_eq!(answer.json()["type"], "urn:fandom:problem:too-many-requests");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..10], [200; 10], "a burst is let through");
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(ask_as(&service, KEY, "GET", "/api/v1/clusters", None).await.status, 200, "another key");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(ask_as(&service, &key, "GET", "/api/v1/clusters", None).await.status, 200, "after a while it goes on");
    // Who is nobody is counted by address.
    let mut last = 0;
    for _ in 0..15 {
        last = ask_as(&service, "made up", "GET", "/api/v1/fans", None).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_list_may_read_and_others_may_not() {
    let service = service(&[("FANDOM_API_ORIGINS", "https://board.example")]).await;
    let preflight = async |origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "GET")];
        ask(&service, "OPTIONS", "/api/v1/fans", &headers, None).await
    };
    let allowed = preflight("https://board.example").await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, "https://board.example"));
    assert!(allowed.headers.get("access-control-allow-credentials").is_none(), "never with a cookie");
    for origin in ["https://evil.example", "https://board.example.evil.example", "null", "http://board.example"] {
        let answer = preflight(origin).await;
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{origin}");
        assert_eq!(answer.status, 405);
    }
    let bearer = format!("Bearer {KEY}");
    let headers = [("origin", "https://board.example"), ("authorization", bearer.as_str())];
    let read = ask(&service, "GET", "/api/v1/clusters", &headers, None).await;
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, "https://board.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_headers_that_keep_browsers_safe() {
    let service = service(&[]).await;
    for path in ["/", "/api/v1/health", "/api/v1/fans", "/nothing"] {
        let answer = ask(&service, "GET", path, &[], None).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
    }
    let answer = ask(&service, "GET", "/api/v1/fans", &[], None).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer realm=\"fandom\""));
    let proxied = [("x-forwarded-for", "10.1.2.3"), ("x-forwarded-proto", "https")];
    let answer = ask(&service, "GET", "/api/v1/health", &proxied, None).await;
    assert!(answer.headers.get("strict-transport-security").is_none(), "no stranger says that this was TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_says_for_whom_it_asks() {
    let service = service(&[("FANDOM_API_PROXIES", "127.0.0.1")]).await;
    let proxied = [("x-forwarded-for", "6.6.6.6, 10.1.2.3"), ("x-forwarded-proto", "https")];
    let guess = json!({ "email": "a@example.com", "password": "a guess of some length" });
    let answer = ask(&service, "POST", LOGIN, &proxied, Some(&guess)).await;
    assert_eq!((answer.status, answer.header("strict-transport-security")), (401, "max-age=31536000"));
    let entries: Vec<Value> = ask_as(&service, KEY, "GET", "/api/v1/audit", None).await.items();
    assert_eq!(entries[0]["address"], "10.1.2.3", "the address that the proxy saw, not one that the client made up");
}
