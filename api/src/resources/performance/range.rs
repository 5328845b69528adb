//! `window=range`: measures by creator and chatter over all days from `from` to `to` together.
//!
//! What adds up over days is summed, and ratios are of the sums. Distinct fans and quantiles do not add up, so they are null.

use super::super::compare::{self, Before};
use super::super::ranking::within;
use super::{Performance, SUMS};
use crate::listing::Listing;
use crate::ranges::Range;
use crate::values::Record;

/// What tells groups apart, and their names.
const KEYS: [&str; 2] = ["creator_id", "chatter_id"];
const NAMES: [&str; 2] = ["creator", "chatter"];

/// Has the listing list the groups of a range, beside those of the range before where that is given; of those for which `conditions`
/// hold.
pub(super) fn list(listing: &mut Listing, range: Range, before: Option<Before>, conditions: &[String]) {
    let mut of = |name: &str, range| summed(name, &[conditions.to_vec(), within(range, &mut listing.binds)].concat());
    let now = of("now", range);
    let groups = match before {
        None => format!("{now}, groups as (select *, null::jsonb as previous from now)"),
        Some(before) => {
            let of_group = |name: &&str| {
                let periods = ["hour", "day", "week", "month", "previous"];
                ![&periods[..], &KEYS, &NAMES].concat().contains(name)
            };
            let figures: Vec<&str> = Performance::fields().iter().copied().filter(of_group).collect();
            let beside = compare::beside("groups", ["now", "before"], &KEYS, &NAMES, &figures);
            format!("{now}, {}, {beside}", of("before", before.range()))
        }
    };
    listing.with = format!(
        "with {groups}, performance as (
            select *, null::timestamptz as hour, null::date as day, null::text as week, null::text as month from groups)"
    );
    listing.from = "performance".to_owned();
}

/// `<name> as (…)`: the measures of each group over the days for which all conditions hold.
fn summed(name: &str, conditions: &[String]) -> String {
    let filter = if conditions.is_empty() { String::new() } else { format!("where {}", conditions.join(" and ")) };
    format!(
        "{name} as (
            select *, views.ratio(ppvs_sent, messages_sent) as golden_ratio, views.ratio(ppvs_unlocked, ppvs_sent) as unlock_rate,
                   null::bigint as fans_chatted, null::bigint as fans_spent, null::float8 as fan_cvr,
                   null::float8 as avg_earnings_per_spender_cents, views.ratio(reply_seconds_sum, replies) as reply_seconds_mean,
                   null::bigint as reply_seconds_p50, null::bigint as reply_seconds_p90,
                   views.hourly(sales_net_cents, clocked_minutes) as sales_per_hour_cents,
                   views.hourly(messages_sent, clocked_minutes) as messages_per_hour, null::float8 as fans_per_hour
            from (
                select creator_id, chatter_id, max(creator) as creator, max(chatter) as chatter, {SUMS},
                       sum(clocked_minutes)::bigint as clocked_minutes, sum(scheduled_minutes)::bigint as scheduled_minutes
                from views.chatter_day {filter} group by creator_id, chatter_id) sums
        )"
    )
}
