//! Uploads and mappings, over real Kafka and Postgres: what is uploaded counts, is read again, and is taken back; sheets of another
//! make are mapped through the API; a crash between any two steps loses nothing.

mod folders;
mod traces;

use std::time::{Duration, Instant};

use fandom_tests::api::Api;
use fandom_tests::collector::{self, Collector};
use fandom_tests::suite::{Part, Suite, free_addresses};
use reqwest::Method;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(120);

/// A sales record; each row is instant, fan, and net and gross revenue.
fn sales(rows: &[(&str, &str, &str)]) -> Vec<u8> {
    sales_under("Date & time UTC", "Tania (OF)", rows)
}

/// The same of a creator, with the instants under that header.
fn sales_under(instants: &str, creator: &str, rows: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let headers = [instants, "Employee", "Creator", "Fan", "Gross revenue", "Net revenue", "Type"];
    for (column, header) in (0..).zip(headers) {
        sheet.write(0, column, header).expect("a cell");
    }
    for (row, (at, fan, net)) in (1..).zip(rows) {
        for (column, cell) in (0..).zip([*at, "Iva", creator, *fan, *net, *net, "Tips"]) {
            sheet.write(row, column, cell).expect("a cell");
        }
    }
    book.save_to_buffer().expect("a workbook")
}

/// A CRM's chats.
fn chats(rows: &[&str]) -> Vec<u8> {
    format!("chatterName,timestamp,messageType,content,customerId\n{}\n", rows.join("\n")).into_bytes()
}

struct Stage {
    suite: Suite,
    api: Api,
    http: reqwest::Client,
    collector: Collector,
}

impl Stage {
    /// Starts everything. Where the collector is away, its address is one on which nobody listens.
    async fn start(collector_is_there: bool) -> Stage {
        let collector = Collector::start().await;
        let to = if collector_is_there { collector.url.clone() } else { format!("http://{}", free_addresses(1)[0]) };
        let settings = [
            ("FANDOM_POLL_MS", "200"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &to),
            ("OTEL_EXPORTER_OTLP_HEADERS", collector::HEADERS),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ];
        let mut suite = Suite::start(&settings).await.expect("the servers start");
        let uploads = suite.inbox.with_file_name("uploads").display().to_string();
        suite.settings.push(("FANDOM_UPLOADS_DIR".to_owned(), uploads));
        suite.run(Part::Dataflow);
        suite.run(Part::Connect);
        let api = Api::start(&mut suite).await;
        Stage { suite, api, http: fandom_tests::api::client(), collector }
    }

    /// Starts the API anew, with fail points.
    async fn restart_api(&mut self, failpoints: &str) {
        self.suite.kill(Part::Api);
        let _ = std::fs::remove_file(self.suite.log(Part::Api));
        self.suite.settings.push(("FANDOM_FAILPOINTS".to_owned(), failpoints.to_owned()));
        self.api = Api::start(&mut self.suite).await;
        self.suite.settings.pop();
    }

    /// Uploads files; the answer, if there is one.
    async fn upload(&self, path: &str, files: &[(&str, &[u8])]) -> Option<(u16, Value)> {
        self.upload_traced(path, files, None).await
    }

