//! Secrets and what is kept of them; access tokens (RFC 9068) signed with Ed25519 (RFC 8037), checked as RFC 8725 asks.
//!
//! A verifier accepts one algorithm, `EdDSA`, of keys it made itself: what a token says of its own algorithm chooses nothing, and a header
//! that says anything else than its kid is refused. Keys stand in `app.signing_keys`; a new one is made every 30 days, and the one before
//! verifies until its last token has expired. They are sealed: who reads the database makes no tokens.

use std::sync::RwLock;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fandom_services::jwt::{self, Algorithm, Header, Pair, Validation};
use fandom_services::sealing::KeyRing;
use jiff::Timestamp;
use openssl::pkey::PKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use super::store::Store;
use crate::database::refused;
use crate::problem::Problem;

/// For how long an access token holds, in seconds.
pub const ACCESS_SECONDS: i64 = 15 * 60;
const ISSUER: &str = "fandom";
const AUDIENCE: &str = "fandom-api";
const TYPE: &str = "at+jwt";
/// How long a key signs.
const SIGNS_DAYS: i64 = 30;
/// How often keys are read again at most, when a token names one that is not known.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How old what is known of the keys may be.
const FRESH: Duration = Duration::from_secs(60);

/// A new secret of 256 bits.
pub fn secret() -> String {
    random::<32>()
}

/// A new id that cannot be guessed.
pub fn id() -> String {
    random::<16>()
}

fn random<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    openssl::rand::rand_bytes(&mut bytes).expect("OpenSSL has randomness on every platform this is built for");
    BASE64.encode(bytes)
}

/// What is kept of a secret.
pub fn digest(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// The token against forged requests that belongs to a session's cookie.
pub fn csrf(cookie: &str) -> String {
    BASE64.encode(Sha256::digest(format!("csrf:{cookie}").as_bytes()))
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// Id of the account.
    pub sub: String,
    /// Id of the session.
    pub sid: String,
    iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    jti: String,
}

struct Key {
    kid: String,
    pair: Pair,
    /// Whether it still signs.
    signs: bool,
}

/// The keys.
#[derive(Default)]
pub struct Signing {
    keys: RwLock<(Option<Instant>, Vec<Key>)>,
}

impl Signing {
    /// A new access token.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn sign(&self, store: &Store, keys: &KeyRing, user: &str, session: &str) -> Result<String, Problem> {
        self.load(store, keys, FRESH).await?;
        let now = Timestamp::now().as_second();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user.into(),
            sid: session.into(),
            iat: now,
            exp: now + ACCESS_SECONDS,
            jti: id(),
        };
        let keys = self.keys.read().map_err(|_| Problem::internal())?;
        let key = keys.1.iter().find(|key| key.signs).ok_or_else(Problem::internal)?;
        key.token(&claims).ok_or_else(Problem::internal)
    }

    /// What a token says, if it is one of ours and has not expired.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn verify(&self, store: &Store, keys: &KeyRing, token: &str) -> Result<Option<Claims>, Problem> {
        let Ok(header) = jwt::decode_header(token) else { return Ok(None) };
        let Some(kid) = &header.kid else { return Ok(None) };
        if header != head(kid) {
            return Ok(None);
        }
        if !self.knows(kid) {
            self.load(store, keys, LOOK_EVERY).await?;
        }
        let keys = self.keys.read().map_err(|_| Problem::internal())?;
        let key = keys.1.iter().find(|key| key.kid == *kid);
        Ok(key.and_then(|key| key.claims(token, Timestamp::now().as_second())))
    }

    fn knows(&self, kid: &str) -> bool {
        self.keys.read().is_ok_and(|keys| keys.1.iter().any(|key| key.kid == kid))
    }

    /// Reads the keys, unless that was done just now; makes one when none signs.
    async fn load(&self, store: &Store, sealing: &KeyRing, fresh: Duration) -> Result<(), Problem> {
        if self.keys.read().is_ok_and(|keys| keys.0.is_some_and(|read| read.elapsed() < fresh)) {
            return Ok(());
        }
        let connection = store.connection().await?;
        let read = format!(
            "select kid, key_id, private, created_at > now() - interval '{SIGNS_DAYS} days' as signs from app.signing_keys
             where created_at > now() - interval '{SIGNS_DAYS} days' - interval '{} seconds' order by created_at desc",
            2 * ACCESS_SECONDS
        );
        let opened = |rows: Vec<Row>| rows.iter().filter_map(|row| Key::open(row, sealing)).collect::<Vec<Key>>();
        let mut keys = opened(connection.query(&read, &[]).await.map_err(|error| refused(&error))?);
        // Those of a key that was taken off the list are of no use any more.
        if !keys.iter().any(|key| key.signs) {
            let pair = PKey::generate_ed25519().map_err(|_| Problem::internal())?;
            let private = pair.private_key_to_pkcs8().map_err(|_| Problem::internal())?;
            let kid = id();
            let sealed = sealing.seal(&owner(&kid), &private);
            let insert = "insert into app.signing_keys (kid, key_id, private) values ($1, $2, $3)";
            let made = connection.execute(insert, &[&kid, &sealed.key_id, &sealed.bytes]).await;
            made.map_err(|error| refused(&error))?;
            keys = opened(connection.query(&read, &[]).await.map_err(|error| refused(&error))?);
        }
        *self.keys.write().map_err(|_| Problem::internal())? = (Some(Instant::now()), keys);
        Ok(())
    }
}

