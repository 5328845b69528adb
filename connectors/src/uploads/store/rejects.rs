//! Rows that could not be read, kept in `app.rejects` to be shown.

use super::{StoreError, Uploads, big, storable, timely};
use crate::workbook::RejectedRow;

impl Uploads {
    /// Keeps rejected rows of a version; the first has this ordinal. Those that are kept already, from an attempt that was
    /// broken off, are as they were.
    pub async fn keep_rejects(
        &self,
        file: &str,
        version: u64,
        first: u64,
        rows: &[RejectedRow],
    ) -> Result<(), StoreError> {
        let ordinals: Vec<i64> = (0..).take(rows.len()).map(|at: u64| big(first + at)).collect();
        let sheets: Vec<Option<String>> = rows.iter().map(|row| row.sheet.as_deref().map(storable)).collect();
        let numbers: Vec<i32> = rows.iter().map(|row| i32::try_from(row.row).unwrap_or(i32::MAX)).collect();
        let columns: Vec<Option<String>> = rows.iter().map(|row| row.column.as_deref().map(storable)).collect();
        let reasons: Vec<String> = rows.iter().map(|row| storable(&row.reason)).collect();
        // Postgres has no arrays of arrays of different lengths.
        let cells: Vec<serde_json::Value> =
            rows.iter().map(|row| row.cells.iter().map(|cell| storable(cell)).collect()).collect();
        let sql = "insert into app.rejects (file, version, ordinal, sheet, row, \"column\", reason, cells) \
                   select $1::text, $2::bigint, o, s, r, c, w, array(select jsonb_array_elements_text(j)) \
                   from unnest($3::bigint[], $4::text[], $5::int[], $6::text[], $7::text[], $8::jsonb[]) as t(o, s, r, c, w, j) \
                   on conflict do nothing";
        let values: super::Params<'_> =
            &[&file, &big(version), &ordinals, &sheets, &numbers, &columns, &reasons, &cells];
        timely(self.client.execute(sql, values)).await.map(drop)
    }
}
