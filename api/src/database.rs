//! Reads from Postgres: in one snapshot, together with the epoch that it belongs to.

use std::time::{Duration, Instant};

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use fandom_services::postgres::{PostgresSettings, cause, is_transient};
use serde::Serialize;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{IsolationLevel, Row, Transaction};

use crate::cursor::{self, KeyValue};
use crate::listing::Listing;
use crate::meters;
use crate::problem::{Kind, Problem};
use crate::server::ApiError;
use crate::values::Record;

/// Connections that read, unless they are told to write.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// A statement that takes longer is told in the log.
    slow: Duration,
}

impl Database {
    /// At most `size` connections, made when they are needed; a statement may take `longest`, and one is told in the log that takes
    /// `slow`.
    ///
    /// # Errors
    /// Never in practice: the pool is refused only without a runtime.
    pub fn new(
        settings: &PostgresSettings,
        size: usize,
        longest: Duration,
        slow: Duration,
    ) -> Result<Database, ApiError> {
        // An empty query before each use finds connections that a restart of the server has left dead.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        let manager = Manager::from_config(settings.config.clone(), settings.tls.clone(), recycling);
        let session = format!(
            "set statement_timeout = {}; set default_transaction_read_only = on; set timezone = 'UTC'; set jit = off; \
             set application_name = 'fandom-api'",
            longest.as_millis()
        );
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
        Ok(Database { pool, slow })
    }

    /// A connection.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn connection(&self) -> Result<Connection, Problem> {
        match self.pool.get().await {
            Ok(client) => Ok(Connection(client, self.slow)),
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

    /// How many connections there are, and how many wait for one.
    pub fn status(&self) -> deadpool_postgres::Status {
        self.pool.status()
    }

    /// Closes every connection that is not in use, and the others when they are given back.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// A connection out of the pool.
pub struct Connection(Object, Duration);

impl Connection {
    /// Begins to read: what is read from here on is as of one commit of the dataflow. Ends when it is dropped.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn snapshot(&mut self) -> Result<Snapshot<'_>, Problem> {
        let begun = tokio_postgres::Client::build_transaction(&mut self.0)
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await;
        let transaction = begun.map_err(|error| refused(&error))?;
        let progress = transaction.query_typed_one("select epoch from views.progress", &[]).await;
        let epoch = progress.and_then(|row| row.try_get(0)).map_err(|error| refused(&error))?;
        Ok(Snapshot { transaction, epoch, slow: self.1 })
    }
}

impl Connection {
    /// Begins to write: all of it holds from [`Change::commit`] on, and none of it before.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn change(&mut self) -> Result<Change<'_>, Problem> {
        let begun = tokio_postgres::Client::build_transaction(&mut self.0).read_only(false).start().await;
        Ok(Change(begun.map_err(|error| refused(&error))?))
    }
}

/// What is written together.
pub struct Change<'c>(Transaction<'c>);

impl<'c> Change<'c> {
    /// Runs a statement.
    ///
    /// # Errors
    /// When Postgres does not answer, or refuses.
    pub async fn query(&self, sql: &str, binds: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Problem> {
        self.0.query_typed(sql, binds).await.map_err(|error| refused(&error))
    }

    /// For what is written elsewhere, within [`Change::run`].
    pub fn transaction(&self) -> &Transaction<'c> {
        &self.0
    }

    /// Waits for what is written elsewhere.
    ///
    /// # Errors
    /// When Postgres does not answer, or refuses.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Problem> {
        work.await.map_err(|error| refused(&error))
    }

    /// Makes it hold.
    ///
    /// # Errors
    /// When Postgres does not answer: it may hold or not.
    pub async fn commit(self) -> Result<(), Problem> {
        self.0.commit().await.map_err(|error| refused(&error))
    }
}

/// Everything as of one commit of the dataflow.
pub struct Snapshot<'c> {
    transaction: Transaction<'c>,
    /// The commit's epoch.
    pub epoch: i64,
    slow: Duration,
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct Page<R> {
    /// The epoch that the items are of.
    pub epoch: i64,
    /// The rows.
    pub items: Vec<R>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
}

