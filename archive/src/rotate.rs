//! Seals with the newest key what an older one sealed, so that the older one can be put away.
//!
//! Texts are taken in the order of their table, some at a time, each portion a transaction of its own: it can be interrupted and begun
//! again, and the archive goes on meanwhile.

use fandom_services::postgres::PostgresSettings;
use fandom_services::sealing::owner_of_text;

use crate::error::{ArchiveError, SessionError};
use crate::run::missing_key;
use crate::settings::ArchiveSettings;

/// Texts of a portion.
const PORTION: i64 = 2_000;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Texts that were sealed anew.
    pub texts: u64,
    /// The key that all texts are sealed with now, by id.
    pub key_id: String,
    /// Keys that seal nothing any more, by id.
    pub put_away: Vec<String>,
}

const NEXT: &str = "
    select file_id, version, ordinal, key_id, sealed from app.archive_texts
    where (file_id, version, ordinal) > ($1, $2, $3) and key_id <> $4
    order by file_id, version, ordinal limit $5 for update";

const REPLACE: &str = "
    update app.archive_texts t set key_id = $5, sealed = r.sealed
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) as r(file_id, version, ordinal, sealed)
    where t.file_id = r.file_id and t.version = r.version and t.ordinal = r.ordinal";

const PUT_AWAY: &str = "
    delete from app.archive_keys k
    where key_id <> $1 and not exists (select from app.archive_texts t where t.key_id = k.key_id)
    returning key_id";

/// Seals every text with the newest key.
///
/// # Errors
/// When Postgres does not answer, a key is missing, or a text was damaged; what was sealed anew until then stays so.
pub async fn rotate(settings: &ArchiveSettings, postgres: &PostgresSettings) -> Result<Rotated, ArchiveError> {
    rotated(settings, postgres).await.map_err(|error| match error.permanent() {
        Ok(permanent) => permanent,
        Err(passing) => ArchiveError::Postgres(fandom_services::postgres::cause(&passing)),
    })
}

async fn rotated(settings: &ArchiveSettings, postgres: &PostgresSettings) -> Result<Rotated, SessionError> {
    let keys = settings.keys();
    let newest = keys.newest().to_owned();
    let mut client = postgres.connect().await?;
    if let Some(id) = missing_key(&client, keys).await? {
        return Err(ArchiveError::NoKey(id).into());
    }
    client.execute("insert into app.archive_keys (key_id) values ($1) on conflict do nothing", &[&newest]).await?;
    let mut after = (i64::MIN, i64::MIN, i64::MIN);
    let mut texts = 0;
    loop {
        let transaction = client.transaction().await?;
        let rows = transaction.query(NEXT, &[&after.0, &after.1, &after.2, &newest, &PORTION]).await?;
        let Some(last) = rows.last() else { break };
        after = (last.get(0), last.get(1), last.get(2));
        let (mut files, mut versions, mut ordinals, mut sealed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let (file, version, ordinal): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let owner = owner_of_text(file, version, ordinal);
            let text = keys.open(&owner, row.get(3), row.get(4)).map_err(|error| ArchiveError::Text {
                file_id: file,
                version,
                ordinal,
                reason: error.to_string(),
            })?;
            files.push(file);
            versions.push(version);
            ordinals.push(ordinal);
            sealed.push(keys.seal(&owner, &text).bytes);
        }
        transaction.execute(REPLACE, &[&files, &versions, &ordinals, &sealed, &newest]).await?;
        transaction.commit().await?;
        texts += rows.len() as u64;
        tracing::info!(texts, "texts are sealed anew");
    }
    let put_away = client.query(PUT_AWAY, &[&newest]).await?;
    Ok(Rotated { texts, key_id: newest, put_away: put_away.iter().map(|row| row.get(0)).collect() })
}
