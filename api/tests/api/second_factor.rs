//! Second factors: set up, asked for, lost, demanded.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::Totp;

use crate::cluster::Cluster;
use crate::people::{self, PASSWORD, account, administration, bearer, post, read, send};
use crate::service::{Answer, SECRETS_KEY, Service};

const OTHER_KEY: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

async fn ask(service: &Service, bearer: &str, path: &str, body: &Value) -> Answer {
    read(send(service, Method::POST, path, &[("authorization", bearer)], Some(body)).await).await
}

async fn sign_in(service: &Service, email: &str, code: &str) -> Answer {
    post(service, "/auth/login", &json!({ "email": email, "password": PASSWORD, "code": code })).await
}

/// An authenticator, which shows each code as often as it is asked.
pub struct Authenticator(Totp);

impl Authenticator {
    /// The code of now, or of so many steps later.
    fn shows(&self, steps: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        self.0.generate(now + 30 * steps).to_string()
    }
}

/// Sets one up for whoever signs in so; it, and the recovery codes.
pub async fn set_up(service: &Service, bearer: &str) -> (Authenticator, Vec<String>) {
    let made = ask(service, bearer, "/auth/second-factor", &json!({ "password": PASSWORD })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let uri = made["uri"].as_str().expect("an address");
    let totp = Totp::from_url(uri).expect("an address that authenticators read");
    assert_eq!(totp.secret().to_base32(), made["secret"].as_str().expect("a secret"));
    assert!(made["qr"].as_str().is_some_and(|qr| qr.contains("<svg")), "{made}");
    let authenticator = Authenticator(totp);
    let wrong = ask(service, bearer, "/auth/second-factor/confirm", &json!({ "code": "000000" })).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    let code = json!({ "code": authenticator.shows(0) });
    let confirmed = ask(service, bearer, "/auth/second-factor/confirm", &code).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let codes = confirmed.json()["recovery_codes"].as_array().expect("codes").clone();
    let codes: Vec<String> = codes.iter().map(|code| code.as_str().expect("a code").to_owned()).collect();
    assert_eq!(codes.len(), 10);
    (authenticator, codes)
}

fn kind(answer: &Answer) -> (u16, String) {
    let kind = answer.json()["type"].as_str().expect("a problem").rsplit(':').next().expect("a slug").to_owned();
    (answer.status, kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_and_each_code_holds_once() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let (own, other) = (bearer(&service, &email).await, bearer(&service, &email).await);
    let refused = ask(&service, &own, "/auth/second-factor", &json!({ "password": "wrong" })).await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["parameter"]), (422, &json!("password")));
    let started = ask(&service, &own, "/auth/second-factor", &json!({ "password": PASSWORD })).await;
    assert_eq!(started.status, 201);
    people::tokens(&service, &email).await;

    let (authenticator, codes) = set_up(&service, &own).await;
    assert_eq!(people::get(&service, "/auth/me", &own).await.json()["second_factor"], "set");
    assert_eq!(people::get(&service, "/auth/me", &other).await.status, 401, "sessions of one factor end");
    let again = ask(&service, &own, "/auth/second-factor", &json!({ "password": PASSWORD })).await;
    assert_eq!(kind(&again), (409, "conflict".into()));

    let missing = people::sign_in(&service, &email, PASSWORD).await;
    assert_eq!(kind(&missing), (401, "second-factor".into()));
    let of_password = people::sign_in(&service, &email, "not the password").await;
    assert_eq!(kind(&of_password), (401, "unauthenticated".into()), "who guesses is not told of the factor");
    let used = sign_in(&service, &email, &authenticator.shows(0)).await;
    assert_eq!(kind(&used), (401, "second-factor".into()), "the code that confirmed it was used");
    assert_eq!(sign_in(&service, &email, &authenticator.shows(1)).await.status, 200, "a clock may be a step off");
    assert_eq!(kind(&sign_in(&service, &email, &authenticator.shows(1)).await).0, 401, "each code holds once");
    assert_eq!(kind(&sign_in(&service, &email, &authenticator.shows(9)).await).0, 401);

    assert_eq!(sign_in(&service, &email, &codes[0].to_uppercase()).await.status, 200);
    assert_eq!(kind(&sign_in(&service, &email, &codes[0]).await).0, 401, "a recovery code holds once");
    let proof = json!({ "password": PASSWORD, "code": codes[1] });
    let renewed = ask(&service, &own, "/auth/second-factor/recovery-codes", &proof).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    assert_eq!(kind(&sign_in(&service, &email, &codes[2]).await).0, 401, "those before hold no more");
    let fresh = renewed.json()["recovery_codes"][0].as_str().expect("a code").to_owned();
    let bad = json!({ "password": PASSWORD, "code": "123456" });
    assert_eq!(ask(&service, &own, "/auth/second-factor/remove", &bad).await.status, 422);
    let proof = json!({ "password": PASSWORD, "code": fresh });
    assert_eq!(ask(&service, &own, "/auth/second-factor/remove", &proof).await.status, 204);
    people::tokens(&service, &email).await;

    let stored = service.select("select coalesce(to_jsonb(count(*)), '0') from app.recovery_codes").await;
    assert_eq!(stored, 0);
    let noted =
        "select jsonb_agg(distinct action) from app.audit where action like '%factor%' or action like 'recovery%'";
    assert_eq!(
        service.select(noted).await,
        json!(["recovery-codes.renewed", "second-factor.removed", "second-factor.set"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_not_to_be_guessed() {
    let service = Service::start().await;
    let email = account(&service, "manager", &[], &[]).await;
    let (authenticator, _) = set_up(&service, &bearer(&service, &email).await).await;
    let mut answers = Vec::new();
    for guess in 0..8 {
        answers.push(sign_in(&service, &email, &format!("{guess:06}")).await.status);
    }
    assert_eq!((answers[0], answers[7]), (401, 429), "{answers:?}");
    let right = sign_in(&service, &email, &authenticator.shows(1)).await;
    assert_eq!(right.status, 429, "the right code waits too");
    let noted =
        "select to_jsonb(count(*) > 3) from app.audit where action = 'session.refused' and detail like '%code%'";
    assert_eq!(service.select(noted).await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn being_asked_for_a_code_is_no_failure() {
    let service = Service::start().await;
    let email = account(&service, "manager", &[], &[]).await;
    let (authenticator, _) = set_up(&service, &bearer(&service, &email).await).await;
    // More often than an account, and an address, may fail.
    for _ in 0..25 {
        assert_eq!(kind(&people::sign_in(&service, &email, PASSWORD).await), (401, "second-factor".into()));
    }
    for guess in 0..3 {
        assert_eq!(sign_in(&service, &email, &format!("{guess:06}")).await.status, 401);
        people::sign_in(&service, &email, PASSWORD).await;
    }
    // Of the address also the wrong code with which the factor was set up.
    let failures =
        "select to_jsonb(array_agg(failures order by failures)) from app.sign_in_failures where failures > 0";
    assert_eq!(service.select(failures).await, json!([3, 4]), "wrong codes stay counted");
    assert_eq!(sign_in(&service, &email, &authenticator.shows(1)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_have_a_second_factor_sets_one_up_before_anything_else() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_SECOND_FACTOR", "administrators")]).await;
    let (admin, analyst) = (account(&service, "admin", &[], &[]).await, account(&service, "analyst", &[], &[]).await);
    let (own, free) = (bearer(&service, &admin).await, bearer(&service, &analyst).await);
    assert_eq!(people::get(&service, "/creators", &free).await.status, 200, "it is not demanded of analysts");
    let held = people::get(&service, "/creators", &own).await;
    assert_eq!(kind(&held), (403, "second-factor-needed".into()));
    assert_eq!(people::get(&service, "/auth/me", &own).await.json()["second_factor"], "needed");
    assert_eq!(service.get("/auth/me").await.json()["second_factor"], Value::Null, "a key has none");
    set_up(&service, &own).await;
    assert_eq!(people::get(&service, "/creators", &own).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_second_factor_is_reset_by_an_administrator() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let own = bearer(&service, &email).await;
    let id = people::get(&service, "/auth/me", &own).await.json()["user_id"].as_str().expect("an id").to_owned();
    let path = format!("/users/{id}/second-factor");
    let delete = || service.http.delete(service.url(&format!("/api/v1{path}"))).send();
    assert_eq!(delete().await.expect("an answer").status(), 409, "it has none yet");
    set_up(&service, &own).await;
    let users = service.get("/users").await.items();
    assert_eq!(users[0]["second_factor"], true, "{users:?}");
    assert_eq!(delete().await.expect("an answer").status(), 204);
    assert_eq!(people::get(&service, "/auth/me", &own).await.status, 401, "its sessions end");
    set_up(&service, &bearer(&service, &email).await).await;
    administration(&service).reset_second_factor(&email).await.expect("by the command");
    people::tokens(&service, &email).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_the_database_are_sealed_and_their_key_can_change() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres.clone(), &[]).await;
    let email = account(&service, "analyst", &[], &[]).await;
    let own = bearer(&service, &email).await;
    let (authenticator, _) = set_up(&service, &own).await;
    let raw = service.select("select to_jsonb(encode(secret, 'hex')) from app.second_factors").await;
    let secret: String = authenticator.0.secret().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!raw.as_str().expect("bytes").contains(&secret), "the secret is not to be read");
    // PKCS #8 of an Ed25519 key begins so.
    let plain = "select to_jsonb(count(*)) from app.signing_keys where encode(private, 'hex') like '302e0201%'";
    assert_eq!(service.select(plain).await, 0, "nor are the keys that sign");

    let both = format!("{OTHER_KEY},{SECRETS_KEY}");
    let second = Service::over(postgres.clone(), &[("FANDOM_SECRETS_KEY", both.as_str())]).await;
    assert_eq!(people::get(&second, "/auth/me", &own).await.status, 200, "tokens of the key before hold");
    let resealed = "select to_jsonb(count(distinct key_id) = 1 and min(key_id) <> (select min(key_id) from app.signing_keys)) from app.second_factors";
    let begun = std::time::Instant::now();
    while second.select(resealed).await != true {
        assert!(begun.elapsed().as_secs() < 10, "it is not sealed anew");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let third = Service::over(postgres, &[("FANDOM_SECRETS_KEY", OTHER_KEY)]).await;
    assert_eq!(people::get(&third, "/auth/me", &own).await.status, 401, "without the key before, its tokens do not");
    assert_eq!(
        sign_in(&third, &email, &authenticator.shows(1)).await.status,
        200,
        "the factor does, and new tokens are made"
    );
}
