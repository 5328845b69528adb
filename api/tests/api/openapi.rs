//! The document that describes the API: it is checked in, says what handlers read, and shows what they answer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::fixture;
use crate::service::{Service, plain};

/// With `UPDATE_SCHEMAS=1` tests write what is checked in in place of comparing it.
fn updates() -> bool {
    std::env::var_os("UPDATE_SCHEMAS").is_some()
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("it is JSON") + "\n"
}

#[test]
fn the_document_is_checked_in() {
    let text = pretty(&fandom_api::document());
    let path = file("../schemas/openapi.json");
    if updates() {
        std::fs::write(&path, &text).expect("the document can be written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "schemas/openapi.json is not what the handlers say: run UPDATE_SCHEMAS=1 cargo test --release -p fandom-api --test api openapi"
    );
}

/// Every operation: its path, method and description.
fn operations() -> Vec<(String, String, Value)> {
    let document = fandom_api::document();
    let paths = document["paths"].as_object().expect("paths").clone();
    let of_path = |(path, methods): (String, Value)| {
        let methods = methods.as_object().expect("methods").clone();
        methods.into_iter().map(move |(method, operation)| (path.clone(), method, operation))
    };
    paths.into_iter().flat_map(of_path).collect()
}

fn parameters(operation: &Value, place: &str) -> Vec<Value> {
    let all = operation["parameters"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|parameter| parameter["in"] == place).collect()
}

#[test]
fn every_operation_is_complete() {
    let operations = operations();
    assert!(operations.len() > 30, "{}", operations.len());
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations {
        let what = format!("{method} {path}");
        let text = |member: &str| operation[member].as_str().unwrap_or_default().to_owned();
        assert!(names.insert(text("operationId")), "{what} has the name of another");
        assert!(!text("summary").is_empty(), "{what} says nothing of itself");
        assert_eq!(operation["tags"].as_array().map_or(0, Vec::len), 1, "{what}");
        let responses = operation["responses"].as_object().expect("responses");
        for status in ["401", "403", "429", "500", "503"] {
            assert!(responses.contains_key(status), "{what} does not say when it answers {status}");
        }
        for parameter in parameters(&operation, "query").into_iter().chain(parameters(&operation, "path")) {
            let described = parameter["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(described, "{what}: {} is not described", parameter["name"]);
            assert!(!parameter["schema"].to_string().contains("null"), "{what}: {parameter}");
        }
        let json = &responses.get("200").unwrap_or(&Value::Null)["content"]["application/json"];
        if method == "get" && json.is_object() {
            assert!(json.get("example").is_some(), "{what} has no example");
        }
    }
}

/// A refused parameter is told which there are: exactly those that the document has.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_the_parameters_that_are_read() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let mut compared = 0;
    for (path, method, operation) in operations().into_iter().filter(|(_, method, _)| method == "get") {
        let path = path.replace("{creator}", "Tania").replace("{chatter}", "Iva").replace("{fan}", "u0001");
        let path = path.replace("{id}", "x").replace("{name}", "x");
        let answer = service.get_with(&format!("{path}?not_a_parameter=1"), &[]).await;
        if answer.status != 422 {
            // One of an object that is read by its id alone.
            assert!(answer.status == 404 && path.contains("/ingest/"), "{method} {path}: {}", answer.text);
            continue;
        }
        let body = answer.json();
        let message = body["errors"][0]["message"].as_str().expect("a message");
        let read: BTreeSet<String> = message
            .split_once("known are ")
            .map_or(BTreeSet::new(), |(_, names)| names.split(", ").map(str::to_owned).collect());
        let described: BTreeSet<String> = parameters(&operation, "query")
            .iter()
            .map(|parameter| parameter["name"].as_str().expect("a name").to_owned())
            .collect();
        assert_eq!(read, described, "{method} {path}");
        compared += 1;
    }
    assert!(compared > 20, "only {compared} operations were compared");
}

/// What each example is the answer to.
const EXAMPLES: [(&str, &str); 19] = [
    ("health", "/health"),
    ("ready", "/ready"),
    ("overview", "/overview?day=2026-10-29"),
    ("chatters", "/chatters?limit=2"),
    ("chatter", "/chatters/Iva"),
    ("performance", "/chatters/performance?limit=1&sort=-sales_net_cents"),
    ("ranking", "/chatters/ranking?limit=2"),
    ("series", "/chatters/series?from=2026-10-28&to=2026-10-29&chatter=Iva"),
    ("creators", "/creators?limit=2"),
    ("creator_days", "/creators/Tania/daily?limit=1"),
    ("fans", "/fans?limit=1"),
    ("fan", "/fans/u0119"),
    ("fan_timeline", "/fans/u0119/timeline?limit=1"),
    ("clusters", "/clusters?limit=1"),
    ("cluster_moves", "/clusters/moves?limit=1"),
    ("sales", "/sales?limit=2"),
    ("reconciliation", "/reconciliation?limit=1"),
    ("files", "/files?limit=1"),
    ("template", "/template?limit=1"),
];

/// Parts of examples that differ from run to run.
const PASSING: [&str; 3] = ["today", "epoch_age_seconds", "heartbeat_age_seconds"];

#[tokio::test(flavor = "multi_thread")]
async fn examples_are_what_is_answered() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    service
        .run(
            "update views.status set state = 'live', heartbeat_at = now();
             update views.progress set committed_at = now();
             insert into views.fan_moves values ('2026-10-30', 'Newcomers', 'Loyal buyers', 7);
             insert into views.fan_cluster_sums values ('Whales', 12, 2400000, 960, 84, 4800000, 8640000, 248000)",
        )
        .await;
    let stored: Map<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(file("src/openapi/examples.json")).expect("examples"))
            .expect("JSON");
    let mut answered = Map::new();
    for (operation, path) in EXAMPLES {
        let answer = service.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answered.insert(operation.to_owned(), answer.json());
    }
    if updates() {
        for (operation, body) in &mut answered {
            for name in PASSING {
                if let Some(value) = body.get_mut(name) {
                    *value = if name == "today" { "2026-10-29".into() } else { 0.25.into() };
                }
            }
            assert!(!operation.is_empty());
        }
        let text = pretty(&Value::Object(answered));
        std::fs::write(file("src/openapi/examples.json"), text).expect("examples can be written");
        return;
    }
    for (operation, mut body) in answered {
        let mut example = stored.get(&operation).unwrap_or_else(|| panic!("{operation} has no example")).clone();
        for name in PASSING {
            for side in [&mut body, &mut example] {
                side.as_object_mut().expect("an object").remove(name);
            }
        }
        assert_eq!(plain(&body), plain(&example), "{operation}: run UPDATE_SCHEMAS=1, then build again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_about_the_api_need_nothing_from_elsewhere() {
    let service = Service::start().await;
    let page = service.get_with("/docs", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert!(!page.text.contains("http"), "the page names an address: {}", page.text);
    let parts = page.text.split(['"']).filter(|part| part.starts_with('/'));
    let mut seen = 0;
    for part in parts {
        let answer = service.get_with(part, &[]).await;
        assert_eq!(answer.status, 200, "{part}");
        seen += 1;
    }
    assert_eq!(seen, 4, "icon, style, bundle, script");
    let bundle = service.get_with("/docs/swagger-ui-bundle.js", &[]).await;
    assert!(bundle.text.len() > 1_000_000 && bundle.text.contains("SwaggerUIBundle"));
    let again = [("if-none-match", bundle.header("etag"))];
    assert_eq!(service.get_with("/docs/swagger-ui-bundle.js", &again).await.status, 304);
    let document = service.get("/openapi.json").await.json();
    assert_eq!(document, fandom_api::document());
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
}
