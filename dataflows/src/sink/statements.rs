//! The SQL of a table, and the encoding of its values.
//!
//! A few rows travel as arrays (`unnest`), many by binary COPY into a table of the session. Either way one statement
//! merges them, and takes the names beside the ids from the tables of names.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type as PgType, to_sql_checked};

use super::row::{Datum, Value};
use super::table::{Label, Table, Type};

/// Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_SECONDS: i64 = EPOCH_DAYS as i64 * 86_400;

impl Type {
    /// The type's name in PostgreSQL's catalogue.
    pub fn udt_name(self) -> &'static str {
        match self {
            Type::Int => "int8",
            Type::Float => "float8",
            Type::Bool => "bool",
            Type::Day => "date",
            Type::Instant => "timestamptz",
            Type::Text => "text",
            Type::Json => "jsonb",
        }
    }

    /// The type as the driver knows it.
    pub fn pg_type(self) -> PgType {
        match self {
            Type::Int => PgType::INT8,
            Type::Float => PgType::FLOAT8,
            Type::Bool => PgType::BOOL,
            Type::Day => PgType::DATE,
            Type::Instant => PgType::TIMESTAMPTZ,
            Type::Text => PgType::TEXT,
            Type::Json => PgType::JSONB,
        }
    }
}

/// The statements of a table.
#[derive(Clone, Debug)]
pub struct Statements {
    /// Merges rows given as one array a column.
    pub upsert: String,
    /// Deletes rows whose keys are given as one array a column.
    pub delete: String,
    /// Makes the session's table for many rows.
    pub create_batch: String,
    /// Fills it.
    pub copy: String,
    /// Merges what is in it.
    pub merge: String,
    /// Deletes what is in it.
    pub delete_batch: String,
    /// Empties it.
    pub clear_batch: String,
    /// Reads all rows.
    pub select: String,
}

impl Statements {
    /// The statements of this table.
    pub fn of(table: &Table) -> Statements {
        let name = table.name;
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let keys = &columns[..table.key];
        let listed = columns.join(", ");
        let arrays = |count: usize| {
            let array =
                |(place, column): (usize, &super::table::Column)| format!("${}::{}[]", place + 1, column.of.udt_name());
            table.columns.iter().take(count).enumerate().map(array).collect::<Vec<_>>().join(", ")
        };
        let label_columns: Vec<&str> = table.labels.iter().flat_map(|label| label.columns.iter().copied()).collect();
        let all: Vec<&str> = columns.iter().chain(&label_columns).copied().collect();
        let values: Vec<String> = columns
            .iter()
            .map(|column| format!("batch.{column}"))
            .chain(
                table
                    .labels
                    .iter()
                    .flat_map(|label| label.columns.iter().map(|column| format!("{}.{column}", label.from))),
            )
            .collect();
        let joins: String = table
            .labels
            .iter()
            .map(|Label { id, from, .. }| format!(" left join views.{from} on {from}.{id} = batch.{id}"))
            .collect();
        let changed: Vec<String> = all
            .iter()
            .filter(|column| !keys.contains(column))
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        let merge = |batch: &str| {
            format!(
                "insert into views.{name} ({}) select {} from {batch}{joins} on conflict ({}) do update set {}",
                all.join(", "),
                values.join(", "),
                keys.join(", "),
                changed.join(", "),
            )
        };
        let same_key: Vec<String> = keys.iter().map(|column| format!("kept.{column} = batch.{column}")).collect();
        let delete =
            |batch: &str| format!("delete from views.{name} kept using {batch} where {}", same_key.join(" and "));
        Statements {
            upsert: merge(&format!("unnest({}) as batch ({listed})", arrays(columns.len()))),
            delete: delete(&format!("unnest({}) as batch ({})", arrays(table.key), keys.join(", "))),
            create_batch: format!(
                "create temporary table if not exists batch_{name} as select {listed} from views.{name} with no data"
            ),
            copy: format!("copy batch_{name} ({listed}) from stdin binary"),
            merge: merge(&format!("batch_{name} batch")),
            delete_batch: delete(&format!("batch_{name} batch")),
            clear_batch: format!("truncate batch_{name}"),
            select: format!("select {listed} from views.{name}"),
        }
    }
}

/// Writes the changed names of `$1` (ids) beside the ids in a table.
pub fn relabel(table: &Table, label: &Label) -> String {
    let Label { id, from, columns } = label;
    let set: Vec<String> = columns.iter().map(|column| format!("{column} = names.{column}")).collect();
    format!(
        "update views.{} kept set {} from views.{from} names where names.{id} = kept.{id} and kept.{id} = any($1::int8[])",
        table.name,
        set.join(", "),
    )
}

impl ToSql for Value<'_> {
    fn to_sql(&self, of: &PgType, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(value) if *of == PgType::INT4 => i32::try_from(*value)?.to_sql(of, out),
            Value::Int(value) => value.to_sql(of, out),
            Value::Float(bits) => f64::from_bits(*bits).to_sql(of, out),
            Value::Bool(value) => value.to_sql(of, out),
            Value::Day(day) => (day - EPOCH_DAYS).to_sql(&PgType::INT4, out),
            Value::Instant(at) => ((at - EPOCH_SECONDS) * 1_000_000).to_sql(&PgType::INT8, out),
            Value::Text(text) => text.to_sql(of, out),
            Value::Json(text) => {
                // The binary form of jsonb: a version, then the text.
                out.extend_from_slice(&[1]);
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &PgType) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Datum {
    fn from_sql(of: &PgType, raw: &'a [u8]) -> Result<Datum, Box<dyn Error + Sync + Send>> {
        Ok(match *of {
            PgType::INT8 => Datum::Int(i64::from_sql(of, raw)?),
            PgType::INT4 => Datum::Int(i32::from_sql(of, raw)?.into()),
            PgType::FLOAT8 => Datum::Float(f64::from_sql(of, raw)?.to_bits()),
            PgType::BOOL => Datum::Bool(bool::from_sql(of, raw)?),
            PgType::DATE => Datum::Day(i32::from_sql(&PgType::INT4, raw)? + EPOCH_DAYS),
            PgType::TIMESTAMPTZ => {
                Datum::Instant(i64::from_sql(&PgType::INT8, raw)?.div_euclid(1_000_000) + EPOCH_SECONDS)
            }
            PgType::JSONB => Datum::Json(serde_json::Value::from_sql(of, raw)?.to_string().into()),
            _ => Datum::Text(<&str>::from_sql(of, raw)?.into()),
        })
    }

    fn from_sql_null(_: &PgType) -> Result<Datum, Box<dyn Error + Sync + Send>> {
        Ok(Datum::Null)
    }

    fn accepts(_: &PgType) -> bool {
        true
    }
}
