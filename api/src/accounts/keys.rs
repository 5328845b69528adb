//! Keys of programs: shown once, kept as a hash, for some permissions, for some time.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::identify::KEY_PREFIX;
use super::users::{ids, wrong};
use super::{Accounts, tokens};
use crate::audit::{self, Entry};
use crate::database::{misread, refused};
use crate::permissions::{Permission, Role};
use crate::problem::{Kind, Problem};
use crate::protection::client::Asker;
use crate::reader::Reader;
use crate::values::{Instant, Record, record};

/// A key that is made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// The role; a program's is `service`.
    #[serde(default = "service")]
    pub role: String,
    /// Permissions, of those of the role; none: all of them.
    pub scopes: Option<Vec<String>>,
    /// Ids of creators whose rows are seen.
    #[serde(default)]
    pub creators: Vec<String>,
    /// The same of chatters.
    #[serde(default)]
    pub chatters: Vec<String>,
    /// Days for which it holds, 1 to 3650.
    #[serde(default = "days")]
    pub days: i32,
}

fn service() -> String {
    Role::Service.name().to_owned()
}

fn days() -> i32 {
    90
}

record! {
    /// What a key shows.
    pub struct Key {
        id: String,
        name: String,
        role: String,
        scopes: Option<Vec<String>>,
        creators: Vec<String>,
        chatters: Vec<String>,
        created_at: Instant,
        last_used_at: Option<Instant>,
        expires_at: Option<Instant>,
        revoked_at: Option<Instant>,
    }
}

/// Its columns, of `app.api_keys`.
pub const SHOWN: &str =
    "id, name, role, scopes, creators::text[] as creators, chatters::text[] as chatters, created_at,
    last_used_at, expires_at, revoked_at";

/// A key that was made just now.
#[derive(Debug, Serialize)]
pub struct MadeKey {
    #[serde(flatten)]
    shown: Key,
    /// The secret.
    pub key: String,
}

impl Accounts {
    /// Makes a key. Its secret is in the answer, and nowhere else. One that a key makes ends with that key at the latest, and
    /// belongs to the same administrator.
    ///
    /// # Errors
    /// 422 with what is wrong; 403 where it could do more than its maker; when Postgres does not answer.
    pub async fn make_key(&self, asked: &NewKey, by: &Reader, asker: &Asker) -> Result<MadeKey, Problem> {
        let mut errors = Vec::new();
        let name = asked.name.trim();
        if name.is_empty() || name.len() > 200 {
            errors.push(wrong("name", "is empty or longer than 200 bytes"));
        }
        let role = Role::parse(&asked.role);
        if role.is_none() {
            errors.push(wrong("role", "is not one of admin, manager, analyst, chatter, creator, service"));
        }
        let has = |scope: &String| {
            Permission::parse(scope).filter(|scope| role.is_some_and(|role| scope.roles().contains(&role)))
        };
        let scopes: Option<Option<Vec<Permission>>> =
            asked.scopes.as_ref().map(|scopes| scopes.iter().map(has).collect());
        if matches!(&scopes, Some(None)) || asked.scopes.as_ref().is_some_and(Vec::is_empty) {
            errors.push(wrong("scopes", "names no permission, or one that the role does not have"));
        }
        if !(1..=3650).contains(&asked.days) {
            errors.push(wrong("days", "is not a number from 1 to 3650"));
        }
        let creators = ids("creators", &asked.creators).map_err(|error| errors.push(error)).unwrap_or_default();
        let chatters = ids("chatters", &asked.chatters).map_err(|error| errors.push(error)).unwrap_or_default();
        if !errors.is_empty() {
            return Err(Problem::parameters(errors));
        }
        by.gives(scopes.flatten().unwrap_or_else(|| role.into_iter().flat_map(Role::permissions).collect()))?;
        let secret = format!("{KEY_PREFIX}{}", tokens::secret());
        let id = tokens::id();
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        let insert = format!(
            "insert into app.api_keys (id, name, hash, role, scopes, creators, chatters, made_by, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, (select made_by from app.api_keys where id = $10)),
                least(now() + $9 * interval '1 day', (select expires_at from app.api_keys where id = $10)))
             returning {SHOWN}"
        );
        let (kept, days) = (tokens::digest(&secret), f64::from(asked.days));
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 10] =
            [&id, &name, &kept, &asked.role, &asked.scopes, &creators, &chatters, &by.user, &days, &by.key];
        let row = change.query_one(&insert, &values).await.map_err(|error| refused(&error))?;
        let detail = json!({ "name": name, "role": asked.role, "scopes": asked.scopes, "days": asked.days });
        self.commit(change, asker, Entry { actor: &by.name, action: "key.made", target: &id, detail }).await?;
        let shown = Key::from_row(&row).map_err(|error| misread(&error))?;
        Ok(MadeKey { shown, key: secret })
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// 404; when Postgres does not answer.
    pub async fn revoke_key(&self, id: &str, actor: &str, asker: &Asker) -> Result<(), Problem> {
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        let revoke = "update app.api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1";
        if change.execute(revoke, &[&id]).await.map_err(|error| refused(&error))? == 0 {
            return Err(Problem::new(Kind::NotFound, "there is no key with this id"));
        }
        self.commit(change, asker, Entry { actor, action: "key.revoked", target: id, detail: json!({}) }).await
    }
}
