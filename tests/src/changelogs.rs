//! The changelogs of the views against the tables, row by row.

use std::collections::BTreeMap;

use fandom_dataflows::sink::table::{Table, Type};
use fandom_dataflows::views::TABLES;
use fandom_schemas::topics::of_view;
use serde_json::Value;
use tokio_postgres::Client;

use crate::suite::Suite;
use crate::topic::each_record;

/// How the topics, read from their start, differ from the tables; nothing when they hold the same.
///
/// # Errors
/// When the database cannot be asked.
pub async fn differences(suite: &Suite, client: &Client) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for table in TABLES {
        let mut told: BTreeMap<String, Value> = BTreeMap::new();
        each_record(suite, &of_view(table.name), |key, _, value| match value {
            Some(value) => drop(told.insert(key.to_owned(), serde_json::from_slice(value).expect("a value is JSON"))),
            None => drop(told.remove(key)),
        });
        for row in client.query(&rows_as_told(table), &[]).await? {
            let (key, row): (Value, Value) = (row.get(0), row.get(1));
            let same_key = |told: &String| serde_json::from_str::<Value>(told).is_ok_and(|told| told == key);
            // The order of a key's members is that of the columns, which jsonb does not keep.
            let Some(of_topic) = told.keys().find(|told| same_key(told)).cloned() else {
                found.push(format!("{}: {key} is not in the changelog", table.name));
                continue;
            };
            let value = told.remove(&of_topic).unwrap_or_default();
            if !same(&value, &row) {
                found.push(format!("{}: {key} is {value} in the changelog, {row} in the table", table.name));
            }
        }
        found.extend(told.keys().map(|key| format!("{}: {key} should be gone from the changelog", table.name)));
    }
    Ok(found)
}

/// PostgreSQL writes 2 where JSON writes 2.0.
fn same(told: &Value, row: &Value) -> bool {
    match (told, row) {
        (Value::Object(told), Value::Object(row)) => {
            told.len() == row.len() && told.iter().all(|(name, told)| row.get(name).is_some_and(|row| same(told, row)))
        }
        (Value::Number(told), Value::Number(row)) => told == row || told.as_f64() == row.as_f64() && told.is_f64(),
        _ => told == row,
    }
}

/// The key and the row as JSON, in the forms of the changelog.
fn rows_as_told(table: &Table) -> String {
    let object = |columns: usize| {
        let members = table.columns.iter().take(columns).map(|column| match column.of {
            Type::Instant => {
                format!("'{0}', to_char({0} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", column.name)
            }
            _ => format!("'{0}', {0}", column.name),
        });
        format!("jsonb_build_object({})", members.collect::<Vec<_>>().join(", "))
    };
    format!("select {}, {} from views.{}", object(table.key), object(table.columns.len()), table.name)
}
