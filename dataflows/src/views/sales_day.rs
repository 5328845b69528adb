//! `sales_day`: sales by creator, chatter, local day and type (METRICS.md §4).
//!
//! ```text
//!  daily.sales ──▶ sum by (creator, chatter, day, type) ──▶ row
//! ```
//!
//! Reversed sales are counted apart and subtracted from nothing.

use super::View;
use super::daily::{Daily, SaleSums};
use crate::engine::combine::combine;
use crate::engine::keyed::sum;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{CHATTER, CREATOR, Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "sales_day",
    columns: &[
        column("creator_id", Type::Int),
        column("chatter_id", Type::Int),
        column("day", Type::Day),
        column("type", Type::Text),
        column("gross_cents", Type::Int),
        column("net_cents", Type::Int),
        column("count", Type::Int),
        column("reversed_net_cents", Type::Int),
        column("reversed_count", Type::Int),
    ],
    key: 4,
    labels: &[CREATOR, CHATTER],
};

/// The rows.
pub fn view<'scope>(daily: &Daily<'scope>) -> View<'scope> {
    let by_day = daily.sales.clone().map(|((pair, local), sale_type)| ((pair, local.day), sale_type));
    let rows = sum(combine(by_day, TABLE.name), "Sales by day", |group, sums: &SaleSums| {
        let (((creator, chatter), day), sale_type) = group;
        let mut values =
            vec![Datum::id(*creator), Datum::id(*chatter), Datum::Day(*day), Datum::Text(sale_type.clone())];
        values.extend(
            [sums.gross_cents, sums.net_cents, sums.count, sums.reversed_net_cents, sums.reversed_count]
                .map(Datum::Int),
        );
        Some(Row::new(values))
    });
    View { table: &TABLE, rows }
}
