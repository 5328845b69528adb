//! Connections to Postgres, made when they are needed and kept.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use fandom_services::postgres::{PostgresSettings, cause};

use crate::problem::{Kind, Problem};
use crate::server::ApiError;

/// At most `size` connections, each begun with the statements of `session`; a statement may take `longest`.
///
/// # Errors
/// Never in practice: the pool is refused only without a runtime.
pub fn pool(settings: &PostgresSettings, size: usize, longest: Duration, session: &str) -> Result<Pool, ApiError> {
    // An empty query before each use finds connections that a restart of the server has left dead.
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
    let manager = Manager::from_config(settings.config.clone(), settings.tls.clone(), recycling);
    let session = format!("set statement_timeout = {}; set timezone = 'UTC'; {session}", longest.as_millis());
    let wait = Some(longest.min(Duration::from_secs(3)));
    let pool = Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(wait)
        .create_timeout(wait)
        .recycle_timeout(wait)
        .post_create(Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let session = session.clone();
            Box::pin(async move { client.batch_execute(&session).await.map_err(HookError::Backend) })
        }))
        .build()?;
    Ok(pool)
}

/// A connection of a pool.
///
/// # Errors
/// When there is none in time.
pub async fn connection(pool: &Pool) -> Result<Object, Problem> {
    match pool.get().await {
        Ok(client) => Ok(client),
        Err(PoolError::Timeout(stage)) => {
            tracing::warn!(?stage, "no connection to Postgres was free in time");
            Err(Problem::new(Kind::Unavailable, "no connection to the database was free in time"))
        }
        Err(error) => {
            tracing::warn!(error = %cause(&error), "Postgres could not be reached");
            Err(Problem::new(Kind::Unavailable, "the database could not be reached"))
        }
    }
}
