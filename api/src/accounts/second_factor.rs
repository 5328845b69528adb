//! Second factors: codes of an authenticator (TOTP, RFC 6238, as every such program has it: SHA-1, six digits, 30 seconds), and recovery codes for who
//! has lost it.
//!
//! 1. A code holds once: its step is later than that of the last one that was taken, which one statement decides.
//! 2. The secret is sealed in the database (`fandom_services::sealing`), for its account alone; without the key nobody can make codes.
//! 3. A recovery code is 120 random bits; its hash alone is kept, and goes when it is used.
//! 4. A factor that no code has confirmed is asked of nobody.

mod recovery;

use deadpool_postgres::Transaction;
use fandom_services::env::Env;
use fandom_services::retry::Backoff;
use fandom_services::sealing::KeyRing;
use jiff::Timestamp;
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Serialize;
use serde_json::json;
use totp_rs::{Algorithm, Builder, Secret, Totp};

use super::users::{role_of, wrong};
use super::{Accounts, sessions, throttle};
use crate::audit::{self, Entry};
use crate::database::refused;
use crate::permissions::Role;
use crate::problem::{Kind, Problem};
use crate::protection::client::Asker;
use crate::reader::Reader;

const STEP_SECONDS: u64 = 30;
/// Steps that a clock may be off.
const SKEW: u16 = 1;
/// The length that RFC 4226 recommends.
const SECRET_BYTES: usize = 20;

/// Who must have a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nobody; everybody may.
    Optional,
    /// Administrators.
    Administrators,
    /// Every account.
    Everyone,
}

impl Demand {
    const ALL: [Demand; 3] = [Demand::Optional, Demand::Administrators, Demand::Everyone];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Demand::Optional => "optional",
            Demand::Administrators => "administrators",
            Demand::Everyone => "everyone",
        }
    }

    /// That of `FANDOM_SECOND_FACTOR`; notes a problem in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Demand {
        env.checked("FANDOM_SECOND_FACTOR", Demand::Optional, "optional, administrators or everyone", |text| {
            Demand::ALL.into_iter().find(|demand| demand.name() == text)
        })
    }

    /// Whether an account of this role must have one.
    pub fn is_of(self, role: Role) -> bool {
        match self {
            Demand::Optional => false,
            Demand::Administrators => role == Role::Admin,
            Demand::Everyone => true,
        }
    }
}

/// How an account stands with its second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It has none.
    None,
    /// It has none, and must set one up before anything else.
    Needed,
    /// It has one.
    Set,
}

/// What an authenticator is set up with, which is shown once.
#[derive(Debug, Serialize)]
pub struct Enrolment {
    /// The secret, in base32, to be typed.
    secret: String,
    /// The same as an address that authenticators open.
    uri: String,
    /// The address as a QR code, an SVG image.
    qr: String,
}

/// What the code of a sign-in turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// None is asked for.
    NotAsked,
    /// It holds, and no longer.
    Right,
    /// None was sent.
    Missing,
    /// It does not hold, or no more.
    Wrong,
}

impl Accounts {
    /// Looks at the code that came with the right password of an account; takes it, if it holds.
    pub(super) async fn second_factor(
        &self,
        change: &Transaction<'_>,
        user: &str,
        code: Option<&str>,
    ) -> Result<Code, Problem> {
        let confirmed = "select from app.second_factors where user_id = $1 and confirmed_at is not null";
        if change.query_opt(confirmed, &[&user]).await.map_err(|error| refused(&error))?.is_none() {
            return Ok(Code::NotAsked);
        }
        let Some(code) = code.map(str::trim).filter(|code| !code.is_empty()) else { return Ok(Code::Missing) };
        let right = self.takes(change, user, code).await? || recovery::takes(change, user, code).await?;
        Ok(if right { Code::Right } else { Code::Wrong })
    }

    /// Whether the authenticator of an account shows this code now; then it holds no more.
    async fn takes(&self, change: &Transaction<'_>, user: &str, code: &str) -> Result<bool, Problem> {
        let find = "select key_id, secret from app.second_factors where user_id = $1";
        let found = change.query_opt(find, &[&user]).await.map_err(|error| refused(&error))?;
        let Some(row) = found else { return Ok(false) };
        let (key_id, sealed): (String, Vec<u8>) = (row.get("key_id"), row.get("secret"));
        let secret = self.keys()?.open(&owner(user), &key_id, &sealed).map_err(|error| {
            tracing::error!(user, %error, "the secret of a second factor cannot be read");
            Problem::internal()
        })?;
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        let Some(step) = totp(secret, "").check(code, now).and_then(|step| i64::try_from(step).ok()) else {
            return Ok(false);
        };
        let take = "update app.second_factors set last_step = $2, confirmed_at = coalesce(confirmed_at, now())
                    where user_id = $1 and last_step < $2";
        Ok(change.execute(take, &[&user, &step]).await.map_err(|error| refused(&error))? == 1)
    }

