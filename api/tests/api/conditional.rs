//! Entity tags: the epoch, and 304 for whoever has it.

use serde_json::json;

use crate::fixture;
use crate::service::Service;

const READS: [&str; 12] = [
    "/chatters/performance",
    "/chatters",
    "/creators",
    "/creators/Tania/daily",
    "/fans",
    "/sales",
    "/reconciliation",
    "/template",
    "/overview?day=2026-10-21",
    "/chatters/ranking",
    "/chatters/series?to=2026-11-03",
    "/fans/u0001",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_sent_again_only_after_a_commit() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for path in READS {
        let path = format!("/api/v1{path}");
        let first = service.get_with(&path, &[]).await;
        assert_eq!((first.status, first.header("cache-control")), (200, "private, no-cache"), "{path}");
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("\"1000"), "{tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"7\", {tag}"), "*".to_owned()] {
            let again = service.get_with(&path, &[("if-none-match", &known)]).await;
            assert_eq!((again.status, again.text.as_str()), (304, ""), "{path} {known}");
            assert_eq!(again.header("etag"), tag);
        }
        let other = service.get_with(&path, &[("if-none-match", "\"999\"")]).await;
        assert_eq!((other.status, other.json()["epoch"].clone()), (200, json!(1000)), "{path}");
    }
    service.commit(1001, &["fans"]).await;
    for path in READS {
        let again = service.get_with(&format!("/api/v1{path}"), &[("if-none-match", "\"1000\"")]).await;
        assert_eq!((again.status, again.json()["epoch"].clone()), (200, json!(1001)), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_304_does_not_run_the_query() {
    let service = Service::start().await;
    service.commit(5, &[]).await;
    let tag = service.get("/fans").await.header("etag").to_owned();
    service.run("alter view views.fans rename column spend_cents to gone").await;
    let other = Service::over(service.postgres.clone(), &[]).await;
    assert_eq!(other.get_with("/api/v1/fans", &[("if-none-match", &tag)]).await.status, 304);
    assert_eq!(other.get("/fans").await.status, 500);
}

/// The tag of one answer stands for no other: not of another list, page, choice, form or zone.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_belongs_to_what_was_asked() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let mut tags = std::collections::BTreeMap::new();
    for path in [
        "/fans",
        "/fans?limit=5",
        "/fans?sort=messages",
        "/fans?sort=-messages",
        "/fans?fields=fan_id",
        "/fans?fields=fan_id,r",
        "/fans?format=csv",
        "/fans?format=csv&limit=100",
        "/fans?format=jsonl",
        "/fans?creator=Leya",
        "/fans?seen_from=2026-10-26",
        "/fans?seen_from=2026-10-26&zone=America/New_York",
        "/fans?min_spend_cents=100",
        "/fans?max_spend_cents=100",
        "/chatters",
        "/creators",
        "/sales",
        "/chatters/performance",
        "/chatters/performance?compare=previous",
        "/chatters/performance?window=hour",
        "/chatters/performance?window=hour&zone=Asia/Tokyo",
        "/chatters/series?to=2026-11-03",
        "/chatters/ranking",
        "/chatters/ranking?by=ppvs_sent",
        "/overview?day=2026-10-21",
        "/overview?day=2026-10-22",
        "/overview?day=2026-10-22&creator=Leya",
    ] {
        let tag = service.get(path).await.header("etag").to_owned();
        assert_eq!(service.get_with(&format!("/api/v1{path}"), &[("if-none-match", &tag)]).await.status, 304, "{path}");
        if let Some(other) = tags.insert(tag, path) {
            panic!("{path} and {other} have one tag");
        }
    }
    for (tag, path) in &tags {
        let other = if *path == "/fans" { "/sales" } else { "/fans" };
        let answer = service.get_with(&format!("/api/v1{other}"), &[("if-none-match", tag)]).await;
        assert_eq!(answer.status, 200, "the tag of {path} stands for {other} too");
    }
    let asked = [("accept", "text/csv")];
    let (json, csv) = (service.get("/fans").await, service.get_with("/api/v1/fans", &asked).await);
    assert_eq!(
        (json.header("vary"), csv.header("vary")),
        ("accept, authorization, cookie", "accept, authorization, cookie")
    );
    assert_ne!(json.header("etag"), csv.header("etag"));
}

/// Many ask the same at once: the question is put to Postgres once an epoch.
#[tokio::test(flavor = "multi_thread")]
async fn what_many_ask_is_read_once_an_epoch() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for epoch in [1001, 1002] {
        service.commit(epoch, &["fans"]).await;
        let before = service.reads("fan_measures").await;
        let asked_service = Service::over(service.postgres.clone(), &[]).await;
        let asked = (0..200).map(|_| asked_service.get("/fans"));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!((answer.status, answer.json()["epoch"].as_i64()), (200, Some(epoch)));
        }
        asked_service.stop().await.expect("a clean stop");
        let after = service.reads("fan_measures").await;
        let read = after.whole + after.index - before.whole - before.index;
        assert!((1..=3).contains(&read), "200 answers of one epoch took {read} reads");
    }
}

/// Each answer's items belong to the epoch that it states, while the epoch runs on.
#[tokio::test(flavor = "multi_thread")]
async fn items_and_epoch_belong_together() {
    let service = Service::start().await;
    service.run("insert into views.creators select n, 'C' || n, 'C' || n, 'OF' from generate_series(1, 50) n").await;
    let writer = service.postgres.connect().await.expect("a connection");
    let writing = tokio::spawn(async move {
        for epoch in 1..=300 {
            writer
                .batch_execute(&format!(
                    "begin; update views.creators set name = '{epoch}'; update views.progress set epoch = {epoch}; commit"
                ))
                .await
                .expect("a commit");
        }
    });
    let mut epochs = std::collections::BTreeSet::new();
    while !writing.is_finished() {
        let answer = service.get("/creators").await.json();
        let epoch = answer["epoch"].as_i64().expect("an epoch");
        epochs.insert(epoch);
        if epoch > 0 {
            for item in answer["items"].as_array().expect("items") {
                assert_eq!(item["name"], epoch.to_string());
            }
        }
    }
    writing.await.expect("all commits");
    assert!(epochs.len() > 3, "too few epochs were seen to prove anything: {epochs:?}");
}
