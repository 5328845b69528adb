//! The statements behind [`Uploads`].

mod rejects;
mod requests;
mod whole;

pub(crate) use requests::{News, Request, What};

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fandom_services::postgres;
use fandom_services::tasks::{Task, Went};
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{Client, Row};

use super::{Begun, State, Upload};
use crate::source::{Seen, Trouble};

/// The files of one source in `app.uploads`.
#[derive(Clone)]
pub struct Uploads {
    client: Arc<Client>,
    source: Arc<str>,
}

/// What was read of a version, to be shown beside the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows below the headers that are not blank.
    pub rows_read: u64,
    /// Rows that count.
    pub accepted: u64,
    /// Rows that could not be read.
    pub rejected: u64,
    /// Other things worth knowing, with how often each occurred.
    pub warnings: BTreeMap<String, u64>,
    /// What a person should look into although the file counts.
    pub notice: Option<String>,
}

/// Why the state of a file could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres did not do it.
    #[error("app.uploads could not be read or written")]
    Postgres(#[from] tokio_postgres::Error),
    /// Postgres did not answer.
    #[error("Postgres did not answer within {} s", LONGEST_CALL.as_secs())]
    Silent,
    /// The row is not as this connector left it.
    #[error("the state of `{file}` was changed by something else; only one connector may serve a source")]
    Overtaken {
        /// The file.
        file: String,
    },
}

impl StoreError {
    /// Whether the same may succeed with a new session.
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Postgres(error) => postgres::is_transient(error),
            StoreError::Silent | StoreError::Overtaken { .. } => true,
        }
    }
}

/// How long a statement may take. Each touches few rows; one that takes longer was sent to a server that is gone.
const LONGEST_CALL: Duration = Duration::from_secs(30);

