//! `GET /reconciliation`: what platforms reported of an employee, creators and window beside what the rows say (METRICS.md §4).
//!
//! A row of an employee's report is an item. Those of which at least one figure differs are listed, unless `only=all` asks for
//! every row; a figure that the sheet leaves out differs from nothing, and its difference is null. `from` and `to` keep the
//! periods that overlap the range of days: a week's row is found by each of its days.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Day as DayKey, Integer, Text};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{Days, List, OfChatter, OfCreator};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::{Range, days};
use crate::values::{Day, Id};

/// A row of an employee's report.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
struct Reconciliation {
    file_id: Id,
    file: String,
    position: i64,
    sheet: Option<String>,
    row: i64,
    chatter_id: Id,
    employee: Option<String>,
    creator_ids: Vec<Id>,
    creators: Value,
    first_day: Day,
    last_day: Day,
    start: String,
    end: String,
    differs: bool,
    reported: Value,
    computed: Value,
    /// Reported minus computed.
    difference: Value,
}

impl crate::values::Record for Reconciliation {
    fn columns() -> String {
        "file_id, file, position, sheet, \"row\", chatter_id, employee, \
         array(select jsonb_array_elements_text(creator_ids)::bigint) as creator_ids, \
         coalesce(creators, '[]') as creators, first_day, last_day, start, \"end\", differs, reported, computed, difference"
            .to_owned()
    }

    fn fields() -> &'static [&'static str] {
        &[
            "file_id",
            "file",
            "position",
            "sheet",
            "row",
            "chatter_id",
            "employee",
            "creator_ids",
            "creators",
            "first_day",
            "last_day",
            "start",
            "end",
            "differs",
            "reported",
            "computed",
            "difference",
        ]
    }

    fn from_row(row: &tokio_postgres::Row) -> Result<Reconciliation, tokio_postgres::Error> {
        Ok(Reconciliation {
            file_id: row.try_get("file_id")?,
            file: row.try_get("file")?,
            position: row.try_get("position")?,
            sheet: row.try_get("sheet")?,
            row: row.try_get("row")?,
            chatter_id: row.try_get("chatter_id")?,
            employee: row.try_get("employee")?,
            creator_ids: row.try_get("creator_ids")?,
            creators: row.try_get("creators")?,
            first_day: row.try_get("first_day")?,
            last_day: row.try_get("last_day")?,
            start: row.try_get("start")?,
            end: row.try_get("end")?,
            differs: row.try_get("differs")?,
            reported: row.try_get("reported")?,
            computed: row.try_get("computed")?,
            difference: row.try_get("difference")?,
        })
    }
}

/// A difference counts as much whichever way it goes.
const SORTS: [Key; 8] = [
    Key::new("file", "file", Text),
    Key::new("first_day", "first_day", DayKey),
    Key::new("difference_messages_sent", "apart_messages_sent", Integer).nullable(),
    Key::new("difference_ppvs_sent", "apart_ppvs_sent", Integer).nullable(),
    Key::new("difference_ppvs_unlocked", "apart_ppvs_unlocked", Integer).nullable(),
    Key::new("difference_fans_chatted", "apart_fans_chatted", Integer).nullable(),
    Key::new("difference_ppv_sales_cents", "apart_ppv_sales_cents", Integer).nullable(),
    Key::new("difference_sales_net_cents", "apart_sales_net_cents", Integer).nullable(),
];

/// As the file has its rows, and as the index of those that differ has them; two sources may show files of one name.
const TIES: [Key; 4] = [
    Key::new("", "file", Text).descending(),
    Key::new("", "position", Integer).descending(),
    Key::new("", "\"row\"", Integer).descending(),
    Key::new("", "file_id", Integer).descending(),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Reconciliation>("/reconciliation", &SORTS)
}

/// What platforms reported beside what the rows say.
#[utoipa::path(
    get, path = "/reconciliation", operation_id = "reconciliation", tag = "Figures",
    params(Days, OfCreator, OfChatter, ("only" = Option<String>, Query, description = "`differences` (without it), or `all` rows of reports", example = "all"), ("file" = Option<String>, Query, description = "The file of the report, by id or name", example = "report.xlsx")),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The rows of reports", body = Page<Reconciliation>)),
)]
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let only = parameters.word("only", &["differences", "all"]);
    let range = days(&mut parameters);
    let mut listing = Listing::read::<Reconciliation>(&mut parameters, &SORTS, &TIES);
    let creator = parameters.text("creator");
    let chatter = parameters.text("chatter");
    let file = parameters.text("file");
    parameters.finish()?;

    listing.from = "views.reconciliation".to_owned();
    if only == "differences" {
        listing.filters.push("differs".to_owned());
    }
    if let Range::Days(from, to) = range {
        listing.compare("last_day", ">=", from, Type::DATE);
        listing.compare("first_day", "<=", to, Type::DATE);
    }
    if let Some(text) = creator {
        let ids = listing.binds.bind(names::creators(&text), Type::INT8_ARRAY);
        listing.filters.push(format!(
            "exists (select from jsonb_array_elements_text(creator_ids) as one (id) where one.id::bigint = any({ids}))"
        ));
    }
    if let Some(text) = chatter {
        listing.ids("chatter_id", names::chatters(&text));
    }
    // The id, or the name as it is shown; no name of a spreadsheet is a bare number, since it has an extension.
    match file.map(|text| text.parse::<i64>().map_err(|_| text)) {
        Some(Ok(id)) => listing.ids("file_id", vec![id]),
        Some(Err(name)) => listing.compare("file", "=", Some(name), Type::TEXT),
        None => (),
    }
    answer::<Reconciliation>(&database, &headers, listing, |_| ()).await
}
