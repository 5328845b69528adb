//! Every route of the table of permissions, asked by every role and by nobody; and every route of the sources is in the table.

use std::collections::BTreeSet;
use std::path::Path;

use fandom_api::permissions::{Access, ROUTES, Role};
use reqwest::Method;
use serde_json::json;

use crate::people::{self, administration, bearer, read, send};
use crate::service::Service;

/// A path of the table with something in the place of each `{…}`.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_exactly_whom_the_table_names() {
    let service = Service::start().await;
    for role in Role::ALL {
        let key = match role {
            Role::Service => {
                let key = administration(&service).add_key("a program", "service", None, 1).await.expect("a key");
                Some(format!("Bearer {key}"))
            }
            _ => None,
        };
        let email = match key {
            Some(_) => String::new(),
            None => people::account(&service, role.name(), &[], &[]).await,
        };
        let mut credentials = match &key {
            Some(key) => key.clone(),
            None => bearer(&service, &email).await,
        };
        for (method, path, access) in ROUTES.iter().filter(|(_, path, _)| path.starts_with("/api/v1")) {
            let path = filled(path.trim_start_matches("/api/v1"));
            let method: Method = method.parse().expect("a method");
            let empty = json!({});
            let body = (method != Method::GET).then_some(&empty);
            let response = send(&service, method.clone(), &path, &[("authorization", &credentials)], body).await;
            let (status, what) = (response.status().as_u16(), format!("{method} {path} as {}", role.name()));
            assert!(status != 405, "{what}: the table names a method that the route does not have");
            match access {
                // Without what a body must say these are refused, but not for who asks.
                Access::Public => assert!(status != 403, "{what}: {status}"),
                Access::Needs(permission) if permission.roles().contains(&role) => {
                    assert!(!matches!(status, 401 | 403), "{what}: {status}");
                }
                Access::Needs(_) => {
                    let answer = read(response).await;
                    assert_eq!(status, 403, "{what}: {}", answer.text);
                    assert_eq!(answer.json()["type"], "urn:fandom:problem:forbidden", "{what}");
                    continue;
                }
            }
            if status == 404 {
                let text = read(response).await.text;
                assert!(!text.contains("nothing at this path"), "{what}: the table names a route that is not there");
            }
            if path.contains("logout") && key.is_none() {
                credentials = bearer(&service, &email).await;
            }
        }
    }
    for (method, path, access) in ROUTES {
        let method: Method = method.parse().expect("a method");
        let body = (method != Method::GET).then(|| json!({}));
        if let (Access::Needs(_), Some(path)) = (access, path.strip_prefix("/api/v1")) {
            let answer = read(send(&service, method.clone(), &filled(path), &[], body.as_ref()).await).await;
            assert_eq!(answer.status, 401, "{method} {path} as nobody: {}", answer.text);
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"fandom\"");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_of_an_account_holds_at_once() {
    let service = Service::start().await;
    let email = people::account(&service, "analyst", &[], &[]).await;
    let own = bearer(&service, &email).await;
    assert_eq!(people::get(&service, "/clusters", &own).await.status, 200);
    let id = people::get(&service, "/auth/me", &own).await.json()["user_id"].as_str().expect("an id").to_owned();
    let change = |body: serde_json::Value| {
        let (service, id) = (&service, &id);
        async move {
            let url = service.url(&format!("/api/v1/users/{id}"));
            let request = service.http.patch(url).header("content-type", "application/json").body(body.to_string());
            assert_eq!(request.send().await.expect("an answer").status(), 200);
        }
    };
    change(json!({ "role": "creator" })).await;
    assert_eq!(people::get(&service, "/clusters", &own).await.status, 403);
    change(json!({ "disabled": true })).await;
    assert_eq!(people::get(&service, "/auth/me", &own).await.status, 401);
    assert_eq!(people::sign_in(&service, &email, people::PASSWORD).await.status, 401);
}

/// Where routes that the document does not have are declared, and below what.
const SOURCES: [(&str, &str); 2] = [("accounts/routes.rs", "/api/v1"), ("docs.rs", "")];

/// The routes that a source declares, each with the methods of its handlers.
fn declared(source: &str, prefix: &str, found: &mut BTreeSet<(String, String)>) {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    for call in source.split(".route(\"").skip(1) {
        let (path, handlers) = call.split_once('"').expect("a path ends");
        let handlers = handlers.split(".nest(").next().unwrap_or_default();
        for method in ["get", "post", "put", "patch", "delete"] {
            if handlers.contains(&format!("{method}(")) {
                found.insert((method.to_uppercase(), format!("{prefix}{path}")));
            }
        }
    }
}

fn sources(folder: &Path, all: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() { sources(&path, all) } else { all.push(path) }
    }
}

#[test]
fn every_route_of_the_sources_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut all, mut found) = (Vec::new(), BTreeSet::new());
    sources(&root, &mut all);
    for path in all {
        let source = std::fs::read_to_string(&path).expect("a source");
        let name = path.strip_prefix(&root).expect("below").display().to_string();
        match SOURCES.iter().find(|(source, _)| *source == name) {
            Some((_, prefix)) => declared(&source, prefix, &mut found),
            None if name == "web.rs" => (),
            None => {
                let tested = source.split("#[cfg(test)]").next().unwrap_or_default();
                assert!(!tested.contains(".route(\""), "{name} declares routes; name it in SOURCES");
            }
        }
    }
    let document = fandom_api::document();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let methods = methods.as_object().expect("methods").keys();
        found.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
    }
    assert!(found.len() > 40, "the sources are read: {}", found.len());
    let named: BTreeSet<_> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let missing: Vec<_> = found.difference(&named).collect();
    assert!(missing.is_empty(), "add a line to ROUTES in api/src/permissions.rs for each of {missing:?}");
    let gone: Vec<_> = named.difference(&found).filter(|(_, path)| path.starts_with("/api/")).collect();
    assert!(gone.is_empty(), "no source declares {gone:?}");
}
