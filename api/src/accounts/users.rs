//! Accounts as administrators see them, and passwords that are chosen by a secret that was passed on.

use deadpool_postgres::Transaction;
use serde::Deserialize;
use serde_json::json;

use super::{Accounts, passwords, sessions, throttle, tokens};
use crate::audit::{self, Entry};
use crate::database::{misread, refused};
use crate::permissions::Role;
use crate::problem::{Kind, ParameterError, Problem};
use crate::protection::client::Asker;
use crate::reader::Reader;
use crate::values::{Instant, Record, record};

/// An account that is made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The address.
    pub email: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The role.
    pub role: String,
    /// Ids of creators whose rows are seen.
    #[serde(default)]
    pub creators: Vec<String>,
    /// The same of chatters.
    #[serde(default)]
    pub chatters: Vec<String>,
}

/// What changes of an account.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    name: Option<String>,
    role: Option<String>,
    creators: Option<Vec<String>>,
    chatters: Option<Vec<String>>,
    disabled: Option<bool>,
}

record! {
    /// What an account shows.
    pub struct User {
        id: String,
        email: String,
        name: String,
        role: String,
        creators: Vec<String>,
        chatters: Vec<String>,
        disabled: bool,
        has_password: bool,
        second_factor: bool,
        created_at: Instant,
    }
}

/// Its columns, of `app.users`.
pub const SHOWN: &str = "id, email, name, role, creators::text[] as creators, chatters::text[] as chatters,
    disabled_at is not null as disabled, password is not null as has_password,
    exists (select from app.second_factors f where f.user_id = app.users.id and f.confirmed_at is not null) as second_factor, created_at";

/// The ids of a list, which JSON has as texts.
///
/// # Errors
/// The parameter, when one is none.
pub fn ids(name: &str, texts: &[String]) -> Result<Vec<i64>, ParameterError> {
    let parsed: Result<Vec<i64>, _> = texts.iter().map(|text| text.parse()).collect();
    parsed.map_err(|_| wrong(name, "is not a list of ids, each a number in quotation marks"))
}

/// What is wrong with a field.
pub fn wrong(name: &str, message: &str) -> ParameterError {
    ParameterError { parameter: name.to_owned(), message: message.to_owned() }
}

/// A role that an account may have.
pub fn account_role(name: &str) -> Result<Role, ParameterError> {
    let expected = "is not one of admin, manager, analyst, chatter, creator";
    Role::parse(name).filter(|role| *role != Role::Service).ok_or_else(|| wrong("role", expected))
}

/// Whether a text may be an e-mail address. Whether it is one only its owner knows.
pub fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"@<>()[],;:\\\"".contains(c);
    text.len() <= 254
        && parts.is_some_and(|(name, host)| {
            !name.is_empty() && name.chars().all(plain) && !host.is_empty() && host.chars().all(plain)
        })
}

impl Accounts {
    /// Makes an account, without a password. Returns its id and the secret that lets its owner choose one.
    ///
    /// # Errors
    /// 422 with what is wrong; 403 for a role that may do more than whoever invites; 409 when there is one of this address; when Postgres does not answer.
    pub async fn invite(&self, asked: &Invitation, by: &Reader, asker: &Asker) -> Result<(String, String), Problem> {
        let mut errors = Vec::new();
        let email = asked.email.trim();
        if !is_address(email) {
            errors.push(wrong("email", "is not an e-mail address"));
        }
        let role = account_role(&asked.role).map_err(|error| errors.push(error)).ok();
        let creators = ids("creators", &asked.creators).map_err(|error| errors.push(error)).unwrap_or_default();
        let chatters = ids("chatters", &asked.chatters).map_err(|error| errors.push(error)).unwrap_or_default();
        let (Some(role), true) = (role, errors.is_empty()) else { return Err(Problem::parameters(errors)) };
        by.gives(role.permissions())?;
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        let id = tokens::id();
        let insert = "insert into app.users (id, email, name, role, creators, chatters) values ($1, $2, $3, $4, $5, $6)
                      on conflict do nothing";
        let made = change
            .execute(insert, &[&id, &email, &asked.name.trim(), &role.name(), &creators, &chatters])
            .await
            .map_err(|error| refused(&error))?;
        if made == 0 {
            return Err(Problem::new(Kind::Conflict, "there is an account with this e-mail address already"));
        }
        let secret = password_secret(&change, &id, "3 days").await?;
        let detail = json!({ "email": email, "role": role.name() });
        let entry = Entry { actor: &by.name, action: "user.invited", target: &id, detail };
        self.commit(change, asker, entry).await?;
        Ok((id, secret))
    }

