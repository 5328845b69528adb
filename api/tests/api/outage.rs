//! Postgres goes away and comes back.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::fixture;
use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_goes_and_comes_back() {
    let cluster = Cluster::start().await;
    let service = Service::over(cluster.database().await, &[]).await;
    fixture::fill(&service).await;
    assert_eq!(service.get("/fans").await.status, 200);
    let mut live = service.http.get(service.url("/api/v1/live")).send().await.expect("a stream");

    tokio::task::block_in_place(|| cluster.tell("stop"));
    for path in ["/fans", "/chatters/performance", "/files", "/ready", "/overview", "/fans"] {
        let begun = Instant::now();
        let answer = service.get(path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "2"), "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(begun.elapsed() < Duration::from_secs(8), "{path} took {:?}", begun.elapsed());
    }
    assert_eq!(service.get("/health").await.status, 200, "the process lives all the same");

    tokio::task::block_in_place(|| cluster.tell("start"));
    let begun = Instant::now();
    while service.get("/fans").await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the API did not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // The stream that was open all along tells of a commit after the outage.
    let sql = service.postgres.connect().await.expect("a connection");
    sql.batch_execute("update views.progress set epoch = 2000; notify fandom_epoch, '2000'").await.expect("a commit");
    let mut told = String::new();
    while !told.contains("id: 2000") && !told.contains("id:2000") {
        let chunk =
            tokio::time::timeout(Duration::from_secs(20), live.chunk()).await.expect("in time").expect("a chunk");
        told.push_str(&String::from_utf8_lossy(&chunk.expect("the stream goes on")));
    }
    service.stop().await.expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_starts_before_postgres() {
    let cluster = Cluster::start().await;
    let postgres = cluster.database().await;
    let sql = postgres.connect().await.expect("a connection");
    tokio::task::block_in_place(|| cluster.tell("stop"));
    let service = Service::with(sql, postgres, &[]).await;
    assert_eq!(service.get("/ready").await.status, 503);
    assert_eq!(service.get("/live").await.status, 503);
    tokio::task::block_in_place(|| cluster.tell("start"));
    let begun = Instant::now();
    loop {
        let answer = service.get("/creators").await;
        if answer.status == 200 {
            assert_eq!(answer.json()["items"], Value::Array(Vec::new()));
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "the API did not come back: {}", answer.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
