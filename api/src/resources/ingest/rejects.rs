//! `GET /ingest/uploads/{id}/rejects`, and the same as `.csv`: the rows of an upload that could not be read, with why.
//!
//! They are of the version that counts; while a file could not be read at all, of the attempt. At most 10,000 of a file are kept
//! here; all of them are on the topic `fandom.rejects`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio_postgres::types::Type;

use super::uploads::{Entry, entry, fresh, of_path};
use crate::cursor::KeyType::Integer;
use crate::database::{Database, Page, answer_anew, records};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::values::{Record, record};

record! {
    /// A row that could not be read.
    struct Reject {
        sheet: Option<String>,
        #[serde(rename = "row")]
        row_number: i32,
        #[serde(rename = "column")]
        column_header: Option<String>,
        reason: String,
        cells: Vec<String>,
    }
}

const REJECTS: &str = "(select file, version, ordinal, sheet, r.row as row_number, r.\"column\" as column_header, reason, cells \
                       from app.rejects r) rejects";

/// The version whose rejected rows are shown.
fn version(entry: &Entry) -> Option<i64> {
    if entry.state == "publishing" { entry.live_version.or(entry.version) } else { entry.version }
}

const SORTS: [Key; 1] = [Key::new("ordinal", "ordinal", Integer)];

/// The members of a row.
const MEMBERS: [&str; 5] = ["sheet", "row", "column", "reason", "cells"];

/// The list, as the documentation has it.
pub fn described() -> List {
    List { path: "/ingest/uploads/{id}/rejects", sorts: vec!["ordinal"], fields: &MEMBERS }
}

/// The rows of an upload that could not be read, in the order of the file, each with why.
#[utoipa::path(
    get, path = "/uploads/{id}/rejects", operation_id = "rejects", tag = "Uploads",
    params(("id" = String, Path, description = "The upload")),
    responses((status = 200, description = "The rows", body = Page<Reject>)),
)]
pub async fn list(
    State(database): State<Database>,
    id: Result<Path<String>, PathRejection>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let id = of_path(id)?;
    let mut listing = Listing::of(&mut parameters, &MEMBERS, &SORTS, &[]);
    parameters.finish()?;
    let entry = entry(&database, &id).await?;
    listing.from = REJECTS.to_owned();
    listing.compare("file", "=", Some(entry.file.clone()), Type::TEXT);
    listing.compare("version", "=", Some(version(&entry).unwrap_or_default()), Type::INT8);
    answer_anew(&database, listing, Ok::<Reject, Problem>).await
}

/// All of them, as a file for a spreadsheet program: sheet, row, column, reason, and the row's cells as they stand.
#[utoipa::path(
    get, path = "/uploads/{id}/rejects.csv", operation_id = "rejects_csv", tag = "Uploads",
    params(("id" = String, Path, description = "The upload")),
    responses((status = 200, description = "The rows", body = String, content_type = "text/csv")),
)]
pub async fn csv(
    State(database): State<Database>,
    id: Result<Path<String>, PathRejection>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let id = of_path(id)?;
    parameters.finish()?;
    let entry = entry(&database, &id).await?;
    let mut connection = database.connection().await?;
    let sql = format!("select {} from {REJECTS} where file = $1 and version = $2 order by ordinal", Reject::columns());
    let version = version(&entry).unwrap_or_default();
    let rows = connection.snapshot().await?.query(&sql, &[(&entry.file, Type::TEXT), (&version, Type::INT8)]).await?;
    let rejects: Vec<Reject> = records(&rows)?;
    let widest = rejects.iter().map(|reject| reject.cells.len()).max().unwrap_or(0);
    let mut text = "sheet,row,column,reason".to_owned();
    (1..=widest).for_each(|cell| text.push_str(&format!(",cell {cell}")));
    text.push_str("\r\n");
    for Reject { sheet, row_number, column_header, reason, cells } in &rejects {
        let (sheet, column) = (sheet.as_deref().unwrap_or_default(), column_header.as_deref().unwrap_or_default());
        write_record(
            &mut text,
            [sheet, &row_number.to_string(), column, reason].into_iter().chain(cells.iter().map(String::as_str)),
        );
    }
    let mut response = fresh(text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"rejects-{}.csv\"", entry.id)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response.into_response())
}

fn write_record<'f>(text: &mut String, fields: impl Iterator<Item = &'f str>) {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            text.push(',');
        }
        // A spreadsheet program would take it for a formula, whoever wrote it.
        let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err();
        let guard = if formula { "'" } else { "" };
        if field.contains([',', '"', '\n', '\r']) {
            text.push_str(&format!("\"{guard}{}\"", field.replace('"', "\"\"")));
        } else {
            text.push_str(guard);
            text.push_str(field);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_is_no_formula() {
        let mut text = String::new();
        write_record(&mut text, ["a,b", "say \"hi\"", "=1+1", "-12.50", "@x", "line\nend", ""].into_iter());
        assert_eq!(text, "\"a,b\",\"say \"\"hi\"\"\",'=1+1,-12.50,'@x,\"line\nend\",\r\n");
    }
}