    /// A secret that lets the password of an account be chosen, for whoever administers the database.
    ///
    /// # Errors
    /// 404; when Postgres does not answer.
    pub async fn password_of(&self, email: &str) -> Result<String, Problem> {
        let id = self.id_of(email).await?;
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        let secret = password_secret(&change, &id, "1 minute").await?;
        // That the password is chosen is noted then.
        change.commit().await.map_err(|error| refused(&error))?;
        Ok(secret)
    }

    /// The id of the account of an address.
    ///
    /// # Errors
    /// 404; when Postgres does not answer.
    pub async fn id_of(&self, email: &str) -> Result<String, Problem> {
        let connection = self.store.connection().await?;
        let find = "select id from app.users where lower(email) = lower($1)";
        let row = connection.query_opt(find, &[&email.trim()]).await.map_err(|error| refused(&error))?;
        let row = row.ok_or_else(|| Problem::new(Kind::NotFound, "there is no account with this e-mail address"))?;
        Ok(row.get(0))
    }

    /// Whether there is an account.
    ///
    /// # Errors
    /// 404 when there is none; when Postgres does not answer.
    pub async fn is_there(&self, id: &str) -> Result<(), Problem> {
        let connection = self.store.connection().await?;
        let there = connection.query_opt("select from app.users where id = $1", &[&id]).await;
        let there = there.map_err(|error| refused(&error))?;
        there.map(|_| ()).ok_or_else(|| Problem::new(Kind::NotFound, "there is no account with this id"))
    }

    /// A secret that lets the owner of an account choose another password, which the administrator passes on.
    ///
    /// # Errors
    /// 404; 403 for an account that may do more; when Postgres does not answer.
    pub async fn reset(&self, id: &str, by: &Reader, asker: &Asker) -> Result<String, Problem> {
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        by.gives(role_of(&change, id).await?.permissions())?;
        let secret = password_secret(&change, id, "1 day").await?;
        let entry = Entry { actor: &by.name, action: "password.reset", target: id, detail: json!({}) };
        self.commit(change, asker, entry).await?;
        Ok(secret)
    }

    /// Sends a way to a new password, if there is such an account and a server for messages. Whoever asked is told nothing of that,
    /// not by the time that it takes either: the account is looked for when they have been answered.
    ///
    /// # Errors
    /// 429 when it is asked too often; when Postgres does not answer.
    pub async fn forgotten(&self, email: &str, asker: &Asker) -> Result<(), Problem> {
        let mut connection = self.store.connection().await?;
        // Apart from sign-ins, which a message more or less shall not slow.
        let who = throttle::who(&format!("forgotten:{email}"), &format!("forgotten:{}", asker.network()));
        throttle::attempt(&mut connection, who).await?;
        drop(connection);
        let Some(mail) = self.mail.clone() else { return Ok(()) };
        let (accounts, email, asker) = (self.clone(), email.to_owned(), asker.clone());
        tokio::spawn(async move {
            match accounts.forgotten_of(&email, &asker).await {
                Ok(Some((email, secret))) => mail.send(email, false, secret),
                Ok(None) => {}
                Err(problem) => tracing::error!(problem = problem.told(), "a way to a new password could not be made"),
            }
        });
        Ok(())
    }

