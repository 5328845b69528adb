//! Accounts of the tests, and how they sign in.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{chatter, creator};
use crate::service::{Answer, Service};

/// A password that is accepted.
pub const PASSWORD: &str = "correct horse battery";

/// Sends a request with these headers alone: without the key of the tests, unless they name it.
pub async fn ask(
    service: &Service,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let request = reqwest::Client::new().request(method, service.url(path));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    };
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    // A stream has no end.
    let stream = headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let text = if stream { String::new() } else { response.text().await.expect("a body") };
    Answer { status, headers, text }
}

/// The same as whoever has this token or key.
pub async fn ask_as(service: &Service, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    ask(service, method, path, &[("authorization", &format!("Bearer {token}"))], body).await
}

/// The same as the administrator whose key the tests have.
pub async fn administer(service: &Service, method: &str, path: &str, body: Value) -> Answer {
    ask_as(service, crate::service::KEY, method, path, Some(&body)).await
}

/// Makes an account that can sign in; returns its id.
pub async fn make(service: &Service, email: &str, role: &str, creators: &[i64], chatters: &[i64]) -> String {
    let texts = |ids: &[i64]| ids.iter().map(i64::to_string).collect::<Vec<_>>();
    let asked = json!({ "email": email, "role": role, "creators": texts(creators), "chatters": texts(chatters) });
    let made = administer(service, "POST", "/api/v1/users", asked).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let chosen = json!({ "token": made["token"], "password": PASSWORD });
    let set = ask(service, "POST", "/api/v1/auth/reset", &[], Some(&chosen)).await;
    assert_eq!(set.status, 204, "{}", set.text);
    made["id"].as_str().expect("an id").to_owned()
}

/// Signs in as a program does.
pub async fn sign_in(service: &Service, email: &str, password: &str) -> Answer {
    ask(service, "POST", "/api/v1/auth/login", &[], Some(&json!({ "email": email, "password": password }))).await
}

/// A text of an answer.
pub fn text(answer: &Answer, member: &str) -> String {
    answer.json()[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", answer.text)).to_owned()
}

/// The access token of an account that has signed in.
pub async fn token(service: &Service, email: &str) -> String {
    let answer = sign_in(service, email, PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    text(&answer, "access_token")
}

/// Roles, and of those who see own rows whose these are: creators and chatters of the fixture.
pub fn everybody() -> [(&'static str, Vec<i64>, Vec<i64>); 5] {
    [
        ("admin", vec![], vec![]),
        ("manager", vec![creator(1)], vec![chatter(1)]),
        ("analyst", vec![], vec![]),
        ("chatter", vec![], vec![chatter(0)]),
        ("creator", vec![creator(0)], vec![]),
    ]
}

/// The access token of an account of each role, and a key of a service.
pub async fn tokens(service: &Service) -> Vec<(&'static str, String)> {
    let mut tokens = Vec::new();
    for (role, creators, chatters) in everybody() {
        let email = format!("{role}@example.com");
        make(service, &email, role, &creators, &chatters).await;
        tokens.push((role, token(service, &email).await));
    }
    let key = administer(service, "POST", "/api/v1/keys", json!({ "name": "a program" })).await;
    assert_eq!(key.status, 201, "{}", key.text);
    tokens.push(("service", text(&key, "key")));
    tokens
}
