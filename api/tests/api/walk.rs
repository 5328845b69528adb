//! Every operation of the document, asked by every role and by nobody, with objects of one's own and of others; and the table of
//! permissions names every operation, and nothing else.

use std::collections::BTreeSet;

use fandom_api::permissions::{Access, ROUTES, Role, Rule, rule};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::fixture::{self, chatter, creator};
use crate::people::{self, administration, bearer, read, send};
use crate::service::{Answer, Service};

/// An operation of the document.
struct Operation {
    method: Method,
    path: String,
    access: Access,
}

/// Every operation of the document, with what the table says of it.
fn operations() -> Vec<Operation> {
    let document = fandom_api::document();
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, methods): (&String, &serde_json::Value)| {
        let methods: Vec<String> =
            methods.as_object().expect("methods").keys().map(|name| name.to_uppercase()).collect();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    let mut operations = Vec::new();
    for (method, path) in paths.iter().flat_map(of_path) {
        let Rule::Asks(access) = rule(&method, &path) else {
            panic!("add a line to ROUTES in api/src/permissions.rs for {method} {path}");
        };
        operations.push(Operation { method: method.parse().expect("a method"), path, access });
    }
    operations
}

/// Whoever asks.
struct Person {
    /// None for a program's key.
    email: Option<String>,
    credentials: String,
}

impl Person {
    /// An account of this role with the rows of one creator and one chatter, or a key.
    async fn new(service: &Service, role: Role) -> Person {
        let (email, credentials) = match role {
            Role::Service => {
                let key = administration(service).add_key("a program", "service", None, 1).await.expect("a key");
                (None, format!("Bearer {key}"))
            }
            role => {
                let email = people::account(service, role.name(), &[creator(1)], &[chatter(0)]).await;
                let credentials = bearer(service, &email).await;
                (Some(email), credentials)
            }
        };
        Person { email, credentials }
    }

    async fn ask(&self, service: &Service, method: &Method, path: &str) -> Answer {
        let body = body(method, path);
        let body = (*method != Method::GET).then_some(&body);
        let headers = [("authorization", self.credentials.as_str())];
        let response = send(service, method.clone(), path.trim_start_matches("/api/v1"), &headers, body).await;
        if response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            // It does not end.
            return Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                text: String::new(),
            };
        }
        read(response).await
    }
}

/// What is sent along: where an object is replaced, a whole one.
fn body(method: &Method, path: &str) -> Value {
    match path {
        path if *method == Method::PUT && path.ends_with("/ingest/mappings/walked") => json!({
            "kind": "chatter_day", "columns": {"chatter": "who", "day": "when", "messages_sent": "n"},
        }),
        path if *method == Method::PUT && path.contains("/settings/FANDOM_") => json!({ "value": 12 }),
        _ => json!({}),
    }
}

/// The id of a new session of an account.
async fn session(service: &Service, email: &str) -> String {
    let sessions = people::get(service, "/auth/sessions", &bearer(service, email).await).await.items();
    let current = sessions.iter().find(|session| session["current"] == true).expect("the one that asks");
    current["id"].as_str().expect("an id").to_owned()
}

/// What a path with an object is asked for: one of one's own, and one of somebody else's or one that is not there.
struct Objects {
    own: Option<String>,
    foreign: String,
}

/// Objects for a path, and for whoever asks.
async fn objects(service: &Service, path: &str, person: &Person, other: &str) -> Objects {
    let (own, foreign) = match path {
        "/api/v1/creators/{creator}/daily" => (Some(creator(1).to_string()), creator(0).to_string()),
        "/api/v1/chatters/{chatter}" => {
            // One who works for another creator alone.
            let elsewhere = format!(
                "insert into views.chatters values (77, 'Elsewhere') on conflict do nothing;
                 insert into views.chatter_all (creator_id, chatter_id, messages_sent, ppvs_sent, ppvs_unlocked, ppv_sales_cents, characters,
                     replies, reply_seconds_sum, mass_messages, fans_chatted, fans_spent) values ({}, 77, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0)
                 on conflict do nothing",
                creator(0)
            );
            service.run(&elsewhere).await;
            (Some(chatter(0).to_string()), "77".to_owned())
        }
        "/api/v1/fans/{fan}" | "/api/v1/fans/{fan}/timeline" => (Some("u0001".to_owned()), "u0002".to_owned()),
        "/api/v1/auth/sessions/{id}" => {
            let own = match &person.email {
                Some(email) => Some(session(service, email).await),
                None => None,
            };
            (own, session(service, other).await)
        }
        // Accounts and keys are the administrators', who see all there are.
        "/api/v1/users/{id}"
        | "/api/v1/users/{id}/reset"
        | "/api/v1/users/{id}/second-factor"
        | "/api/v1/users/{id}/sessions" => {
            // One that is not confirmed, so that signing in stays as it is.
            let begun = "insert into app.second_factors (user_id, key_id, secret) select id, '', '' from app.users
                         on conflict do nothing";
            service.run(begun).await;
            let id = service.select(&format!("select to_jsonb(id) from app.users where email = '{other}'")).await;
            (id.as_str().map(str::to_owned), "none".to_owned())
        }
        "/api/v1/keys/{id}" => {
            administration(service).add_key("another program", "service", None, 1).await.expect("a key");
            let id =
                service.select("select to_jsonb(id) from app.api_keys where name = 'another program' limit 1").await;
            (id.as_str().map(str::to_owned), "none".to_owned())
        }
        "/api/v1/settings/{variable}" => (Some("FANDOM_SESSION_HOURS".to_owned()), "none".to_owned()),
        // What came in, and how it is read, is of no creator or chatter: whoever has the permission sees all there is.
        "/api/v1/ingest/mappings/{name}" => {
            let definition = json!({
                "name": "walked", "source": "uploads", "folder": "", "kind": "chatter_day", "columns": {"chatter": "who", "day": "when"},
            });
            let mapping = format!(
                "insert into app.mappings (name, source, folder, kind, definition)
                 values ('walked', 'uploads', '', 'chatter_day', '{definition}') on conflict do nothing"
            );
            service.run(&mapping).await;
            (Some("walked".to_owned()), "none".to_owned())
        }
        "/api/v1/ingest/requests/{id}" => {
            let request =
                "with made as (insert into app.ingest_requests (source, what) values ('inbox', 'sync') returning id)
                           select to_jsonb(id::text) from made";
            (service.select(request).await.as_str().map(str::to_owned), "0".to_owned())
        }
        path if path.starts_with("/api/v1/ingest/uploads/{id}") => {
            let upload = "with made as (
                              insert into app.received (id, file, name, folder, size_bytes, stored_at)
                              select n, 'uploads:' || n || '/a.csv', 'a.csv', '', 4, now()
                              from (select 'u' || count(*) as n from app.received) number returning id)
                          select to_jsonb(id) from made";
            (service.select(upload).await.as_str().map(str::to_owned), "none".to_owned())
        }
        path => panic!("say in this test what {path} is to be asked for"),
    };
    Objects { own, foreign }
}