    /// The address of an account, and a secret that lets its password be chosen; none without such an account.
    async fn forgotten_of(&self, email: &str, asker: &Asker) -> Result<Option<(String, String)>, Problem> {
        let mut connection = self.store.connection().await?;
        let find = "select id, email from app.users where lower(email) = lower($1) and disabled_at is null";
        let found = connection.query_opt(find, &[&email]).await.map_err(|error| refused(&error))?;
        let Some(row) = found else { return Ok(None) };
        let (id, email): (String, String) = (row.get(0), row.get(1));
        let change = audit::begin(&mut connection).await?;
        let secret = password_secret(&change, &id, "30 minutes").await?;
        let entry = Entry { actor: "somebody", action: "password.forgotten", target: &id, detail: json!({}) };
        self.commit(change, asker, entry).await?;
        Ok(Some((email, secret)))
    }

    /// Sets the password that a secret that was passed on lets be chosen, and ends all sessions.
    ///
    /// # Errors
    /// 401 when the secret holds no more; 422 for a bad password; when Postgres does not answer.
    pub async fn choose(&self, secret: &str, password: &str, asker: &Asker) -> Result<(), Problem> {
        let connection = self.store.connection().await?;
        let find = "select u.id, u.email from app.password_tokens t join app.users u on u.id = t.user_id
                    where t.hash = $1 and t.expires_at > now() and u.disabled_at is null";
        let hash = tokens::digest(secret);
        let over = || Problem::new(Kind::Unauthenticated, "this link was used already or is too old; ask for another");
        let found = connection.query_opt(find, &[&hash]).await.map_err(|error| refused(&error))?;
        let row = found.ok_or_else(over)?;
        let (id, email): (String, String) = (row.get(0), row.get(1));
        drop(connection);
        let new = new_password(password, &email).await?;
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        let take = "delete from app.password_tokens where hash = $1";
        if change.execute(take, &[&hash]).await.map_err(|error| refused(&error))? == 0 {
            return Err(over());
        }
        set_password(&change, &id, &new).await?;
        sessions::end(&change, "user_id", &id).await?;
        let entry = Entry { actor: &email, action: "password.chosen", target: &id, detail: json!({}) };
        self.commit(change, asker, entry).await
    }

    /// Changes the own password; every other session ends.
    ///
    /// # Errors
    /// 422 when one of the two will not do; 429 after failures; when Postgres does not answer.
    pub async fn change_password(
        &self,
        reader: &Reader,
        current: String,
        password: &str,
        asker: &Asker,
    ) -> Result<(), Problem> {
        let attempt = self.prove(reader, "current", current, asker).await?;
        let new = new_password(password, &reader.name).await?;
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        throttle::succeeded(&change, &attempt).await?;
        let id = reader.user.as_deref().unwrap_or_default();
        set_password(&change, id, &new).await?;
        sessions::end_others(&change, reader).await?;
        let entry = Entry { actor: &reader.name, action: "password.changed", target: id, detail: json!({}) };
        self.commit(change, asker, entry).await
    }

    /// Checks the own password, which came as the field `name`; returns the attempt, which is counted until what it is for has succeeded.
    ///
    /// # Errors
    /// 422 when it is wrong; 429 after failures; when Postgres does not answer.
    pub(super) async fn prove(
        &self,
        reader: &Reader,
        name: &str,
        password: String,
        asker: &Asker,
    ) -> Result<throttle::Attempt, Problem> {
        let mut connection = self.store.connection().await?;
        let who = throttle::who(&format!("change:{}", reader.name), &asker.network().to_string());
        let attempt = throttle::attempt(&mut connection, who).await?;
        let find = "select password from app.users where id = $1";
        let row = connection.query_opt(find, &[&reader.user]).await.map_err(|error| refused(&error))?;
        let stored = row.and_then(|row| row.get(0));
        // Hashing waits for its turn; meanwhile others have the connection.
        drop(connection);
        if passwords::verify(password, stored).await? == passwords::Verdict::Wrong {
            return Err(Problem::parameters(vec![wrong(name, "is not the present password")]));
        }
        Ok(attempt)
    }

