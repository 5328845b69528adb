//! Checksums of rows, which are stored.

use fandom_dataflows::sink::row::{Datum, Row};

/// The values are stored in databases: changing one makes every restart compare whole tables.
#[test]
fn the_checksum_of_a_row_never_changes() {
    let row = Row::new([Datum::Int(7), Datum::Null, Datum::text("Mila"), Datum::Day(-3), Datum::Bool(true)]);
    assert_eq!(row.checksum(), 0x0352_7513_dffa_7d81);
}

#[test]
fn equal_bytes_in_other_columns_are_another_row() {
    let a = Row::new([Datum::text("ab"), Datum::text("c")]);
    let b = Row::new([Datum::text("a"), Datum::text("bc")]);
    let c = Row::new([Datum::Int(1), Datum::Null]);
    let d = Row::new([Datum::Null, Datum::Int(1)]);
    assert_ne!(a.checksum(), b.checksum());
    assert_ne!(c.checksum(), d.checksum());
}
