//! `GET /chatters/performance`: the measures of METRICS.md §4 by creator, chatter and window.
//!
//! A group is listed when it has messages, sales or worked time. Worked time is known by day, so a window of an hour has none.
//! With `compare=previous` each item has the measures of the same group in the period before; of `window=range`, who has some in the
//! range before alone is listed too.

mod range;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use tokio_postgres::types::Type;

use super::compare;
use crate::cursor::KeyType::{Day as DayKey, Float, Instant as InstantKey, Integer, Text};
use crate::database::{Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{List, OfChatter, OfCreator, Periods};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::{Range, Window};
use crate::server::App;
use crate::values::{Day, Hour, Id, record};

record! {
    /// A chatter's measures with a creator, over one period.
    struct Performance {
        #[serde(skip_serializing_if = "Option::is_none")]
        hour: Option<Hour>,
        #[serde(skip_serializing_if = "Option::is_none")]
        day: Option<Day>,
        #[serde(skip_serializing_if = "Option::is_none")]
        week: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        month: Option<String>,
        creator_id: Id,
        creator: Option<String>,
        chatter_id: Id,
        chatter: Option<String>,
        /// Figures are null where the group has some in the range before alone (`compare=previous`).
        messages_sent: Option<i64>,
        ppvs_sent: Option<i64>,
        ppvs_unlocked: Option<i64>,
        ppv_sales_cents: Option<i64>,
        golden_ratio: Option<f64>,
        unlock_rate: Option<f64>,
        /// Distinct fans and quantiles do not add up over days: of `window=range` they are null.
        fans_chatted: Option<i64>,
        fans_spent: Option<i64>,
        fan_cvr: Option<f64>,
        avg_earnings_per_spender_cents: Option<f64>,
        characters: Option<i64>,
        replies: Option<i64>,
        reply_seconds_sum: Option<i64>,
        reply_seconds_mean: Option<f64>,
        reply_seconds_p50: Option<i64>,
        reply_seconds_p90: Option<i64>,
        mass_messages: Option<i64>,
        sales_gross_cents: Option<i64>,
        sales_net_cents: Option<i64>,
        sales_count: Option<i64>,
        reversed_net_cents: Option<i64>,
        reversed_count: Option<i64>,
        clocked_minutes: Option<i64>,
        scheduled_minutes: Option<i64>,
        sales_per_hour_cents: Option<f64>,
        messages_per_hour: Option<f64>,
        fans_per_hour: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        previous: Option<Value>,
    }
}

/// What a list can be sorted by besides its period.
const MEASURES: [Key; 28] = [
    Key::new("creator", "lower(creator)", Text).nullable(),
    Key::new("chatter", "lower(chatter)", Text).nullable(),
    Key::new("messages_sent", "messages_sent", Integer),
    Key::new("ppvs_sent", "ppvs_sent", Integer),
    Key::new("ppvs_unlocked", "ppvs_unlocked", Integer),
    Key::new("ppv_sales_cents", "ppv_sales_cents", Integer),
    Key::new("golden_ratio", "golden_ratio", Float).nullable(),
    Key::new("unlock_rate", "unlock_rate", Float).nullable(),
    Key::new("fans_chatted", "fans_chatted", Integer),
    Key::new("fans_spent", "fans_spent", Integer),
    Key::new("fan_cvr", "fan_cvr", Float).nullable(),
    Key::new("avg_earnings_per_spender_cents", "avg_earnings_per_spender_cents", Float).nullable(),
    Key::new("characters", "characters", Integer),
    Key::new("replies", "replies", Integer),
    Key::new("reply_seconds_mean", "reply_seconds_mean", Float).nullable(),
    Key::new("reply_seconds_p50", "reply_seconds_p50", Integer).nullable(),
    Key::new("reply_seconds_p90", "reply_seconds_p90", Integer).nullable(),
    Key::new("mass_messages", "mass_messages", Integer),
    Key::new("sales_gross_cents", "sales_gross_cents", Integer),
    Key::new("sales_net_cents", "sales_net_cents", Integer),
    Key::new("sales_count", "sales_count", Integer),
    Key::new("reversed_net_cents", "reversed_net_cents", Integer),
    Key::new("reversed_count", "reversed_count", Integer),
    Key::new("clocked_minutes", "clocked_minutes", Integer).nullable(),
    Key::new("scheduled_minutes", "scheduled_minutes", Integer).nullable(),
    Key::new("sales_per_hour_cents", "sales_per_hour_cents", Float).nullable(),
    Key::new("messages_per_hour", "messages_per_hour", Float).nullable(),
    Key::new("fans_per_hour", "fans_per_hour", Float).nullable(),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    let mut list = List::of::<Performance>("/chatters/performance", &MEASURES);
    list.sorts.splice(0..0, ["day", "hour", "week", "month"]);
    list
}

/// The measures that add up over creators, chatters and periods, summed; worked time, which hours do not have, beside.
pub(super) const SUMS: &str = "sum(messages_sent)::bigint as messages_sent, sum(ppvs_sent)::bigint as ppvs_sent,
     sum(ppvs_unlocked)::bigint as ppvs_unlocked, sum(ppv_sales_cents)::bigint as ppv_sales_cents,
     sum(characters)::bigint as characters, sum(replies)::bigint as replies,
     sum(reply_seconds_sum)::bigint as reply_seconds_sum, sum(mass_messages)::bigint as mass_messages,
     sum(sales_gross_cents)::bigint as sales_gross_cents, sum(sales_net_cents)::bigint as sales_net_cents,
     sum(sales_count)::bigint as sales_count, sum(reversed_net_cents)::bigint as reversed_net_cents,
     sum(reversed_count)::bigint as reversed_count";

/// Measures by creator, chatter and window.
#[utoipa::path(
    get, path = "/chatters/performance", operation_id = "performance", tag = "Chatters",
    params(
        ("window" = Option<String>, Query, description = "What is summed: an `hour`, a `day` (without it), a `week`, a `month`, the `range` of days from `from` to `to`, or `all` time", example = "day"),
        Periods, OfCreator, OfChatter,
        ("compare" = Option<String>, Query, description = "`previous` adds the measures of the period before to each item; of `window=range` those of the range just before, which is as long, and lists who has some in that alone, with null now. `none` does not", example = "previous"),
    ),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The measures", body = Page<Performance>)),
)]
pub async fn list(State(app): State<App>, headers: HeaderMap, mut parameters: Parameters) -> Result<Response, Problem> {
    let window = Window::read(&mut parameters);
    let range = Range::read(&mut parameters, window);
    let zone = parameters.zone(&app.settings.reporting_tz);
    let creator = parameters.text("creator");
    let chatter = parameters.text("chatter");
    let over_range = window == Window::Range;
    let before = if over_range { compare::before(&mut parameters, range) } else { None };
    let compared = if over_range { before.is_some() } else { compare::asked(&mut parameters) };
    if compared && window == Window::All {
        parameters.wrong("compare", "does not go with window=all, before which there is no period");
    }
    let period = match window {
        Window::Hour => Some(Key::new("hour", "hour", InstantKey).descending()),
        Window::Day => Some(Key::new("day", "day", DayKey).descending()),
        Window::Week => Some(Key::new("week", "week", Text).descending()),
        Window::Month => Some(Key::new("month", "month", Text).descending()),
        Window::Range | Window::All => None,
    };
    let measures = if over_range { MEASURES.map(Key::nullable) } else { MEASURES };
    let sorts: Vec<Key> = period.iter().cloned().chain(measures).collect();
    let ids = [Key::new("", "creator_id", Integer), Key::new("", "chatter_id", Integer)];
    let ties: Vec<Key> = period.into_iter().chain(ids).collect();
    let mut listing = Listing::read::<Performance>(&mut parameters, &sorts, &ties);
    parameters.finish()?;
    let mut conditions = Vec::new();
    for (column, ids) in [
        ("creator_id", creator.map(|text| names::creators(&text))),
        ("chatter_id", chatter.map(|text| names::chatters(&text))),
    ] {
        if let Some(ids) = ids {
            conditions.push(format!("{column} = any({})", listing.binds.bind(ids, Type::INT8_ARRAY)));
        }
    }
    if over_range {
        range::list(&mut listing, range, before, &conditions);
    } else {
        listing.from = from(window, compared);
        listing.filters = conditions;
        within(&mut listing, window, range);
    }
    let others = ["hour", "day", "week", "month"].into_iter().filter(|name| *name != window.name());
    let left_out: Vec<&str> = others.chain((!compared).then_some("previous")).collect();
    listing.leave_out(&left_out);
    listing.besides = zone.iana_name().unwrap_or_default().to_owned();
    answer::<Performance>(&app.database, &headers, listing, move |item| {
        if let Some(hour) = &mut item.hour {
            hour.in_zone(&zone);
        }
    })
    .await
}