/// The columns of an [`Upload`], in the order in which [`upload`] reads them.
const COLUMNS: &str = "file, name, partition, state, version, live_version, live_rows, begun, size_bytes, modified_at, \
                       exported_at, sha256, reading, fingerprint, error";

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Uploads {
    /// The files of `source`, over this session.
    pub fn new(client: Arc<Client>, source: &str) -> Uploads {
        Uploads { client, source: source.into() }
    }

    /// Every file of the source.
    ///
    /// # Errors
    /// When the database does not answer as it should; so of every function here.
    pub async fn load(&self) -> Result<Vec<Upload>, StoreError> {
        let sql = format!("select {COLUMNS} from app.uploads where source = $1");
        Ok(timely(self.client.query(&sql, &[&&*self.source])).await?.iter().map(upload).collect())
    }

    /// One file.
    pub async fn get(&self, file: &str) -> Result<Option<Upload>, StoreError> {
        let sql = format!("select {COLUMNS} from app.uploads where file = $1");
        Ok(timely(self.client.query_opt(&sql, &[&file])).await?.as_ref().map(upload))
    }

    /// Notes how the looks at the source go.
    pub async fn task(&self, task: &Task, went: Went<'_>) -> Result<(), StoreError> {
        timely(task.note(&self.client, went)).await
    }

    /// Notes whether the source can be looked at: every part of it but for these, or (`listed` is false) nothing of it.
    pub async fn stands(&self, listed: bool, troubles: &[Trouble]) -> Result<(), StoreError> {
        let state = match (listed, troubles) {
            (true, []) => "ok",
            (true, _) => "partly",
            (false, _) => "failed",
        };
        let sql = "insert into app.sources as s (source, state, troubles) values ($1, $2, $3) on conflict (source) do update \
                   set state = excluded.state, troubles = excluded.troubles, updated_at = now(), \
                   since = case when s.state = excluded.state then s.since else now() end";
        timely(self.client.execute(sql, &[&&*self.source, &state, &Json(troubles)])).await.map(drop)
    }

    /// Keeps files in mind that were not read yet; returns those that were not kept before. `partitions` is the number of partitions of `fandom.rows`.
    pub async fn note(&self, seen: &[&Seen], partitions: u32) -> Result<Vec<Upload>, StoreError> {
        let mut noted = Vec::with_capacity(seen.len());
        for seen in seen.chunks(1000) {
            let files: Vec<&str> = seen.iter().map(|seen| seen.file.as_str()).collect();
            let names: Vec<&str> = seen.iter().map(|seen| seen.name.as_str()).collect();
            let chosen: Vec<i32> = files.iter().map(|file| partition(file, partitions)).collect();
            let sizes: Vec<i64> = seen.iter().map(|seen| big(seen.size)).collect();
            let modified: Vec<SystemTime> = seen.iter().map(|seen| instant_us(seen.modified_us)).collect();
            let sql = format!(
                "insert into app.uploads as u (file, source, name, partition, state, size_bytes, modified_at) \
                 select f, $1, n, p, 'seen', s, m \
                 from unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::timestamptz[]) as t(f, n, p, s, m) \
                 on conflict (file) do update set state = 'seen', size_bytes = excluded.size_bytes, \
                 modified_at = excluded.modified_at, updated_at = now() where u.state = 'gone' returning {COLUMNS}"
            );
            let rows =
                timely(self.client.query(&sql, &[&&*self.source, &files, &names, &chosen, &sizes, &modified])).await?;
            noted.extend(rows.iter().map(upload));
        }
        Ok(noted)
    }

    /// Begins a new version with `ordinals` set aside; its number is greater than that of every version before, also if the
    /// table was lost meanwhile.
    pub async fn begin(
        &self,
        seen: &Seen,
        sha256: &str,
        reading: &str,
        ordinals: u64,
        partitions: u32,
    ) -> Result<Upload, StoreError> {
        let sql = format!(
            "insert into app.uploads as u (file, source, name, partition, state, version, begun, size_bytes, modified_at, \
             exported_at, sha256, reading, fingerprint, attempts) values ($1, $2, $3, $4, 'publishing', $5, \
             jsonb_build_array(jsonb_build_object('version', $5::bigint, 'ordinals', $6::bigint)), $7, $8, $9, $10, $11, $12, 1) \
             on conflict (file) do update set name = excluded.name, state = 'publishing', version = {NEXT}, \
             begun = u.begun || jsonb_build_object('version', {NEXT}, 'ordinals', $6::bigint), size_bytes = excluded.size_bytes, \
             modified_at = excluded.modified_at, exported_at = excluded.exported_at, sha256 = excluded.sha256, \
             reading = excluded.reading, fingerprint = excluded.fingerprint, error = null, attempts = u.attempts + 1, updated_at = now() \
             returning {COLUMNS}"
        );
        let row = timely(self.client.query_one(
            &sql,
            &[
                &seen.file,
                &&*self.source,
                &seen.name,
                &partition(&seen.file, partitions),
                &now_ms(),
                &big(ordinals),
                &big(seen.size),
                &instant_us(seen.modified_us),
                &instant(seen.exported_at),
                &sha256,
                &reading,
                &seen.fingerprint,
            ],
        ))
        .await?;
        Ok(upload(&row))
    }

    /// Counts another attempt at a version that was begun, with at least `ordinals` set aside.
    pub async fn resume(&self, file: &str, version: u64, ordinals: u64) -> Result<Upload, StoreError> {
        let sql = format!(
            "update app.uploads set begun = {}, attempts = attempts + 1, updated_at = now() \
             where file = $1 and version = $2 and state = 'publishing' returning {COLUMNS}",
            begun_with("'ordinals', greatest((b ->> 'ordinals')::bigint, $3::bigint)")
        );
        self.changed(file, &sql, &[&file, &big(version), &big(ordinals)]).await
    }

    /// Sets `ordinals` aside for the version that is being published.
    pub async fn reserve(&self, file: &str, version: u64, ordinals: u64) -> Result<(), StoreError> {
        let sql = format!(
            "update app.uploads set begun = {}, updated_at = now() \
             where file = $1 and version = $2 and state = 'publishing' returning {COLUMNS}",
            begun_with("'ordinals', $3::bigint")
        );
        self.changed(file, &sql, &[&file, &big(version), &big(ordinals)]).await.map(drop)
    }

    /// Notes that the manifest of the version that is being published comes next, and that it has that many rows. It fails where
    /// this session has lost the source's lock.
    pub async fn seal(&self, file: &str, version: u64, rows: u64) -> Result<(), StoreError> {
        let sql = format!(
            "update app.uploads set begun = {}, updated_at = now() \
             where file = $1 and version = $2 and state = 'publishing' returning {COLUMNS}",
            begun_with("'ordinals', $3::bigint, 'sealed', true")
        );
        self.changed(file, &sql, &[&file, &big(version), &big(rows)]).await.map(drop)
    }

    /// The manifest of `version` is on the log, and nothing of any other version.
    pub async fn live(
        &self,
        file: &str,
        version: u64,
        rows: u64,
        counts: &Counts,
        reading: &str,
    ) -> Result<Upload, StoreError> {
        let sql = format!(
            "with {OLDER_REJECTS} update app.uploads set state = 'live', live_version = $2, live_rows = $3, begun = '[]', \
             rows_read = $4, accepted = $5, rejected = $6, warnings = $7, error = $8, reading = $9, updated_at = now() \
             where file = $1 and version = $2 returning {COLUMNS}"
        );
        let warnings: BTreeMap<String, u64> = counts.warnings.iter().map(|(name, n)| (storable(name), *n)).collect();
        let read = [counts.rows_read, counts.accepted, counts.rejected].map(big);
        let notice = counts.notice.as_deref().map(storable);
        self.changed(
            file,
            &sql,
            &[&file, &big(version), &big(rows), &read[0], &read[1], &read[2], &Json(warnings), &notice, &reading],
        )
        .await
    }

    /// The content of `version` cannot be read. Of the versions that were begun, none is on the log any more but those whose
    /// manifest may be.
    pub async fn failed(&self, file: &str, version: u64, error: &str) -> Result<Upload, StoreError> {
        let sql = format!(
            "with {OLDER_REJECTS} update app.uploads set state = 'failed', error = $3, updated_at = now(), begun = \
             (select coalesce(jsonb_agg(b order by n), '[]') from jsonb_array_elements(begun) with ordinality as e(b, n) \
             where (b ->> 'sealed')::boolean) where file = $1 and version = $2 returning {COLUMNS}"
        );
        self.changed(file, &sql, &[&file, &big(version), &storable(error)]).await
    }

    /// The content could not even be fetched; what was published before still counts.
    pub async fn unread(&self, seen: &Seen, error: &str, partitions: u32) -> Result<Upload, StoreError> {
        let sql = format!(
            "insert into app.uploads as u (file, source, name, partition, state, size_bytes, modified_at, exported_at, error, \
             attempts) values ($1, $2, $3, $4, 'failed', $5, $6, $7, $8, 1) on conflict (file) do update set \
             state = 'failed', size_bytes = excluded.size_bytes, modified_at = excluded.modified_at, \
             exported_at = excluded.exported_at, sha256 = null, reading = null, error = excluded.error, \
             attempts = u.attempts + 1, updated_at = now() returning {COLUMNS}"
        );
        let row = timely(self.client.query_one(
            &sql,
            &[
                &seen.file,
                &&*self.source,
                &seen.name,
                &partition(&seen.file, partitions),
                &big(seen.size),
                &instant_us(seen.modified_us),
                &instant(seen.exported_at),
                &storable(error),
            ],
        ))
        .await?;
        Ok(upload(&row))
    }

    /// Notes name, size, times and fingerprint of content that is already known.
    pub async fn refresh(&self, seen: &Seen) -> Result<Upload, StoreError> {
        let sql = format!(
            "update app.uploads set name = $5, size_bytes = $2, modified_at = $3, exported_at = $4, fingerprint = $6, \
             updated_at = now() where file = $1 returning {COLUMNS}"
        );
        let times = (instant_us(seen.modified_us), instant(seen.exported_at));
        let values: Params<'_> = &[&seen.file, &big(seen.size), &times.0, &times.1, &seen.name, &seen.fingerprint];
        self.changed(&seen.file, &sql, values).await
    }

    /// Begins to take a file back: a version without rows. Should the file come back before that is done, it is new.
    pub async fn retract(&self, file: &str) -> Result<Upload, StoreError> {
        let next = NEXT.replace("$5", "$2");
        let sql = format!(
            "update app.uploads as u set state = 'publishing', version = {next}, sha256 = null, reading = null, \
             updated_at = now() where file = $1 returning {COLUMNS}"
        );
        self.changed(file, &sql, &[&file, &now_ms()]).await
    }

    /// Nothing of the file is on the log but the manifest that says so, if it was ever there.
    pub async fn gone(&self, file: &str) -> Result<Upload, StoreError> {
        let sql = format!(
            "with old as (delete from app.rejects where file = $1) update app.uploads set state = 'gone', live_version = null, live_rows = null, begun = '[]', sha256 = null, \
             reading = null, error = null, updated_at = now() where file = $1 returning {COLUMNS}"
        );
        self.changed(file, &sql, &[&file]).await
    }

    /// Forgets what was published: the log that held it is not there any more.
    pub async fn start_over(&self, file: &str, partitions: u32) -> Result<Upload, StoreError> {
        let sql = format!(
            "update app.uploads set state = 'seen', partition = $2, live_version = null, live_rows = null, begun = '[]', \
             sha256 = null, reading = null, error = null, updated_at = now() where file = $1 returning {COLUMNS}"
        );
        self.changed(file, &sql, &[&file, &partition(file, partitions)]).await
    }

    async fn changed(&self, file: &str, sql: &str, params: Params<'_>) -> Result<Upload, StoreError> {
        let row = timely(self.client.query_opt(sql, params)).await?;
        row.as_ref().map(upload).ok_or_else(|| StoreError::Overtaken { file: file.to_owned() })
    }
}

