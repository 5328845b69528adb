//! Reads from Postgres: in one snapshot, together with the epoch that it belongs to.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use deadpool_postgres::{Object, Pool};
use fandom_services::postgres::{PostgresSettings, cause, is_transient};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{IsolationLevel, Portal, Row, Transaction};

use tracing::Instrument;

use crate::answers::{Answers, Turn};
use crate::audit;
use crate::cursor::{self, KeyValue};
use crate::export::{self, Format, Shape};
use crate::listing::Listing;
use crate::meters;
use crate::pool::{connection, pool};
use crate::present::Present;
use crate::problem::{Kind, Problem};
use crate::reader::{Reader, Scope};
use crate::server::ApiError;
use crate::tags::{tag, tagged, unchanged};
use crate::values::Record;

/// Connections that read, unless they are told to write.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    present: Present,
    answers: Answers,
    exports: Arc<Semaphore>,
    /// A statement that takes longer is told in the log.
    slow: Duration,
}

/// Statements that a connection keeps prepared. Then it begins anew, so that odd questions do not fill the memory of Postgres.
const PREPARED: usize = 64;

/// How long an export may take Postgres.
const EXPORT: &str = "set local statement_timeout = '600s'";

impl Database {
    /// At most `size` connections and one more for the epoch, made when they are needed; a statement may take `longest`,
    /// and one is told in the log that takes `slow`.
    ///
    /// # Errors
    /// Never in practice: the pool is refused only without a runtime.
    pub fn new(
        settings: &PostgresSettings,
        size: usize,
        longest: Duration,
        slow: Duration,
    ) -> Result<Database, ApiError> {
        // A prepared statement is planned for the values of each question, as what is asked for differs by orders of magnitude.
        let session = "set default_transaction_read_only = on; set jit = off; set plan_cache_mode = force_custom_plan;
                       set application_name = 'fandom-api'";
        let pool = |size| pool(settings, size, longest, session);
        Ok(Database {
            pool: pool(size)?,
            slow,
            present: Present::new(pool(1)?),
            answers: Answers::default(),
            exports: Arc::new(Semaphore::new((size / 2).max(1))),
        })
    }

    /// A connection.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn connection(&self) -> Result<Connection, Problem> {
        connection(&self.pool).await.map(|client| Connection(client, self.slow))
    }

    /// The epoch of the last commit, not older than this question.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn present(&self) -> Result<i64, Problem> {
        self.present.epoch().await
    }

    /// The answer to what `asked` stands for, if somebody has had it at this epoch; else the task to make it.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn turn(&self, headers: &HeaderMap, asked: u64) -> Result<Turn, Problem> {
        let epoch = self.present().await?;
        Ok(self.answers.turn(headers, epoch, asked).await)
    }

    /// Whether a statement finds anything.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn has(&self, sql: &str, binds: &[(&(dyn ToSql + Sync), Type)]) -> Result<bool, Problem> {
        let mut connection = self.connection().await?;
        let snapshot = connection.snapshot().await?;
        Ok(!snapshot.query(sql, binds).await?.is_empty())
    }

    /// A place among the exports, each of which holds a connection for a while.
    ///
    /// # Errors
    /// When all are taken.
    pub fn export_seat(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let seat = self.exports.clone().try_acquire_owned();
        seat.map_err(|_| Problem::new(Kind::Unavailable, "as many exports are made as may be at once; ask again later"))
    }

    /// How many connections there are, and how many wait for one.
    pub fn status(&self) -> deadpool_postgres::Status {
        self.pool.status()
    }

    /// Closes every connection that is not in use, and the others when they are given back.
    pub fn close(&self) {
        self.pool.close();
        self.present.close();
    }
}

/// Goes on reading beside the handler, for whoever asked.
pub fn beside(reading: impl Future<Output = ()> + Send + 'static) {
    match Reader::current() {
        Some(reader) => tokio::spawn(reader.run(reading).in_current_span()),
        None => tokio::spawn(reading.in_current_span()),
    };
}

