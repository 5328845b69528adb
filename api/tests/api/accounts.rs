//! Signing in, and what is tried to get in otherwise: stolen, replayed, expired and forged tokens, guessed passwords, forged requests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fandom_api::command::{Administration, CommandError};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::people::{PASSWORD, administer, ask, ask_as, make, sign_in, text, token};
use crate::service::{Answer, Service};

const ME: &str = "/api/v1/auth/me";

async fn renew(service: &Service, refresh: &str) -> Answer {
    ask(service, "POST", "/api/v1/auth/refresh", &[], Some(&json!({ "refresh_token": refresh }))).await
}

async fn me(service: &Service, token: &str) -> u16 {
    ask_as(service, token, "GET", ME, None).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_comes_back_ends_its_session() {
    let service = Service::start().await;
    make(&service, "ana@example.com", "analyst", &[], &[]).await;
    let first = sign_in(&service, "Ana@Example.com ", PASSWORD).await;
    let other = token(&service, "ana@example.com").await;
    assert_eq!(
        (me(&service, &text(&first, "access_token")).await, first.json()["expires_in"].as_i64()),
        (200, Some(900))
    );
    let second = renew(&service, &text(&first, "refresh_token")).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_ne!(text(&second, "refresh_token"), text(&first, "refresh_token"));
    // Its answer may have been lost: for some seconds it may come once more.
    assert_eq!(renew(&service, &text(&first, "refresh_token")).await.status, 200);
    service.run("update app.refresh_tokens set used_at = used_at - interval '11 seconds'").await;
    assert_eq!(renew(&service, &text(&first, "refresh_token")).await.status, 401, "a replay");
    assert_eq!(renew(&service, &text(&second, "refresh_token")).await.status, 401, "the thief's or the owner's");
    assert_eq!(me(&service, &text(&second, "access_token")).await, 401, "the access token ends with its session");
    assert_eq!(me(&service, &other).await, 200, "another session goes on");
    assert_eq!(renew(&service, "made up").await.status, 401);
    // Nothing that could be used is kept.
    let kept = service.select("select to_jsonb(string_agg(encode(hash, 'escape'), ' ')) from app.refresh_tokens").await;
    assert!(!kept.to_string().contains(&text(&second, "refresh_token")));
}

/// A token of these parts, signed by `sign`.
fn forged(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    format!("{signed}.{}", BASE64.encode(sign(signed.as_bytes())))
}

fn ed25519(key: &PKey<Private>) -> impl Fn(&[u8]) -> Vec<u8> {
    |signed| Signer::new_without_digest(key).and_then(|mut signer| signer.sign_oneshot_to_vec(signed)).expect("signed")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_not_made_here_is_refused() {
    let service = Service::start().await;
    make(&service, "ana@example.com", "analyst", &[], &[]).await;
    let real = token(&service, "ana@example.com").await;
    let parts: Vec<&str> = real.split('.').collect();
    let part = |place: usize| -> Value {
        serde_json::from_slice(&BASE64.decode(parts[place]).expect("base64")).expect("JSON")
    };
    let (header, claims) = (part(0), part(1));
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    // With the key itself, so that what differs is the one thing that each case is about.
    let row = service.sql.query_one("select private from app.signing_keys", &[]).await.expect("a key");
    let key = PKey::private_key_from_pkcs8(row.get(0)).expect("a key");
    let with = |of: &Value, member: &str, value: Value| {
        let mut of = of.clone();
        of[member] = value;
        of
    };
    let own = ed25519(&key);
    assert_eq!(me(&service, &forged(&header, &claims, &own)).await, 200, "the key that is tried with is the right one");
    let now = claims["exp"].as_i64().expect("a time") - 900;
    let stranger = PKey::generate_ed25519().expect("a key");
    let public = key.raw_public_key().expect("a key");
    let pem = key.public_key_to_pem().expect("a key");
    let hmac = |secret: &[u8]| {
        let key = PKey::hmac(secret).expect("a key");
        move |signed: &[u8]| {
            let signer = Signer::new(MessageDigest::sha256(), &key);
            signer.and_then(|mut signer| signer.sign_oneshot_to_vec(signed)).expect("signed")
        }
    };
    let expired = with(&with(&claims, "exp", json!(now - 1)), "iat", json!(now - 901));
    let cases = [
        ("alg none", forged(&with(&header, "alg", json!("none")), &claims, |_| Vec::new())),
        ("alg none, signed", forged(&with(&header, "alg", json!("none")), &claims, &own)),
        ("HS256 with the public key", forged(&with(&header, "alg", json!("HS256")), &claims, hmac(&public))),
        ("HS256 with its PEM", forged(&with(&header, "alg", json!("HS256")), &claims, hmac(&pem))),
        ("EdDSA in the header, HMAC beneath", forged(&header, &claims, hmac(&public))),
        ("another key under this kid", forged(&header, &claims, ed25519(&stranger))),
        ("an unknown kid", forged(&with(&header, "kid", json!("../../dev/null")), &claims, &own)),
        ("another typ", forged(&with(&header, "typ", json!("JWT")), &claims, &own)),
        ("a key of its own in the header", forged(&with(&header, "jwk", json!({ "kty": "OKP" })), &claims, &own)),
        ("another issuer", forged(&header, &with(&claims, "iss", json!("elsewhere")), &own)),
        ("another audience", forged(&header, &with(&claims, "aud", json!("elsewhere")), &own)),
        ("expired", forged(&header, &expired, &own)),
        ("for ever", forged(&header, &with(&claims, "exp", json!(now + 1_000_000)), &own)),
        (
            "from the future",
            forged(&header, &with(&with(&claims, "iat", json!(now + 600)), "exp", json!(now + 900)), &own),
        ),
        ("somebody else's session", forged(&header, &with(&claims, "sub", json!("somebody")), &own)),
        (
            "changed after signing",
            format!("{}.{}.{}", parts[0], BASE64.encode(with(&claims, "sub", json!("x")).to_string()), parts[2]),
        ),
        ("cut", real[..real.len() - 4].to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("nothing", String::new()),
    ];
    for (what, token) in cases {
        assert_eq!(me(&service, &token).await, 401, "{what}");
    }
    assert_eq!(me(&service, &real).await, 200);
}

/// The cookie that an answer sets: all of it, and its name and value.
fn cookie(answer: &Answer) -> (String, String) {
    let set = answer.header("set-cookie").to_owned();
    let pair = set.split(';').next().expect("a pair").to_owned();
    (set, pair)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_has_a_cookie_that_pages_elsewhere_cannot_use() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_HOSTS", "figures.example")]).await;
    make(&service, "ana@example.com", "analyst", &[], &[]).await;
    let login = json!({ "email": "ana@example.com", "password": PASSWORD, "browser": true });
    // A cookie that somebody planted stays worthless.
    let planted = ("cookie", "fandom=planted-by-somebody");
    let answer = ask(&service, "POST", "/api/v1/auth/login", &[planted], Some(&login)).await;
    let (set, pair) = cookie(&answer);
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && pair.starts_with("fandom=") && !pair.contains("planted"), "{set}");
    assert!(answer.json().get("access_token").is_none(), "no token that a script could read");
    assert_eq!(ask(&service, "GET", ME, &[planted], None).await.status, 401);
    let shown = ask(&service, "GET", ME, &[("cookie", &pair)], None).await;
    assert_eq!((shown.status, text(&shown, "csrf_token")), (200, text(&answer, "csrf_token")));
    let csrf = text(&answer, "csrf_token");

    let elsewhere = ask(&service, "POST", "/api/v1/auth/login", &[("host", "figures.example")], Some(&login)).await;
    let (set, _) = cookie(&elsewhere);
    assert!(set.starts_with("__Host-fandom=") && set.contains("; Secure"), "{set}");

    let logout = "/api/v1/auth/logout";
    let with = async |more: &[(&str, &str)]| {
        let mut headers = vec![("cookie", pair.as_str())];
        headers.extend_from_slice(more);
        ask(&service, "POST", logout, &headers, None).await.status
    };
    assert_eq!(with(&[]).await, 403, "no token");
    assert_eq!(with(&[("x-csrf-token", "guessed")]).await, 403, "another token");
    assert_eq!(with(&[("x-csrf-token", &csrf), ("sec-fetch-site", "cross-site")]).await, 403, "a page elsewhere");
    assert_eq!(ask(&service, "GET", ME, &[("cookie", &pair)], None).await.status, 200, "none of them had an effect");
    let forged = ask(&service, "POST", "/api/v1/auth/login", &[("sec-fetch-site", "cross-site")], Some(&login)).await;
    assert_eq!(forged.status, 403, "nor is anybody signed in by a page elsewhere");
    let form = ask(&service, "POST", "/api/v1/auth/login", &[("content-type", "text/plain")], None).await;
    assert_eq!(form.status, 415, "a form is not read");
    assert_eq!(with(&[("x-csrf-token", &csrf), ("sec-fetch-site", "same-origin")]).await, 204);
    assert_eq!(ask(&service, "GET", ME, &[("cookie", &pair)], None).await.status, 401, "it ended on the server too");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_slowed_and_told_nothing() {
    let service = Service::start().await;
    make(&service, "ana@example.com", "analyst", &[], &[]).await;
    let mut told = Vec::new();
    for email in ["ana@example.com", "nobody@example.com"] {
        let mut answers = Vec::new();
        for guess in 0..6 {
            let answer = sign_in(&service, email, &format!("guess number {guess}")).await;
            let body = answer.json();
            answers.push((answer.status, body["type"].clone(), body["detail"].clone()));
            if answer.status == 429 {
                let wait: u32 = answer.header("retry-after").parse().expect("seconds");
                assert!((1..=900).contains(&wait), "{wait}");
            }
        }
        assert_eq!((answers[0].0, answers[5].0), (401, 429), "{answers:?}");
        told.push(answers);
    }
    assert_eq!(told[0], told[1], "whether there is such an account");
    assert_eq!(sign_in(&service, "ANA@example.com", PASSWORD).await.status, 429, "not even the right one, for now");
    service.run("update app.sign_in_failures set until = now()").await;
    assert_eq!(sign_in(&service, "ana@example.com", PASSWORD).await.status, 200);
    // The address waits too, whatever accounts it tries.
    let mut last = 0;
    for guess in 0..30 {
        last = sign_in(&service, &format!("guess{guess}@example.com"), "a guess of some length").await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_an_earlier_system_is_replaced() {
    let service = Service::start().await;
    let id = make(&service, "ana@example.com", "analyst", &[], &[]).await;
    let old = bcrypt::hash("a password from before", 4).expect("a hash");
    service.run(&format!("update app.users set password = '{old}' where id = '{id}'")).await;
    assert_eq!(sign_in(&service, "ana@example.com", "another password").await.status, 401);
    let stored = format!("select to_jsonb(password) from app.users where id = '{id}'");
    assert_eq!(service.select(&stored).await, json!(old));
    assert_eq!(sign_in(&service, "ana@example.com", "a password from before").await.status, 200);
    let new = service.select(&stored).await;
    assert!(new.as_str().is_some_and(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")), "{new}");
    assert_eq!(sign_in(&service, "ana@example.com", "a password from before").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let service = Service::start().await;
    make(&service, "ana@example.com", "analyst", &[], &[]).await;
    make(&service, "eve@example.com", "analyst", &[], &[]).await;
    let (one, two) = (token(&service, "ana@example.com").await, token(&service, "ana@example.com").await);
    let eve = token(&service, "eve@example.com").await;
    let sessions = ask_as(&service, &one, "GET", "/api/v1/auth/sessions", None).await.items();
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|session| session["current"] == false).expect("the other one");
    let path = format!("/api/v1/auth/sessions/{}", other["id"].as_str().expect("an id"));
    assert_eq!(
        ask_as(&service, &eve, "DELETE", &path, None).await.status,
        404,
        "not hers, and not told that it is there"
    );
    assert_eq!(me(&service, &two).await, 200);
    assert_eq!(ask_as(&service, &one, "DELETE", &path, None).await.status, 204);
    assert_eq!((me(&service, &one).await, me(&service, &two).await), (200, 401));

    let change = |current: &str, password: &str| json!({ "current": current, "password": password });
    let put = async |body: Value| ask_as(&service, &one, "PUT", "/api/v1/auth/password", Some(&body)).await.status;
    let three = token(&service, "ana@example.com").await;
    assert_eq!(put(change("not the password", "a better password")).await, 422);
    assert_eq!(put(change(PASSWORD, "short")).await, 422);
    assert_eq!(put(change(PASSWORD, "a better password")).await, 204);
    assert_eq!((me(&service, &one).await, me(&service, &three).await), (200, 401), "only the own session goes on");
    assert_eq!(sign_in(&service, "ana@example.com", PASSWORD).await.status, 401);
    let four = text(&sign_in(&service, "ana@example.com", "a better password").await, "access_token");
    assert_eq!(ask_as(&service, &four, "POST", "/api/v1/auth/logout-everywhere", None).await.status, 204);
    assert_eq!((me(&service, &one).await, me(&service, &four).await, me(&service, &eve).await), (401, 401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_invited_changed_and_disabled() {
    let service = Service::start().await;
    let wrong = json!({ "email": "no address", "role": "king", "creators": ["x"] });
    let refused = administer(&service, "POST", "/api/v1/users", wrong).await;
    let named: Vec<Value> =
        refused.json()["errors"].as_array().expect("errors").iter().map(|e| e["parameter"].clone()).collect();
    assert_eq!((refused.status, named), (422, vec![json!("email"), json!("role"), json!("creators")]));
    let unknown = json!({ "email": "a@example.com", "role": "admin", "is_root": true });
    assert_eq!(
        administer(&service, "POST", "/api/v1/users", unknown).await.status,
        422,
        "no field is taken that is not known"
    );

    let id = make(&service, "ana@example.com", "admin", &[], &[]).await;
    let twice =
        administer(&service, "POST", "/api/v1/users", json!({ "email": "ANA@example.com", "role": "analyst" })).await;
    assert_eq!(twice.status, 409);
    let change = async |body: Value| administer(&service, "PATCH", &format!("/api/v1/users/{id}"), body).await.status;
    assert_eq!(change(json!({ "disabled": true })).await, 409, "the last administrator stays");
    make(&service, "eve@example.com", "admin", &[], &[]).await;
    let session = token(&service, "ana@example.com").await;
    assert_eq!(ask_as(&service, &session, "GET", "/api/v1/users", None).await.items().len(), 2);
    assert_eq!(change(json!({ "role": "analyst" })).await, 200);
    assert_eq!(ask_as(&service, &session, "GET", "/api/v1/users", None).await.status, 403, "at once");
    let own = json!({ "role": "admin" });
    let path = format!("/api/v1/users/{id}");
    assert_eq!(ask_as(&service, &session, "PATCH", &path, Some(&own)).await.status, 403, "nobody raises themselves");
    assert_eq!(change(json!({ "disabled": true })).await, 200);
    assert_eq!((me(&service, &session).await, sign_in(&service, "ana@example.com", PASSWORD).await.status), (401, 401));
    assert_eq!(change(json!({ "disabled": false })).await, 200);
    assert_eq!(me(&service, &session).await, 401, "its sessions do not come back");

    // A way to a new password holds once.
    let reset = administer(&service, "POST", &format!("{path}/reset"), json!({})).await;
    let chosen = json!({ "token": text(&reset, "token"), "password": "an entirely new one" });
    let choose = async || ask(&service, "POST", "/api/v1/auth/reset", &[], Some(&chosen)).await.status;
    assert_eq!((choose().await, choose().await), (204, 401));
    assert_eq!(sign_in(&service, "ana@example.com", "an entirely new one").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_what_it_was_made_for_until_it_expires() {
    let service = Service::start().await;
    crate::fixture::fill(&service).await;
    let made =
        administer(&service, "POST", "/api/v1/keys", json!({ "name": "board", "scopes": ["figures.read"], "days": 1 }))
            .await;
    let (key, id) = (text(&made, "key"), text(&made, "id"));
    let get = async |path: &str| ask_as(&service, &key, "GET", path, None).await.status;
    assert_eq!((get("/api/v1/sales").await, get("/api/v1/fans").await, get("/api/v1/keys").await), (200, 403, 403));
    let listed = ask_as(&service, crate::service::KEY, "GET", "/api/v1/keys", None).await;
    assert!(!listed.text.contains(&key) && listed.text.contains(&id), "shown once");
    let too_much = json!({ "name": "x", "scopes": ["users.write"] });
    assert_eq!(
        administer(&service, "POST", "/api/v1/keys", too_much).await.status,
        422,
        "not what its role does not have"
    );
    service.run("update app.api_keys set expires_at = now() - interval '1 second'").await;
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(get("/api/v1/sales").await, 401, "expired");
    service.run("update app.api_keys set expires_at = null").await;
    assert_eq!(get("/api/v1/sales").await, 200);
    let path = format!("/api/v1/keys/{id}");
    assert_eq!(administer(&service, "DELETE", &path, json!({})).await.status, 204);
    assert_eq!(get("/api/v1/sales").await, 401, "revoked, at once");
    assert_eq!(
        ask(&service, "GET", &format!("/api/v1/sales?key={key}"), &[], None).await.status,
        401,
        "never in a URL"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_shows_what_was_changed_in_it() {
    let service = Service::start().await;
    make(&service, "ana@example.com", "admin", &[], &[]).await;
    sign_in(&service, "ana@example.com", "not the password").await;
    let session = token(&service, "ana@example.com").await;
    let entries = ask_as(&service, &session, "GET", "/api/v1/audit", None).await.items();
    let actions: Vec<&str> = entries.iter().rev().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["user.invited", "password.chosen", "session.refused", "session.begun"]);
    assert!(entries.iter().all(|entry| entry["address"] == "127.0.0.1" && entry["request_id"] != ""), "{entries:?}");
    let trail = serde_json::to_string(&entries).expect("JSON");
    assert!(!trail.contains(PASSWORD) && !trail.contains("not the password"));

    let administration = Administration::new(service.postgres.clone()).expect("a pool");
    let (count, hash) = administration.verify_audit().await.expect("it is whole");
    assert_eq!((count, json!(hash)), (4, entries[0]["hash"].clone()));
    for change in ["update app.audit set actor = 'x'", "delete from app.audit", "truncate app.audit"] {
        assert!(service.sql.batch_execute(change).await.is_err(), "{change}");
    }
    // Whoever owns the database can; and it shows.
    let broken = async || match administration.verify_audit().await {
        Err(CommandError::Refused(reason)) => reason,
        other => panic!("{other:?}"),
    };
    service.run("set session_replication_role = replica; update app.audit set actor = 'x' where seq = 2").await;
    assert!(broken().await.contains("entry 2 "), "{}", broken().await);
    service.run("update app.audit set actor = 'ana@example.com' where seq = 2").await;
    administration.verify_audit().await.expect("it is whole again");
    service.run("delete from app.audit where seq = 3").await;
    assert!(broken().await.contains("entry 3 "), "{}", broken().await);
}
