//! Access tokens that are not ours, or no longer hold.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fandom_services::sealing::{self, KeyRing};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::{Value, json};

use crate::people::{self, account, tokens};
use crate::service::{SECRETS_KEY, Service};

/// The parts of a token that is ours.
struct Ours {
    header: Value,
    claims: Value,
    key: PKey<Private>,
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(text).expect("base64")).expect("JSON")
}

fn changed(value: &Value, changes: &Value) -> Value {
    let mut value = value.clone();
    for (name, change) in changes.as_object().expect("changes") {
        value[name] = change.clone();
    }
    value
}

impl Ours {
    async fn of(service: &Service, email: &str) -> Ours {
        let token = tokens(service, email).await["access_token"].as_str().expect("a token").to_owned();
        let parts: Vec<&str> = token.split('.').collect();
        let find = "select kid, key_id, private from app.signing_keys";
        let row = service.sql.query_one(find, &[]).await.expect("one key");
        let keys = KeyRing::parse(sealing::SECRETS, SECRETS_KEY).expect("a key");
        let owner = [b"signing key\0", row.get::<_, &str>("kid").as_bytes()].concat();
        let private = keys.open(&owner, row.get("key_id"), row.get("private")).expect("the key is ours");
        let key = PKey::private_key_from_pkcs8(&private).expect("an Ed25519 key");
        Ours { header: part(parts[0]), claims: part(parts[1]), key }
    }

    fn signed(&self, header: Value, claims: Value, key: &PKey<Private>) -> String {
        let header = changed(&self.header, &header);
        let text = self.unsigned(&header, &claims);
        let signature = if header["alg"].as_str().is_some_and(|alg| alg.starts_with("HS")) {
            // What is public of our key, taken for a shared secret.
            let secret = PKey::hmac(&self.key.raw_public_key().expect("raw bytes")).expect("a secret");
            let mut signer = Signer::new(MessageDigest::sha256(), &secret).expect("a signer");
            signer.sign_oneshot_to_vec(text.as_bytes()).expect("a signature")
        } else {
            let mut signer = Signer::new_without_digest(key).expect("a signer");
            signer.sign_oneshot_to_vec(text.as_bytes()).expect("a signature")
        };
        format!("{text}.{}", BASE64.encode(signature))
    }

