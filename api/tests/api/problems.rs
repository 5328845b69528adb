//! Whatever is asked wrongly is answered with problem details that say what and how.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::fixture;
use crate::service::{Answer, Service};

/// A path, its parameters, and which of them are wrong.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

fn assert_problem(answer: &Answer, status: u16, slug: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:fandom:problem:{slug}"));
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], answer.header("x-request-id"));
    for member in ["title", "detail", "instance"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_parameter_is_named() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let cases: [Case; 29] = [
        ("/fans", &[("colour", "red")], &["colour"]),
        ("/health", &[("x", "1")], &["x"]),
        ("/fans", &[("limit", "0")], &["limit"]),
        ("/fans", &[("limit", "1001")], &["limit"]),
        ("/fans", &[("limit", "ten")], &["limit"]),
        ("/fans", &[("limit", "5"), ("limit", "6")], &["limit"]),
        ("/fans", &[("sort", "age")], &["sort"]),
        ("/fans", &[("cursor", "???")], &["cursor"]),
        ("/fans", &[("spend_class", "rich")], &["spend_class"]),
        ("/fans", &[("segment", "Champions,Winners")], &["segment"]),
        ("/fans", &[("segment", "Champions,")], &["segment"]),
        ("/fans", &[("min_spend_cents", "1.5")], &["min_spend_cents"]),
        ("/fans", &[("min_spend_cents", "99999999999999999999")], &["min_spend_cents"]),
        ("/fans", &[("min_spend_cents", "9"), ("max_spend_cents", "8")], &["max_spend_cents"]),
        ("/fans", &[("seen_from", "yesterday"), ("purchase_to", "2026-13-01")], &["seen_from", "purchase_to"]),
        ("/fans", &[("q", "a\0b")], &["q"]),
        ("/fans", &[("seen_from", "2026-10-22"), ("seen_to", "2026-10-21")], &["seen_to"]),
        ("/chatters/performance", &[("window", "decade")], &["window"]),
        ("/chatters/performance", &[("window", "hour"), ("from", "2026-10-21")], &["from"]),
        ("/chatters/performance", &[("window", "week"), ("to", "2026-W60")], &["to"]),
        ("/chatters/performance", &[("window", "month"), ("from", "2026-10-01")], &["from"]),
        ("/chatters/performance", &[("window", "all"), ("from", "2026-10-01"), ("to", "2026-10-02")], &["from", "to"]),
        ("/chatters/performance", &[("from", "2026-10-02"), ("to", "2026-10-01")], &["to"]),
        ("/chatters/performance", &[("window", "week"), ("sort", "day")], &["sort"]),
        ("/reconciliation", &[("only", "some"), ("sort", "difference")], &["only", "sort"]),
        ("/reconciliation", &[("from", "2026-10-02"), ("to", "2026-10-01")], &["to"]),
        ("/reconciliation", &[("from", "2026-W43"), ("sheet", "a")], &["from", "sheet"]),
        ("/files", &[("state", "lost")], &["state"]),
        ("/live", &[("since", "now")], &["since"]),
    ];
    for (path, parameters, wrong) in cases {
        let body = assert_problem(&service.list(path, parameters).await, 422, "invalid-parameters");
        let errors = body["errors"].as_array().expect("a list of errors");
        let named: Vec<&str> = errors.iter().filter_map(|error| error["parameter"].as_str()).collect();
        assert_eq!(named, wrong, "{path} {parameters:?}");
        assert!(errors.iter().all(|error| error["message"].as_str().is_some_and(|text| !text.is_empty())));
        assert_eq!(body["instance"], format!("/api/v1{path}"));
    }
    let unknown = service.get("/fans?segment=Winners").await.json();
    assert_eq!(
        unknown["errors"][0]["message"],
        "`Winners` is not one or several (separated by commas) of Champions, Can't Lose, New, Promising, Need Attention, \
         Loyal, Potential Loyalist, At Risk, About To Sleep, Lost, Others"
    );
    let path = "/api/v1/chatters/performance?window=week&from=2026-10-21&colour=red&limit=0";
    let answer = service.get_with(path, &[("x-request-id", "the-request")]).await;
    insta::assert_json_snapshot!("invalid_parameters", answer.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_belongs_to_its_list() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let cursor = service.get("/fans?limit=5&sort=spend").await.json()["next_cursor"].as_str().expect("more").to_owned();
    let next = |parameters: Vec<(&'static str, &'static str)>| {
        let (service, cursor) = (&service, &cursor);
        async move {
            let mut all = parameters;
            all.push(("cursor", cursor));
            service.list("/fans", &all).await
        }
    };
    assert_eq!(next(vec![("sort", "spend")]).await.status, 200);
    assert_eq!(next(vec![("sort", "spend"), ("limit", "7")]).await.items().len(), 7);
    for other in [vec![("sort", "-spend")], vec![], vec![("sort", "spend"), ("q", "u")], vec![("sort", "messages")]] {
        let body = assert_problem(&next(other).await, 422, "invalid-parameters");
        assert_eq!(body["errors"][0]["parameter"], "cursor");
    }
    assert_eq!(service.list("/sales", &[("cursor", &cursor)]).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_so() {
    let service = Service::start().await;
    for path in ["/api/v1/nothing", "/api/v2/fans", "/favicon.ico", "/api/v1/fans/", "/assets/../Cargo.toml"] {
        assert_problem(&service.get_with(path, &[]).await, 404, "not-found");
    }
    for path in ["/api/v1/fans", "/api/v1/live", "/"] {
        let response = service.http.post(service.url(path)).body("x").send().await.expect("an answer");
        let answer = Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.expect("a body"),
        };
        assert_problem(&answer, 405, "method-not-allowed");
        assert_eq!(answer.header("allow"), "GET,HEAD");
    }
    let traced = service.http.request(reqwest::Method::TRACE, service.url("/api/v1/fans")).send().await;
    assert_eq!(traced.expect("an answer").status(), 405, "no request is sent back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id() {
    let service = Service::start().await;
    let answer = service.get_with("/api/v1/health", &[("x-request-id", "trace-7.a_B")]).await;
    assert_eq!(answer.header("x-request-id"), "trace-7.a_B");
    let refused = service.get_with("/api/v1/health", &[("x-request-id", "not plain!")]).await;
    assert_ne!(refused.header("x-request-id"), "not plain!");
    let other = service.get("/health").await;
    assert_ne!(refused.header("x-request-id"), other.header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_host_names_are_refused() {
    let service = Service::start().await;
    let answer = service.get_with("/api/v1/fans", &[("host", "rebound.example")]).await;
    assert_problem(&answer, 421, "wrong-host");
    let lives = service.get_with("/api/v1/health", &[("host", "10.40.17.3:8080")]).await;
    assert_eq!(lives.status, 200, "balancers ask by address whether the process lives");
    let port = service.address.port();
    assert_eq!(service.get_with("/api/v1/health", &[("host", &format!("localhost:{port}"))]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn defects_tell_nothing_of_the_inside() {
    let service = Service::start().await;
    service.run("alter table views.fan_measures rename column username to secret_name").await;
    service.run("drop view views.fans; create view views.fans as select f.*, null::integer as r_days from views.fan_measures f").await;
    let body = assert_problem(&service.get("/fans").await, 500, "internal");
    assert!(!body.to_string().contains("username") && !body.to_string().contains("select"), "{body}");
    // A column of another type.
    service.run("alter table views.creators alter column platform type integer using 1").await;
    service.run("insert into views.creators values (1, 'A (OF)', 'A', 2)").await;
    assert_problem(&service.get("/creators").await, 500, "internal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_prepared_is_unavailable() {
    let cluster = Cluster::shared().await;
    let service = Service::over(cluster.settings("postgres"), &[]).await;
    let answer = service.get("/fans").await;
    let body = assert_problem(&answer, 503, "unavailable");
    assert_eq!(body["detail"], "the database has not been prepared yet");
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_is_ended() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_TIMEOUT_SECONDS", "1"), ("FANDOM_API_POOL", "2")]).await;
    let locker = service.postgres.connect().await.expect("a connection");
    locker.batch_execute("begin; lock table views.sales_day in access exclusive mode").await.expect("a lock");
    for _ in 0..3 {
        let begun = std::time::Instant::now();
        assert_problem(&service.get("/sales").await, 503, "timed-out");
        assert!(begun.elapsed().as_secs() < 4);
    }
    // The connections are free again, and read nothing of the ended transactions.
    assert_eq!(service.get("/fans").await.status, 200);
    locker.batch_execute("rollback").await.expect("unlocked");
    assert_eq!(service.get("/sales").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_cannot_write() {
    let service = Service::start().await;
    let read_only = service
        .select(
            "select jsonb_agg(distinct application_name) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    assert!(!read_only.to_string().contains("update"), "{read_only}");
    // A rule that writes on reading is what the sessions refuse.
    service
        .run(
            "create function views.write() returns bigint language plpgsql as
                 'begin update views.progress set epoch = 77; return 1; end';
             drop view views.fans;
             create view views.fans as select f.*, views.write()::integer as r_days from views.fan_measures f",
        )
        .await;
    fixture::fill(&service).await;
    assert_eq!(service.get("/fans").await.status, 500);
    assert_eq!(service.select("select to_jsonb(epoch) from views.progress").await, 1000);
}
