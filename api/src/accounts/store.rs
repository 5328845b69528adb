//! The connections that may write, apart from those that read figures, so that neither waits for the other.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use fandom_services::postgres::{PostgresSettings, cause};

use crate::problem::{Kind, Problem};
use crate::server::ApiError;

/// Connections at once.
const CONNECTIONS: usize = 4;

/// Connections that may write `app.*`.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
}

impl Store {
    /// Connections, made when they are needed; a statement may take `longest`.
    ///
    /// # Errors
    /// Never in practice: the pool is refused only without a runtime.
    pub fn new(settings: &PostgresSettings, longest: Duration) -> Result<Store, ApiError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        let manager = Manager::from_config(settings.config.clone(), settings.tls.clone(), recycling);
        let session = format!(
            "set statement_timeout = {}; set timezone = 'UTC'; set application_name = 'fandom-api accounts'",
            longest.as_millis()
        );
        let wait = Some(longest.min(Duration::from_secs(3)));
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(wait)
            .create_timeout(wait)
            .recycle_timeout(wait)
            .post_create(Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
                let session = session.clone();
                Box::pin(async move { client.batch_execute(&session).await.map_err(HookError::Backend) })
            }))
            .build()?;
        Ok(Store { pool })
    }

    /// A connection.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn connection(&self) -> Result<Object, Problem> {
        self.pool.get().await.map_err(|error| {
            tracing::warn!(error = %cause(&error), "accounts cannot be read for now");
            Problem::new(Kind::Unavailable, "the database could not be reached")
        })
    }

    /// Closes every connection that is not in use.
    pub fn close(&self) {
        self.pool.close();
    }
}
