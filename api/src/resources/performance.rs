//! `GET /chatters/performance`: the measures of METRICS.md §4 by creator, chatter and window.
//!
//! Messages, sales and worked time are joined over all groups that any of them has, summed, and only then divided. Worked time
//! is known by day, so a window of an hour has none.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Day as DayKey, Float, Instant as InstantKey, Integer, Text};
use crate::database::answer;
use crate::listing::{Key, Listing};
use crate::names;
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
        messages_sent: i64,
        ppvs_sent: i64,
        ppvs_unlocked: i64,
        ppv_sales_cents: i64,
        golden_ratio: Option<f64>,
        unlock_rate: Option<f64>,
        fans_chatted: i64,
        fans_spent: i64,
        fan_cvr: Option<f64>,
        avg_earnings_per_spender_cents: Option<f64>,
        characters: i64,
        replies: i64,
        reply_seconds_sum: i64,
        reply_seconds_mean: Option<f64>,
        reply_seconds_p50: Option<i64>,
        reply_seconds_p90: Option<i64>,
        mass_messages: i64,
        sales_gross_cents: i64,
        sales_net_cents: i64,
        sales_count: i64,
        reversed_net_cents: i64,
        reversed_count: i64,
        clocked_minutes: Option<i64>,
        scheduled_minutes: Option<i64>,
        sales_per_hour_cents: Option<f64>,
        messages_per_hour: Option<f64>,
        fans_per_hour: Option<f64>,
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

/// The list.
pub async fn list(State(app): State<App>, headers: HeaderMap, mut parameters: Parameters) -> Result<Response, Problem> {
    let window = Window::read(&mut parameters);
    let range = Range::read(&mut parameters, window);
    let creator = parameters.text("creator");
    let chatter = parameters.text("chatter");
    let period = match window {
        Window::Hour => Some(Key::new("hour", "hour", InstantKey).descending()),
        Window::Day => Some(Key::new("day", "day", DayKey).descending()),
        Window::Week => Some(Key::new("week", "week", Text).descending()),
        Window::Month => Some(Key::new("month", "month", Text).descending()),
        Window::All => None,
    };
    let sorts: Vec<Key> = period.iter().cloned().chain(MEASURES).collect();
    let ids = [Key::new("", "creator_id", Integer), Key::new("", "chatter_id", Integer)];
    let ties: Vec<Key> = period.into_iter().chain(ids).collect();
    let mut listing = Listing::read(&mut parameters, &sorts, &ties);
    parameters.finish()?;
    listing.from = "performance".to_owned();
    listing.with = with(&mut listing, window, range, creator.as_deref(), chatter.as_deref());
    let zone = app.settings.reporting_tz.clone();
    answer::<Performance>(&app.database, &headers, listing, |items| {
        items.iter_mut().filter_map(|item| item.hour.as_mut()).for_each(|hour| hour.in_zone(&zone));
    })
    .await
}

