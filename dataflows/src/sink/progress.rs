//! Where the views stand: the row `views.progress`, and the right to write it.

use std::collections::BTreeMap;

use fandom_services::postgres::PostgresSettings;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Row};

use super::table::Table;
use super::writer::SinkError;
use crate::runtime::Epoch;

/// The layout of the row that this program writes. A newer one is refused.
const LAYOUT: i32 = 1;

/// By partition of `fandom.rows`: the next offset to read.
pub type Bindings = BTreeMap<u32, i64>;

/// What is stored of a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// How many rows its table has.
    pub rows: i64,
    /// The wrapping sum of their checksums.
    pub checksum: i64,
    /// The epoch of its last change.
    pub epoch: Epoch,
}

/// Where the views stand.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Of the writer: an older one cannot commit.
    pub generation: i64,
    /// The last epoch that is in the views.
    pub epoch: Epoch,
    /// How far the log had been read.
    pub bindings: Bindings,
    /// What is stored, by view.
    pub views: BTreeMap<String, Stored>,
    /// The epoch up to which the changelogs are written.
    pub published: Epoch,
}

/// Where the views stand, as a process sees it that does not write them.
///
/// # Errors
/// When the database cannot be asked, or its views were written by a newer program.
pub async fn look(postgres: &PostgresSettings) -> Result<Progress, SinkError> {
    let client = postgres.connect().await?;
    look_with(&client).await
}

/// Takes the right to write the views; whoever had it cannot commit any more.
///
/// # Errors
/// When the database cannot be asked, or its views were written by a newer program.
pub async fn claim(client: &Client) -> Result<Progress, SinkError> {
    // A program that is refused must not take the right from the one that is not.
    let claim = format!(
        "update views.progress set generation = generation + 1 where version <= {LAYOUT} returning {WHERE_THEY_STAND}"
    );
    match client.query_opt(&claim, &[]).await? {
        Some(claimed) => read(client, &claimed).await,
        None => look_with(client).await,
    }
}

const WHERE_THEY_STAND: &str = "generation, epoch, bindings, views, version";

async fn look_with(client: &Client) -> Result<Progress, SinkError> {
    let look = format!("select {WHERE_THEY_STAND} from views.progress");
    read(client, &client.query_one(&look, &[]).await?).await
}

async fn read(client: &Client, row: &Row) -> Result<Progress, SinkError> {
    let layout: i32 = row.get(4);
    if layout > LAYOUT {
        return Err(SinkError::TooNew { layout, known: LAYOUT });
    }
    let Json(bindings): Json<Bindings> = row.get(2);
    let Json(views): Json<BTreeMap<String, Stored>> = row.get(3);
    let published = client
        .query_one("select coalesce(max(epoch), 0) from views.published", &[])
        .await?
        .get::<_, i64>(0)
        .cast_unsigned();
    Ok(Progress { generation: row.get(0), epoch: row.get::<_, i64>(1).cast_unsigned(), bindings, views, published })
}

/// Whether the tables have the columns that the views fill.
///
/// # Errors
/// The first table that does not fit, and in what.
pub async fn check_tables(client: &Client, tables: &[&Table]) -> Result<(), SinkError> {
    let columns =
        "select column_name, udt_name from information_schema.columns where table_schema = 'views' and table_name = $1";
    for table in tables {
        let there: BTreeMap<String, String> =
            client.query(columns, &[&table.name]).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
        let labels = table.labels.iter().flat_map(|label| label.columns.iter().map(|name| (*name, "text")));
        for (name, wanted) in table.columns.iter().map(|column| (column.name, column.of.udt_name())).chain(labels) {
            let found = there.get(name).map(String::as_str);
            let fits = found == Some(wanted) || (wanted == "int8" && found == Some("int4"));
            if !fits {
                return Err(SinkError::TableMismatch {
                    table: table.name,
                    column: name,
                    wanted,
                    found: found.unwrap_or("nothing").to_owned(),
                });
            }
        }
    }
    Ok(())
}
