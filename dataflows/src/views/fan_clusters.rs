//! `fan_cluster_sums`: the clusters of fans, summed (`views.fan_clusters` shows sizes, means and shares).
//!
//! ```text
//!  fans ──▶ sum by cluster ──▶ row
//! ```

use super::clusters::archetypes::NAMES;
use super::clusters::features::Behaviour;
use super::fans::Fan;
use super::{Facts, View};
use crate::engine::combine::combine;
use crate::engine::keyed::sum;
use crate::engine::measures::measures;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "fan_cluster_sums",
    columns: &[
        column("cluster", Type::Text),
        column("fans", Type::Int),
        column("spend_cents", Type::Int),
        column("messages_received", Type::Int),
        column("purchase_days", Type::Int),
        column("unlock_rate_millionths", Type::Int),
        column("tenure_seconds", Type::Int),
        column("last_seen_days", Type::Int),
    ],
    key: 1,
    labels: &[],
};

measures! {
    ClusterSums {
        fans, spend_cents, messages_received, purchase_days, unlock_rate_millionths, tenure_seconds, last_seen_days,
    }
}

/// The rows.
pub fn view<'scope>(fans: &Facts<'scope, Fan>) -> View<'scope> {
    let fans = fans.clone().explode(|fan| {
        let figures = &fan.figures;
        let behaviour = Behaviour::of(&figures.sums, figures.purchase_days, figures.seen_days);
        let sums = ClusterSums {
            fans: 1,
            spend_cents: figures.spend_cents(),
            messages_received: figures.sums.messages_received,
            purchase_days: figures.purchase_days,
            unlock_rate_millionths: (behaviour.unlock_rate * 1e6).round() as i64,
            tenure_seconds: figures.last_seen - figures.first_seen,
            last_seen_days: figures.seen_days.1.into(),
        };
        fan.cluster.map(|cluster| (cluster, sums))
    });
    let rows = sum(combine(fans, TABLE.name), "Clusters", |cluster, sums: &ClusterSums| {
        let mut values = vec![Datum::text(NAMES[usize::from(*cluster)])];
        values.extend(
            [
                sums.fans,
                sums.spend_cents,
                sums.messages_received,
                sums.purchase_days,
                sums.unlock_rate_millionths,
                sums.tenure_seconds,
                sums.last_seen_days,
            ]
            .map(Datum::Int),
        );
        Some(Row::new(values))
    });
    View { table: &TABLE, rows }
}