    /// Makes the secret of an authenticator, which is asked for as soon as a code of it has come. One that was made before and not confirmed
    /// holds no more.
    ///
    /// # Errors
    /// 422 for a wrong password, 429 after failures, 409 where there is a factor; when Postgres does not answer.
    pub async fn enrol(&self, reader: &Reader, password: String, asker: &Asker) -> Result<Enrolment, Problem> {
        let attempt = self.prove(reader, "password", password, asker).await?;
        let user = reader.user.as_deref().unwrap_or_default();
        let mut secret = vec![0; SECRET_BYTES];
        openssl::rand::rand_bytes(&mut secret).map_err(|_| Problem::internal())?;
        let sealed = self.keys()?.seal(&owner(user), &secret);
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        throttle::succeeded(&change, &attempt).await?;
        let insert = "insert into app.second_factors as f (user_id, key_id, secret) values ($1, $2, $3)
            on conflict (user_id) do update set key_id = $2, secret = $3, last_step = 0, created_at = now() where f.confirmed_at is null";
        let made =
            change.execute(insert, &[&user, &sealed.key_id, &sealed.bytes]).await.map_err(|error| refused(&error))?;
        if made == 0 {
            return Err(Problem::new(
                Kind::Conflict,
                "this account has a second factor; remove it, then set up another",
            ));
        }
        // It changes nothing yet that the trail tells of.
        change.commit().await.map_err(|error| refused(&error))?;
        let totp = totp(secret, &reader.name);
        let uri = totp.to_url().map_err(|_| Problem::internal())?;
        let qr = QrCode::new(&uri).map_err(|_| Problem::internal())?;
        let qr = qr.render::<svg::Color<'_>>().min_dimensions(220, 220).build();
        Ok(Enrolment { secret: totp.secret().to_base32(), uri, qr })
    }

    /// Confirms the authenticator by a code of it; returns recovery codes. Every other session ends.
    ///
    /// # Errors
    /// 422 for a wrong code, 429 after failures, 409 where nothing is to be confirmed; when Postgres does not answer.
    pub async fn confirm(&self, reader: &Reader, code: &str, asker: &Asker) -> Result<Vec<String>, Problem> {
        let who = throttle::who(&format!("factor:{}", reader.name), &asker.network().to_string());
        let user = reader.user.as_deref().unwrap_or_default();
        let mut connection = self.store.connection().await?;
        let attempt = throttle::attempt(&mut connection, who).await?;
        let change = audit::begin(&mut connection).await?;
        let waits = "select from app.second_factors where user_id = $1 and confirmed_at is null for update";
        if change.query_opt(waits, &[&user]).await.map_err(|error| refused(&error))?.is_none() {
            return Err(Problem::new(Kind::Conflict, "no second factor waits for its first code; set one up first"));
        }
        if !self.takes(&change, user, code.trim()).await? {
            return Err(wrong_code());
        }
        throttle::succeeded(&change, &attempt).await?;
        let codes = recovery::make(&change, user).await?;
        sessions::end_others(&change, reader).await?;
        let entry = Entry { actor: &reader.name, action: "second-factor.set", target: user, detail: json!({}) };
        self.commit(change, asker, entry).await?;
        Ok(codes)
    }

    /// Makes new recovery codes; those before hold no more.
    ///
    /// # Errors
    /// 422 for a wrong password or code, 429 after failures; when Postgres does not answer.
    pub async fn renew_recovery_codes(
        &self,
        reader: &Reader,
        proof: Proof,
        asker: &Asker,
    ) -> Result<Vec<String>, Problem> {
        let mut connection = None;
        let change = self.proven(reader, proof, asker, &mut connection).await?;
        let user = reader.user.as_deref().unwrap_or_default();
        let codes = recovery::make(&change, user).await?;
        let entry = Entry { actor: &reader.name, action: "recovery-codes.renewed", target: user, detail: json!({}) };
        self.commit(change, asker, entry).await?;
        Ok(codes)
    }

    /// Takes the own second factor away. Every other session ends.
    ///
    /// # Errors
    /// 422 for a wrong password or code, 429 after failures; when Postgres does not answer.
    pub async fn remove_second_factor(&self, reader: &Reader, proof: Proof, asker: &Asker) -> Result<(), Problem> {
        let mut connection = None;
        let change = self.proven(reader, proof, asker, &mut connection).await?;
        let user = reader.user.as_deref().unwrap_or_default();
        remove(&change, user).await?;
        sessions::end_others(&change, reader).await?;
        let entry = Entry { actor: &reader.name, action: "second-factor.removed", target: user, detail: json!({}) };
        self.commit(change, asker, entry).await
    }

