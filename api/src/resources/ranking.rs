//! `GET /chatters/ranking`: chatters by one measure over a range of days, the best first. Whoever is equal has the same rank.
//!
//! Only what adds up over creators and days is ranked, and ratios of such sums: distinct fans do not add up. What no chatter is
//! named for has no rank.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use tokio_postgres::types::Type;

use super::compare;
use super::performance::SUMS;
use crate::cursor::KeyType::Integer;
use crate::database::{Database, Page, answer};
use crate::listing::{Binds, Key, Listing};
use crate::names;
use crate::openapi::{Days, List, OfCreator, OfRange};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::{Range, days};
use crate::values::{Id, Record, record};

record! {
    /// A chatter's place.
    struct Ranked {
        /// Null, like every figure, where the chatter has figures in the range before alone (`compare=previous`).
        rank: Option<i64>,
        chatter_id: Id,
        chatter: Option<String>,
        creators: Option<i64>,
        active_days: Option<i64>,
        messages_sent: Option<i64>,
        ppvs_sent: Option<i64>,
        ppvs_unlocked: Option<i64>,
        ppv_sales_cents: Option<i64>,
        golden_ratio: Option<f64>,
        unlock_rate: Option<f64>,
        characters: Option<i64>,
        replies: Option<i64>,
        reply_seconds_mean: Option<f64>,
        sales_gross_cents: Option<i64>,
        sales_net_cents: Option<i64>,
        sales_count: Option<i64>,
        reversed_net_cents: Option<i64>,
        reversed_count: Option<i64>,
        clocked_minutes: Option<i64>,
        sales_per_hour_cents: Option<f64>,
        messages_per_hour: Option<f64>,
        /// The rank and figures of the range before, which is as long.
        #[serde(skip_serializing_if = "Option::is_none")]
        previous: Option<Value>,
    }
}

/// What can be ranked by; a reply is the better the sooner it comes.
pub(super) const MEASURES: [&str; 14] = [
    "sales_net_cents",
    "sales_gross_cents",
    "sales_count",
    "messages_sent",
    "ppvs_sent",
    "ppvs_unlocked",
    "ppv_sales_cents",
    "golden_ratio",
    "unlock_rate",
    "characters",
    "replies",
    "reply_seconds_mean",
    "sales_per_hour_cents",
    "messages_per_hour",
];

const SORTS: [Key; 1] = [Key::new("rank", "rank", Integer)];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Ranked>("/chatters/ranking", &SORTS)
}

/// Chatters by a measure, the best first.
#[utoipa::path(
    get, path = "/chatters/ranking", operation_id = "ranking", tag = "Chatters",
    params(
        ("by" = Option<String>, Query, description = "The measure; `sales_net_cents` without it", example = "unlock_rate"),
        Days, OfCreator, OfRange,
    ),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The ranks", body = Page<Ranked>)),
)]
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let by = parameters.word("by", &MEASURES);
    let range = days(&mut parameters);
    let before = compare::before(&mut parameters, range);
    let creator = parameters.text("creator");
    let sorts = if before.is_some() { SORTS.map(Key::nullable) } else { SORTS };
    let mut listing = Listing::read::<Ranked>(&mut parameters, &sorts, &[Key::new("", "chatter_id", Integer)]);
    parameters.finish()?;
    let mut conditions = Vec::new();
    if let Some(text) = creator {
        let ids = listing.binds.bind(names::creators(&text), Type::INT8_ARRAY);
        conditions.push(format!("creator_id = any({ids})"));
    }
    let mut measured_in = |name: &str, range| {
        let days = within(range, &mut listing.binds);
        measured(name, &[conditions.clone(), days].concat())
    };
    let (now, rank) = (measured_in("measured", range), place(by));
    listing.with = match before {
        None => format!("with {now}, ranked as (select *, {rank} as rank, null::jsonb as previous from measured)"),
        Some(before) => {
            let before = measured_in("measured_before", before.range());
            let figures: Vec<&str> = (Ranked::fields().iter().copied())
                .filter(|name| !["chatter_id", "chatter", "previous"].contains(name))
                .collect();
            let beside = compare::beside("ranked", ["now", "before"], &["chatter_id"], &["chatter"], &figures);
            format!(
                "with {now}, {before}, now as (select *, {rank} as rank from measured),
                 before as (select *, {rank} as rank from measured_before), {beside}"
            )
        }
    };
    listing.from = "ranked".to_owned();
    listing.leave_out(if before.is_some() { &[] } else { &["previous"] });
    answer::<Ranked>(&database, &headers, listing, |_| ()).await
}

/// The conditions of a range of days.
pub(super) fn within(range: Range, binds: &mut Binds) -> Vec<String> {
    let Range::Days(from, to) = range else { return Vec::new() };
    let ends = [(">=", from), ("<=", to)].into_iter();
    ends.filter_map(|(operator, end)| Some(format!("day {operator} {}", binds.bind(end?, Type::DATE)))).collect()
}

/// `with …, ranked as (…)`: chatters and their ranks by a measure, over the days for which all conditions hold.
pub(super) fn ranked(by: &str, conditions: &[String]) -> String {
    format!("with {}, ranked as (select *, {} as rank from measured)", measured("measured", conditions), place(by))
}

/// The rank by a measure.
pub(super) fn place(by: &str) -> String {
    let direction = if by == "reply_seconds_mean" { "asc" } else { "desc" };
    format!("rank() over (order by {by} {direction} nulls last)")
}

/// `<name> as (…)`: what chatters did, over the days for which all conditions hold.
pub(super) fn measured(name: &str, conditions: &[String]) -> String {
    let conditions: String = conditions.iter().map(|condition| format!(" and {condition}")).collect();
    format!(
        "{name} as (
            select *, views.ratio(ppvs_sent, messages_sent) as golden_ratio,
                   views.ratio(ppvs_unlocked, ppvs_sent) as unlock_rate,
                   views.ratio(reply_seconds_sum, replies) as reply_seconds_mean,
                   views.hourly(sales_net_cents, clocked_minutes) as sales_per_hour_cents,
                   views.hourly(messages_sent, clocked_minutes) as messages_per_hour
            from (
                select chatter_id, max(chatter) as chatter, count(distinct creator_id) as creators,
                       count(distinct day) filter (where messages_sent > 0 or sales_count > 0) as active_days,
                       {SUMS}, sum(clocked_minutes)::bigint as clocked_minutes
                from views.chatter_day where chatter_id <> 0{conditions} group by chatter_id) summed
        )"
    )
}
