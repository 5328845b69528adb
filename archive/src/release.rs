//! What a manifest makes live.
//!
//! ```text
//!  manifest ─▶ newer than what is settled? ─▶ all rows there? ─▶ live version ─▶ older rows and texts go ─▶ winners anew
//!                     └ no: nothing                 └ no: waits for them
//! ```
//!
//! The rules are those of METRICS.md §2, and the same as the dataflow's: a version is released once its rows agree with its manifest in
//! number and checksum; rows of equal key are numbered within their sheet; of equal numbered keys over files the row of the
//! greatest (exported_at, modified_at, file, sheet) wins.

use fandom_schemas::identity::file_id;
use fandom_schemas::manifest::{FileState, Manifest};
use tokio_postgres::{Client, Statement, Transaction};

type SqlError = tokio_postgres::Error;

pub(crate) struct Release {
    settled: Statement,
    agrees: Statement,
    wait: Statement,
    file: Statement,
    number: Statement,
    clear_texts: Statement,
    clear: [Statement; 2],
    winners: Statement,
}

/// The 64-bit sum wraps around; the columns hold its parts as signed numbers.
const AGREES: &str = "
    select count(*), mod(coalesce(sum(checksum::numeric), 0), 18446744073709551616)::text
    from (select checksum from app.archive_messages where file_id = $1 and version = $2
          union all
          select checksum from app.archive_others where file_id = $1 and version = $2) rows";

const WAIT: &str = "
    insert into app.archive_waiting (file_id, version, manifest) values ($1, $2, $3)
    on conflict (file_id, version) do update set manifest = excluded.manifest";

const FILE: &str = "
    insert into app.archive_files (file_id, file, settled, live_version, exported_at, modified_at)
    values ($1, $2, $3, $4, $5, $6)
    on conflict (file_id) do update set
        settled = excluded.settled, live_version = excluded.live_version, exported_at = excluded.exported_at,
        modified_at = excluded.modified_at";

const NUMBER: &str = "
    update app.archive_messages m set occurrence = n.occurrence
    from (select ordinal,
                 (row_number() over (partition by sheet, natural_key order by ordinal) - 1)::integer as occurrence
          from app.archive_messages where file_id = $1 and version = $2) n
    where m.file_id = $1 and m.version = $2 and m.ordinal = n.ordinal and m.occurrence <> n.occurrence";

const CLEAR_TEXTS: &str =
    "delete from app.archive_texts where file_id = $1 and (version < $2 or version = $2 and not $3)";

const CLEAR: [&str; 2] = [
    "delete from app.archive_others where file_id = $1 and version <= $2",
    "delete from app.archive_waiting where file_id = $1 and version <= $2",
];

