//! Rows as JSON: the keys and values of the changelogs, and their JSON Schemas.
//!
//! Columns have the names of the table. A day is `2026-10-21`, an instant `2026-10-21T09:00:00Z`, an id the integer that
//! PostgreSQL shows.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, json};

use crate::sink::row::{Row, Value};
use crate::sink::table::{Column, Table, Type};

/// The key of a row: its key columns.
pub fn key(table: &Table, row: &Row) -> Vec<u8> {
    object(&table.columns[..table.key], row)
}

/// A row: all its columns.
pub fn value(table: &Table, row: &Row) -> Vec<u8> {
    object(table.columns, row)
}

fn object(columns: &[Column], row: &Row) -> Vec<u8> {
    let mut out = Vec::with_capacity(columns.len() * 24);
    for (place, (column, value)) in columns.iter().zip(row.values()).enumerate() {
        out.push(if place == 0 { b'{' } else { b',' });
        write(&mut out, &column.name);
        out.push(b':');
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Int(value) => write(&mut out, &value),
            Value::Float(bits) => write(&mut out, &f64::from_bits(bits)),
            Value::Bool(value) => write(&mut out, &value),
            Value::Day(day) => {
                let date = Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(day));
                write(&mut out, &date.to_string());
            }
            Value::Instant(at) => write(&mut out, &Timestamp::from_second(at).unwrap_or_default().to_string()),
            Value::Text(text) => write(&mut out, &text),
            Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
    out.push(b'}');
    out
}

fn write(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    serde_json::to_writer(out, value).expect("a value of a column is JSON");
}

/// The JSON Schema of a view's keys.
pub fn key_schema(table: &Table) -> serde_json::Value {
    schema(&format!("Key of a row of views.{}", table.name), &table.columns[..table.key], table.key)
}

/// The JSON Schema of a view's rows.
pub fn value_schema(table: &Table) -> serde_json::Value {
    schema(&format!("A row of views.{}", table.name), table.columns, table.key)
}

fn schema(title: &str, columns: &[Column], key: usize) -> serde_json::Value {
    let property = |(place, column): (usize, &Column)| {
        let (name, format) = match column.of {
            Type::Int => ("integer", Some("int64")),
            Type::Float => ("number", Some("double")),
            Type::Bool => ("boolean", None),
            Type::Day => ("string", Some("date")),
            Type::Instant => ("string", Some("date-time")),
            Type::Text => ("string", None),
            Type::Json => return (column.name.to_owned(), json!({"type": ["object", "array"]})),
        };
        // What is not of the key may be unknown.
        let of = if place < key { json!(name) } else { json!([name, "null"]) };
        let mut property = Map::from_iter([("type".to_owned(), of)]);
        property.extend(format.map(|format| ("format".to_owned(), json!(format))));
        (column.name.to_owned(), serde_json::Value::Object(property))
    };
    let properties: Map<String, serde_json::Value> = columns.iter().enumerate().map(property).collect();
    let required: Vec<&str> = columns.iter().map(|column| column.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
