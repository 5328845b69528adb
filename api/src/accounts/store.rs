//! The connections that may write, apart from those that read figures, so that neither waits for the other.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use fandom_services::postgres::PostgresSettings;

use crate::pool::{connection, pool};
use crate::problem::Problem;
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
        let session = "set application_name = 'fandom-api accounts'";
        Ok(Store { pool: pool(settings, CONNECTIONS, longest, session)? })
    }

    /// A connection.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn connection(&self) -> Result<Object, Problem> {
        connection(&self.pool).await
    }

    /// Closes every connection that is not in use.
    pub fn close(&self) {
        self.pool.close();
    }
}
