//! Uploads, their rejects and events, requests to connectors, and mappings, without a connector: what the API itself does.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::forms::same_in_every_form;
use crate::service::{Answer, Service};

/// A service with a folder of uploads.
async fn service(settings: &[(&str, &str)]) -> (Service, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("uploads").display().to_string();
    let mut all = vec![("FANDOM_UPLOADS_DIR", path.as_str())];
    all.extend_from_slice(settings);
    let postgres = Cluster::shared().await.database().await;
    (Service::over(postgres, &all).await, folder)
}

async fn send(service: &Service, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let request = service.http.request(method, service.url(&format!("/api/v1/ingest{path}"))).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.expect("an answer");
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.expect("a body"),
    }
}

const MULTIPART: (&str, &str) = ("content-type", "multipart/form-data; boundary=edge");

fn multipart(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in files {
        let head = format!("--edge\r\ncontent-disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    body
}

async fn upload(service: &Service, path: &str, files: &[(&str, &[u8])]) -> Answer {
    send(service, Method::POST, path, &[MULTIPART], multipart(files)).await
}

/// Every file below a folder, hidden ones too, by its path.
fn files_below(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).expect("below").display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn problem(answer: &Answer, status: u16, slug: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:fandom:problem:{slug}"), "{body}");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_put_whole_under_safe_names() {
    let (service, folder) = service(&[]).await;
    let large = vec![b'x'; 3 << 20];
    let answer =
        upload(&service, "/uploads?folder=crm", &[("../../Sales <1>.CSV", b"a,b\n"), ("b.xlsx", &large)]).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let items = answer.json()["items"].as_array().expect("items").clone();
    let shown: Vec<_> =
        items.iter().map(|item| [&item["name"], &item["state"], &item["folder"], &item["size_bytes"]]).collect();
    assert_eq!(shown[0], [&json!("Sales _1_.csv"), &json!("stored"), &json!("crm"), &json!(4)]);
    assert_eq!(shown[1], [&json!("b.xlsx"), &json!("stored"), &json!("crm"), &json!(large.len())]);
    let mut expected: Vec<String> = items
        .iter()
        .map(|item| {
            format!("uploads/crm/{}/{}", item["id"].as_str().expect("an id"), item["name"].as_str().expect("a name"))
        })
        .collect();
    expected.sort();
    assert_eq!(files_below(folder.path()), expected, "nothing else is left");
    assert_eq!(std::fs::read(folder.path().join(&expected[1])).expect("the file").len(), large.len());
    assert_eq!(items[0]["file"], format!("uploads:{}", expected[0].strip_prefix("uploads/").expect("below")));
    let listed = service.walk("/ingest/uploads", &[("sort", "name")], 1).await;
    assert_eq!(listed.len(), 2, "page by page");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_leaves_nothing() {
    let (service, folder) = service(&[("FANDOM_MAX_FILE_BYTES", "100000")]).await;
    let large = vec![b'x'; 100_001];
    let body = problem(&upload(&service, "/uploads", &[("a.csv", b"a"), ("b.csv", &large)]).await, 413, "too-large");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("FANDOM_MAX_FILE_BYTES")), "{body}");
    problem(&upload(&service, "/uploads", &[("a.csv", b"a"), ("b.exe", b"b")]).await, 415, "unsupported-file");
    problem(&upload(&service, "/uploads", &[]).await, 400, "bad-request");
    problem(&upload(&service, "/uploads?folder=../up", &[("a.csv", b"a")]).await, 422, "invalid-parameters");
    let cut = multipart(&[("a.csv", b"a,b,c")]);
    let answer = send(&service, Method::POST, "/uploads", &[MULTIPART], cut[..cut.len() - 12].to_vec()).await;
    problem(&answer, 400, "bad-request");
    problem(&send(&service, Method::POST, "/uploads", &[], b"a,b".to_vec()).await, 400, "bad-request");
    assert_eq!(files_below(folder.path()), Vec::<String>::new());
    assert_eq!(service.get("/ingest/uploads").await.items(), Vec::<Value>::new());

    let postgres = Cluster::shared().await.database().await;
    let without = Service::over(postgres, &[]).await;
    let body = problem(&upload(&without, "/uploads", &[("a.csv", b"a")]).await, 503, "unavailable");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("FANDOM_UPLOADS_DIR")), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_shown_read_again_and_taken_back() {
    let (service, folder) = service(&[]).await;
    let item = upload(&service, "/uploads", &[("a.csv", b"a,b\n")]).await.json()["items"][0].clone();
    let (id, file) = (item["id"].as_str().expect("an id"), item["file"].as_str().expect("a file"));
    // What a connector notes.
    let live = format!(
        "insert into app.uploads (file, source, name, partition, state, version, live_version, live_rows, rows_read, accepted, rejected) \
         values ('{file}', 'uploads', 'a.csv', 0, 'live', 7, 7, 1, 3, 1, 2);
         insert into app.rejects values ('{file}', 7, 0, 'S', 3, 'Price', 'unreadable price', array['=1+1', 'a,b', '']),
             ('{file}', 7, 1, null, 4, null, 'missing fan', array['x']), ('{file}', 6, 0, null, 9, null, 'old', array['x'])"
    );
    service.run(&live).await;
    let shown = service.get(&format!("/ingest/uploads/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["rejected_count"], &shown["sheets"]), (&json!("live"), &json!(2), &json!([])));
    let rejects = service.walk(&format!("/ingest/uploads/{id}/rejects"), &[], 1).await;
    let first =
        json!({"sheet": "S", "row": 3, "column": "Price", "reason": "unreadable price", "cells": ["=1+1", "a,b", ""]});
    assert_eq!((rejects.len(), &rejects[0]), (2, &first));
    same_in_every_form(&service, &format!("/ingest/uploads/{id}/rejects"), "-ordinal").await;
    same_in_every_form(&service, "/ingest/uploads", "name").await;
    let csv = service.get(&format!("/ingest/uploads/{id}/rejects.csv")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(
        lines,
        [
            "sheet,row,column,reason,cell 1,cell 2,cell 3",
            "S,3,Price,unreadable price,'=1+1,\"a,b\",",
            ",4,,missing fan,x"
        ]
    );

    let path = format!("/uploads/{id}/reprocess");
    let request = send(&service, Method::POST, &path, &[], Vec::new()).await;
    assert_eq!(request.status, 202, "{}", request.text);
    let request =
        service.get(&format!("/ingest/requests/{}", request.json()["request"].as_str().expect("an id"))).await;
    assert_eq!((&request.json()["what"], &request.json()["file"]), (&json!("reprocess"), &json!(file)));

    let deleted = send(&service, Method::DELETE, &format!("/uploads/{id}"), &[], Vec::new()).await;
    assert_eq!((deleted.status, &deleted.json()["state"]), (202, &json!("retracting")), "its rows still count");
    assert_eq!(files_below(folder.path()), Vec::<String>::new());
    problem(&send(&service, Method::POST, &path, &[], Vec::new()).await, 409, "conflict");
    service.run("update app.uploads set state = 'gone'").await;
    assert_eq!(service.get(&format!("/ingest/uploads/{id}")).await.json()["state"], "gone");
    assert_eq!(service.get("/ingest/uploads").await.items().len(), 0);
    assert_eq!(service.get("/ingest/uploads?state=gone").await.items().len(), 1);
    problem(&service.get("/ingest/uploads/none").await, 404, "not-found");
    problem(&send(&service, Method::DELETE, "/uploads/none", &[], Vec::new()).await, 404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_an_upload_is_told() {
    let (service, _folder) = service(&[]).await;
    let item = upload(&service, "/uploads", &[("a.csv", b"a,b\n")]).await.json()["items"][0].clone();
    let (id, file) = (item["id"].as_str().expect("an id"), item["file"].as_str().expect("a file"));
    let url = service.url(&format!("/api/v1/ingest/events?upload={id}"));
    let mut stream = service.http.get(url).send().await.expect("a stream");
    let mut told = String::new();
    let begun = Instant::now();
    let mut state = "stored";
    for next in ["seen", "publishing", "live", ""] {
        while !told.contains(&format!("\"state\":\"{state}\"")) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{state} in {told}");
            let chunk = stream.chunk().await.expect("it lives").expect("it goes on");
            told.push_str(&String::from_utf8_lossy(&chunk));
        }
        state = next;
        if !next.is_empty() {
            service
                .run(&format!(
                    "insert into app.uploads (file, source, name, partition, state) values ('{file}', 'uploads', 'a', 0, '{next}') \
                     on conflict (file) do update set state = excluded.state"
                ))
                .await;
        }
    }
    problem(&service.get("/ingest/events?upload=none").await, 404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_is_asked_once() {
    let (service, _folder) = service(&[]).await;
    service.run("insert into app.sources (source, state) values ('inbox', 'ok'), ('drive', 'failed')").await;
    let sync = || send(&service, Method::POST, "/sync", &[], Vec::new());
    let first = sync().await;
    assert_eq!((first.status, first.json()["requests"].as_array().map(Vec::len)), (202, Some(2)));
    assert_eq!(sync().await.json(), first.json(), "what waits is not asked again");
    service.run("update app.ingest_requests set state = 'done', done_at = now() where source = 'inbox'").await;
    assert_ne!(sync().await.json(), first.json());
    problem(&service.get("/ingest/requests/999999").await, 404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_are_kept_and_moved() {
    let (service, _folder) = service(&[("FANDOM_API_TIMEOUT_SECONDS", "1")]).await;
    let mapping = json!({"kind": "chatter_day", "folder": "hr", "columns": {"chatter": "who", "day": "when", "messages_sent": "n"}});
    let put = |name: &'static str, json: Value| {
        let service = &service;
        async move { send(service, Method::PUT, &format!("/mappings/{name}"), &[], json.to_string().into_bytes()).await }
    };
    let saved = put("hours%20of%20hr", mapping.clone()).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let one = service.get("/ingest/mappings/hours%20of%20hr").await.json();
    assert_eq!(
        (&one["name"], &one["source"], &one["dates"]),
        (&json!("hours of hr"), &json!("uploads"), &json!("year_first"))
    );

    let mut wrong = mapping.clone();
    wrong["columns"] = json!({"chatter": "who", "colour": "c"});
    let body = problem(&put("wrong", wrong).await, 422, "invalid-parameters");
    let named: Vec<&str> =
        body["errors"].as_array().expect("errors").iter().filter_map(|e| e["parameter"].as_str()).collect();
    assert_eq!(named, ["columns.colour", "columns.day", "columns"], "{body}");
    problem(&put("misspelled", json!({"kind": "chatter_day", "column": {}})).await, 422, "invalid-parameters");
    problem(&put("import", mapping.clone()).await, 405, "method-not-allowed");

    let exported = service.get("/ingest/mappings/export").await;
    assert!(exported.header("content-disposition").contains("mappings.json"));
    let remove = || send(&service, Method::DELETE, "/mappings/hours%20of%20hr", &[], Vec::new());
    assert_eq!((remove().await.status, remove().await.status), (204, 404));
    let mut two = exported.json();
    let mut bad = two["mappings"][0].clone();
    bad["zone"] = json!("Mars/Base");
    two["mappings"].as_array_mut().expect("a list").push(bad);
    let import = |json: Value| {
        let service = &service;
        async move { send(service, Method::POST, "/mappings/import", &[], json.to_string().into_bytes()).await }
    };
    problem(&import(two).await, 422, "invalid-parameters");
    assert_eq!(service.get("/ingest/mappings").await.items(), [] as [Value; 0], "all or none");
    assert_eq!(import(exported.json()).await.json(), json!({"saved": 1}));
    let listed = service.get("/ingest/mappings").await.items();
    assert_eq!((&listed[0]["definition"], &listed[0]["readable"]), (&exported.json()["mappings"][0], &json!(true)));
    // As a version to come may write it.
    service.run("update app.mappings set definition = definition || '{\"weekdays\": \"Monday\"}'").await;
    assert_eq!(service.get("/ingest/mappings?fields=readable").await.items(), [json!({"readable": false})]);
    assert_eq!(service.get("/ingest/mappings?source=elsewhere").await.items(), [] as [Value; 0]);
    service.run("update app.mappings set definition = definition - 'weekdays'").await;

    // Nobody serves the source.
    let look = json!({"file": "inbox:a.csv"}).to_string().into_bytes();
    let body = problem(&send(&service, Method::POST, "/mappings/suggest", &[], look).await, 503, "unavailable");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("`inbox`")), "{body}");
    assert_eq!(
        service.select("select to_jsonb(count(*)) from app.ingest_requests").await,
        0,
        "nothing is left waiting"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_is_put_right_at_the_next_start() {
    let postgres = Cluster::shared().await.database().await;
    let folder = tempfile::tempdir().expect("a folder");
    let put = |path: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, "a,b\n").expect("a file");
    };
    put("1/a.csv");
    put("2/b.csv");
    put(".3.part");
    let sql = postgres.connect().await.expect("a connection");
    sql.batch_execute(
        "insert into app.received (id, file, name, folder, deleted_at) values ('1', 'uploads:1/a.csv', 'a.csv', '', null), \
         ('2', 'uploads:2/b.csv', 'b.csv', '', now()), ('3', 'uploads:3/c.csv', 'c.csv', '', null)",
    )
    .await
    .expect("rows");
    let path = folder.path().display().to_string();
    let service = Service::over(postgres, &[("FANDOM_UPLOADS_DIR", &path)]).await;
    let begun = Instant::now();
    loop {
        let states: Vec<Value> =
            service.list("/ingest/uploads", &[("sort", "name"), ("state", "stored,receiving,gone")]).await.items();
        let states: Vec<&str> = states.iter().filter_map(|item| item["state"].as_str()).collect();
        if states == ["stored", "gone", "receiving"] && files_below(folder.path()) == [".3.part", "1/a.csv"] {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{states:?} {:?}", files_below(folder.path()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_and_its_entry_in_the_trail_hold_together() {
    let (service, _folder) = service(&[]).await;
    let mapping = json!({ "name": "t", "kind": "chatter_day", "columns": { "chatter": "who", "day": "d", "messages_sent": "n" } });
    let mapping = &mapping;
    let save = async |name: &str| {
        send(&service, Method::PUT, &format!("/mappings/{name}"), &[], mapping.to_string().into_bytes()).await.status
    };
    let kept = "select jsonb_agg(name order by name) from app.mappings";
    let noted = "select jsonb_agg(target order by seq) from app.audit where action = 'PUT by the API'";
    assert_eq!(save("one").await, 200);
    assert_eq!(service.select(noted).await, json!(["/api/v1/ingest/mappings/one"]), "once");

    service.run("alter table app.audit add constraint no_more check (seq < 0) not valid").await;
    assert!(save("two").await >= 500, "without an entry there is no change");
    assert_eq!(service.select(kept).await, json!(["one"]));

    service.run("alter table app.audit drop constraint no_more").await;
    assert_eq!(save("two").await, 200);
    assert_eq!(service.select(kept).await, json!(["one", "two"]));
    let both = json!(["/api/v1/ingest/mappings/one", "/api/v1/ingest/mappings/two"]);
    assert_eq!(service.select(noted).await, both);
}

/// Postgres has no text with the character U+0000.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_text_can_have_is_asked_wrongly() {
    let (service, _folder) = service(&[]).await;
    for (method, path) in [
        (Method::GET, "/uploads/%00"),
        (Method::DELETE, "/uploads/a%00b"),
        (Method::POST, "/uploads/%00/reprocess"),
        (Method::GET, "/uploads/%00/rejects"),
        (Method::GET, "/requests/%00"),
        (Method::GET, "/mappings/%00"),
        (Method::DELETE, "/mappings/%00"),
    ] {
        problem(&send(&service, method, path, &[], Vec::new()).await, 404, "not-found");
    }
    let mapping = json!({ "kind": "message", "columns": { "sender": "a\0", "sent_date": "d", "sent_time": "d", "sent_to": "t",
        "creator": { "value": "Tania (OF)" } } });
    let several = json!({ "mappings": [mapping] });
    for (method, path, body) in [
        (Method::POST, "/mappings/suggest", json!({ "upload": "\0" })),
        (Method::POST, "/mappings/preview", json!({ "file": "inbox:\0", "mapping": mapping })),
        (Method::PUT, "/mappings/crm", mapping.clone()),
        (Method::POST, "/mappings/import", several),
    ] {
        problem(&send(&service, method, path, &[], body.to_string().into_bytes()).await, 422, "invalid-body");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_mapping_that_is_not_there_is_no_deed() {
    let (service, _folder) = service(&[]).await;
    problem(&send(&service, Method::DELETE, "/mappings/none", &[], Vec::new()).await, 404, "not-found");
    assert_eq!(service.select("select to_jsonb(count(*)) from app.audit").await, 0);
}