/// A connection out of the pool.
pub struct Connection(Object, Duration);

impl Connection {
    /// Begins to read: what is read from here on is as of one commit of the dataflow. Ends when it is dropped.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn snapshot(&mut self) -> Result<Snapshot<'_>, Problem> {
        if self.0.statement_cache.size() >= PREPARED {
            self.0.statement_cache.clear();
        }
        let transaction = self.0.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let transaction = transaction.start().await.map_err(|error| refused(&error))?;
        let progress = async {
            let statement = transaction.prepare_cached("select epoch from views.progress").await?;
            transaction.query_one(&statement, &[]).await?.try_get(0)
        };
        let epoch = progress.await.map_err(|error| refused(&error))?;
        // Without a reader nothing but what is open to all is read.
        let nobody = Scope::Own { creators: Vec::new(), chatters: Vec::new() };
        let scope = Reader::current().map_or(nobody, |reader| reader.scope.clone());
        Ok(Snapshot { transaction, scope, epoch, slow: self.1 })
    }

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
        let asking = self.0.query_typed(sql, binds).instrument(meters::span(sql));
        asking.await.map_err(|error| refused(&error))
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

    /// Makes it hold, together with the entry of the request in the audit trail.
    ///
    /// # Errors
    /// When Postgres does not answer: both may hold, or neither.
    pub async fn commit(self) -> Result<(), Problem> {
        audit::commit_deed(self.0).await.map_err(|error| refused(&error))
    }
}

