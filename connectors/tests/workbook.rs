//! The workbook reader, from files to typed rows.

#[path = "workbook/agencies.rs"]
mod agencies;
#[path = "workbook/bad_input.rs"]
mod bad_input;
#[path = "workbook/cells.rs"]
mod cells;
#[path = "workbook/collected.rs"]
mod collected;
#[path = "workbook/formats.rs"]
mod formats;
#[path = "workbook/limits.rs"]
mod limits;
#[path = "workbook/made.rs"]
mod made;
#[path = "workbook/mapped.rs"]
mod mapped;
#[path = "workbook/xls.rs"]
mod xls;
