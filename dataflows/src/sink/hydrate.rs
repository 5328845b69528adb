//! After a restart: what the log says against what is stored.
//!
//! A view whose number of rows and checksum are those of the log's state is left alone. Of any other the rows are
//! read, and only what differs is written: a definition that changed heals its table by the same path.

use futures_util::TryStreamExt;
use hashbrown::HashMap;
use std::pin::pin;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::row::{Datum, Row};
use super::statements::Statements;
use super::table::Table;

/// What must be written to make a table hold exactly `desired`: rows to remove (−1) and to put there (+1), in order.
///
/// # Errors
/// When the database cannot be asked.
pub async fn difference(
    client: &Client,
    table: &Table,
    statements: &Statements,
    desired: Vec<&Row>,
) -> Result<Vec<(Row, isize)>, tokio_postgres::Error> {
    let mut wanted: HashMap<&[u8], &Row> = desired.into_iter().map(|row| (row.key(table.key), row)).collect();
    let mut changes = Vec::new();
    let none: [&(dyn ToSql + Sync); 0] = [];
    let mut stored = pin!(client.query_raw(&statements.select, none).await?);
    while let Some(row) = stored.try_next().await? {
        let values = (0..table.columns.len()).map(|place| row.try_get(place)).collect::<Result<Vec<Datum>, _>>()?;
        let row = Row::new(values);
        match wanted.remove(row.key(table.key)) {
            Some(same) if *same == row => {}
            Some(other) => {
                changes.push((row, -1));
                changes.push((other.clone(), 1));
            }
            None => changes.push((row, -1)),
        }
    }
    changes.extend(wanted.into_values().map(|row| (row.clone(), 1)));
    changes.sort_unstable();
    Ok(changes)
}
