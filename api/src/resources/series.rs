//! `GET /chatters/series`: a chatter's measures, or the whole team's, over time: a point an hour, day, week or month, also where
//! nothing happened.
//!
//! Only what adds up over creators and days is shown, and ratios of such sums.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use tokio_postgres::types::Type;

use super::compare;
use super::performance::SUMS;
use crate::cursor::KeyType::{Day as DayKey, Instant as InstantKey, Text};
use crate::database::{Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{List, OfChatter, OfCreator, Periods};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::{Range, Window};
use crate::server::App;
use crate::values::{Day, Hour, Instant, record};

record! {
    /// A point of a series.
    struct Point {
        #[serde(skip_serializing_if = "Option::is_none")]
        hour: Option<Hour>,
        #[serde(skip_serializing_if = "Option::is_none")]
        day: Option<Day>,
        #[serde(skip_serializing_if = "Option::is_none")]
        week: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        month: Option<String>,
        active_chatters: i64,
        messages_sent: i64,
        ppvs_sent: i64,
        ppvs_unlocked: i64,
        ppv_sales_cents: i64,
        golden_ratio: Option<f64>,
        unlock_rate: Option<f64>,
        characters: i64,
        replies: i64,
        reply_seconds_mean: Option<f64>,
        mass_messages: i64,
        sales_gross_cents: i64,
        sales_net_cents: i64,
        sales_count: i64,
        reversed_net_cents: i64,
        reversed_count: i64,
        clocked_minutes: Option<i64>,
        sales_per_hour_cents: Option<f64>,
        messages_per_hour: Option<f64>,
        /// The point at the same place of the points just before, of which there are as many.
        #[serde(skip_serializing_if = "Option::is_none")]
        previous: Option<Value>,
    }
}

/// Points of a series at most.
const MOST: i64 = 5000;
/// Points when no beginning is given.
const POINTS: i64 = 30;

/// The list, as the documentation has it.
pub fn described() -> List {
    let sorts = ["day", "hour", "week", "month"].map(|name| Key::new(name, name, Text));
    List::of::<Point>("/chatters/series", &sorts)
}

/// Measures over time, the earliest first. Without `from` there are 30 points up to `to`, without `to` up to now.
#[utoipa::path(
    get, path = "/chatters/series", operation_id = "series", tag = "Chatters",
    params(
        ("window" = Option<String>, Query, description = "A point an `hour`, a `day` (without it), a `week` or a `month`", example = "day"),
        Periods, OfCreator, OfChatter,
        ("compare" = Option<String>, Query, description = "`previous` adds to each point that at the same place of the points just before, of which there are as many; `none` does not", example = "previous"),
    ),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The points", body = Page<Point>)),
)]
pub async fn list(State(app): State<App>, headers: HeaderMap, mut parameters: Parameters) -> Result<Response, Problem> {
    let window = match parameters.word("window", &["day", "hour", "week", "month"]) {
        "hour" => Window::Hour,
        "week" => Window::Week,
        "month" => Window::Month,
        _ => Window::Day,
    };
    let reporting = &app.settings.reporting_tz;
    let range = bounded(Range::read(&mut parameters, window), window, reporting, &mut parameters);
    let zone = parameters.zone(reporting);
    let compared = compare::asked(&mut parameters);
    let creator = parameters.text("creator");
    let chatter = parameters.text("chatter");
    let ty = match window {
        Window::Hour => InstantKey,
        Window::Day => DayKey,
        _ => Text,
    };
    let key = Key::new(window.name(), window.name(), ty);
    let mut listing = Listing::read::<Point>(&mut parameters, &[key], &[]);
    parameters.finish()?;
    let mut conditions = Vec::new();
    if let Some(text) = creator {
        conditions.push(format!("creator_id = any({})", listing.binds.bind(names::creators(&text), Type::INT8_ARRAY)));
    }
    if let Some(text) = chatter {
        conditions.push(format!("chatter_id = any({})", listing.binds.bind(names::chatters(&text), Type::INT8_ARRAY)));
    }
    let ends = match range {
        Range::Instants(from, to) => [from, to].map(|end| listing.binds.bind(end, Type::TIMESTAMPTZ)),
        Range::Days(from, to) => [from, to].map(|end| listing.binds.bind(end, Type::DATE)),
    };
    // Days and what is made of them are cut already.
    let in_reports = match window {
        Window::Hour => listing.binds.bind(reporting.iana_name().unwrap_or("UTC").to_owned(), Type::TEXT),
        _ => String::new(),
    };
    listing.with = with(window, &ends, &in_reports, &conditions, compared);
    listing.from = "series".to_owned();
    let others = ["hour", "day", "week", "month"].into_iter().filter(|name| *name != window.name());
    let left_out: Vec<&str> = others.chain((!compared).then_some("previous")).collect();
    listing.leave_out(&left_out);
    listing.besides = zone.iana_name().unwrap_or_default().to_owned();
    answer::<Point>(&app.database, &headers, listing, move |point| {
        if let Some(hour) = &mut point.hour {
            hour.in_zone(&zone);
        }
    })
    .await
}

