//! Browsers' cookies and pages elsewhere, rates, and bodies that are too large, too slow or of another kind.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::Cluster;
use crate::people::{self, PASSWORD, account, read, send};
use crate::service::{Answer, Service};

async fn browser_sign_in(service: &Service, email: &str, headers: &[(&str, &str)]) -> Answer {
    let body = json!({ "email": email, "password": PASSWORD, "browser": true });
    read(send(service, Method::POST, "/auth/login", headers, Some(&body)).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_and_no_page_elsewhere_uses_that() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_HOSTS", "figures.example")]).await;
    let email = account(&service, "analyst", &[], &[]).await;
    let planted = [("cookie", "fandom=planted")];
    let answer = browser_sign_in(&service, &email, &planted).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let set = answer.header("set-cookie").to_owned();
    assert!(set.starts_with("fandom=") && !set.contains("planted"), "a session is never one that was brought: {set}");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("Secure"), "{set}");
    let named = browser_sign_in(&service, &email, &[("host", "figures.example")]).await;
    let secure = named.header("set-cookie");
    assert!(secure.starts_with("__Host-fandom=") && secure.contains("; Secure"), "{secure}");
    assert!(!answer.text.contains("access_token"), "no script gets a token");

    let cookie = set.split(';').next().expect("a pair").to_owned();
    let own = ("cookie", cookie.as_str());
    let me = read(send(&service, Method::GET, "/auth/me", &[own], None).await).await;
    let csrf = me.json()["csrf_token"].as_str().expect("a token").to_owned();
    assert_eq!(answer.json()["csrf_token"], csrf);
    assert_eq!(send(&service, Method::GET, "/fans", &[own], None).await.status(), 200);
    let token = ("x-csrf-token", csrf.as_str());
    for headers in [
        vec![own],
        vec![own, ("x-csrf-token", "guessed")],
        vec![own, token, ("sec-fetch-site", "cross-site")],
        vec![own, token, ("sec-fetch-site", "same-site")],
        vec![own, token, ("origin", "http://evil.example")],
    ] {
        let refused = read(send(&service, Method::POST, "/auth/logout", &headers, None).await).await;
        assert_eq!(refused.status, 403, "{headers:?}");
        assert_eq!(refused.json()["type"], "urn:fandom:problem:forged");
    }
    let again = browser_sign_in(&service, &email, &[own, ("sec-fetch-site", "same-origin")]).await;
    assert_eq!(send(&service, Method::GET, "/fans", &[own], None).await.status(), 401, "the session before has ended");
    let cookie = again.header("set-cookie").split(';').next().expect("a pair").to_owned();
    let own = ("cookie", cookie.as_str());
    let csrf = again.json()["csrf_token"].as_str().expect("a token").to_owned();
    let token = ("x-csrf-token", csrf.as_str());
    let foreign = browser_sign_in(&service, &email, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(foreign.status, 403, "no page elsewhere signs anybody in");
    let ended =
        send(&service, Method::POST, "/auth/logout", &[own, token, ("sec-fetch-site", "same-origin")], None).await;
    assert_eq!(ended.status(), 204);
    assert_eq!(ended.headers()["clear-site-data"], "\"cache\"", "nothing that was shown stays in the browser");
    assert_eq!(send(&service, Method::GET, "/fans", &[own], None).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_elsewhere_read_only_what_they_are_listed_for() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_ORIGINS", "https://board.example")]).await;
    let allowed = |answer: &Answer| answer.headers.get("access-control-allow-origin").cloned();
    for (origin, may) in [("https://board.example", true), ("https://evil.example", false), ("null", false)] {
        let answer = service.get_with("/api/v1/fans", &[("origin", origin)]).await;
        assert_eq!(allowed(&answer).is_some(), may, "{origin}");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
    let answer = service.get_with("/api/v1/fans", &[]).await;
    assert!(answer.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_told_to_wait() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_RATE", "1")]).await;
    let mut refused = None;
    for place in 0..12 {
        let answer = service.get("/creators").await;
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=5;w=5");
        if answer.status == 429 {
            refused = Some((place, answer));
            break;
        }
    }
    let (place, answer) = refused.expect("one is refused");
    assert!(place >= 5, "five may come at once, not {place}");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    assert!(answer.header("ratelimit").starts_with("\"default\";r=0"), "{}", answer.header("ratelimit"));
    let email = account(&service, "analyst", &[], &[]).await;
    let other = people::sign_in(&service, &email, PASSWORD).await;
    assert_eq!(other.status, 200, "what one has used up is not another's");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_in_size_time_and_kind() {
    let service = Service::start().await;
    let url = service.url("/api/v1/auth/login");
    let post = |kind: &'static str, body: String| {
        let request = reqwest::Client::new().post(url.clone()).header("content-type", kind).body(body);
        async move { read(request.send().await.expect("an answer")).await }
    };
    let large = json!({ "email": "a".repeat(100_000), "password": "b" }).to_string();
    for (kind, body, status) in [
        ("application/json", large, 413),
        ("text/plain", "{}".to_owned(), 415),
        ("application/x-www-form-urlencoded", "email=a&password=b".to_owned(), 415),
        ("application/json", "{".to_owned(), 422),
        ("application/json", "[]".to_owned(), 422),
        ("application/json", "{\"email\": 1, \"password\": null}".to_owned(), 422),
        ("application/json", "{\"email\": \"a\", \"password\": \"b\", \"role\": \"admin\"}".to_owned(), 422),
        ("application/json", "\u{0}".to_owned(), 422),
    ] {
        let answer = post(kind, body.clone()).await;
        assert_eq!(answer.status, status, "{kind} {}", body.chars().take(60).collect::<String>());
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }

    let begun = Instant::now();
    let mut slow = tokio::net::TcpStream::connect(service.address).await.expect("a connection");
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 50\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.expect("it is read");
    let mut answer = vec![0; 4096];
    let read =
        tokio::time::timeout(Duration::from_secs(9), slow.read(&mut answer)).await.expect("in time").expect("bytes");
    assert!(answer[..read].starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer[..read]));
    assert!(begun.elapsed() >= Duration::from_secs(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_beforehand_whether_a_page_may_ask() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_ORIGINS", "https://board.example")]).await;
    for origin in ["https://board.example", "https://board.example.evil.example", "http://board.example", "null"] {
        let headers = [("origin", origin), ("access-control-request-method", "GET")];
        let answer = read(send(&service, Method::OPTIONS, "/fans", &headers, None).await).await;
        let listed = origin == "https://board.example";
        assert_eq!(answer.status, if listed { 204 } else { 405 }, "{origin}");
        assert_eq!(answer.headers.contains_key("access-control-allow-origin"), listed, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_listed_proxy_says_for_whom_it_asks() {
    let guess = json!({ "email": "a@example.com", "password": "a guess of some length" });
    let headers = [("x-forwarded-for", "6.6.6.6, 10.1.2.3"), ("x-forwarded-proto", "https")];
    for (proxies, address) in [("127.0.0.1", "10.1.2.3"), ("127.0.0.2", "127.0.0.1")] {
        let postgres = Cluster::shared().await.database().await;
        let service = Service::over(postgres, &[("FANDOM_API_PROXIES", proxies)]).await;
        let answer = read(send(&service, Method::POST, "/auth/login", &headers, Some(&guess)).await).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.headers.contains_key("strict-transport-security"), proxies == "127.0.0.1", "{proxies}");
        let noted = service.select("select to_jsonb(address) from app.audit").await;
        assert_eq!(noted, address, "what a client makes up is not believed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_tries_many_accounts_waits() {
    let service = Service::start().await;
    let mut statuses = Vec::new();
    for guess in 0..25 {
        statuses.push(people::sign_in(&service, &format!("guess{guess}@example.com"), "a guess").await.status);
    }
    assert_eq!((statuses[0], statuses[10], statuses[24]), (401, 401, 429), "{statuses:?}");
}

/// What is made up costs Postgres nothing once its address has asked too often, and never the turn of others.
#[tokio::test(flavor = "multi_thread")]
async fn made_up_credentials_keep_nobody_waiting() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_RATE", "1")]).await;
    let email = account(&service, "analyst", &[], &[]).await;
    let tokens = people::tokens(&service, &email).await;
    let made_up = async |place: u32| people::get(&service, "/fans", &format!("Bearer fandom_made-up-{place}")).await;
    let mut statuses = Vec::new();
    for place in 0..12 {
        statuses.push(made_up(place).await.status);
    }
    assert_eq!(statuses[0], 401, "{statuses:?}");
    assert_eq!(statuses[11], 429, "{statuses:?}");
    service.run("begin; lock table app.api_keys in access exclusive mode").await;
    let begun = Instant::now();
    assert_eq!(made_up(20).await.status, 429);
    assert!(begun.elapsed() < Duration::from_secs(2), "it asked Postgres: {:?}", begun.elapsed());
    service.run("rollback").await;

    // As whoever changes something has it, until that is in the trail.
    service.run("begin; select pg_advisory_xact_lock(x'0066616e61756474'::bigint)").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    let answer = people::post(&service, "/auth/refresh", &json!({ "refresh_token": "made up" })).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(begun.elapsed() < Duration::from_secs(2), "it waited its turn: {:?}", begun.elapsed());
    service.run("rollback").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(people::post(&service, "/auth/refresh", &body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_no_cookie_counts_that_a_neighbour_can_set() {
    let postgres = Cluster::shared().await.database().await;
    let settings = [("FANDOM_API_HOSTS", "figures.example"), ("FANDOM_API_PROXIES", "127.0.0.1")];
    let service = Service::over(postgres, &settings).await;
    let email = account(&service, "analyst", &[], &[]).await;
    let outside = [("host", "figures.example"), ("x-forwarded-proto", "https")];
    let answer = browser_sign_in(&service, &email, &outside).await;
    let secret = answer.header("set-cookie").split(['=', ';']).nth(1).expect("a value").to_owned();
    let me = async |cookie: &str, headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().copied().chain([("cookie", cookie)]).collect();
        send(&service, Method::GET, "/auth/me", &headers, None).await.status().as_u16()
    };
    let (whole, plain) = (format!("__Host-fandom={secret}"), format!("fandom={secret}"));
    assert_eq!(me(&whole, &outside).await, 200);
    assert_eq!(me(&plain, &outside).await, 401);
    assert_eq!(me(&plain, &outside[..1]).await, 401, "nor by another name than those of loopback");
    assert_eq!(me(&format!("fandom=planted; {whole}"), &outside).await, 200, "the own one counts");
    assert_eq!(me(&plain, &[]).await, 200, "as browsers have it on loopback");
}

/// Answers that are made around all others have what those have.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_safe_headers() {
    let postgres = Cluster::shared().await.database().await;
    let settings = [("FANDOM_API_ORIGINS", "https://board.example"), ("FANDOM_API_TIMEOUT_SECONDS", "1")];
    let service = Service::over(postgres, &settings).await;
    let origin = ("origin", "https://board.example");
    let locker = service.postgres.connect().await.expect("a connection");
    locker.batch_execute("begin; lock table views.sales_day in access exclusive mode").await.expect("a lock");
    let late = service.get_with("/api/v1/sales", &[origin]).await;
    let elsewhere = service.get_with("/api/v1/fans", &[origin, ("host", "rebound.example")]).await;
    let usual = service.get_with("/api/v1/fans", &[origin]).await;
    assert_eq!((late.status, elsewhere.status, usual.status), (503, 421, 200));
    for answer in [late, elsewhere, usual] {
        assert_eq!(answer.header("access-control-allow-origin"), "https://board.example", "{answer:?}");
        assert!(answer.header("access-control-expose-headers").contains("ratelimit-policy"));
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        assert!(answer.header("vary").contains("origin"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_turned_away() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_AT_ONCE", "2")]).await;
    let locker = service.postgres.connect().await.expect("a connection");
    locker.batch_execute("begin; lock table views.sales_day in access exclusive mode").await.expect("a lock");
    let held = async { tokio::join!(service.get("/sales?limit=1"), service.get("/sales?limit=2")) };
    let others = async {
        let waiting = "select to_jsonb(count(*) >= 2) from pg_stat_activity where wait_event_type = 'Lock'
                       and datname = current_database()";
        while service.select(waiting).await != true {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let turned_away = service.get("/fans").await;
        locker.batch_execute("rollback").await.expect("unlocked");
        turned_away
    };
    let ((first, second), turned_away) = tokio::join!(held, others);
    assert_eq!((turned_away.status, turned_away.header("retry-after")), (503, "2"), "{}", turned_away.text);
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(service.get("/fans").await.status, 200, "there is room again");
}
