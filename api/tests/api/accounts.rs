//! Signing in, renewing, ending; passwords, keys, and the trail of all of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::people::{self, PASSWORD, account, administration, bearer, post, read, send, sign_in, tokens};
use crate::service::{Answer, Service};

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

async fn renew(service: &Service, token: &str) -> Answer {
    post(service, "/auth/refresh", &json!({ "refresh_token": token })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_comes_back_ends_its_session() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let first = tokens(&service, &email).await;
    let (old, access) = (text(&first, "refresh_token"), format!("Bearer {}", text(&first, "access_token")));
    let second = renew(&service, old).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_ne!(text(&second.json(), "refresh_token"), old);
    assert_eq!(renew(&service, old).await.status, 200, "two tabs may renew at the same time");
    assert_eq!(people::get(&service, "/auth/me", &access).await.status, 200);

    service.run("update app.refresh_tokens set used_at = used_at - interval '1 minute'").await;
    assert_eq!(renew(&service, old).await.status, 401);
    assert_eq!(
        renew(&service, text(&second.json(), "refresh_token")).await.status,
        401,
        "the thief's and the owner's end"
    );
    assert_eq!(people::get(&service, "/auth/me", &access).await.status, 401);
    let noted = service.select("select to_jsonb(count(*)) from app.audit where action = 'session.reused'").await;
    assert_eq!(noted, 1);
    assert_eq!(renew(&service, "made up").await.status, 401);

    let idle = tokens(&service, &email).await;
    service.run("update app.sessions set last_used_at = now() - interval '8 days'").await;
    assert_eq!(renew(&service, text(&idle, "refresh_token")).await.status, 401, "a session that nobody used has ended");
    let access = format!("Bearer {}", text(&idle, "access_token"));
    assert_eq!(people::get(&service, "/auth/me", &access).await.status, 401);

    let old = tokens(&service, &email).await;
    service.run("update app.sessions set expires_at = now() where ended_at is null").await;
    assert_eq!(renew(&service, text(&old, "refresh_token")).await.status, 401, "used or not, a session ends some day");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended() {
    let service = Service::start().await;
    let email = account(&service, "manager", &[], &[]).await;
    let (here, there) = (bearer(&service, &email).await, bearer(&service, &email).await);
    let sessions = people::get(&service, "/auth/sessions", &here).await.items();
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|session| session["current"] == false).expect("another session");
    let stranger = account(&service, "creator", &[], &[]).await;
    let stranger = bearer(&service, &stranger).await;
    let path = format!("/auth/sessions/{}", text(other, "id"));
    let foreign = send(&service, Method::DELETE, &path, &[("authorization", &stranger)], None).await;
    assert_eq!(foreign.status(), 404, "a session of somebody else's is not there");
    assert_eq!(people::get(&service, "/auth/me", &there).await.status, 200);
    assert_eq!(send(&service, Method::DELETE, &path, &[("authorization", &here)], None).await.status(), 204);
    assert_eq!(people::get(&service, "/auth/me", &there).await.status, 401);

    let third = bearer(&service, &email).await;
    let everywhere = send(&service, Method::POST, "/auth/logout-everywhere", &[("authorization", &here)], None).await;
    assert_eq!(everywhere.status(), 204);
    assert_eq!(everywhere.headers()["clear-site-data"], "\"cache\"");
    for ended in [&here, &third] {
        assert_eq!(people::get(&service, "/auth/me", ended).await.status, 401);
    }
    assert_eq!(people::get(&service, "/auth/me", &stranger).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_and_tells_nothing() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let told = |answer: &Answer| {
        let mut body = answer.json();
        body.as_object_mut().expect("a problem").remove("request_id");
        (answer.status, body)
    };
    let mut answers = Vec::new();
    for _ in 0..8 {
        let known = told(&sign_in(&service, &email, "a wrong password").await);
        let unknown = told(&sign_in(&service, "nobody@example.com", "a wrong password").await);
        assert_eq!(known, unknown, "whether there is an account is not told");
        answers.push(known.0);
    }
    assert_eq!(answers[0], 401);
    assert_eq!(answers[7], 429, "{answers:?}");
    let right = sign_in(&service, &email, PASSWORD).await;
    assert_eq!(right.status, 429, "the right password waits too");
    assert!(right.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    service.run("update app.sign_in_failures set until = now()").await;
    assert_eq!(sign_in(&service, &email, PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_chosen_changed_and_rehashed() {
    let service = Service::start().await;
    let made = service.http.post(service.url("/api/v1/users")).header("content-type", "application/json");
    let made = made.body(json!({ "email": "New@example.com", "role": "analyst" }).to_string());
    let invited = read(made.send().await.expect("an answer")).await;
    assert_eq!(invited.status, 201, "{}", invited.text);
    let token = text(&invited.json(), "token").to_owned();
    let choose = |password: &'static str| {
        let (service, body) = (&service, json!({ "token": token, "password": password }));
        async move { post(service, "/auth/reset", &body).await }
    };
    assert_eq!(sign_in(&service, "new@example.com", "").await.status, 401, "no password is none that fits");
    let easy = choose("123456789012").await;
    assert_eq!((easy.status, &easy.json()["errors"][0]["parameter"]), (422, &json!("password")));
    assert_eq!(choose(PASSWORD).await.status, 204);
    assert_eq!(choose(PASSWORD).await.status, 401, "a link holds once");

    let (own, other) = (bearer(&service, "new@example.com").await, bearer(&service, "new@example.com").await);
    let change = json!({ "current": PASSWORD, "password": "another horse battery" });
    let changed = send(&service, Method::PUT, "/auth/password", &[("authorization", &own)], Some(&change)).await;
    assert_eq!(changed.status(), 204);
    assert_eq!(people::get(&service, "/auth/me", &own).await.status, 200);
    assert_eq!(people::get(&service, "/auth/me", &other).await.status, 401, "other sessions end");
    assert_eq!(sign_in(&service, "new@example.com", PASSWORD).await.status, 401);

    let old = bcrypt::hash(PASSWORD, 4).expect("a hash of the earlier system");
    service.run(&format!("update app.users set password = '{old}'")).await;
    tokens(&service, "new@example.com").await;
    let stored = service.select("select to_jsonb(password) from app.users").await;
    assert!(stored.as_str().is_some_and(|hash| hash.starts_with("$argon2id$")), "{stored}");
    tokens(&service, "new@example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_what_it_was_made_for() {
    let service = Service::start().await;
    let make = |body: Value| {
        let request = service.http.post(service.url("/api/v1/keys")).header("content-type", "application/json");
        async move { read(request.body(body.to_string()).send().await.expect("an answer")).await }
    };
    let refused = make(json!({ "name": "board", "scopes": ["users.write"] })).await;
    assert_eq!(refused.status, 422, "a program does not administer accounts");
    let made = make(json!({ "name": "board", "scopes": ["figures.read"], "days": 1 })).await.json();
    let key = format!("Bearer {}", text(&made, "key"));
    assert_eq!(people::get(&service, "/sales", &key).await.status, 200);
    assert_eq!(people::get(&service, "/fans", &key).await.status, 403);
    let cookie = format!("fandom={}", text(&made, "key"));
    let as_cookie = send(&service, Method::GET, "/sales", &[("cookie", &cookie)], None).await;
    assert_eq!(as_cookie.status(), 401, "a key that a browser sends by itself is none");
    let stored = service.select("select to_jsonb(k)::jsonb from app.api_keys k").await.to_string();
    assert!(!stored.contains(text(&made, "key")), "a key is kept as its hash alone");
    let listed = read(service.http.get(service.url("/api/v1/keys")).send().await.expect("an answer")).await;
    assert!(!listed.text.contains(text(&made, "key")) && listed.items().len() == 1);
    let path = format!("/api/v1/keys/{}", text(&made, "id"));
    assert_eq!(service.http.delete(service.url(&path)).send().await.expect("an answer").status(), 204);
    assert_eq!(people::get(&service, "/sales", &key).await.status, 401);

    let over = make(json!({ "name": "old" })).await.json();
    service.run("update app.api_keys set expires_at = now() where name = 'old'").await;
    assert_eq!(people::get(&service, "/sales", &format!("Bearer {}", text(&over, "key"))).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_no_more_than_it_has() {
    let service = Service::start().await;
    let admin = account(&service, "admin", &[], &[]).await;
    let own = bearer(&service, &admin).await;
    let ask = async |by: &str, method: Method, path: &str, body: Value| {
        read(send(&service, method, path, &[("authorization", by)], Some(&body)).await).await
    };
    let key = async |by: &str, body: Value| ask(by, Method::POST, "/keys", body).await;
    let bearer_of = |made: &Answer| format!("Bearer {}", text(&made.json(), "key"));
    let scopes = ["keys.write", "users.write", "figures.read"];
    let made = key(&own, json!({ "name": "scoped", "role": "admin", "scopes": scopes, "days": 2 })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let scoped = bearer_of(&made);

    for more in [
        json!({ "name": "all", "role": "admin" }),
        json!({ "name": "all of a program", "role": "service" }),
        json!({ "name": "another", "role": "admin", "scopes": ["figures.read", "audit.read"] }),
    ] {
        let refused = key(&scoped, more.clone()).await;
        assert_eq!(refused.status, 403, "{more}: {}", refused.text);
    }
    let as_much = key(&scoped, json!({ "name": "as much", "role": "admin", "scopes": scopes, "days": 90 })).await;
    assert_eq!(as_much.status, 201, "{}", as_much.text);
    assert_eq!(as_much.json()["expires_at"], made.json()["expires_at"], "it holds no longer than its maker");
    let child = bearer_of(&as_much);

    let ids = service.select("select jsonb_object_agg(role, id) from app.users").await;
    let users = format!("/users/{}", text(&ids, "admin"));
    for (method, path, body) in [
        (Method::POST, "/users".to_owned(), json!({ "email": "new@example.com", "role": "admin" })),
        (Method::POST, "/users".to_owned(), json!({ "email": "new@example.com", "role": "analyst" })),
        (Method::POST, format!("{users}/reset"), json!({})),
        (Method::DELETE, format!("{users}/second-factor"), json!({})),
        (Method::PATCH, users.clone(), json!({ "disabled": false })),
        (Method::PATCH, users.clone(), json!({ "role": "manager" })),
    ] {
        let refused = ask(&scoped, method.clone(), &path, body.clone()).await;
        assert_eq!(refused.status, 403, "{method} {path} {body}: {}", refused.text);
    }
    let chatter = json!({ "email": "new@example.com", "role": "chatter" });
    assert_eq!(ask(&scoped, Method::POST, "/users", chatter.clone()).await.status, 403, "it cannot be told of commits");
    assert_eq!(ask(&own, Method::POST, "/users", chatter).await.status, 201);
    assert_eq!(ask(&scoped, Method::PATCH, &users, json!({ "name": "Ada" })).await.status, 200, "a name gives nothing");

    assert_eq!(people::get(&service, "/sales", &child).await.status, 200);
    let administration = administration(&service);
    let other = administration.add_user("other@example.com", "admin", [Vec::new(), Vec::new()], None);
    other.await.expect("an account");
    assert_eq!(ask(&scoped, Method::PATCH, &users, json!({ "disabled": true })).await.status, 200);
    for stopped in [&scoped, &child] {
        assert_eq!(people::get(&service, "/sales", stopped).await.status, 401, "it stops with its administrator");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_trail_cannot_take_is_not_done() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let own = bearer(&service, &email).await;
    let change = async |method: Method, path: &str, body: Value| {
        let request = service.http.request(method, service.url(&format!("/api/v1{path}")));
        let request = request.header("content-type", "application/json").body(body.to_string());
        request.send().await.expect("an answer").status().as_u16()
    };
    let key = json!({ "name": "board" });
    service.run("alter table app.audit rename to away").await;
    let invited = json!({ "email": "new@example.com", "role": "analyst" });
    assert_eq!(change(Method::POST, "/users", invited.clone()).await, 503);
    assert_eq!(change(Method::POST, "/keys", key.clone()).await, 503);
    assert_eq!(sign_in(&service, &email, PASSWORD).await.status, 503);
    let user = service.select("select to_jsonb(id) from app.users").await;
    let disable = format!("/users/{}", user.as_str().expect("one account"));
    assert_eq!(change(Method::PATCH, &disable, json!({ "disabled": true })).await, 503);
    service.run("alter table app.away rename to audit").await;
    let there = "select jsonb_build_array((select count(*) from app.users), (select count(*) from app.api_keys),
                 (select count(*) from app.sessions where ended_at is null))";
    assert_eq!(service.select(there).await, json!([1, 0, 1]));
    assert_eq!(people::get(&service, "/auth/me", &own).await.status, 200, "nobody was disabled");
    assert_eq!(change(Method::POST, "/users", invited).await, 201);
    assert_eq!(change(Method::POST, "/keys", key).await, 201);
    assert_eq!(sign_in(&service, &email, PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_shows_whatever_was_done_to_it() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    for _ in 0..3 {
        tokens(&service, &email).await;
    }
    let administration = administration(&service);
    let (entries, hash) = administration.verify_audit().await.expect("a whole trail");
    assert!(entries >= 5 && hash.len() == 64, "{entries} {hash}");
    let shown = read(service.http.get(service.url("/api/v1/audit")).send().await.expect("an answer")).await.items();
    assert_eq!(shown[0]["action"], "session.begun");
    assert_eq!(shown[0]["actor"], email);
    let asked = service.http.post(service.url("/api/v1/ingest/sync")).send().await.expect("an answer");
    assert!(asked.status().is_success(), "{asked:?}");
    let shown = read(service.http.get(service.url("/api/v1/audit")).send().await.expect("an answer")).await.items();
    assert_eq!((&shown[0]["action"], &shown[0]["target"]), (&json!("POST by the API"), &json!("/api/v1/ingest/sync")));
    let (entries, hash) = administration.verify_audit().await.expect("a whole trail");
    for change in ["update app.audit set actor = 'x'", "delete from app.audit", "truncate app.audit"] {
        assert!(service.sql.batch_execute(change).await.is_err(), "{change}");
    }
    service.run("alter table app.audit disable trigger user").await;
    for (change, back) in [
        ("update app.audit set actor = 'x' where seq = 2", None),
        ("delete from app.audit where seq = 3", None),
        ("update app.audit set seq = -seq where seq = 1", Some("update app.audit set seq = 1 where seq = -1")),
    ] {
        service.run("create table kept as select * from app.audit").await;
        service.run(change).await;
        assert!(administration.verify_audit().await.is_err(), "{change}");
        let restore = "delete from app.audit; insert into app.audit select * from kept; drop table kept";
        service.run(back.unwrap_or("select 1")).await;
        service.run(restore).await;
        assert_eq!(administration.verify_audit().await.expect("whole again"), (entries, hash.clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_who_remove_each_other_leave_one() {
    let service = Service::start().await;
    let first = account(&service, "admin", &[], &[]).await;
    let other = "other@example.com".to_owned();
    let administration = administration(&service);
    let made = administration.add_user(&other, "admin", [Vec::new(), Vec::new()], Some(PASSWORD.to_owned()));
    made.await.expect("an account");
    let bearers = [bearer(&service, &first).await, bearer(&service, &other).await];
    let ids = service.select("select jsonb_object_agg(email, id) from app.users").await;
    for round in 0..12 {
        let body = if round % 2 == 0 { json!({ "role": "analyst" }) } else { json!({ "disabled": true }) };
        let remove = async |by: &str, whom: &str| {
            let path = format!("/users/{}", text(&ids, whom));
            send(&service, Method::PATCH, &path, &[("authorization", by)], Some(&body)).await.status().as_u16()
        };
        let answers = tokio::join!(remove(&bearers[0], &other), remove(&bearers[1], &first));
        let left = "select to_jsonb(count(*)) from app.users where role = 'admin' and disabled_at is null";
        assert_eq!(service.select(left).await, 1, "{answers:?} to {body}");
        assert!(answers.0 == 200 || answers.1 == 200, "{answers:?} to {body}");
        service.run("update app.users set role = 'admin', disabled_at = null").await;
        service.run("update app.sessions set ended_at = null").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_sign_in_is_no_other_administrator() {
    let service = Service::start().await;
    let admin = account(&service, "admin", &[], &[]).await;
    let own = bearer(&service, &admin).await;
    let invited = json!({ "email": "new@example.com", "role": "admin" });
    let invited = read(send(&service, Method::POST, "/users", &[("authorization", &own)], Some(&invited)).await).await;
    assert_eq!(invited.status, 201, "{}", invited.text);
    let id = service.select("select to_jsonb(id) from app.users where password is not null").await;
    let path = format!("/users/{}", id.as_str().expect("an id"));
    for change in [json!({ "role": "analyst" }), json!({ "disabled": true })] {
        let answer = send(&service, Method::PATCH, &path, &[("authorization", &own)], Some(&change)).await;
        assert_eq!(answer.status(), 409, "{change}");
    }
    let chosen = json!({ "token": text(&invited.json(), "token"), "password": PASSWORD });
    assert_eq!(post(&service, "/auth/reset", &chosen).await.status, 204);
    let change = json!({ "role": "analyst" });
    let answer = send(&service, Method::PATCH, &path, &[("authorization", &own)], Some(&change)).await;
    assert_eq!(answer.status(), 200, "now there is another");
}
