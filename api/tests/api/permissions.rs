//! Every route by every role, and every list by whoever sees only own rows. What is expected is read from `docs/permissions.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fixture;
use crate::people::{PASSWORD, administer, ask, ask_as, everybody, sign_in, text, token, tokens};
use crate::service::Service;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of the tables of a page, cell by cell, without marks.
fn rows() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(repository().join("docs/permissions.md")).expect("there is a page");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    page.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--")).map(cells).collect()
}

/// By permission: the roles that have it.
fn roles() -> BTreeMap<String, Vec<String>> {
    let rows = rows();
    let head = rows.iter().find(|row| row[0] == "Permission").expect("a table of permissions").clone();
    let of_row = |row: &Vec<String>| {
        let has = head.iter().zip(row).filter(|(_, cell)| *cell == "yes").map(|(role, _)| role.clone()).collect();
        (row[0].clone(), has)
    };
    rows.iter().filter(|row| row.len() == head.len() && row[0] != "Permission").map(of_row).collect()
}

/// Every route: method, path, what it asks for.
fn routes() -> Vec<(String, String, String)> {
    let two = rows().into_iter().filter(|row| row.len() == 2 && row[0] != "Route");
    let split = |row: Vec<String>| {
        let (method, path) = row[0].split_once(' ').expect("a method and a path");
        (method.to_owned(), path.to_owned(), row[1].clone())
    };
    two.map(split).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_every_role_for_its_permission() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let (roles, routes) = (roles(), routes());
    assert!(roles.len() > 8 && routes.len() > 50, "the page is read: {} {}", roles.len(), routes.len());
    let tokens = tokens(&service).await;
    let mut wrong = Vec::new();
    for (method, path, asks) in &routes {
        let path = path.replace("{creator}", "Tania").replace("{id}", "none").replace("{name}", "none");
        let body = (method != "GET").then(|| json!({}));
        let nobody = ask(&service, method, &path, &[], body.as_ref()).await.status;
        if asks == "nothing" {
            let open = nobody != 403 && (nobody != 401 || path.contains("/auth/"));
            wrong.extend((!open).then(|| format!("{method} {path} for nobody: {nobody}")));
            continue;
        }
        wrong.extend((nobody != 401).then(|| format!("{method} {path} for nobody: {nobody}")));
        let may = roles.get(asks).unwrap_or_else(|| panic!("{asks} is no permission"));
        for (role, own) in &tokens {
            // Signing out must not end the session that the rest is asked with.
            let asked_with = match *role {
                "service" => own.clone(),
                _ if path.contains("logout") => token(&service, &format!("{role}@example.com")).await,
                _ => own.clone(),
            };
            if path.contains("everywhere") && *role != "service" {
                continue;
            }
            let status = ask_as(&service, &asked_with, method, &path, body.as_ref()).await.status;
            let right = if may.iter().any(|may| may == role) {
                !matches!(status, 401 | 403 | 405 | 500)
            } else {
                status == 403
            };
            wrong.extend((!right).then(|| format!("{method} {path} for {role}: {status}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The routes that the sources declare, each with the method of its handlers.
fn declared() -> BTreeSet<(String, String)> {
    let mut files = vec![
        (repository().join("api/src/resources.rs"), "/api/v1"),
        (repository().join("api/src/accounts/routes.rs"), "/api/v1"),
    ];
    for entry in std::fs::read_dir(repository().join("api/src/resources")).expect("the resources").flatten() {
        if entry.path().is_file() {
            files.push((entry.path(), "/api/v1/ingest"));
        }
    }
    let mut found = BTreeSet::new();
    for (file, prefix) in files {
        let source = std::fs::read_to_string(&file).expect("a source");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for call in source.split(".route(\"").skip(1) {
            let (path, handlers) = call.split_once('"').expect("a path ends");
            let handlers = handlers.split(".nest(").next().unwrap_or_default();
            assert!(prefix != "/api/v1/ingest" || file.ends_with("ingest.rs"), "{} has routes", file.display());
            for method in ["get", "post", "put", "patch", "delete"] {
                if handlers.contains(&format!("{method}(")) {
                    found.insert((method.to_uppercase(), format!("{prefix}{path}")));
                }
            }
        }
    }
    found
}

#[test]
fn every_route_is_in_the_table() {
    let named: BTreeSet<_> = routes().into_iter().map(|(method, path, _)| (method, path)).collect();
    let declared = declared();
    assert!(declared.len() > 40, "the sources are read: {}", declared.len());
    let missing: Vec<_> = declared.difference(&named).collect();
    assert!(missing.is_empty(), "add a line to `ROUTES` in api/src/permissions.rs for each of {missing:?}");
    let gone: Vec<_> = named.difference(&declared).filter(|(_, path)| path.starts_with("/api/")).collect();
    assert!(gone.is_empty(), "no source declares {gone:?}");
}

/// Lists whose rows belong to somebody, with all that they hold.
const LISTS: [&str; 9] = [
    "/chatters/performance?window=hour",
    "/chatters/performance?window=day",
    "/chatters/performance?window=week",
    "/chatters/performance?window=month",
    "/chatters/performance?window=all",
    "/sales",
    "/fans",
    "/template",
    "/reconciliation?only=all",
];

fn id(value: &Value) -> Option<i64> {
    value.as_str()?.parse().ok()
}

/// Whether a row is one of these creators or chatters.
fn is_own(item: &Value, creators: &[i64], chatters: &[i64]) -> bool {
    let of_creators = match item["creator_ids"].as_array() {
        Some(ids) => !ids.is_empty() && ids.iter().all(|one| id(one).is_some_and(|one| creators.contains(&one))),
        None => id(&item["creator_id"]).is_some_and(|one| creators.contains(&one)),
    };
    of_creators || id(&item["chatter_id"]).is_some_and(|one| chatters.contains(&one))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_own_rows_and_no_others() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let tokens = tokens(&service).await;
    let items = async |token: &str, path: &str| {
        let (path, mark) = (format!("/api/v1{path}"), if path.contains('?') { '&' } else { '?' });
        let answer = ask_as(&service, token, "GET", &format!("{path}{mark}limit=1000"), None).await;
        (answer.status == 200).then(|| answer.items())
    };
    let mut seen = 0;
    for ((role, creators, chatters), (_, token)) in everybody().into_iter().zip(&tokens) {
        for path in LISTS {
            let all =
                service.get(&format!("{path}{}limit=1000", if path.contains('?') { '&' } else { '?' })).await.items();
            let Some(shown) = items(token, path).await else { continue };
            let own: Vec<Value> = match role {
                "admin" | "analyst" => all.clone(),
                _ => all.iter().filter(|item| is_own(item, &creators, &chatters)).cloned().collect(),
            };
            assert_eq!(shown, own, "{path} for {role}");
            seen += usize::from(!own.is_empty() && own.len() < all.len());
        }
    }
    assert!(seen > 15, "scopes cut something off: {seen}");
    let by_role: BTreeMap<&str, &String> = tokens.iter().map(|(role, token)| (*role, token)).collect();

    // Asking for somebody else by name shows nothing, and does not tell whether they are there.
    for path in [
        "/sales?chatter=Jovan&creator=Leya",
        "/chatters/performance?chatter=Jovan&creator=Leya",
        "/template?chatter=Jovan",
    ] {
        let shown = items(by_role["chatter"], path).await.expect("a list");
        assert_eq!(shown, Vec::<Value>::new(), "{path}");
    }
    let daily = |token: String, creator: &'static str| {
        let service = &service;
        async move { ask_as(service, &token, "GET", &format!("/api/v1/creators/{creator}/daily"), None).await.status }
    };
    assert_eq!(daily(by_role["creator"].clone(), "Tania").await, 200);
    assert_eq!(daily(by_role["creator"].clone(), "Leya").await, daily(by_role["creator"].clone(), "Nobody").await);
    let names = items(by_role["chatter"], "/chatters").await.expect("a list");
    assert_eq!(names.iter().map(|item| item["chatter"].clone()).collect::<Vec<_>>(), [json!("Iva")]);

    // Totals are of own rows, and a cached answer of another scope is not taken for an own one.
    let overview = async |token: &str| ask_as(&service, token, "GET", "/api/v1/overview?day=2026-10-21", None).await;
    let (all, own) = (overview(by_role["admin"]).await, overview(by_role["chatter"]).await);
    assert_ne!(all.header("etag"), own.header("etag"));
    assert!(own.json()["totals"]["active_chatters"].as_i64() <= Some(1), "{}", own.text);
    assert!(own.header("vary").contains("Authorization"));
    let path = "/api/v1/sales?limit=1000";
    let rows = ask_as(&service, by_role["chatter"], "GET", path, None).await;
    let cursor = ask_as(&service, by_role["admin"], "GET", "/api/v1/sales?limit=5", None).await.json();
    let next = format!("/api/v1/sales?limit=5&cursor={}", cursor["next_cursor"].as_str().expect("more"));
    let beyond = ask_as(&service, by_role["chatter"], "GET", &next, None).await.items();
    assert!(beyond.iter().all(|item| rows.items().contains(item)), "a cursor of another shows no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_names_nobody_sees_nothing() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let made =
        administer(&service, "POST", "/api/v1/users", json!({ "email": "new@example.com", "role": "manager" })).await;
    let chosen = json!({ "token": made.json()["token"], "password": PASSWORD });
    assert_eq!(ask(&service, "POST", "/api/v1/auth/reset", &[], Some(&chosen)).await.status, 204);
    let token = text(&sign_in(&service, "new@example.com", PASSWORD).await, "access_token");
    for path in LISTS {
        let answer = ask_as(&service, &token, "GET", &format!("/api/v1{path}"), None).await;
        assert_eq!(answer.items(), Vec::<Value>::new(), "{path}");
    }
}
