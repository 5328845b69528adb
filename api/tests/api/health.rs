//! `/health` and `/ready`.

use serde_json::json;

use crate::fixture;
use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn ready_means_live_and_heard_of() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    assert_eq!(service.get("/health").await.json(), json!({ "status": "alive" }));

    for (status, code, percent, detail) in [
        ("state = 'stopped', heartbeat_at = null", 503, json!(null), "does not run"),
        (
            "state = 'hydrating', records_done = 30, records_due = 120, heartbeat_at = now()",
            503,
            json!(25.0),
            "still reads",
        ),
        (
            "state = 'hydrating', records_done = 0, records_due = 0, heartbeat_at = now()",
            503,
            json!(0.0),
            "still reads",
        ),
        ("state = 'live', heartbeat_at = now() - interval '11 seconds'", 503, json!(100.0), "10 seconds"),
        ("state = 'live', heartbeat_at = null", 503, json!(100.0), "10 seconds"),
        ("state = 'live', heartbeat_at = now() - interval '8 seconds'", 200, json!(100.0), ""),
    ] {
        service.run(&format!("update views.status set lag = '{{\"0\": 5, \"11\": 7}}', {status}")).await;
        let answer = service.get("/ready").await;
        assert_eq!(answer.status, code, "{status}: {}", answer.text);
        let body = answer.json();
        assert_eq!(body["ready"], code == 200);
        assert_eq!(body["hydration_percent"], percent, "{status}");
        assert_eq!(body["lag"], json!({ "total": 12, "partitions": { "0": 5, "11": 7 } }));
        assert_eq!(body["epoch"], 1000);
        assert_eq!(body["files"], json!({ "seen": 0, "publishing": 1, "live": 1, "failed": 1, "gone": 1 }));
        assert!(body["epoch_age_seconds"].as_f64().is_some_and(|age| (0.0..60.0).contains(&age)));
        if code == 503 {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(body["type"], "urn:fandom:problem:not-ready");
            assert!(body["detail"].as_str().is_some_and(|text| text.contains(detail)), "{body}");
        }
    }
}