/// Removes the rows of older versions, and decides anew who holds each key that comes or goes. A statement sees the tables as
/// they were before it, so the rows that go are told from those that stay by their version.
const WINNERS: &str = "
    with gone as (
        delete from app.archive_messages where file_id = $1 and (version < $2 or version = $2 and not $3)
        returning natural_key, occurrence
    ), affected as (
        select natural_key, occurrence from gone
        union
        select natural_key, occurrence from app.archive_messages where file_id = $1 and version = $2 and $3
    ), ranked as (
        select m.file_id, m.version, m.ordinal,
               row_number() over (partition by m.natural_key, m.occurrence
                                  order by f.exported_at desc, f.modified_at desc, f.file collate \"C\" desc, m.sheet desc)
                   > 1 as shadowed
        from affected
        join app.archive_messages m using (natural_key, occurrence)
        join app.archive_files f on f.file_id = m.file_id and f.live_version = m.version
    )
    update app.archive_messages m set shadowed = ranked.shadowed
    from ranked
    where m.file_id = ranked.file_id and m.version = ranked.version and m.ordinal = ranked.ordinal
      and m.shadowed <> ranked.shadowed";

impl Release {
    /// Prepares the statements.
    pub(crate) async fn prepare(client: &Client) -> Result<Release, SqlError> {
        let [others, waiting] = CLEAR;
        Ok(Release {
            settled: client.prepare("select settled from app.archive_files where file_id = $1").await?,
            agrees: client.prepare(AGREES).await?,
            wait: client.prepare(WAIT).await?,
            file: client.prepare(FILE).await?,
            number: client.prepare(NUMBER).await?,
            clear_texts: client.prepare(CLEAR_TEXTS).await?,
            clear: [client.prepare(others).await?, client.prepare(waiting).await?],
            winners: client.prepare(WINNERS).await?,
        })
    }

    /// Takes in a manifest; returns whether nothing has to wait for rows.
    pub(crate) async fn settle(&self, transaction: &Transaction<'_>, manifest: &Manifest) -> Result<bool, SqlError> {
        let (file, version) = identity(manifest);
        let settled = transaction.query_opt(&self.settled, &[&file]).await?;
        if settled.is_some_and(|row| row.get::<_, i64>(0) >= version) {
            return Ok(true);
        }
        let live = manifest.state == FileState::Live;
        if live {
            let found = transaction.query_one(&self.agrees, &[&file, &version]).await?;
            if !agrees(found.get(0), found.get(1), manifest) {
                let json = serde_json::to_string(manifest).expect("a manifest has only string keys");
                transaction.execute(&self.wait, &[&file, &version, &json]).await?;
                return Ok(false);
            }
        }
        let name = manifest.file.replace('\0', "");
        let live_version = live.then_some(version);
        let (exported_at, modified_at) = (manifest.exported_at, manifest.modified_at);
        transaction.execute(&self.file, &[&file, &name, &version, &live_version, &exported_at, &modified_at]).await?;
        transaction.execute(&self.number, &[&file, &version]).await?;
        transaction.execute(&self.clear_texts, &[&file, &version, &live]).await?;
        for clear in &self.clear {
            transaction.execute(clear, &[&file, &version]).await?;
        }
        transaction.execute(&self.winners, &[&file, &version, &live]).await?;
        Ok(true)
    }
}

/// The file's id and the version of a manifest.
pub(crate) fn identity(manifest: &Manifest) -> (i64, i64) {
    let version = i64::try_from(manifest.version).expect("a manifest of a greater version is not taken in");
    (file_id(&manifest.file).cast_signed(), version)
}

/// The manifest that waits for the rows of this version.
pub(crate) async fn waiting(
    transaction: &Transaction<'_>,
    file: i64,
    version: i64,
) -> Result<Option<Manifest>, SqlError> {
    let sql = "select manifest from app.archive_waiting where file_id = $1 and version = $2";
    let found = transaction.query_opt(sql, &[&file, &version]).await?;
    Ok(found.and_then(|row| serde_json::from_str(row.get(0)).ok()))
}

/// Whether this many rows with this sum of (signed) checksums are those of the manifest.
fn agrees(count: i64, sum: &str, manifest: &Manifest) -> bool {
    let sum = sum.parse::<i128>().unwrap_or_default().rem_euclid(1 << 64);
    u64::try_from(count) == Ok(manifest.rows) && format!("{sum:016x}") == manifest.checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_signed_parts_is_the_manifests_checksum() {
        let mut checksum = fandom_schemas::manifest::Checksum::default();
        let mut sum = 0i128;
        for ordinal in 0..50u8 {
            let (key, value) = ([b'f', ordinal], [ordinal; 9]);
            checksum.add(&key, &value);
            let seed = xxhash_rust::xxh3::xxh3_64(&key);
            sum += i128::from(xxhash_rust::xxh3::xxh3_64_with_seed(&value, seed).cast_signed());
        }
        let json = format!(
            r#"{{"file":"f","version":2,"state":"live","name":"f","zone":"UTC","exported_at":0,"modified_at":0,"rows":50,
                "checksum":"{}","sheets":[]}}"#,
            checksum.to_hex()
        );
        let manifest: Manifest = serde_json::from_str(&json).expect("a manifest");
        // Postgres keeps the sign of what it divides.
        assert!(agrees(50, &(sum % (1 << 64)).to_string(), &manifest));
        assert!(!agrees(49, &(sum % (1 << 64)).to_string(), &manifest));
        assert!(!agrees(50, &(sum % (1 << 64) + 1).to_string(), &manifest));
    }
}
