//! Who asks, from the credentials of a request: an access token or a key as bearer, or a browser's cookie. Who was found is known
//! for some seconds, so that a request need not ask Postgres; what is changed by this process is forgotten at once, what another
//! one changes within [`KNOWN_FOR`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use tokio_postgres::Row;

use super::second_factor::{Demand, Standing};
use super::{Accounts, tokens};
use crate::database::refused;
use crate::permissions::{Permission, Role};
use crate::problem::{Kind, Problem};
use crate::protection::client::Asker;
use crate::reader::{Reader, START_KEY, Scope};

const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Most that are known at once.
const MOST: usize = 10_000;
/// What every key begins with.
pub const KEY_PREFIX: &str = "fandom_";

/// When somebody was found, and who it was.
type ByHash = HashMap<Vec<u8>, (Instant, Arc<Reader>)>;

/// Who was found just now, by the hash of their credentials.
#[derive(Default)]
pub struct Known {
    readers: Mutex<(u64, ByHash)>,
}

impl Known {
    fn get(&self, hash: &[u8]) -> (u64, Option<Arc<Reader>>) {
        let Ok(readers) = self.readers.lock() else { return (0, None) };
        let known = readers.1.get(hash).filter(|(found, _)| found.elapsed() < KNOWN_FOR);
        (readers.0, known.map(|(_, reader)| reader.clone()))
    }

    /// Keeps who was found, unless something was changed since the search began.
    fn put(&self, began: u64, hash: Vec<u8>, reader: &Arc<Reader>) {
        let Ok(mut readers) = self.readers.lock() else { return };
        if readers.0 != began {
            return;
        }
        if readers.1.len() >= MOST {
            readers.1.retain(|_, (found, _)| found.elapsed() < KNOWN_FOR);
        }
        if readers.1.len() < MOST {
            readers.1.insert(hash, (Instant::now(), reader.clone()));
        }
    }

    /// Forgets all: an account, a session or a key was changed.
    pub fn forget(&self) {
        if let Ok(mut readers) = self.readers.lock() {
            readers.0 += 1;
            readers.1.clear();
        }
    }
}

/// What a request brought.
pub enum Credentials {
    /// Nothing.
    None,
    /// `Authorization: Bearer …`.
    Bearer(String),
    /// A session's cookie.
    Cookie(String),
}

/// The name of a session's cookie: over TLS, and over plain HTTP on loopback, where browsers differ about `Secure`. No other counts
/// there: what has the prefix `__Host-` no neighbouring host name can have set.
pub fn cookie_name(asker: &Asker) -> &'static str {
    if asker.plain_loopback { "fandom" } else { "__Host-fandom" }
}

impl Credentials {
    /// Of these headers. A bearer comes before a cookie.
    pub fn of(headers: &HeaderMap, asker: &Asker) -> Credentials {
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            let bearer = given.to_str().ok().and_then(|text| text.split_once(' '));
            let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            return Credentials::Bearer(bearer.map_or_else(String::new, |(_, token)| token.trim().to_owned()));
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let name = cookie_name(asker);
        let own = pairs.filter(|(given, _)| *given == name).map(|(_, value)| value.to_owned()).next();
        own.map_or(Credentials::None, Credentials::Cookie)
    }

    /// What who was found is known by. A key or a token that is sent as a cookie is not what it is as a bearer.
    fn known_by(&self) -> Option<Vec<u8>> {
        match self {
            Credentials::None => None,
            Credentials::Bearer(secret) => Some(tokens::digest(secret)),
            Credentials::Cookie(secret) => Some(tokens::digest(&format!("cookie:{secret}"))),
        }
    }
}

impl Accounts {
    /// Whether it is known who asks, so that finding them asks nothing of Postgres.
    pub fn knows(&self, credentials: &Credentials) -> bool {
        credentials
            .known_by()
            .is_some_and(|hash| self.is_start_key(credentials, &hash) || self.known.get(&hash).1.is_some())
    }

    fn is_start_key(&self, credentials: &Credentials, hash: &[u8]) -> bool {
        let start = self.start_key.as_deref().filter(|_| matches!(credentials, Credentials::Bearer(_)));
        start.is_some_and(|start| openssl::memcmp::eq(start, hash))
    }