/// Everything as of one commit of the dataflow.
pub struct Snapshot<'c> {
    transaction: deadpool_postgres::Transaction<'c>,
    /// Whose rows are read.
    scope: Scope,
    /// The commit's epoch.
    pub epoch: i64,
    slow: Duration,
}

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
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
        self.ask(sql, self.scope.of(sql)?, binds).await
    }

    /// Runs a statement over all rows, whoever asks. It has to keep to itself what is not theirs.
    ///
    /// # Errors
    /// When Postgres does not answer, or refuses.
    pub async fn query_all(&self, sql: &str, binds: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Problem> {
        self.ask(sql, Cow::Borrowed(sql), binds).await
    }

    /// Runs a statement as it was narrowed. One that was not is prepared once a connection; one that was names whose rows are read, so each
    /// reader's is another.
    async fn ask(
        &self,
        sql: &str,
        narrowed: Cow<'_, str>,
        binds: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Problem> {
        let begun = Instant::now();
        let asking = async {
            match narrowed {
                Cow::Borrowed(sql) => {
                    let (values, types): (Vec<_>, Vec<_>) = binds.iter().cloned().unzip();
                    let statement = self.transaction.prepare_typed_cached(sql, &types).await?;
                    self.transaction.query(&statement, &values).await
                }
                Cow::Owned(sql) => self.transaction.query_typed(&sql, binds).await,
            }
        };
        let rows = asking.instrument(meters::span(sql)).await.map_err(|error| refused(&error));
        meters::statement(sql, begun.elapsed(), self.slow);
        rows
    }

    /// Begins a statement whose rows are fetched some at a time.
    ///
    /// # Errors
    /// When Postgres does not answer, or refuses.
    pub async fn portal(&self, sql: &str, binds: &[(&(dyn ToSql + Sync), Type)]) -> Result<Portal, Problem> {
        let narrowed = self.scope.of(sql)?;
        let (values, types): (Vec<_>, Vec<_>) = binds.iter().cloned().unzip();
        let opening = async {
            let statement = self.transaction.prepare_typed(&narrowed, &types).await?;
            self.transaction.bind(&statement, &values).await
        };
        opening.instrument(meters::span(sql)).await.map_err(|error| refused(&error))
    }

    /// The next rows, so many at the most.
    ///
    /// # Errors
    /// When Postgres does not answer, or refuses.
    pub async fn fetch(&self, portal: &Portal, most: i32) -> Result<Vec<Row>, Problem> {
        self.transaction.query_portal(portal, most).await.map_err(|error| refused(&error))
    }

    /// Lets the statements from here on take as long as an export may.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn take_time(&self) -> Result<(), Problem> {
        self.transaction.batch_execute(EXPORT).await.map_err(|error| refused(&error))
    }

    /// Reads a page by its statement.
    async fn page_of<R: Record>(&self, listing: &Listing, sql: &str) -> Result<Page<R>, Problem> {
        let mut rows = self.query(sql, &listing.binds.values()).await?;
        let limit = listing.limit.unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
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

/// Answers a list in the form that it is asked for, or 304 when the asker has it already. `finish` completes each item.
///
/// # Errors
/// When Postgres does not answer.
pub async fn answer<R: Record + Send + 'static>(
    database: &Database,
    headers: &HeaderMap,
    mut listing: Listing,
    finish: impl Fn(&mut R) + Send + Sync + 'static,
) -> Result<Response, Problem> {
    let sql = listing.sql(&R::columns());
    let asked = listing.answer_id(&sql);
    if listing.format != Format::Json {
        let epoch = database.present().await?;
        if let Some(unchanged) = unchanged(headers, &tag(&format!("{epoch}-{asked:016x}"))) {
            return Ok(unchanged);
        }
        let shape = move |mut record: R| {
            finish(&mut record);
            Ok(record)
        };
        let (epoch, export) = export::stream(database, listing, shape).await?;
        return Ok(tagged(tag(&format!("{epoch}-{asked:016x}")), export));
    }
    let making = match database.turn(headers, asked).await? {
        Turn::Answered(response) => return Ok(response),
        Turn::Make(making) => making,
    };
    let mut connection = database.connection().await?;
    let snapshot = connection.snapshot().await?;
    let mut page = snapshot.page_of::<R>(&listing, &sql).await?;
    page.items.iter_mut().for_each(finish);
    if listing.sparse {
        making.answer(page.epoch, &page.sparse(&listing.fields)?)
    } else {
        making.answer(page.epoch, &page)
    }
}

/// Answers a list whose rows change without a commit of the dataflow, so that no epoch tells whether it has: it is read anew each
/// time, and kept by nobody on the way.
///
/// # Errors
/// When Postgres does not answer, or no item can be made of a row.
pub async fn answer_anew<R: Record + Send + 'static>(
    database: &Database,
    mut listing: Listing,
    shape: impl Shape<R>,
) -> Result<Response, Problem> {
    let mut response = if listing.format == Format::Json {
        let sql = listing.sql(&R::columns());
        let mut connection = database.connection().await?;
        let snapshot = connection.snapshot().await?;
        let Page { epoch, items, next_cursor } = snapshot.page_of(&listing, &sql).await?;
        let items = shape.items(&snapshot, items).await?;
        let page = Page { epoch, items, next_cursor };
        if listing.sparse { Json(page.sparse(&listing.fields)?).into_response() } else { Json(page).into_response() }
    } else {
        export::stream(database, listing, shape).await?.1
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl<R: Serialize> Page<R> {
    /// The same page with fewer members of each item.
    ///
    /// # Errors
    /// A defect.
    pub fn sparse(self, fields: &[&'static str]) -> Result<Page<Map<String, Value>>, Problem> {
        let items: Result<Vec<_>, _> = self.items.iter().map(|item| export::chosen(item, fields)).collect();
        let items = items.map_err(|error| {
            tracing::error!(%error, "an item could not be written as JSON");
            Problem::internal()
        })?;
        Ok(Page { epoch: self.epoch, items, next_cursor: self.next_cursor })
    }
}

/// What a failed statement means to whoever asked. The cause is logged here, once.
pub fn refused(error: &tokio_postgres::Error) -> Problem {
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

/// What a row that is not as expected means to whoever asked: a defect.
pub fn misread(error: &tokio_postgres::Error) -> Problem {
    tracing::error!(error = %cause(error), "a row is not as the API expects it");
    Problem::internal()
}