/// The common table expression `performance`, of the groups asked for.
fn with(listing: &mut Listing, window: Window, range: Range, creator: Option<&str>, chatter: Option<&str>) -> String {
    let whose = Whose {
        creators: creator.map(|text| listing.binds.bind(names::creators(text), Type::INT8_ARRAY)),
        chatters: chatter.map(|text| listing.binds.bind(names::chatters(text), Type::INT8_ARRAY)),
    };
    let (from, to) = match range {
        Range::Instants(from, to) => (
            from.map(|from| listing.binds.bind(from, Type::TIMESTAMPTZ)),
            to.map(|to| listing.binds.bind(to, Type::TIMESTAMPTZ)),
        ),
        Range::Days(from, to) => {
            (from.map(|from| listing.binds.bind(from, Type::DATE)), to.map(|to| listing.binds.bind(to, Type::DATE)))
        }
    };
    // Weeks and months are texts that sort as time does, so a range of days is one of them too.
    let (table, period, label) = match window {
        Window::Hour => return hours(&whose.conditions("hour", "", from, to)),
        Window::Day => ("chatter_day", "day", ""),
        Window::Week => ("chatter_week", "week", "IYYY\"-W\"IW"),
        Window::Month => ("chatter_month", "month", "YYYY-MM"),
        Window::All => ("chatter_all", "''::text", ""),
    };
    let of_day = match window {
        Window::Week | Window::Month => format!("to_char(day, '{label}')"),
        _ => period.to_owned(),
    };
    let measured = whose.conditions(period, label, from.clone(), to.clone());
    let daily = whose.conditions("day", "", from, to);
    let shown = |of: Window, ty: &str| if of == window { "period".to_owned() } else { format!("null::{ty}") };
    let (day, week, month) = (shown(Window::Day, "date"), shown(Window::Week, "text"), shown(Window::Month, "text"));
    format!(
        "with measured as (
            select creator_id, chatter_id, {period} as period, creator, chatter, messages_sent, ppvs_sent, ppvs_unlocked,
                   ppv_sales_cents, fans_chatted, fans_spent, characters, replies, reply_seconds_sum, reply_seconds_p50,
                   reply_seconds_p90, mass_messages
            from views.{table} where {measured}
        ), sold as (
            select creator_id, chatter_id, {of_day} as period, max(creator) as creator, max(chatter) as chatter,
                   sum(gross_cents)::bigint as gross, sum(net_cents)::bigint as net, sum(count)::bigint as count,
                   sum(reversed_net_cents)::bigint as reversed_net, sum(reversed_count)::bigint as reversed
            from views.sales_day where {daily} group by 1, 2, 3
        ), worked as (
            select creator_id, chatter_id, {of_day} as period, max(creator) as creator, max(chatter) as chatter,
                   sum(clocked_minutes)::bigint as clocked, sum(scheduled_minutes)::bigint as scheduled
            from views.hours_day where {daily} group by 1, 2, 3
        ), summed as (
            select creator_id, chatter_id, period, coalesce(m.creator, s.creator, w.creator) as creator,
                   coalesce(m.chatter, s.chatter, w.chatter) as chatter,
                   coalesce(messages_sent, 0) as messages_sent, coalesce(ppvs_sent, 0) as ppvs_sent,
                   coalesce(ppvs_unlocked, 0) as ppvs_unlocked, coalesce(ppv_sales_cents, 0) as ppv_sales_cents,
                   coalesce(fans_chatted, 0) as fans_chatted, coalesce(fans_spent, 0) as fans_spent,
                   coalesce(characters, 0) as characters, coalesce(replies, 0) as replies,
                   coalesce(reply_seconds_sum, 0) as reply_seconds_sum, reply_seconds_p50, reply_seconds_p90,
                   coalesce(mass_messages, 0) as mass_messages,
                   coalesce(gross, 0) as sales_gross_cents, coalesce(net, 0) as sales_net_cents,
                   coalesce(count, 0) as sales_count, coalesce(reversed_net, 0) as reversed_net_cents,
                   coalesce(reversed, 0) as reversed_count, clocked as clocked_minutes, scheduled as scheduled_minutes
            from measured m full join sold s using (creator_id, chatter_id, period)
                 full join worked w using (creator_id, chatter_id, period)
        ), performance as (
            select *, null::timestamptz as hour, {day} as day, {week} as week, {month} as month,
                   views.ratio(ppvs_sent, messages_sent) as golden_ratio,
                   views.ratio(ppvs_unlocked, ppvs_sent) as unlock_rate,
                   views.ratio(fans_spent, fans_chatted) as fan_cvr,
                   views.ratio(ppv_sales_cents, fans_spent) as avg_earnings_per_spender_cents,
                   views.ratio(reply_seconds_sum, replies) as reply_seconds_mean,
                   views.hourly(sales_net_cents, clocked_minutes) as sales_per_hour_cents,
                   views.hourly(messages_sent, clocked_minutes) as messages_per_hour,
                   views.hourly(fans_chatted, clocked_minutes) as fans_per_hour
            from summed
        )"
    )
}

/// The same of an hour, which has all but worked time.
fn hours(conditions: &str) -> String {
    format!(
        "with performance as (
            select creator_id, chatter_id, hour, null::date as day, null::text as week, null::text as month, creator, chatter,
                   messages_sent, ppvs_sent, ppvs_unlocked, ppv_sales_cents, golden_ratio, unlock_rate, fans_chatted,
                   fans_spent, fan_cvr, avg_earnings_per_spender_cents, characters, replies, reply_seconds_sum,
                   reply_seconds_mean, reply_seconds_p50, reply_seconds_p90, mass_messages, sales_gross_cents,
                   sales_net_cents, sales_count, reversed_net_cents, reversed_count,
                   null::bigint as clocked_minutes, null::bigint as scheduled_minutes,
                   null::float8 as sales_per_hour_cents, null::float8 as messages_per_hour, null::float8 as fans_per_hour
            from views.chatter_hour where {conditions}
        )"
    )
}

/// Whose figures, as references to bound ids.
struct Whose {
    creators: Option<String>,
    chatters: Option<String>,
}

impl Whose {
    /// Conditions on the ids and on the period; `label` is the form of a period that is a text.
    fn conditions(&self, period: &str, label: &str, from: Option<String>, to: Option<String>) -> String {
        let bound = |end: String| if label.is_empty() { end } else { format!("to_char({end}, '{label}')") };
        let terms = [
            self.creators.as_ref().map(|ids| format!("creator_id = any({ids})")),
            self.chatters.as_ref().map(|ids| format!("chatter_id = any({ids})")),
            from.map(|from| format!("{period} >= {}", bound(from))),
            to.map(|to| format!("{period} <= {}", bound(to))),
        ];
        let terms: Vec<String> = terms.into_iter().flatten().collect();
        if terms.is_empty() { "true".to_owned() } else { terms.join(" and ") }
    }
}