    /// Uploads files, as a part of a trace.
    async fn upload_traced(&self, path: &str, files: &[(&str, &[u8])], trace: Option<&str>) -> Option<(u16, Value)> {
        let mut body = Vec::new();
        for (name, content) in files {
            body.extend_from_slice(b"--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"");
            body.extend_from_slice(format!("{name}\"\r\n\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--edge--\r\n");
        let mut request =
            self.http.post(self.api.url(path)).header("content-type", "multipart/form-data; boundary=edge");
        if let Some(trace) = trace {
            request = request.header("traceparent", trace);
        }
        let response = request.body(body).send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, serde_json::from_str(&response.text().await.ok()?).expect("JSON")))
    }

    /// Uploads files that are taken; their ids.
    async fn uploaded(&self, path: &str, files: &[(&str, &[u8])]) -> Vec<String> {
        ids_of(self.upload(path, files).await)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.http.request(method, self.api.url(path));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Waits until the views hold that many cents of sales and that many messages.
    async fn figures(&self, what: &str, net_cents: i64, messages: i64) {
        let check = |client: tokio_postgres::Client| async move {
            let sql = "select (select coalesce(sum(net_cents), 0)::bigint from views.sales_day), \
                       (select coalesce(sum(messages_sent), 0)::bigint + coalesce(sum(mass_messages), 0)::bigint from views.chatter_all)";
            let row = client.query_one(sql, &[]).await?;
            let found: (i64, i64) = (row.get(0), row.get(1));
            Ok(if found == (net_cents, messages) { Vec::new() } else { vec![format!("{found:?}")] })
        };
        self.suite.eventually(what, PATIENCE, check).await;
    }

    /// Waits until an upload is as it should be; it as the API shows it.
    async fn until(&self, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let upload = self.get(&format!("ingest/uploads/{id}")).await;
            if is(&upload) {
                return upload;
            }
            assert!(begun.elapsed() < PATIENCE, "not {what}: {upload}\n{}", self.suite.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The ids of uploads that were taken.
fn ids_of(answer: Option<(u16, Value)>) -> Vec<String> {
    let (status, body) = answer.expect("an answer");
    assert_eq!(status, 201, "{body}");
    let items = body["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uploaded_counts_and_is_taken_back() {
    let stage = Stage::start(true).await;
    // What is committed while the dataflow reads what was there before is in no trace.
    let is_live = |client: tokio_postgres::Client| async move {
        let state: String = client.query_one("select state from views.status", &[]).await?.get(0);
        Ok(if state == "live" { Vec::new() } else { vec![state] })
    };
    stage.suite.eventually("the views are live", PATIENCE, is_live).await;
    let mut events = stage.http.get(stage.api.url("ingest/events")).send().await.expect("a stream");
    let good = sales(&[("2026-10-21 13:52:43", "u1", "10.00"), ("2026-10-21 14:00:00", traces::FAN, "5.00")]);
    let odd = sales(&[("2026-10-22 09:00:00", "u1", "7.00"), ("2026-10-22 10:00:00", "u1", "much")]);
    let trace = format!("00-{}-{}-01", traces::TRACE, traces::ASKER);
    let files: [(&str, &[u8]); 2] = [("good.xlsx", &good), ("../odd.xlsx", &odd)];
    let ids = ids_of(stage.upload_traced("ingest/uploads", &files, Some(&trace)).await);
    stage.figures("both count", 2200, 0).await;
    traces::follow_the_upload(&stage).await;

    let upload = stage.until(&ids[1], "live", |upload| upload["state"] == "live").await;
    assert_eq!(
        (&upload["name"], &upload["rejected_count"], &upload["accepted"]),
        (&json!("odd.xlsx"), &json!(1), &json!(1))
    );
    let rejects = stage.get(&format!("ingest/uploads/{}/rejects", ids[1])).await;
    let reject = &rejects["items"][0];
    assert_eq!((&reject["row"], &reject["column"]), (&json!(3), &json!("Gross revenue")), "{rejects}");
    assert_eq!(reject["reason"], "unreadable gross revenue");
    let csv = stage.get(&format!("ingest/uploads/{}/rejects.csv", ids[1])).await;
    assert!(
        csv.as_str().expect("text").contains("Sheet1,3,Gross revenue,unreadable gross revenue,2026-10-22 10:00:00"),
        "{csv}"
    );

    let mut told = String::new();
    let live = |told: &str, id: &String| {
        told.split("\n\n").any(|event| event.contains(id) && event.contains("\"state\":\"live\""))
    };
    while !ids.iter().all(|id| live(&told, id)) {
        let chunk = events.chunk().await.expect("the stream lives").expect("the stream goes on");
        told.push_str(&String::from_utf8_lossy(&chunk));
    }

    let version = stage.get(&format!("ingest/uploads/{}", ids[0])).await["version"].as_i64().expect("a version");
    let (status, body) = stage.send(Method::POST, &format!("ingest/uploads/{}/reprocess", ids[0]), None).await;
    assert_eq!(status, 202, "{body}");
    let again = |upload: &Value| upload["state"] == "live" && upload["version"].as_i64() > Some(version);
    stage.until(&ids[0], "read again", again).await;
    stage.figures("the same figures", 2200, 0).await;

    assert_eq!(stage.send(Method::DELETE, &format!("ingest/uploads/{}", ids[1]), None).await.0, 202);
    stage.figures("its rows are gone", 1500, 0).await;
    stage.until(&ids[1], "gone", |upload| upload["state"] == "gone").await;
    let rejects = stage.get(&format!("ingest/uploads/{}/rejects", ids[1])).await;
    assert_eq!(rejects["items"], json!([]), "and its rejects");
    assert_eq!(stage.get("ingest/uploads").await["items"].as_array().map(Vec::len), Some(1));

    // Every source is asked to look now.
    let (_, asked) = stage.send(Method::POST, "ingest/sync", None).await;
    assert_eq!(asked["requests"].as_array().map(Vec::len), Some(2), "inbox and uploads: {asked}");
    let begun = Instant::now();
    for request in asked["requests"].as_array().expect("requests") {
        let path = format!("ingest/requests/{}", request["request"].as_str().expect("an id"));
        while stage.get(&path).await["state"] != "done" {
            assert!(begun.elapsed() < PATIENCE, "{request}\n{}", stage.suite.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    a_sheet_of_another_make(&stage).await;
}

async fn a_sheet_of_another_make(stage: &Stage) {
    let first = chats(&[
        "Iva,2026-10-21T13:52:43Z,text,hello,u1",
        "Jovan,2026-10-21T23:59:59+02:00,mass message,hi,u2",
        "Iva,yesterday,text,never,u1",
    ]);
    let ids = stage.uploaded("ingest/uploads?folder=crm", &[("chats.csv", &first)]).await;
    let upload = stage.until(&ids[0], "live", |upload| upload["state"] == "live").await;
    assert!(upload["error"].as_str().is_some_and(|notice| notice.contains("no sheet was recognised")), "{upload}");

    let look = json!({ "upload": ids[0] });
    let (status, suggested) = stage.send(Method::POST, "ingest/mappings/suggest", Some(&look)).await;
    assert_eq!(status, 200, "{suggested}");
    let suggestion = &suggested["suggestions"][0];
    assert_eq!(suggestion["missing"], json!(["creator"]), "{suggestion}");
    let mut mapping = suggestion["mapping"].clone();
    mapping["name"] = json!("crm chats");
    mapping["folder"] = json!("crm");
    let unfinished = json!({ "upload": ids[0], "mapping": mapping });
    assert_eq!(stage.send(Method::POST, "ingest/mappings/preview", Some(&unfinished)).await.0, 422, "no creator");
    mapping["columns"]["creator"] = json!({ "value": "Tania (OF)" });
    let look = json!({ "upload": ids[0], "mapping": mapping });
    let (status, preview) = stage.send(Method::POST, "ingest/mappings/preview", Some(&look)).await;
    assert_eq!((status, &preview["accepted"], &preview["rejected"]), (200, &json!(2), &json!(1)), "{preview}");
    stage.figures("a preview publishes nothing", 1500, 0).await;

    let saved = stage.send(Method::PUT, "ingest/mappings/crm%20chats", Some(&mapping)).await;
    assert_eq!(saved.0, 200, "{}", saved.1);
    stage.figures("the file is read again, by the mapping", 1500, 2).await;
    let second = chats(&["Iva,2026-10-22T08:00:00Z,text,good morning,u3"]);
    stage.uploaded("ingest/uploads?folder=crm", &[("more.csv", &second)]).await;
    stage.figures("the next file of that shape goes by itself", 1500, 3).await;
    let elsewhere = stage.uploaded("ingest/uploads", &[("elsewhere.csv", &second)]).await;
    let upload = stage.until(&elsewhere[0], "live", |upload| upload["state"] == "live").await;
    assert_eq!(upload["live_rows"], 0, "outside of its folder the mapping does nothing: {upload}");

    let exported = stage.get("ingest/mappings/export").await;
    assert_eq!(stage.send(Method::DELETE, "ingest/mappings/crm%20chats", None).await.0, 204);
    stage.figures("without the mapping nothing is read", 1500, 0).await;
    assert_eq!(stage.send(Method::POST, "ingest/mappings/import", Some(&exported)).await.1, json!({ "saved": 1 }));
    stage.figures("with it all is back", 1500, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_loses_nothing() {
    let mut stage = Stage::start(false).await;
    let book = |net: &str| sales(&[("2026-10-21 13:52:43", net, net)]);

    // Noted, and not yet in its place: nothing was promised, and nothing counts.
    stage.restart_api("api.upload_noted=1").await;
    assert!(stage.upload("ingest/uploads", &[("a.xlsx", &book("1.00"))]).await.is_none(), "the API is gone");
    stage.restart_api("api.upload_stored=1").await;
    let items = stage.get("ingest/uploads").await["items"].clone();
    assert_eq!((items.as_array().map(Vec::len), &items[0]["state"]), (Some(1), &json!("receiving")), "{items}");

    // In its place, and not yet noted as stored: it counts, and is found.
    assert!(stage.upload("ingest/uploads", &[("b.xlsx", &book("2.00"))]).await.is_none(), "the API is gone");
    stage.figures("the connectors have it", 200, 0).await;
    stage.restart_api("api.upload_deleted=1").await;
    let items = stage.get("ingest/uploads").await["items"].clone();
    let id = items[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(items[0]["name"], "b.xlsx", "{items}");
    stage.until(&id, "live", |upload| upload["state"] == "live").await;

    // Noted as deleted, and the file is still there: the next start removes it.
    let deleted = stage.http.delete(stage.api.url(&format!("ingest/uploads/{id}"))).send().await;
    assert!(deleted.is_err(), "the API is gone");
    stage.restart_api("none=1").await;
    stage.figures("it is taken back", 0, 0).await;
    stage.until(&id, "gone", |upload| upload["state"] == "gone").await;

    // The connector ends while an upload is published, with rejected rows, just before it is noted as live.
    stage.suite.kill(Part::Connect);
    stage.suite.run_with(Part::Connect, &[("FANDOM_FAILPOINTS", "connector.before_live=1")]);
    let odd = sales(&[("2026-10-22 09:00:00", "u1", "7.00"), ("2026-10-22 10:00:00", "u1", "much")]);
    let ids = stage.uploaded("ingest/uploads", &[("c.xlsx", &odd)]).await;
    let begun = Instant::now();
    while stage.suite.ended(Part::Connect).is_none() {
        assert!(begun.elapsed() < PATIENCE, "the connector does not end\n{}", stage.suite.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.suite.kill(Part::Connect);
    stage.suite.run(Part::Connect);
    stage.until(&ids[0], "live", |upload| upload["state"] == "live").await;
    stage.figures("it counts once", 700, 0).await;
    // All this while no collector was there: each process has told it once.
    let log = std::fs::read_to_string(stage.suite.log(Part::Dataflow)).expect("a log");
    assert_eq!(log.matches("the collector does not take spans").count(), 1, "{log}");
    let rejects = stage.get(&format!("ingest/uploads/{}/rejects", ids[0])).await;
    assert_eq!(rejects["items"].as_array().map(Vec::len), Some(1), "a rejected row is kept once: {rejects}");
}
