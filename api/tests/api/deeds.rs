//! What the audit trail says of files and mappings: which, and what changed, without names of files.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::people::{administration, read};
use crate::service::{Answer, Service};

async fn send(service: &Service, method: Method, path: &str, kind: &str, body: &str) -> Answer {
    let request = service.http.request(method, service.url(&format!("/api/v1/ingest{path}")));
    let answer =
        read(request.header("content-type", kind).body(body.to_owned()).send().await.expect("an answer")).await;
    assert!(answer.status < 300, "{path}: {}", answer.text);
    answer
}

/// What the last entry says: its target, and the detail.
async fn last(service: &Service) -> (String, Value) {
    let entry = service.get("/audit?limit=1").await.items().remove(0);
    (entry["target"].as_str().expect("a target").to_owned(), entry["detail"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_mappings_are_noted_with_what_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let uploads = folder.path().display().to_string();
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_UPLOADS_DIR", &uploads)]).await;
    let none = "application/octet-stream";
    let form = "--edge\r\ncontent-disposition: form-data; name=\"f\"; filename=\"Fan Dragonknight.CSV\"\r\n\r\na,b\n\r\n--edge--\r\n";
    let made = send(&service, Method::POST, "/uploads?folder=crm", "multipart/form-data; boundary=edge", form).await;
    let id = made.json()["items"][0]["id"].clone();
    let noted = json!({"uploads": [{"id": id, "ending": "csv", "size_bytes": 4}], "folder": "crm"});
    assert_eq!(last(&service).await, ("/api/v1/ingest/uploads".to_owned(), noted));

    let of_upload = format!("/uploads/{}", id.as_str().expect("an id"));
    let asked = send(&service, Method::POST, &format!("{of_upload}/reprocess"), none, "").await.json();
    let (_, detail) = last(&service).await;
    let request = json!({"upload": id, "request": asked["request"], "what": "reprocess", "source": "uploads"});
    assert_eq!(detail, request);
    send(&service, Method::DELETE, &of_upload, none, "").await;
    assert_eq!(last(&service).await.1, json!({"upload": id, "ending": "csv", "size_bytes": 4}));

    let mut mapping =
        json!({"kind": "chatter_day", "columns": {"chatter": "who", "day": "when", "messages_sent": "n"}});
    for (dates, changed) in [
        ("year_first", None),
        ("day_first", Some(json!({"dates": {"before": "year_first", "now": "day_first"}}))),
        ("day_first", Some(json!({}))),
    ] {
        mapping["dates"] = json!(dates);
        send(&service, Method::PUT, "/mappings/hours", "application/json", &mapping.to_string()).await;
        let (target, detail) = last(&service).await;
        assert_eq!(target, "/api/v1/ingest/mappings/hours");
        match changed {
            Some(changed) => assert_eq!(detail, json!({"mappings": {"hours": changed}})),
            None => {
                let columns = &detail["mappings"]["hours"]["columns"];
                assert_eq!((&columns["before"], &columns["now"]), (&Value::Null, &mapping["columns"]), "{detail}");
            }
        }
    }
    let mut exported = service.get("/ingest/mappings/export").await.json();
    exported["mappings"][0]["folder"] = json!("hr");
    send(&service, Method::POST, "/mappings/import", "application/json", &exported.to_string()).await;
    let imported = json!({"mappings": {"hours": {"folder": {"before": "", "now": "hr"}}}});
    assert_eq!(last(&service).await.1, imported);
    send(&service, Method::DELETE, "/mappings/hours", none, "").await;
    let removed = last(&service).await.1["mappings"]["hours"]["folder"].clone();
    assert_eq!(removed, json!({"before": "hr", "now": null}));

    service.run("insert into app.sources (source, state) values ('inbox', 'ok')").await;
    let asked = send(&service, Method::POST, "/sync", none, "").await.json();
    assert_eq!(last(&service).await.1, asked);

    let whole = service.get("/audit?limit=1000").await;
    assert_eq!(whole.items().len(), 9, "an entry a request");
    assert!(!whole.text.contains("Dragonknight"), "a file's name may be a fan's: {}", whole.text);
    assert_eq!(administration(&service).verify_audit().await.expect("a whole trail").0, 9);
}
