//! The table `app.mappings`.

use serde_json::Value;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, GenericClient, Transaction};

use super::Mapping;

/// What is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The mappings, by name.
    pub mappings: Vec<Mapping>,
    /// Names of those that this program cannot read.
    pub unreadable: Vec<String>,
}

/// Every mapping.
///
/// # Errors
/// When the database does not answer as it should; so of every function here.
pub async fn all(client: &(impl GenericClient + Sync)) -> Result<Stored, Error> {
    let mut stored = Stored::default();
    for row in client.query("select name, definition from app.mappings order by name", &[]).await? {
        match serde_json::from_value::<Mapping>(row.try_get::<_, Value>(1)?) {
            Ok(mapping) => stored.mappings.push(mapping),
            Err(_) => stored.unreadable.push(row.try_get(0)?),
        }
    }
    Ok(stored)
}

/// Saves mappings, each in place of one of the same name. Those that are as they were change nothing.
pub async fn save(transaction: &Transaction<'_>, mappings: &[Mapping]) -> Result<(), Error> {
    for mapping in mappings {
        let sql = "insert into app.mappings as m (name, source, folder, kind, definition) values ($1, $2, $3, $4, $5) \
                   on conflict (name) do update set source = excluded.source, folder = excluded.folder, kind = excluded.kind, \
                   definition = excluded.definition, updated_at = now() where m.definition <> excluded.definition";
        let Mapping { name, source, folder, kind, .. } = mapping;
        transaction.execute(sql, &[name, source, folder, &kind.name(), &Json(mapping)]).await?;
    }
    Ok(())
}

/// Removes a mapping; whether it was there.
pub async fn remove(client: &(impl GenericClient + Sync), name: &str) -> Result<bool, Error> {
    Ok(client.execute("delete from app.mappings where name = $1", &[&name]).await? > 0)
}
