//! Settings that are changed while the API runs, and how the files of folders are read.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture;
use crate::people::{self, account, bearer, read, send};
use crate::service::{Answer, Service};

async fn ask(service: &Service, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let mut request = service.http.request(method, service.url(&format!("/api/v1{path}")));
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    read(request.send().await.expect("an answer")).await
}

async fn change(service: &Service, variable: &str, value: Value) -> Answer {
    ask(service, Method::PUT, &format!("/settings/{variable}"), Some(&json!({ "value": value }))).await
}

/// The setting as the list shows it.
async fn listed(service: &Service, variable: &str) -> Value {
    service.get(&format!("/settings?q={variable}")).await.items().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_is_changed_and_taken_back() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let chatter = bearer(&service, &account(&service, "chatter", &[], &[fixture::chatter(1)]).await).await;
    let rank = async |service: &Service| people::get(service, "/chatters/rank", &chatter).await.status;
    assert_eq!(rank(&service).await, 404);
    let changed = change(&service, "FANDOM_TEAM_RANKS", json!(true)).await;
    assert_eq!((changed.status, changed.json()), (200, json!({"variable": "FANDOM_TEAM_RANKS", "value": true})));
    assert_eq!(rank(&service).await, 200, "at once");
    let shown = listed(&service, "TEAM_RANKS").await;
    assert_eq!((&shown["value"], &shown["changeable"]), (&json!(true), &json!(true)));
    assert!(shown["changed_by"].is_string() && shown["changed_at"].is_string(), "{shown}");
    assert_eq!(listed(&service, "API_POOL").await["changeable"], json!(false));

    // Another process over the same database, whose environment says no, and this one again after it.
    let other = Service::over(service.postgres.clone(), &[("FANDOM_TEAM_RANKS", "no")]).await;
    assert_eq!(rank(&other).await, 200, "from its first answer on");
    let back = ask(&service, Method::DELETE, "/settings/FANDOM_TEAM_RANKS", None).await;
    assert_eq!((back.status, back.json()["value"].clone()), (200, json!(false)));
    assert_eq!(rank(&service).await, 404);
    let begun = std::time::Instant::now();
    while rank(&other).await != 404 {
        assert!(begun.elapsed().as_secs() < 120, "the other process never looked");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(listed(&service, "TEAM_RANKS").await["changed_by"], Value::Null);
    let noted = "select jsonb_agg(detail::jsonb order by seq) from app.audit where action = 'setting.changed' and target = 'FANDOM_TEAM_RANKS'";
    let expected = json!([{"before": null, "now": "yes"}, {"before": "yes", "now": null}]);
    assert_eq!(service.select(noted).await, expected, "who changed what is noted, once each");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_holds_for_the_next_request() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let analyst = bearer(&service, &email).await;
    let page = [("authorization", analyst.as_str()), ("origin", "https://board.example")];
    let asked = async || send(&service, Method::GET, "/auth/me", &page, None).await;
    assert!(asked().await.headers().get("access-control-allow-origin").is_none());
    change(&service, "FANDOM_API_ORIGINS", json!(["https://other.example", "https://board.example"])).await;
    change(&service, "FANDOM_API_RATE", json!(7)).await;
    let answer = asked().await;
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://board.example");
    assert_eq!(answer.headers()["ratelimit-policy"], "\"default\";q=35;w=5");
    ask(&service, Method::DELETE, "/settings/FANDOM_API_RATE", None).await;
    assert!(asked().await.headers().get("ratelimit-policy").is_none(), "the environment sets no rate here");

    assert_eq!(people::get(&service, "/overview", &analyst).await.status, 200);
    change(&service, "FANDOM_SECOND_FACTOR", json!("everyone")).await;
    let refused = people::get(&service, "/overview", &analyst).await;
    assert_eq!((refused.status, &refused.json()["type"]), (403, &json!("urn:fandom:problem:second-factor-needed")));
    change(&service, "FANDOM_SECOND_FACTOR", json!("optional")).await;
    assert_eq!(people::get(&service, "/overview", &analyst).await.status, 200);

    change(&service, "FANDOM_SESSION_HOURS", json!(5)).await;
    bearer(&service, &email).await;
    let lasts = "select to_jsonb(round(extract(epoch from expires_at - created_at) / 3600)::int) from app.sessions order by created_at desc limit 1";
    assert_eq!(service.select(lasts).await, json!(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_hold_is_refused() {
    let service = Service::start().await;
    for (variable, value, part) in [
        ("FANDOM_SESSION_HOURS", json!(0), "1 to 8760"),
        ("FANDOM_SECOND_FACTOR", json!("nobody"), "optional, administrators or everyone"),
        ("FANDOM_API_ORIGINS", json!(["board.example"]), "origins such as"),
        ("FANDOM_TEAM_RANKS", json!(null), "give a text"),
        ("FANDOM_API_RATE", json!({}), "give a text"),
    ] {
        let refused = change(&service, variable, value).await;
        let error = &refused.json()["errors"][0];
        assert_eq!((refused.status, &error["parameter"]), (422, &json!("value")), "{variable}: {}", refused.text);
        assert!(error["message"].as_str().is_some_and(|message| message.contains(part)), "{}", refused.text);
    }
    assert_eq!(change(&service, "FANDOM_API_POOL", json!(9)).await.status, 409, "the environment's alone");
    assert_eq!(change(&service, "FANDOM_WORKERS", json!(9)).await.status, 404, "none of the API's");
    assert_eq!(service.select("select to_jsonb(count(*)) from app.settings").await, json!(0));

    // What an older or newer version has stored, and this one cannot use, changes nothing and keeps nobody from changing the rest.
    let stored = "insert into app.settings (variable, value, changed_by) values ('FANDOM_SESSION_HOURS', 'long', 'x')";
    service.run(stored).await;
    let other = Service::over(service.postgres.clone(), &[]).await;
    assert_eq!(listed(&other, "SESSION_HOURS").await["value"], json!(720));
    assert_eq!(change(&other, "FANDOM_API_RATE", json!(9)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_set_and_taken_back() {
    let service = Service::start().await;
    let riga =
        json!({"source": "inbox", "folder": "riga", "zone": "Europe/Riga", "platform": "Fansly", "interval_ms": null});
    let before = service.select("select to_jsonb(generation) from app.mappings_generation").await;
    for _ in 0..2 {
        let saved = ask(&service, Method::PUT, "/settings/folders", Some(&riga)).await;
        assert_eq!((saved.status, saved.json()), (200, riga.clone()), "{}", saved.text);
    }
    let after = service.select("select to_jsonb(generation) from app.mappings_generation").await;
    assert!(after.as_i64() > before.as_i64(), "connectors see that something changed");
    let whole = json!({"source": "drive", "interval_ms": 5000});
    assert_eq!(ask(&service, Method::PUT, "/settings/folders", Some(&whole)).await.status, 200);
    let items = service.get("/settings/folders").await.items();
    let shown = |item: &Value| [item["source"].clone(), item["folder"].clone(), item["interval_ms"].clone()];
    assert_eq!(
        items.iter().map(shown).collect::<Vec<_>>(),
        [[json!("drive"), json!(""), json!(5000)], [json!("inbox"), json!("riga"), Value::Null]]
    );
    assert_eq!(service.get("/settings/folders?q=RIG").await.items().len(), 1);

    let wrong = json!({"source": "inbox", "folder": "a/b", "zone": "Mars/Base", "interval_ms": 5});
    let refused = ask(&service, Method::PUT, "/settings/folders", Some(&wrong)).await;
    let named: Vec<Value> =
        refused.json()["errors"].as_array().expect("errors").iter().map(|error| error["parameter"].clone()).collect();
    assert_eq!((refused.status, named), (422, vec![json!("zone"), json!("interval_ms"), json!("interval_ms")]));

    let remove =
        async |query: &str| ask(&service, Method::DELETE, &format!("/settings/folders{query}"), None).await.status;
    assert_eq!(remove("?source=inbox&folder=riga").await, 204);
    assert_eq!(remove("?source=inbox&folder=riga").await, 404);
    assert_eq!(remove("").await, 422);
    assert_eq!(remove("?source=drive").await, 204);
    let noted =
        "select jsonb_agg(jsonb_build_array(action, target) order by seq) from app.audit where action like 'folder.%'";
    let expected = json!([
        ["folder.changed", "inbox:riga"],
        ["folder.changed", "drive:"],
        ["folder.reset", "inbox:riga"],
        ["folder.reset", "drive:"],
    ]);
    assert_eq!(service.select(noted).await, expected, "each change once");
}
