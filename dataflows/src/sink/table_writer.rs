//! A batch's changes of one view, to its table.

use std::pin::pin;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement, Transaction};

use super::collect::Delta;
use super::row::{Row, Value};
use super::statements::Statements;
use super::table::Table;
use super::writer::SinkError;

/// Batches of more rows than this travel by COPY.
const COPY_FROM: usize = 1_000;

/// What writes a view's table.
pub(super) struct TableWriter {
    pub(super) table: &'static Table,
    pub(super) statements: Statements,
    prepared: Option<(Statement, Statement)>,
    batch_made: bool,
}

impl TableWriter {
    /// The writer of a table, which has prepared nothing yet.
    pub(super) fn new(table: &'static Table) -> TableWriter {
        TableWriter { table, statements: Statements::of(table), prepared: None, batch_made: false }
    }

    /// Forgets what was prepared: the connection is another one.
    pub(super) fn begin_anew(&mut self) {
        self.prepared = None;
        self.batch_made = false;
    }

    /// Prepares the statements that so many rows need.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) async fn prepare(&mut self, client: &Client, rows: usize) -> Result<(), tokio_postgres::Error> {
        if self.prepared.is_none() {
            let upsert = client.prepare(&self.statements.upsert).await?;
            self.prepared = Some((upsert, client.prepare(&self.statements.delete).await?));
        }
        if rows > COPY_FROM && !self.batch_made {
            client.batch_execute(&self.statements.create_batch).await?;
            self.batch_made = true;
        }
        Ok(())
    }

    /// Writes a view's changes.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) async fn write(&self, transaction: &Transaction<'_>, changes: &KeyChanges<'_>) -> Result<(), SinkError> {
        if changes.deleted.len() > COPY_FROM {
            self.copy(transaction, &changes.deleted).await?;
            transaction.execute(&self.statements.delete_batch, &[]).await?;
            transaction.batch_execute(&self.statements.clear_batch).await?;
        }
        if changes.written.len() > COPY_FROM {
            self.copy(transaction, &changes.written).await?;
            transaction.execute(&self.statements.merge, &[]).await?;
            transaction.batch_execute(&self.statements.clear_batch).await?;
        }
        for (statement, arrays) in self.small(changes) {
            transaction.execute(statement, &borrowed(&arrays)).await?;
        }
        Ok(())
    }

    /// The statements of changes that do not travel by COPY, in their order, with an array for each parameter.
    pub(super) fn small<'a>(&'a self, changes: &KeyChanges<'a>) -> impl Iterator<Item = (&'a Statement, Arrays<'a>)> {
        let few = |rows: &[&Row]| (1..=COPY_FROM).contains(&rows.len());
        let (upsert, delete) = self.prepared.as_ref().map(|(upsert, delete)| (upsert, delete)).unzip();
        let delete = delete.filter(|_| few(&changes.deleted));
        let upsert = upsert.filter(|_| few(&changes.written));
        let delete = delete.map(|delete| (delete, arrays(&changes.deleted, self.table.key)));
        let upsert = upsert.map(|upsert| (upsert, arrays(&changes.written, self.table.columns.len())));
        delete.into_iter().chain(upsert)
    }

    async fn copy(&self, transaction: &Transaction<'_>, rows: &[&Row]) -> Result<(), SinkError> {
        let types: Vec<_> = self.table.columns.iter().map(|column| column.of.pg_type()).collect();
        let sink = transaction.copy_in(&self.statements.copy).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for row in rows {
            let values: Vec<Value<'_>> = row.values().collect();
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            writer.as_mut().write(&values).await?;
        }
        writer.finish().await?;
        Ok(())
    }
}

/// What becomes of the keys of a view in a batch.
pub(super) struct KeyChanges<'a> {
    written: Vec<&'a Row>,
    deleted: Vec<&'a Row>,
    /// The first key column of rows that were there before.
    pub(super) replaced: Vec<i64>,
}

impl<'a> KeyChanges<'a> {
    /// Whether some of them travel by COPY.
    pub(super) fn are_many(&self) -> bool {
        self.written.len().max(self.deleted.len()) > COPY_FROM
    }

    /// `rows` are in order, so that those of one key stand together.
    ///
    /// # Errors
    /// When a key has several rows.
    pub(super) fn of(table: &'static Table, rows: &'a [Delta]) -> Result<KeyChanges<'a>, SinkError> {
        let mut changes = KeyChanges { written: Vec::new(), deleted: Vec::new(), replaced: Vec::new() };
        for group in rows.chunk_by(|((_, a), _), ((_, b), _)| a.key(table.key) == b.key(table.key)) {
            let mut written = group.iter().filter(|(_, diff)| *diff > 0);
            let gone = group.iter().find(|(_, diff)| *diff < 0);
            match (written.next(), written.next(), gone) {
                (Some(((_, row), 1)), None, gone) => {
                    changes.written.push(row);
                    if let (Some(_), Some(Value::Int(id))) = (gone, row.values().next()) {
                        changes.replaced.push(id);
                    }
                }
                (None, _, Some(((_, row), _))) => changes.deleted.push(row),
                (Some((_, count)), ..) => return Err(SinkError::Multiplicity { view: table.name, count: *count }),
                (None, _, None) => {}
            }
        }
        Ok(changes)
    }
}

/// The values of rows, an array a column.
pub(super) type Arrays<'a> = Vec<Vec<Value<'a>>>;

fn arrays<'a>(rows: &[&'a Row], columns: usize) -> Arrays<'a> {
    let mut arrays: Arrays<'a> = vec![Vec::with_capacity(rows.len()); columns];
    for row in rows {
        arrays.iter_mut().zip(row.values()).for_each(|(array, value)| array.push(value));
    }
    arrays
}

/// The arrays as parameters.
pub(super) fn borrowed<'a>(arrays: &'a [Vec<Value<'_>>]) -> Vec<&'a (dyn ToSql + Sync)> {
    arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect()
}