/// The number of the next version of the row `u`; `$5` is the time in milliseconds.
const NEXT: &str = "greatest(coalesce(u.version, 0) + 1, $5::bigint)";

/// Takes the rejected rows of other versions away.
const OLDER_REJECTS: &str = "old as (delete from app.rejects where file = $1 and version <> $2)";

/// The array `begun`, with these entries in the object of the version `$2`.
fn begun_with(entries: &str) -> String {
    format!(
        "(select jsonb_agg(case when (b ->> 'version')::bigint = $2 then b || jsonb_build_object({entries}) else b end order by n) \
         from jsonb_array_elements(begun) with ordinality as e(b, n))"
    )
}

async fn timely<T>(call: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(LONGEST_CALL, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::Silent),
    }
}

fn upload(row: &Row) -> Upload {
    let small = |column: usize| row.get::<_, Option<i64>>(column).map(i64::cast_unsigned);
    let time = |column: usize| row.get::<_, Option<SystemTime>>(column).map(micros);
    Upload {
        file: row.get(0),
        name: row.get(1),
        partition: row.get(2),
        state: State::from_name(row.get(3)).expect("the table checks the names of states"),
        version: small(4),
        live_version: small(5),
        live_rows: small(6),
        begun: row.get::<_, Json<Vec<Begun>>>(7).0,
        size: small(8),
        modified_us: time(9),
        exported_at: time(10).map(|us| us.div_euclid(1_000_000)),
        sha256: row.get(11),
        reading: row.get(12),
        fingerprint: row.get(13),
        error: row.get(14),
    }
}

fn partition(file: &str, partitions: u32) -> i32 {
    i32::try_from(fandom_schemas::keys::partition(file, partitions)).unwrap_or(0)
}

fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn now_ms() -> i64 {
    micros(SystemTime::now()) / 1000
}

fn instant(second: i64) -> SystemTime {
    instant_us(second.saturating_mul(1_000_000))
}

fn instant_us(us: i64) -> SystemTime {
    let distance = Duration::from_micros(us.unsigned_abs());
    let time = if us < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn micros(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    }
}

/// Text as Postgres can hold it: without the character NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}