    /// Who asks with these credentials; nobody where they hold no more.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn identify(&self, credentials: &Credentials) -> Result<Option<Arc<Reader>>, Problem> {
        let (Credentials::Bearer(secret) | Credentials::Cookie(secret)) = credentials else { return Ok(None) };
        if secret.is_empty() || secret.len() > 4096 {
            return Ok(None);
        }
        let hash = tokens::digest(secret);
        if self.is_start_key(credentials, &hash) {
            return Ok(Some(Arc::new(Reader::operator("key of FANDOM_API_KEY", Some(START_KEY)))));
        }
        let claims = match credentials {
            Credentials::Bearer(token) if !token.starts_with(KEY_PREFIX) => {
                // Its signature and time are looked at each time, its session now and then.
                match self.signing.verify(&self.store, self.keys()?, token).await? {
                    Some(claims) => Some(claims),
                    None => return Ok(None),
                }
            }
            _ => None,
        };
        let Some(known_by) = credentials.known_by() else { return Ok(None) };
        let (began, known) = self.known.get(&known_by);
        if known.is_some() {
            return Ok(known);
        }
        let connection = self.store.connection().await?;
        let idle = self.settings.now().sessions.idle();
        let of_session = |condition: &str| {
            format!(
                "with used as (
                    update app.sessions set last_used_at = now()
                    where {condition} and ended_at is null and last_used_at < now() - interval '1 minute'
                        and last_used_at > now() - {idle}
                )
                select u.id as user_id, u.email as name, u.role, u.creators, u.chatters, s.id as session_id,
                    exists (select from app.second_factors f where f.user_id = u.id and f.confirmed_at is not null) as has_factor
                from app.sessions s join app.users u on u.id = s.user_id
                where s.{condition} and s.ended_at is null and s.expires_at > now() and u.disabled_at is null
                    and s.last_used_at > now() - {idle}"
            )
        };
        let row = match (&claims, credentials) {
            (Some(claims), _) => connection.query_opt(&of_session("id = $1"), &[&claims.sid]).await,
            (None, Credentials::Cookie(_)) => connection.query_opt(&of_session("cookie = $1"), &[&hash]).await,
            _ => {
                let key = "update app.api_keys k set last_used_at = now()
                    where hash = $1 and revoked_at is null and (expires_at is null or expires_at > now())
                        and (made_by is null or exists
                            (select from app.users u where u.id = k.made_by and u.disabled_at is null and u.role = 'admin'))
                    returning id as key_id, 'key ' || name as name, role, scopes, creators, chatters";
                connection.query_opt(key, &[&hash]).await
            }
        };
        let Some(row) = row.map_err(|error| refused(&error))? else { return Ok(None) };
        if claims.is_some_and(|claims| row.try_get::<_, String>("user_id").ok() != Some(claims.sub)) {
            return Ok(None);
        }
        let csrf = match credentials {
            Credentials::Cookie(cookie) => Some(tokens::csrf(cookie)),
            _ => None,
        };
        let reader = Arc::new(reader(&row, csrf, self.settings.now().second_factor)?);
        self.known.put(began, known_by, &reader);
        Ok(Some(reader))
    }
}

fn reader(row: &Row, csrf: Option<String>, demand: Demand) -> Result<Reader, Problem> {
    let role: &str = row.get("role");
    let role = Role::parse(role).ok_or_else(|| Problem::new(Kind::Forbidden, "this account's role is not known"))?;
    let (mut creators, mut chatters): (Vec<i64>, Vec<i64>) = (row.get("creators"), row.get("chatters"));
    // A chatter sees no creator's rows of others, and a creator no chatter's rows of others, whatever the account names.
    match role {
        Role::Chatter => creators.clear(),
        Role::Creator => chatters.clear(),
        _ => {}
    }
    // A key of a service may be made for some rows too.
    let narrowed = role.is_scoped() || (role == Role::Service && !(creators.is_empty() && chatters.is_empty()));
    let scopes = row.try_get::<_, Option<Vec<String>>>("scopes").ok().flatten();
    let second_factor = row.try_get("has_factor").ok().map(|has: bool| match has {
        true => Standing::Set,
        false if demand.is_of(role) => Standing::Needed,
        false => Standing::None,
    });
    Ok(Reader {
        name: row.get("name"),
        user: row.try_get("user_id").ok(),
        session: row.try_get("session_id").ok(),
        key: row.try_get("key_id").ok(),
        role,
        only: scopes.map(|scopes| scopes.iter().filter_map(|scope| Permission::parse(scope)).collect()),
        scope: if narrowed { Scope::Own { creators, chatters } } else { Scope::Everything },
        second_factor,
        csrf,
    })
}