/// The range with both of its ends.
fn bounded(range: Range, window: Window, zone: &TimeZone, parameters: &mut Parameters) -> Range {
    let now = Timestamp::now();
    let (range, points) = match range {
        Range::Instants(from, to) => {
            // The hour that has begun, so that whoever asks twice in it asks the same.
            let begun = Timestamp::from_second(now.as_second() / 3600 * 3600).unwrap_or(now);
            let to = to.unwrap_or(Instant(begun));
            let back = || to.0.checked_sub((POINTS - 1).hours()).map_or(to, Instant);
            let from = from.unwrap_or_else(back);
            (Range::Instants(Some(from), Some(to)), (to.0.as_second() - from.0.as_second()) / 3600)
        }
        Range::Days(from, to) => {
            let to = to.unwrap_or(Day(now.to_zoned(zone.clone()).date()));
            let (span, days) = match window {
                Window::Week => ((7 * (POINTS - 1)).days(), 7),
                Window::Month => ((POINTS - 1).months(), 28),
                _ => ((POINTS - 1).days(), 1),
            };
            let back = || to.0.checked_sub(span).map_or(to, Day);
            let from = from.unwrap_or_else(back);
            let between = from.0.until(to.0).map_or(i64::MAX, |span| i64::from(span.get_days()));
            (Range::Days(Some(from), Some(to)), between / days)
        }
    };
    if points > MOST {
        parameters.wrong("from", format!("is more than {MOST} points before `to`"));
    }
    range
}

/// The points as `series`: one a period, with the sums of its groups; beside each that as many points before as there are, if they are
/// compared.
fn with(window: Window, [from, to]: &[String; 2], zone: &str, conditions: &[String], compared: bool) -> String {
    let label = window.label();
    let (table, start, step) = match window {
        Window::Hour => ("chatter_hour", format!("date_trunc('hour', {from}, {zone})"), "1 hour"),
        Window::Week => ("chatter_day", format!("date_trunc('week', {from}::timestamp)"), "7 days"),
        Window::Month => ("chatter_day", format!("date_trunc('month', {from}::timestamp)"), "1 month"),
        _ => ("chatter_day", format!("{from}::timestamp"), "1 day"),
    };
    let end = if window == Window::Hour { to.clone() } else { format!("{to}::timestamp") };
    let column = if window == Window::Hour { "hour" } else { "day" };
    let of_column = label.map_or(column.to_owned(), |label| format!("to_char(day, '{label}')"));
    let named = |at: &str| match (window, label) {
        (Window::Hour, _) => at.to_owned(),
        (_, Some(label)) => format!("to_char({at}, '{label}')"),
        _ => format!("({at})::date"),
    };
    // Of a week and a month all days count, also those before `from`.
    let first = if compared { "(select min(at_before) from places)" } else { "(select min(at) from places)" };
    let first = if window == Window::Hour { first.to_owned() } else { format!("{first}::date") };
    let mut all = vec![format!("{column} >= {first}"), format!("{column} <= {to}")];
    all.extend(conditions.iter().cloned());
    let conditions = all.join(" and ");
    let worked = if window == Window::Hour { "null::bigint" } else { "sum(clocked_minutes)::bigint" };
    let shown = ["hour", "day", "week", "month"].into_iter().zip(["timestamptz", "date", "text", "text"]);
    let shown = shown.map(|(name, ty)| {
        if name == window.name() { format!("now.period as {name}") } else { format!("null::{ty} as {name}") }
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    let (previous, joined) = if compared {
        let previous =
            format!("jsonb_build_object('{}', earlier.period) || to_jsonb(earlier) - 'period'", window.name());
        (previous, "join figures earlier on earlier.period = place.before")
    } else {
        ("null::jsonb".to_owned(), "")
    };
    let places = if compared {
        "select period from points union select before from points"
    } else {
        "select period from points"
    };
    format!(
        "with places as (
            select at, at - count(*) over () * interval '{step}' as at_before
            from generate_series({start}, {end}, interval '{step}') as at
        ), points as (select {} as period, {} as before from places
        ), summed as (
            select {of_column} as period,
                   count(distinct chatter_id) filter (where chatter_id <> 0 and messages_sent > 0) as active_chatters,
                   {SUMS}, {worked} as clocked_minutes
            from views.{table} where {conditions} group by 1
        ), figures as (
            select period, coalesce(active_chatters, 0) as active_chatters, coalesce(messages_sent, 0) as messages_sent,
                   coalesce(ppvs_sent, 0) as ppvs_sent, coalesce(ppvs_unlocked, 0) as ppvs_unlocked,
                   coalesce(ppv_sales_cents, 0) as ppv_sales_cents, views.ratio(ppvs_sent, messages_sent) as golden_ratio,
                   views.ratio(ppvs_unlocked, ppvs_sent) as unlock_rate, coalesce(characters, 0) as characters,
                   coalesce(replies, 0) as replies, views.ratio(reply_seconds_sum, replies) as reply_seconds_mean,
                   coalesce(mass_messages, 0) as mass_messages, coalesce(sales_gross_cents, 0) as sales_gross_cents,
                   coalesce(sales_net_cents, 0) as sales_net_cents, coalesce(sales_count, 0) as sales_count,
                   coalesce(reversed_net_cents, 0) as reversed_net_cents, coalesce(reversed_count, 0) as reversed_count,
                   clocked_minutes, views.hourly(sales_net_cents, clocked_minutes) as sales_per_hour_cents,
                   views.hourly(messages_sent, clocked_minutes) as messages_per_hour
            from ({places}) periods left join summed using (period)
        ), series as (
            select {shown}, now.*, {previous} as previous
            from points place join figures now on now.period = place.period {joined}
        )",
        named("at"),
        named("at_before"),
    )
}