impl Snapshot<'_> {
    /// Runs a statement.
    ///
    /// # Errors
    /// When Postgres does not answer, or refuses.
    pub async fn query(&self, sql: &str, binds: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Problem> {
        let begun = Instant::now();
        let rows = self.transaction.query_typed(sql, binds).await.map_err(|error| refused(&error));
        meters::statement(sql, begun.elapsed(), self.slow);
        rows
    }

    /// Reads a page.
    ///
    /// # Errors
    /// When Postgres does not answer, or refuses.
    pub async fn page<R: Record>(&self, mut listing: Listing) -> Result<Page<R>, Problem> {
        let sql = listing.sql(&R::columns());
        let mut rows = self.query(&sql, &listing.binds.values()).await?;
        let more = rows.len() > listing.limit;
        rows.truncate(listing.limit);
        let next_cursor = match rows.last().filter(|_| more) {
            None => None,
            Some(last) => {
                let keys: Result<Vec<KeyValue>, _> = (listing.key_types().into_iter().enumerate())
                    .map(|(place, ty)| cursor::from_row(last, &format!("key_{place}"), ty))
                    .collect();
                Some(listing.cursor(self.epoch, &keys.map_err(|error| misread(&error))?))
            }
        };
        Ok(Page { epoch: self.epoch, items: records(&rows)?, next_cursor })
    }
}

/// Reads rows as records.
///
/// # Errors
/// A column is missing or of another type: a defect.
pub fn records<R: Record>(rows: &[Row]) -> Result<Vec<R>, Problem> {
    rows.iter().map(R::from_row).collect::<Result<_, _>>().map_err(|error| misread(&error))
}

/// Answers a page of a list, or 304 when the asker has it already.
///
/// # Errors
/// When Postgres does not answer.
pub async fn answer<R: Record>(
    database: &Database,
    headers: &HeaderMap,
    listing: Listing,
    finish: impl FnOnce(&mut Vec<R>),
) -> Result<Response, Problem> {
    let mut connection = database.connection().await?;
    let snapshot = connection.snapshot().await?;
    let tag = tag(&snapshot.epoch.to_string());
    if let Some(unchanged) = unchanged(headers, &tag) {
        return Ok(unchanged);
    }
    let mut page = snapshot.page::<R>(listing).await?;
    finish(&mut page.items);
    Ok(tagged(tag, Json(page)))
}

/// An entity tag of this text.
pub fn tag(text: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{text}\"")).expect("tags are made of digits and dashes")
}

/// The answer 304, when one of the tags in `If-None-Match` is this one.
pub fn unchanged(headers: &HeaderMap, tag: &HeaderValue) -> Option<Response> {
    let mut known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tag_text = tag.to_str().ok()?;
    let same = |known: &str| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag_text
    };
    known.any(|list| list.split(',').any(same)).then(|| tagged(tag.clone(), StatusCode::NOT_MODIFIED))
}

/// An answer that must be asked for again, but need not be sent again.
pub fn tagged(tag: HeaderValue, answer: impl IntoResponse) -> Response {
    ([(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], answer).into_response()
}

/// What a failed statement means to whoever asked. The cause is logged here, once.
fn refused(error: &tokio_postgres::Error) -> Problem {
    let told = cause(error);
    match error.code() {
        Some(code) if *code == SqlState::QUERY_CANCELED => {
            tracing::warn!(error = %told, "a statement took too long");
            Problem::new(Kind::TimedOut, "the database took too long; ask for less at once, or later")
        }
        Some(code) if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::INVALID_SCHEMA_NAME => {
            tracing::error!(error = %told, "the database is not migrated; run `fandom migrate`");
            Problem::new(Kind::Unavailable, "the database has not been prepared yet")
        }
        _ if is_transient(error) => {
            tracing::warn!(error = %told, "Postgres did not answer");
            Problem::new(Kind::Unavailable, "the database did not answer")
        }
        _ => {
            tracing::error!(error = %told, "a statement was refused");
            Problem::internal()
        }
    }
}

fn misread(error: &tokio_postgres::Error) -> Problem {
    tracing::error!(error = %cause(error), "a row is not as the API expects it");
    Problem::internal()
}