/// Who asks for a path without the permission is refused; with it, is not.
fn check(what: &str, access: Access, role: Role, answer: &Answer) {
    assert!(answer.status != 405, "{what}: the document names a method that the route does not have");
    match access {
        // Without what a body must say these are refused, but not for who asks.
        Access::Public => assert!(answer.status != 403, "{what}: {}", answer.status),
        Access::Needs(permission) if permission.roles().contains(&role) => {
            assert!(!matches!(answer.status, 401 | 403), "{what}: {}", answer.text);
            assert!(
                !answer.text.contains("nothing at this path"),
                "{what}: the document names a route that is not there"
            );
        }
        Access::Needs(_) => {
            assert_eq!(answer.status, 403, "{what}: {}", answer.text);
            assert_eq!(answer.json()["type"], "urn:fandom:problem:forbidden", "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_lets_in_exactly_whom_the_table_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let uploads = folder.path().display().to_string();
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_UPLOADS_DIR", &uploads)]).await;
    fixture::fill(&service).await;
    let other = administration(&service)
        .add_user("somebody@example.com", "analyst", [Vec::new(), Vec::new()], Some(people::PASSWORD.to_owned()))
        .await
        .expect("an account")
        .email;
    let operations = operations();
    let mut with_objects = 0;
    for role in Role::ALL {
        let mut person = Person::new(&service, role).await;
        for Operation { method, path, access } in &operations {
            let may = matches!(access, Access::Needs(permission) if permission.roles().contains(&role));
            let Some((before, after)) =
                path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1)))
            else {
                let answer = person.ask(&service, method, path).await;
                check(&format!("{method} {path} as {}", role.name()), *access, role, &answer);
                if let (true, Some(email)) = (path.contains("logout"), &person.email) {
                    person.credentials = bearer(&service, email).await;
                }
                continue;
            };
            let Objects { own, foreign } = objects(&service, path, &person, &other).await;
            if let Some(own) = own {
                let path = format!("{before}{own}{after}");
                let what = format!("{method} {path}, an own one, as {}", role.name());
                let answer = person.ask(&service, method, &path).await;
                check(&what, *access, role, &answer);
                assert!(!may || answer.status < 300, "{what}: {}", answer.text);
                with_objects += 1;
            }
            let path = format!("{before}{foreign}{after}");
            let what = format!("{method} {path}, a foreign one, as {}", role.name());
            let answer = person.ask(&service, method, &path).await;
            check(&what, *access, role, &answer);
            let of_all = ["/creators/", "/chatters/", "/fans/"].iter().any(|seen| path.contains(seen));
            if may && (role.is_scoped() || !of_all) {
                let empty = answer.status == 200 && answer.json()["items"].as_array().is_some_and(Vec::is_empty);
                let refused = matches!(answer.status, 404 | 415 | 422 | 503);
                assert!(empty || refused, "{what}: {} {}", answer.status, answer.text);
            }
        }
    }
    assert!(with_objects > 100, "{with_objects}");
    for Operation { method, path, access } in &operations {
        let path = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect::<Vec<_>>();
        let body = (*method != Method::GET).then(|| json!({}));
        let path = path.join("/");
        let path = path.trim_start_matches("/api/v1");
        if let Access::Needs(_) = access {
            let answer = read(send(&service, method.clone(), path, &[], body.as_ref()).await).await;
            assert_eq!(answer.status, 401, "{method} {path} as nobody: {}", answer.text);
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"fandom\"");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_names_nothing_that_is_not_served() {
    let described: BTreeSet<(String, String)> =
        (operations().into_iter()).map(|operation| (operation.method.to_string(), operation.path)).collect();
    assert!(described.len() > 50, "{}", described.len());
    let service = Service::start().await;
    for (method, path, access) in ROUTES {
        if described.contains(&((*method).to_owned(), (*path).to_owned())) {
            continue;
        }
        // Pages and their parts, and the document itself.
        assert_eq!((*method, *access), ("GET", Access::Public), "{path} is not in the document");
        let answer = service.get_with(path, &[]).await;
        assert_eq!(answer.status, 200, "nothing serves {path}");
        let kind = answer.header("content-type");
        assert!(!kind.starts_with("text/") || kind.ends_with("; charset=utf-8"), "{path}: {kind}");
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
