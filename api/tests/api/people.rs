//! Accounts for tests, and requests with the credentials of one and nothing else.

use fandom_api::command::Administration;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::service::{Answer, Service};

/// What an account of a test signs in with.
pub const PASSWORD: &str = "correct horse battery";

/// What administers the accounts of a service.
pub fn administration(service: &Service) -> Administration {
    Administration::new(service.postgres.clone()).expect("a pool")
}

/// Makes an account that sees the rows of these creators and chatters; returns its e-mail address.
pub async fn account(service: &Service, role: &str, creators: &[i64], chatters: &[i64]) -> String {
    let email = format!("{role}@example.com");
    let ids = [creators.to_vec(), chatters.to_vec()];
    let made = administration(service).add_user(&email, role, ids, Some(PASSWORD.to_owned())).await;
    made.expect("an account").email
}

/// Sends a request; `None` of a body sends none.
pub async fn send(
    service: &Service,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Response {
    let mut request = reqwest::Client::new().request(method, service.url(&format!("/api/v1{path}")));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    request.send().await.expect("an answer")
}

/// The answer, read to its end.
pub async fn read(response: Response) -> Answer {
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.expect("a body"),
    }
}

/// Posts JSON without credentials.
pub async fn post(service: &Service, path: &str, body: &Value) -> Answer {
    read(send(service, Method::POST, path, &[], Some(body)).await).await
}

/// Tries to sign in.
pub async fn sign_in(service: &Service, email: &str, password: &str) -> Answer {
    post(service, "/auth/login", &json!({ "email": email, "password": password })).await
}

/// Signs in; the tokens.
pub async fn tokens(service: &Service, email: &str) -> Value {
    let answer = sign_in(service, email, PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Signs in; the access token as a header has it.
pub async fn bearer(service: &Service, email: &str) -> String {
    format!("Bearer {}", tokens(service, email).await["access_token"].as_str().expect("a token"))
}

/// Asks for a path with a bearer.
pub async fn get(service: &Service, path: &str, bearer: &str) -> Answer {
    read(send(service, Method::GET, path, &[("authorization", bearer)], None).await).await
}
