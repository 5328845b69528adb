//! Entity tags: the epoch, and 304 for whoever has it.

use serde_json::json;

use crate::fixture;
use crate::service::Service;

const READS: [&str; 9] = [
    "/chatters/performance",
    "/chatters",
    "/creators",
    "/creators/Tania/daily",
    "/fans",
    "/sales",
    "/reconciliation",
    "/template",
    "/overview?day=2026-10-21",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_sent_again_only_after_a_commit() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for path in READS {
        let path = format!("/api/v1{path}");
        let first = service.get_with(&path, &[]).await;
        assert_eq!((first.status, first.header("cache-control")), (200, "no-cache"), "{path}");
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
    service.run("alter table views.fan_measures rename column spend_cents to gone").await;
    let tagged = service.get_with("/api/v1/fans", &[("if-none-match", "\"5\"")]).await;
    assert_eq!(tagged.status, 304);
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
