//! The forms of a list: fewer fields, CSV, JSON Lines, workbooks; each with the rows that the pages have.

use std::io::Cursor;
use std::time::{Duration, Instant};

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::fixture;
use crate::service::{Service, plain};

/// A record of CSV, its quotes taken off.
fn record(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

/// How a value stands in a cell.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How a value stands in a cell of CSV: a text that may be a formula, such as an id that begins with a dash, is marked as text.
fn in_csv(value: &Value) -> String {
    let text = shown(value);
    let marked = value.is_string() && text.starts_with(['=', '+', '-', '@']) && text.parse::<i64>().is_err();
    if marked { format!("'{text}") } else { text }
}

async fn bytes(service: &Service, path: &str) -> Vec<u8> {
    let response = service.http.get(service.url(&format!("/api/v1{path}"))).send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{path}");
    response.bytes().await.expect("a whole body").to_vec()
}

/// Asserts that a list has the rows of its pages in every form.
pub async fn same_in_every_form(service: &Service, path: &str, sort: &str) {
    let rows = service.walk(path, &[("sort", sort)], 50).await;
    assert!(!rows.is_empty(), "{path}");
    let lines = service.list(path, &[("sort", sort), ("format", "jsonl")]).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let plain_rows: Vec<Value> = rows.iter().map(plain).collect();
    assert_eq!(lines.iter().map(plain).collect::<Vec<_>>(), plain_rows, "{path} by {sort} as JSON Lines");

    let csv = service.list(path, &[("sort", sort), ("format", "csv")]).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let mut records = csv.text.split_terminator("\r\n").map(record);
    let header = records.next().expect("a header");
    let of_csv: Vec<Vec<String>> = records.collect();
    let expected: Vec<Vec<String>> =
        rows.iter().map(|row| header.iter().map(|name| in_csv(&row[name])).collect()).collect();
    assert_eq!(of_csv, expected, "{path} by {sort} as CSV");
    let members: Vec<&String> = rows[0].as_object().expect("an object").keys().collect();
    assert!(members.iter().all(|member| header.contains(member)), "{path}: {header:?} lacks some of {members:?}");

    let joint = if path.contains('?') { '&' } else { '?' };
    let workbook = bytes(service, &format!("{path}{joint}sort={sort}&format=xlsx")).await;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(workbook)).expect("a workbook");
    let sheet = workbook.worksheet_range_at(0).expect("a sheet").expect("that can be read");
    assert_eq!(sheet.height(), rows.len() + 1, "{path} as a workbook");
    for (cells, row) in sheet.rows().skip(1).zip(&rows) {
        for (cell, name) in cells.iter().zip(&header) {
            match (cell, &row[name]) {
                (Data::Empty, value) => assert!(value.is_null() || value == "", "{path} {name}: {value}"),
                (Data::Float(number), value) => assert_eq!(Some(*number), value.as_f64(), "{path} {name}"),
                (Data::Bool(truth), value) => assert_eq!(Some(*truth), value.as_bool(), "{path} {name}"),
                (Data::String(text), value) => assert_eq!(text, &shown(value), "{path} {name}"),
                (other, value) => panic!("{path} {name}: {other:?} for {value}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_has_every_form() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    fixture::tasks_and_mappings(&service).await;
    for (path, sort) in [
        ("/fans", "-spend"),
        ("/fans", "last_purchase"),
        ("/fans", "-r"),
        ("/sales", "-chatter"),
        ("/chatters/performance", "golden_ratio"),
        ("/chatters/ranking", "rank"),
        ("/creators", "creator"),
        ("/creators/Tania/daily", "-day"),
        ("/chatters", "chatter"),
        ("/reconciliation", "-difference_messages_sent"),
        ("/template", "day"),
        ("/files", "-updated_at"),
        ("/settings", "-variable"),
        ("/settings/folders", "-changed_at"),
        ("/ingest/mappings", "-name"),
    ] {
        same_in_every_form(&service, path, sort).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_fields_in_every_form() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let items = service.get("/fans?fields=fan_id,%20r&limit=3").await.items();
    let members: Vec<Vec<&String>> =
        items.iter().map(|item| item.as_object().expect("an object").keys().collect()).collect();
    assert_eq!(members, [["fan_id", "r"], ["fan_id", "r"], ["fan_id", "r"]]);
    let csv = service.get("/fans?fields=username,spend_cents&format=csv&limit=2").await.text;
    assert_eq!(csv, "username,spend_cents\r\nu0119,184093\r\nu0118,181012\r\n");
    let lines = service.get("/fans?fields=username&format=jsonl&limit=1").await.text;
    assert_eq!(lines, "{\"username\":\"u0119\"}\n");
    let files = service.get("/files?fields=name,state&limit=1").await.items();
    assert_eq!(files, [json!({"name": "a.xlsx", "state": "live"})]);
    let wrong = service.get("/fans?fields=username,password").await;
    assert_eq!((wrong.status, wrong.json()["errors"][0]["parameter"].clone()), (422, json!("fields")));
    let next =
        service.get("/fans?fields=fan_id&limit=3").await.json()["next_cursor"].as_str().expect("more").to_owned();
    assert_eq!(
        service.list("/fans", &[("cursor", &next), ("fields", "r")]).await.status,
        200,
        "a page may show others"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_accept_asks_too() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let form = async |accept: &str, query: &str| {
        let answer = service.get_with(&format!("/api/v1/creators{query}"), &[("accept", accept)]).await;
        assert_eq!(answer.status, 200);
        answer.header("content-type").to_owned()
    };
    assert_eq!(form("text/csv", "").await, "text/csv; charset=utf-8");
    assert_eq!(form("text/csv;q=0.1, application/x-ndjson", "").await, "application/x-ndjson");
    assert_eq!(form("text/html", "").await, "application/json");
    assert_eq!(form("text/csv", "?format=json").await, "application/json");
    let export = service.get("/creators?format=csv").await;
    assert_eq!(export.header("content-disposition"), "attachment; filename=\"fandom-1000.csv\"");
    assert_eq!(service.get("/creators?format=pdf").await.status, 422);
}

/// An export is not a page: it has all rows, of one commit, however many there are; and no name becomes a formula.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_export_is_whole_and_of_one_commit() {
    let service = Service::start().await;
    service
        .run(
            "insert into views.creators select n, case when n = 7 then '=HYPERLINK(\"http://x\")' else 'C' || n end, '0', 'OF'
             from generate_series(1, 60000) n",
        )
        .await;
    service.commit(1, &["creators"]).await;
    let writer = service.postgres.connect().await.expect("a connection");
    let mut response = service
        .http
        .get(service.url("/api/v1/creators?format=csv&fields=creator,name"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.headers()["fandom-epoch"], "1");
    writer
        .batch_execute("update views.creators set name = '1'; delete from views.creators where creator_id < 100")
        .await
        .expect("a change");
    let mut text = String::new();
    while let Some(chunk) = response.chunk().await.expect("a chunk") {
        text.push_str(std::str::from_utf8(&chunk).expect("ASCII"));
    }
    let rows: Vec<&str> = text.split_terminator("\r\n").skip(1).collect();
    assert_eq!(rows.len(), 60_000);
    assert!(rows.iter().all(|row| row.ends_with(",0")), "rows of another commit are among them");
    assert!(rows[0].starts_with("\"'=HYPERLINK(\"\"http://x\"\")\""), "{}", rows[0]);
    // Nobody reads on: the export ends, and its place is free again.
    for _ in 0..8 {
        drop(service.http.get(service.url("/api/v1/creators?format=jsonl")).send().await.expect("an answer"));
    }
    let mut tries = 0;
    while service.get("/creators?format=jsonl&limit=1").await.status != 200 {
        tries += 1;
        assert!(tries < 100, "the places of exports that were left are not given back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Whoever asked for a workbook is gone before it is whole: its place is free for the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_that_nobody_waits_for_is_left() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_POOL", "2")]).await;
    fixture::fill(&service).await;
    service
        .run(
            "insert into views.sales_day
             select creator_id, chatter_id, date '2000-01-01' + n / 40, 'Type ' || n % 40, creator, chatter, n, n, 1, 0, 0
             from (select * from views.sales_day limit 1) one, generate_series(1, 150000) n",
        )
        .await;
    let url = service.url("/api/v1/sales?format=xlsx");
    let begun = Instant::now();
    bytes(&service, "/sales?format=xlsx").await;
    let whole = begun.elapsed();
    let mut left = TcpStream::connect(service.address).await.expect("a connection");
    let bearer = "authorization: Bearer a-key-of-the-tests-that-opens-nothing-else";
    let request = format!("GET /api/v1/sales?format=xlsx HTTP/1.1\r\nhost: localhost\r\n{bearer}\r\n\r\n");
    left.write_all(request.as_bytes()).await.expect("a request");
    let mut head = [0; 12];
    left.read_exact(&mut head).await.expect("the beginning of an answer");
    assert_eq!(&head, b"HTTP/1.1 200");
    let taken = service.http.get(&url).send().await.expect("an answer");
    assert_eq!(taken.status(), 503, "there is one place");
    drop(left);
    let begun = Instant::now();
    while service.http.get(service.url("/api/v1/creators?format=csv")).send().await.expect("an answer").status() != 200
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() < whole / 3, "{:?} after it was left, of {whole:?} for the whole", begun.elapsed());
}