/// Keeps the periods of a range.
fn within(listing: &mut Listing, window: Window, range: Range) {
    match range {
        Range::Instants(from, to) => {
            listing.compare("hour", ">=", from, Type::TIMESTAMPTZ);
            listing.compare("hour", "<=", to, Type::TIMESTAMPTZ);
        }
        Range::Days(from, to) => {
            // Weeks and months are texts that sort as time does, so a range of days is one of them too.
            for (operator, end) in [(">=", from), ("<=", to)] {
                let Some(end) = end else { continue };
                let end = listing.binds.bind(end, Type::DATE);
                let end = window.label().map_or(end.clone(), |label| format!("to_char({end}, '{label}')"));
                listing.filters.push(format!("{} {operator} {end}", window.name()));
            }
        }
    }
}

/// The table of a window, with the columns that it lacks.
fn from(window: Window, compared: bool) -> String {
    let name = window.name();
    let shown =
        |of: Window, ty: &str| if of == window { format!("t.{name}") } else { format!("null::{ty} as {}", of.name()) };
    let (hour, day) = (shown(Window::Hour, "timestamptz"), shown(Window::Day, "date"));
    let (week, month) = (shown(Window::Week, "text"), shown(Window::Month, "text"));
    // The period before, and what its group is known by already.
    let before = match window {
        Window::Hour => "t.hour - interval '1 hour'".to_owned(),
        Window::Day => "t.day - 1".to_owned(),
        Window::Week => "to_char(to_date(t.week, 'IYYY\"-W\"IW') - 7, 'IYYY\"-W\"IW')".to_owned(),
        Window::Month => "to_char(to_date(t.month || '-01', 'YYYY-MM-DD') - 1, 'YYYY-MM')".to_owned(),
        Window::Range | Window::All => String::new(),
    };
    let previous = if compared {
        format!(
            "coalesce((select to_jsonb(p) - '{{creator_id,chatter_id,creator,chatter,{name}}}'::text[]
                       from views.chatter_{name} p
                       where p.creator_id = t.creator_id and p.chatter_id = t.chatter_id and p.{name} = {before}), 'null')"
        )
    } else {
        "null::jsonb".to_owned()
    };
    let worked = if window == Window::Hour {
        "null::bigint as clocked_minutes, null::bigint as scheduled_minutes, null::float8 as sales_per_hour_cents,
         null::float8 as messages_per_hour, null::float8 as fans_per_hour"
    } else {
        "clocked_minutes, scheduled_minutes, sales_per_hour_cents, messages_per_hour, fans_per_hour"
    };
    format!(
        "(select {hour}, {day}, {week}, {month}, creator_id, creator, chatter_id, chatter, messages_sent, ppvs_sent, ppvs_unlocked,
                 ppv_sales_cents, golden_ratio, unlock_rate, fans_chatted, fans_spent, fan_cvr,
                 avg_earnings_per_spender_cents, characters, replies, reply_seconds_sum, reply_seconds_mean,
                 reply_seconds_p50, reply_seconds_p90, mass_messages, sales_gross_cents, sales_net_cents, sales_count,
                 reversed_net_cents, reversed_count, {worked}, {previous} as previous
          from views.chatter_{name} t) performance"
    )
}