/// What a sealed key belongs to.
fn owner(kid: &str) -> Vec<u8> {
    [b"signing key\0".as_slice(), kid.as_bytes()].concat()
}

impl Key {
    /// The key of a row; none where it cannot be read.
    fn open(row: &Row, sealing: &KeyRing) -> Option<Key> {
        let kid: String = row.get("kid");
        let private = sealing.open(&owner(&kid), row.get("key_id"), row.get("private")).ok()?;
        let key = PKey::private_key_from_pkcs8(&private).ok()?;
        Some(Key { kid, pair: Pair::of(&key).ok()?, signs: row.get("signs") })
    }

    fn token(&self, claims: &Claims) -> Option<String> {
        jwt::sign(&head(&self.kid), claims, &self.pair.signs).ok()
    }

    /// What a token says that this key has signed and that holds at `now`.
    fn claims(&self, token: &str, now: i64) -> Option<Claims> {
        let mut right = Validation::new(Algorithm::EdDSA);
        right.set_issuer(&[ISSUER]);
        right.set_audience(&[AUDIENCE]);
        right.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // A token ends in the second that it names: who made it has the same clock.
        right.leeway = 0;
        right.reject_tokens_expiring_in_less_than = 1;
        let claims = jwt::verify::<Claims>(token, &self.pair.verifies, &right).ok()?.claims;
        let short = claims.exp - claims.iat <= ACCESS_SECONDS && claims.iat <= now + 60;
        short.then_some(claims)
    }
}

/// The only header that a token of ours has.
fn head(kid: &str) -> Header {
    Header { typ: Some(TYPE.into()), kid: Some(kid.into()), ..Header::new(Algorithm::EdDSA) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        let key = PKey::generate_ed25519().expect("a key");
        Key { kid: "k".into(), pair: Pair::of(&key).expect("a pair"), signs: true }
    }

    fn claims(iat: i64, exp: i64) -> Claims {
        let text = |text: &str| text.to_owned();
        Claims { iss: text(ISSUER), aud: text(AUDIENCE), sub: text("u"), sid: text("s"), iat, exp, jti: text("j") }
    }

    #[test]
    fn a_token_holds_only_as_it_was_signed() {
        let key = key();
        let now = Timestamp::now().as_second();
        let right = claims(now, now + ACCESS_SECONDS);
        let token = key.token(&right).expect("a token");
        assert_eq!(key.claims(&token, now), Some(right));
        assert_eq!(super::tests::key().claims(&token, now), None, "another key");
        assert_eq!(key.claims(&format!("{token}x"), now), None);
        assert!(key.claims("a.b", now).is_none() && key.claims("", now).is_none());
    }

    #[test]
    fn a_token_ends_in_the_second_that_it_names() {
        let key = key();
        let now = Timestamp::now().as_second();
        let holds = |claims: Claims| key.claims(&key.token(&claims).expect("a token"), now).is_some();
        assert!(holds(claims(now, now + 5)));
        assert!(!holds(claims(now - 5, now)));
        assert!(!holds(claims(now, now + ACCESS_SECONDS + 1)), "too long a life");
        assert!(!holds(claims(now + 61, now + 100)), "made in the future");
    }
}