    /// Takes the second factor of an account away, whose owner has lost it, and ends all its sessions. The password is asked for as before.
    ///
    /// # Errors
    /// 404 without such an account, 403 for one that may do more, 409 where it has none; when Postgres does not answer.
    pub async fn reset_second_factor(&self, id: &str, by: &Reader, asker: &Asker) -> Result<(), Problem> {
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        by.gives(role_of(&change, id).await?.permissions())?;
        if !remove(&change, id).await? {
            return Err(Problem::new(Kind::Conflict, "this account has no second factor"));
        }
        sessions::end(&change, "user_id", id).await?;
        let entry = Entry { actor: &by.name, action: "second-factor.reset", target: id, detail: json!({}) };
        self.commit(change, asker, entry).await
    }

    /// A transaction that begins where the own password and code are right.
    async fn proven<'c>(
        &self,
        reader: &Reader,
        proof: Proof,
        asker: &Asker,
        connection: &'c mut Option<deadpool_postgres::Object>,
    ) -> Result<Transaction<'c>, Problem> {
        let attempt = self.prove(reader, "password", proof.password, asker).await?;
        let user = reader.user.as_deref().unwrap_or_default();
        let change = audit::begin(connection.insert(self.store.connection().await?)).await?;
        match self.second_factor(&change, user, Some(&proof.code)).await? {
            Code::Right => {}
            Code::NotAsked => return Err(Problem::new(Kind::Conflict, "this account has no second factor")),
            Code::Missing | Code::Wrong => return Err(wrong_code()),
        }
        throttle::succeeded(&change, &attempt).await?;
        Ok(change)
    }

    /// Seals with the newest key what another one sealed, so that the others can be taken off the list; waits for Postgres.
    pub async fn reseal(self) {
        let mut backoff = Backoff::default();
        while let Err(problem) = self.try_reseal().await {
            tracing::warn!(
                problem = problem.told(),
                "secrets of second factors are not sealed with the newest key yet"
            );
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    async fn try_reseal(&self) -> Result<(), Problem> {
        let keys = self.keys()?;
        let connection = self.store.connection().await?;
        let old = "select user_id, key_id, secret from app.second_factors where key_id <> $1";
        for row in connection.query(old, &[&keys.newest()]).await.map_err(|error| refused(&error))? {
            let (user, key_id, bytes): (String, String, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
            let secret = match keys.open(&owner(&user), &key_id, &bytes) {
                Ok(secret) => secret,
                Err(error) => {
                    tracing::error!(user, %error, "the secret of a second factor cannot be read; its owner cannot sign in");
                    continue;
                }
            };
            let sealed = keys.seal(&owner(&user), &secret);
            let update = "update app.second_factors set key_id = $2, secret = $3 where user_id = $1 and secret = $4";
            let done = connection.execute(update, &[&user, &sealed.key_id, &sealed.bytes, &bytes]).await;
            done.map_err(|error| refused(&error))?;
        }
        Ok(())
    }

    /// The keys of secrets.
    pub(super) fn keys(&self) -> Result<&KeyRing, Problem> {
        self.secret_keys.as_deref().ok_or_else(Problem::internal)
    }
}

/// What changes a second factor: the password, and a code of it or a recovery code.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    password: String,
    code: String,
}

fn wrong_code() -> Problem {
    Problem::parameters(vec![wrong("code", "is not what the authenticator shows now, or was used already")])
}

/// What a sealed secret belongs to.
fn owner(user: &str) -> Vec<u8> {
    [b"second factor\0".as_slice(), user.as_bytes()].concat()
}

fn totp(secret: Vec<u8>, account: &str) -> Totp {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(SKEW)
        .with_step_duration(STEP_SECONDS)
        .with_secret(Secret::from(secret))
        .with_issuer(Some("Fandom Intelligence"))
        // A colon divides issuer and account in the address of a secret.
        .with_account_name(account.replace(':', " "))
        .build_noncompliant()
}

/// Removes a second factor with its recovery codes; whether there was one.
async fn remove(change: &Transaction<'_>, user: &str) -> Result<bool, Problem> {
    let remove = "delete from app.second_factors where user_id = $1";
    Ok(change.execute(remove, &[&user]).await.map_err(|error| refused(&error))? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of appendix B of RFC 6238, of which ours are the last six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let totp = totp(b"12345678901234567890".to_vec(), "ana@example.com");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(totp.check(code, seconds), Some(seconds / STEP_SECONDS), "at {seconds}");
            assert_eq!(totp.check(code, seconds + 2 * STEP_SECONDS + 30), None, "{code} too late");
        }
    }
}
