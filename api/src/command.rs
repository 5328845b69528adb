//! Accounts, keys and the audit trail from a command line, over the database alone. What is done so is in the trail as done by
//! `command`.

use std::net::{IpAddr, Ipv4Addr};

use fandom_services::env::Env;
use fandom_services::postgres::PostgresSettings;

use crate::accounts::keys::NewKey;
use crate::accounts::users::Invitation;
use crate::accounts::{Accounts, tokens};
use crate::audit::{self, Verdict};
use crate::problem::Problem;
use crate::protection::client::Asker;
use crate::reader::Reader;
use crate::settings::ApiSettings;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It was refused, for the reason told.
    #[error("{0}")]
    Refused(String),
    /// Postgres did not answer as it should.
    #[error("the database could not be asked")]
    Database(#[from] tokio_postgres::Error),
    /// The pool of connections was refused.
    #[error(transparent)]
    Api(#[from] crate::ApiError),
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> CommandError {
        CommandError::Refused(problem.told())
    }
}

/// A new random key, to be given to the API as `FANDOM_API_KEY`.
pub fn new_key() -> String {
    tokens::secret()
}

/// What administers accounts.
pub struct Administration {
    accounts: Accounts,
    postgres: PostgresSettings,
}

/// An account that was made: its address, and its password, which is told once.
pub struct NewAccount {
    /// The address.
    pub email: String,
    /// The password.
    pub password: String,
}

/// By whom the trail says that it was done.
fn command() -> Reader {
    Reader::operator("command", None)
}

fn here() -> Asker {
    Asker {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        https: false,
        plain_loopback: true,
        agent: String::new(),
        request_id: String::new(),
    }
}

impl Administration {
    /// Over this database.
    ///
    /// # Errors
    /// When the pool of connections is refused.
    pub fn new(postgres: PostgresSettings) -> Result<Administration, CommandError> {
        let settings = ApiSettings::from_env(&mut Env::from_pairs(Vec::new()));
        Ok(Administration { accounts: Accounts::new(&postgres, &settings)?, postgres })
    }

    /// Makes an account with a password, or with a random one.
    ///
    /// # Errors
    /// When the address, the role or the password will not do, or Postgres does not answer.
    pub async fn add_user(
        &self,
        email: &str,
        role: &str,
        [creators, chatters]: [Vec<i64>; 2],
        password: Option<String>,
    ) -> Result<NewAccount, CommandError> {
        let texts = |ids: Vec<i64>| ids.iter().map(i64::to_string).collect();
        let asked = Invitation {
            email: email.to_owned(),
            name: String::new(),
            role: role.to_owned(),
            creators: texts(creators),
            chatters: texts(chatters),
        };
        let password = password.unwrap_or_else(tokens::id);
        if let Some(complaint) = crate::accounts::passwords::complaint(&password, email) {
            return Err(CommandError::Refused(format!("the password {complaint}")));
        }
        let (_, secret) = self.accounts.invite(&asked, &command(), &here()).await?;
        self.accounts.choose(&secret, &password, &here()).await?;
        Ok(NewAccount { email: email.trim().to_owned(), password })
    }

    /// Makes the first administrator; none when there is an account already.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn first_admin(&self, email: &str) -> Result<Option<NewAccount>, CommandError> {
        let client = self.postgres.connect().await?;
        if client.query_opt("select from app.users limit 1", &[]).await?.is_some() {
            return Ok(None);
        }
        self.add_user(email, "admin", [Vec::new(), Vec::new()], None).await.map(Some)
    }

    /// Sets the password of an account to a given or a random one, and ends its sessions; returns it.
    ///
    /// # Errors
    /// When there is no such account, the password will not do, or Postgres does not answer.
    pub async fn set_password(&self, email: &str, password: Option<String>) -> Result<String, CommandError> {
        let password = password.unwrap_or_else(tokens::id);
        let secret = self.accounts.password_of(email).await?;
        self.accounts.choose(&secret, &password, &here()).await?;
        Ok(password)
    }

    /// Takes the second factor of an account away, and ends its sessions.
    ///
    /// # Errors
    /// When there is no such account, it has none, or Postgres does not answer.
    pub async fn reset_second_factor(&self, email: &str) -> Result<(), CommandError> {
        let id = self.accounts.id_of(email).await?;
        Ok(self.accounts.reset_second_factor(&id, &command(), &here()).await?)
    }

    /// Makes a key; returns it.
    ///
    /// # Errors
    /// When something of it will not do, or Postgres does not answer.
    pub async fn add_key(
        &self,
        name: &str,
        role: &str,
        scopes: Option<Vec<String>>,
        days: i32,
    ) -> Result<String, CommandError> {
        let asked = NewKey {
            name: name.to_owned(),
            role: role.to_owned(),
            scopes,
            creators: Vec::new(),
            chatters: Vec::new(),
            days,
        };
        let made = self.accounts.make_key(&asked, &command(), &here()).await?;
        Ok(made.key)
    }

    /// Checks the audit trail: how many entries it has, and its last hash; or, as an error, where it is broken.
    ///
    /// # Errors
    /// Which entry does not follow from the one before, or when Postgres does not answer.
    pub async fn verify_audit(&self) -> Result<(i64, String), CommandError> {
        let client = self.postgres.connect().await?;
        match audit::verify(&client).await? {
            Verdict::Whole(count, hash) => Ok((count, hash)),
            Verdict::Broken(entry) => Err(CommandError::Refused(format!(
                "the audit trail is broken: entry {entry} was changed, or one before it is missing"
            ))),
        }
    }
}
