//! Accounts, their sessions, tokens and keys.
//!
//! - `store`: the connections that may write.
//! - `passwords`: argon2id, and bcrypt hashes of an earlier system.
//! - `tokens`: secrets, what is kept of them, and signed access tokens.
//! - `sessions`: signing in and out, and renewing.
//! - `second_factor`: codes of an authenticator, and recovery codes.
//! - `throttle`: sign-ins are slowed per account and address.
//! - `identify`: who asks, from the credentials of a request.
//! - `users`, `keys`: what administrators do; `mail`: messages that carry a secret.
//! - `routes`: all of it over HTTP.

pub mod identify;
pub mod keys;
pub mod mail;
pub mod passwords;
pub mod routes;
pub mod second_factor;
pub mod sessions;
pub mod store;
pub mod throttle;
pub mod tokens;
pub mod users;

use std::sync::Arc;

use deadpool_postgres::Transaction;
use fandom_services::postgres::PostgresSettings;
use fandom_services::sealing::KeyRing;

use crate::audit::{self, Entry};
use crate::problem::Problem;
use crate::protection::client::Asker;
use crate::server::ApiError;
use crate::settings::{ApiSettings, InForce};

/// Everything that knows accounts.
#[derive(Clone)]
pub struct Accounts {
    /// Connections that may write.
    pub store: store::Store,
    /// What access tokens are signed with.
    pub signing: Arc<tokens::Signing>,
    /// Who was found behind credentials just now.
    pub known: Arc<identify::Known>,
    /// What secrets in the database are sealed with; none on the command line, which asks for none of them.
    pub secret_keys: Option<Arc<KeyRing>>,
    /// How messages are sent; none without a server for them.
    pub mail: Option<Arc<mail::Mail>>,
    /// How long sessions last, and who must have a second factor.
    pub settings: InForce,
    /// SHA-256 of the key that this process was started with.
    pub start_key: Option<Vec<u8>>,
}

impl Accounts {
    /// Accounts over this database. Nothing is asked yet.
    ///
    /// # Errors
    /// When the pool of connections is refused.
    pub fn new(postgres: &PostgresSettings, settings: &ApiSettings) -> Result<Accounts, ApiError> {
        Ok(Accounts {
            store: store::Store::new(postgres, settings.timeout)?,
            signing: Arc::default(),
            known: Arc::default(),
            secret_keys: settings.secret_keys.clone().map(Arc::new),
            mail: settings.mail.clone().map(Arc::new),
            settings: settings.in_force.clone(),
            start_key: settings.key.as_deref().map(tokens::digest),
        })
    }

    /// Makes a change hold together with its entry in the audit trail; what is known of readers is asked anew from here on.
    ///
    /// # Errors
    /// When Postgres does not answer; then neither holds.
    pub async fn commit(&self, change: Transaction<'_>, asker: &Asker, entry: Entry<'_>) -> Result<(), Problem> {
        let held = audit::commit(change, asker, entry).await;
        self.known.forget();
        held
    }
}
