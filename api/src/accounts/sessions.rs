//! Signing in, renewing, and ending sessions.
//!
//! A browser's session is known by a cookie, a program's by a refresh token that is replaced each time it is used. A refresh token
//! that comes back later than [`OVERLAP_SECONDS`] after its use was stolen, or its successor was: the whole session ends.

use deadpool_postgres::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::passwords::{self, Verdict};
use super::second_factor::Code;
use super::{Accounts, throttle, tokens};
use crate::audit::{self, Entry};
use crate::database::refused;
use crate::meters;
use crate::problem::{Kind, Problem};
use crate::protection::client::Asker;
use crate::reader::Reader;

/// How long a refresh token that was used may come once more: an answer can be lost, and two tabs can ask at once.
const OVERLAP_SECONDS: f64 = 10.0;

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// Hours, used or not.
    pub hours: u32,
    /// Hours without being used.
    pub idle_hours: u32,
}

impl Lasting {
    /// How long one lasts without being used, as Postgres has it.
    pub fn idle(self) -> String {
        format!("interval '{} hours'", self.idle_hours)
    }
}

/// A sign-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    email: String,
    password: String,
    /// What the authenticator shows, or a recovery code.
    code: Option<String>,
    /// Whether a browser asks: it gets a cookie instead of tokens.
    #[serde(default)]
    pub browser: bool,
}

/// What a program gets.
#[derive(Debug, Serialize)]
pub struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    refresh_token: String,
}

/// What a sign-in gives.
pub enum SignedIn {
    /// To a browser: the secret of its cookie.
    Browser(String),
    /// To a program.
    Program(Tokens),
}

