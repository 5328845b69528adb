//! .
pub mod workbook;