    fn unsigned(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        format!("{}.{}", part(header), part(&changed(&self.claims, claims)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tokens_of_ours_that_hold_let_in() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let admin = account(&service, "admin", &[], &[]).await;
    let ours = Ours::of(&service, &email).await;
    let others = Ours::of(&service, &admin).await;
    assert_eq!((&ours.header["alg"], &ours.header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    let now = ours.claims["iat"].as_i64().expect("a time");
    assert_eq!(ours.claims["exp"].as_i64().expect("a time") - now, 900);
    let right = ours.signed(json!({}), json!({}), &ours.key);
    let asked = |token: String| {
        let service = &service;
        async move { people::get(service, "/fans", &format!("Bearer {token}")).await.status }
    };
    assert_eq!(asked(right.clone()).await, 200, "what follows is refused for what it changes");

    let stranger = PKey::generate_ed25519().expect("a key");
    let none = changed(&ours.header, &json!({ "alg": "none" }));
    let signature = right.rsplit('.').next().expect("a signature");
    let forged = [
        ("alg none, unsigned", format!("{}.", ours.unsigned(&none, &json!({})))),
        ("alg none, signed", ours.signed(json!({ "alg": "none" }), json!({}), &ours.key)),
        ("alg None", ours.signed(json!({ "alg": "None" }), json!({}), &ours.key)),
        ("a public key as a secret", ours.signed(json!({ "alg": "HS256" }), json!({}), &ours.key)),
        ("alg RS256", ours.signed(json!({ "alg": "RS256" }), json!({}), &ours.key)),
        ("an unknown kid", ours.signed(json!({ "kid": "other" }), json!({}), &ours.key)),
        ("a kid of SQL", ours.signed(json!({ "kid": "' or true --" }), json!({}), &ours.key)),
        ("a key in the header", ours.signed(json!({ "jwk": { "kty": "OKP" } }), json!({}), &stranger)),
        ("a stranger's key", ours.signed(json!({}), json!({}), &stranger)),
        ("a header of its own", ours.signed(json!({ "x5u": "https://elsewhere.test/key" }), json!({}), &ours.key)),
        ("a header that must be understood", ours.signed(json!({ "crit": ["exp"] }), json!({}), &ours.key)),
        ("another type", ours.signed(json!({ "typ": "JWT" }), json!({}), &ours.key)),
        ("expired", ours.signed(json!({}), json!({ "iat": now - 901, "exp": now - 1 }), &ours.key)),
        ("too long a life", ours.signed(json!({}), json!({ "exp": now + 90_000 }), &ours.key)),
        ("of the future", ours.signed(json!({}), json!({ "iat": now + 600, "exp": now + 1500 }), &ours.key)),
        ("for another audience", ours.signed(json!({}), json!({ "aud": "elsewhere" }), &ours.key)),
        ("for two audiences", ours.signed(json!({}), json!({ "aud": ["fandom-api", "elsewhere"] }), &ours.key)),
        ("for nobody", ours.signed(json!({}), json!({ "aud": null }), &ours.key)),
        ("of another issuer", ours.signed(json!({}), json!({ "iss": "elsewhere" }), &ours.key)),
        ("another's account", ours.signed(json!({}), json!({ "sub": others.claims["sub"] }), &ours.key)),
        ("an unknown session", ours.signed(json!({}), json!({ "sid": "none" }), &ours.key)),
        ("changed after it was signed", format!("{}.{signature}", ours.unsigned(&ours.header, &json!({ "sub": "x" })))),
        ("no signature", right.rsplit_once('.').expect("parts").0.to_owned()),
        ("nothing", String::new()),
        ("two dots", "..".to_owned()),
        ("very long", "a".repeat(7000)),
    ];
    for (what, token) in forged {
        assert_eq!(asked(token).await, 401, "{what}");
    }
    assert_eq!(asked(right).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_sign_are_replaced_while_tokens_hold() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let old = people::bearer(&service, &email).await;
    service.run("update app.signing_keys set created_at = created_at - interval '30 days'").await;
    // Another process learns of it at its next start; here it is one.
    let again = Service::over(service.postgres.clone(), &[]).await;
    let new = people::bearer(&again, &email).await;
    let kid =
        |bearer: &str| part(bearer.trim_start_matches("Bearer ").split('.').next().expect("a header"))["kid"].clone();
    assert_ne!(kid(&old), kid(&new));
    for bearer in [&old, &new] {
        assert_eq!(people::get(&again, "/fans", bearer).await.status, 200);
    }
}

/// A key that has signed for 30 days is replaced in the middle of the life of a process.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_process_changes_the_key_that_signs() {
    let service = Service::start().await;
    let email = account(&service, "analyst", &[], &[]).await;
    let ours = Ours::of(&service, &email).await;
    let old = people::bearer(&service, &email).await;
    service.run("update app.signing_keys set created_at = created_at - interval '30 days'").await;
    // What is known of the keys is looked at again when a token names one that is not known, at most every five seconds.
    let unknown = format!("Bearer {}", ours.signed(json!({ "kid": "other" }), json!({}), &ours.key));
    let mut new = old.clone();
    let kid =
        |bearer: &str| part(bearer.trim_start_matches("Bearer ").split('.').next().expect("a header"))["kid"].clone();
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(people::get(&service, "/fans", &unknown).await.status, 401);
        new = people::bearer(&service, &email).await;
        if kid(&new) != kid(&old) {
            break;
        }
    }
    assert_ne!(kid(&new), kid(&old), "the key that signs is not replaced");
    for bearer in [&old, &new] {
        assert_eq!(people::get(&service, "/fans", bearer).await.status, 200);
    }
    let signs = "select to_jsonb(kid) from app.signing_keys order by created_at desc limit 1";
    assert_eq!(service.select(signs).await, kid(&new));
}