impl Accounts {
    /// Signs in. The session of the cookie that was there before, if any, ends: a browser has one.
    ///
    /// # Errors
    /// 401, the same whatever is wrong with address and password; 429 after failures; when Postgres does not answer.
    pub async fn sign_in(&self, asked: SignIn, before: Option<&str>, asker: &Asker) -> Result<SignedIn, Problem> {
        let mut connection = self.store.connection().await?;
        let email = asked.email.trim().to_owned();
        let who = throttle::who(&email, &asker.network().to_string());
        let attempt = throttle::attempt(&mut connection, who).await.inspect_err(|_| meters::sign_in("slowed"))?;
        let find = "select id, email, password from app.users where lower(email) = lower($1) and disabled_at is null";
        let found = connection.query_opt(find, &[&email]).await.map_err(|error| refused(&error))?;
        let stored = found.as_ref().and_then(|row| row.get::<_, Option<String>>("password"));
        // Hashing waits for its turn; meanwhile others have the connection.
        drop(connection);
        let verdict = passwords::verify(asked.password.clone(), stored).await?;
        let renewed = match verdict {
            Verdict::RightButOld => Some(passwords::hash(asked.password).await?),
            _ => None,
        };
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        let Some(user) = found.filter(|_| verdict != Verdict::Wrong) else {
            let entry = Entry {
                actor: "somebody",
                action: "session.refused",
                target: "",
                detail: json!({ "account": short(&tokens::digest(&email.to_lowercase())) }),
            };
            audit::commit(change, asker, entry).await?;
            meters::sign_in("refused");
            return Err(Problem::new(Kind::Unauthenticated, "the e-mail address or the password is not right"));
        };
        let (id, email): (String, String) = (user.get("id"), user.get("email"));
        match self.second_factor(&change, &id, asked.code.as_deref()).await? {
            Code::NotAsked | Code::Right => {}
            Code::Missing => {
                // Else each sign-in would leave a failure behind at its address, which many share.
                throttle::taken_back(&change, &attempt).await?;
                change.commit().await.map_err(|error| refused(&error))?;
                return Err(Problem::new(Kind::SecondFactor, "send what the authenticator shows as `code`"));
            }
            Code::Wrong => {
                let detail = json!({ "code": "wrong" });
                let entry = Entry { actor: &email, action: "session.refused", target: &id, detail };
                audit::commit(change, asker, entry).await?;
                meters::sign_in("refused");
                let detail = "the code is not what the authenticator shows now, or was used already";
                return Err(Problem::new(Kind::SecondFactor, detail));
            }
        }
        throttle::succeeded(&change, &attempt).await?;
        if let Some(hash) = renewed {
            let update = "update app.users set password = $2 where id = $1";
            change.execute(update, &[&id, &hash]).await.map_err(|error| refused(&error))?;
        }
        let session = tokens::id();
        let cookie = asked.browser.then(tokens::secret);
        let insert = format!(
            "insert into app.sessions (id, user_id, cookie, address, agent, expires_at) values ($1, $2, $3, $4, $5,
                now() + interval '{} hours')",
            self.settings.now().sessions.hours
        );
        let kept = cookie.as_deref().map(tokens::digest);
        let address = asker.address.to_string();
        change
            .execute(&insert, &[&session, &id, &kept, &address, &asker.agent])
            .await
            .map_err(|error| refused(&error))?;
        if let (Some(_), Some(before)) = (&cookie, before) {
            let end = "update app.sessions set ended_at = now() where cookie = $1 and ended_at is null";
            change.execute(end, &[&tokens::digest(before)]).await.map_err(|error| refused(&error))?;
        }
        let refresh = match cookie {
            Some(_) => None,
            None => Some(refresh_token(&change, &session).await?),
        };
        let entry = Entry { actor: &email, action: "session.begun", target: &session, detail: json!({}) };
        self.commit(change, asker, entry).await?;
        drop(connection);
        meters::sign_in("succeeded");
        match (cookie, refresh) {
            (Some(cookie), _) => Ok(SignedIn::Browser(cookie)),
            (None, refresh) => Ok(SignedIn::Program(self.tokens(&id, &session, refresh.unwrap_or_default()).await?)),
        }
    }

    /// Replaces a refresh token.
    ///
    /// # Errors
    /// 401 when it holds no more; when Postgres does not answer.
    pub async fn renew(&self, refresh: &str, asker: &Asker) -> Result<Tokens, Problem> {
        let mut connection = self.store.connection().await?;
        let hash = tokens::digest(refresh);
        // One statement decides who used it first.
        let idle = self.settings.now().sessions.idle();
        let take = format!(
            "with used as (
                update app.refresh_tokens set used_at = now() where hash = $1 and used_at is null returning session_id
            )
            select s.id, s.user_id, u.email, (select count(*) from used) > 0 as first,
                   coalesce(extract(epoch from now() - t.used_at), 0)::float8 as since
            from app.refresh_tokens t join app.sessions s on s.id = t.session_id join app.users u on u.id = s.user_id
            where t.hash = $1 and s.ended_at is null and s.expires_at > now() and s.last_used_at > now() - {idle}
                and u.disabled_at is null"
        );
        let ended = || Problem::new(Kind::Unauthenticated, "the session has ended; sign in again");
        // What nobody was given makes nobody wait.
        let given = "select from app.refresh_tokens where hash = $1";
        if connection.query_opt(given, &[&hash]).await.map_err(|error| refused(&error))?.is_none() {
            return Err(ended());
        }
        let change = audit::begin(&mut connection).await?;
        let found = change.query_opt(&take, &[&hash]).await.map_err(|error| refused(&error))?;
        let row = found.ok_or_else(ended)?;
        let (session, user): (String, String) = (row.get("id"), row.get("user_id"));
        if !row.get::<_, bool>("first") && row.get::<_, f64>("since") > OVERLAP_SECONDS {
            end(&change, "id", &session).await?;
            let email: String = row.get("email");
            tracing::warn!(session, "a refresh token was used again; its session was ended");
            let entry = Entry { actor: &email, action: "session.reused", target: &session, detail: json!({}) };
            self.commit(change, asker, entry).await?;
            return Err(ended());
        }
        let touch = "update app.sessions set last_used_at = now() where id = $1";
        change.execute(touch, &[&session]).await.map_err(|error| refused(&error))?;
        let refresh = refresh_token(&change, &session).await?;
        // It changes nothing that the trail tells of.
        change.commit().await.map_err(|error| refused(&error))?;
        drop(connection);
        self.tokens(&user, &session, refresh).await
    }

    async fn tokens(&self, user: &str, session: &str, refresh_token: String) -> Result<Tokens, Problem> {
        Ok(Tokens {
            access_token: self.signing.sign(&self.store, self.keys()?, user, session).await?,
            token_type: "Bearer",
            expires_in: tokens::ACCESS_SECONDS,
            refresh_token,
        })
    }
}

/// A new refresh token of a session.
async fn refresh_token(change: &Transaction<'_>, session: &str) -> Result<String, Problem> {
    let secret = tokens::secret();
    let insert = "insert into app.refresh_tokens (hash, session_id) values ($1, $2)";
    change.execute(insert, &[&tokens::digest(&secret), &session]).await.map_err(|error| refused(&error))?;
    Ok(secret)
}

/// Ends the sessions whose `column` (`id` or `user_id`) is this; returns how many.
///
/// # Errors
/// When Postgres does not answer.
pub async fn end(change: &Transaction<'_>, column: &str, value: &str) -> Result<u64, Problem> {
    let end = format!("update app.sessions set ended_at = now() where {column} = $1 and ended_at is null");
    change.execute(&end, &[&value]).await.map_err(|error| refused(&error))
}

/// Ends all sessions of an account but the one that asks.
///
/// # Errors
/// When Postgres does not answer.
pub async fn end_others(change: &Transaction<'_>, reader: &Reader) -> Result<(), Problem> {
    let end = "update app.sessions set ended_at = now() where user_id = $1 and id <> $2 and ended_at is null";
    change.execute(end, &[&reader.user, &reader.session]).await.map(drop).map_err(|error| refused(&error))
}

/// The beginning of a hash, to find equal ones by.
fn short(hash: &[u8]) -> String {
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