    /// Changes an account. One that is disabled loses its sessions.
    ///
    /// # Errors
    /// 404, 422 with what is wrong, 403 where it would then do more than whoever asks, 409 for the last administrator; when Postgres does not answer.
    pub async fn change(&self, id: &str, asked: Change, by: &Reader, asker: &Asker) -> Result<User, Problem> {
        let mut errors = Vec::new();
        let role =
            asked.role.as_deref().map(account_role).transpose().map_err(|error| errors.push(error)).ok().flatten();
        let list = |name, given: &Option<Vec<String>>| given.as_deref().map(|texts| ids(name, texts)).transpose();
        let creators = list("creators", &asked.creators).map_err(|error| errors.push(error)).ok().flatten();
        let chatters = list("chatters", &asked.chatters).map_err(|error| errors.push(error)).ok().flatten();
        if !errors.is_empty() {
            return Err(Problem::parameters(errors));
        }
        let mut connection = self.store.connection().await?;
        let change = audit::begin(&mut connection).await?;
        let widens = role.is_some() || creators.is_some() || chatters.is_some() || asked.disabled == Some(false);
        if widens {
            let then = match role {
                Some(role) => role,
                None => role_of(&change, id).await?,
            };
            by.gives(then.permissions())?;
        }
        let role = role.map(Role::name);
        let update = format!(
            "update app.users set name = coalesce($2, name), role = coalesce($3, role), creators = coalesce($4, creators),
                chatters = coalesce($5, chatters),
                disabled_at = case when $6 then coalesce(disabled_at, now()) when not $6 then null else disabled_at end
             where id = $1 and (role <> 'admin' or (coalesce($3, 'admin') = 'admin' and not coalesce($6, false)) or exists
                (select from app.users other where other.id <> $1 and other.role = 'admin' and other.disabled_at is null
                    and other.password is not null))
             returning {SHOWN}"
        );
        let changed = change
            .query_opt(&update, &[&id, &asked.name, &role, &creators, &chatters, &asked.disabled])
            .await
            .map_err(|error| refused(&error))?;
        let Some(row) = changed else {
            role_of(&change, id).await?;
            return Err(Problem::new(Kind::Conflict, "this is the last administrator; make another one first"));
        };
        if asked.disabled == Some(true) {
            sessions::end(&change, "user_id", id).await?;
        }
        let detail =
            json!({ "role": role, "disabled": asked.disabled, "creators": asked.creators, "chatters": asked.chatters });
        self.commit(change, asker, Entry { actor: &by.name, action: "user.changed", target: id, detail }).await?;
        User::from_row(&row).map_err(|error| misread(&error))
    }
}

/// The role of an account.
///
/// # Errors
/// 404 when there is none; when Postgres does not answer.
pub(super) async fn role_of(change: &Transaction<'_>, id: &str) -> Result<Role, Problem> {
    let find = "select role from app.users where id = $1";
    let found = change.query_opt(find, &[&id]).await.map_err(|error| refused(&error))?;
    let row = found.ok_or_else(|| Problem::new(Kind::NotFound, "there is no account with this id"))?;
    Role::parse(row.get(0)).ok_or_else(Problem::internal)
}

/// A secret that lets a password be chosen; those before hold no more.
async fn password_secret(change: &Transaction<'_>, user: &str, lasts: &str) -> Result<String, Problem> {
    let secret = tokens::secret();
    let forget = "delete from app.password_tokens where user_id = $1 or expires_at < now()";
    change.execute(forget, &[&user]).await.map_err(|error| refused(&error))?;
    let insert = format!(
        "insert into app.password_tokens (hash, user_id, expires_at) values ($1, $2, now() + interval '{lasts}')"
    );
    change.execute(&insert, &[&tokens::digest(&secret), &user]).await.map_err(|error| refused(&error))?;
    Ok(secret)
}

/// Sets the password of an account; links to others hold no more.
async fn set_password(change: &Transaction<'_>, user: &str, hash: &str) -> Result<(), Problem> {
    let update = "update app.users set password = $2 where id = $1";
    change.execute(update, &[&user, &hash]).await.map_err(|error| refused(&error))?;
    let others = "delete from app.password_tokens where user_id = $1";
    change.execute(others, &[&user]).await.map(drop).map_err(|error| refused(&error))
}

/// The hash of a new password.
async fn new_password(password: &str, email: &str) -> Result<String, Problem> {
    match passwords::complaint(password, email) {
        Some(complaint) => Err(Problem::parameters(vec![wrong("password", complaint)])),
        None => passwords::hash(password.to_owned()).await,
    }
}
