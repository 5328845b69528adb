//! `GET /overview`: a day's totals, and which day to show: today in the reporting zone, or the latest that has figures.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::types::Type;

use super::compare;
use crate::answers::Turn;
use crate::database::{Snapshot, records};
use crate::names;
use crate::openapi::OfCreator;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges;
use crate::server::App;
use crate::values::{Day, Record, record};

/// The answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Overview {
    epoch: i64,
    reporting_tz: String,
    today: Day,
    /// The day that `totals` are of; null when there are no figures at all.
    day: Option<Day>,
    previous_day: Option<Day>,
    next_day: Option<Day>,
    totals: Option<Totals>,
    /// Of the day before `day`, with `compare=previous`.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
}

/// The day before, whether it has figures or not.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Previous {
    day: Day,
    totals: Totals,
}

record! {
    /// A day's totals over chatters and creators. Sums, then ratios.
    struct Totals {
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
        active_chatters: i64,
        sales_gross_cents: i64,
        sales_net_cents: i64,
        sales_count: i64,
        reversed_net_cents: i64,
        reversed_count: i64,
        clocked_minutes: Option<i64>,
    }
}

record! {
    /// Days that have figures, around one.
    struct Neighbours {
        latest: Option<Day>,
        previous: Option<Day>,
        next: Option<Day>,
    }
}

/// A day's totals: of today, or of the latest day that has figures.
#[utoipa::path(
    get, path = "/overview", operation_id = "overview", tag = "Figures",
    params(
        ("day" = Option<Day>, Query, description = "The day"), OfCreator,
        ("compare" = Option<String>, Query, description = "`previous` adds the totals of the day before; `none` does not", example = "previous"),
    ),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The totals", body = Overview)),
)]
pub async fn overview(
    State(app): State<App>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let asked = parameters.checked("day", "a day such as 2026-10-21", ranges::day);
    let creator = parameters.text("creator");
    let compared = compare::asked(&mut parameters);
    parameters.finish()?;
    let zone = &app.settings.reporting_tz;
    let today = Day(Timestamp::now().to_zoned(zone.clone()).date());

    let creators = creator.map(|text| names::creators(&text));
    let about = format!("overview {:?} {} {creators:?} {compared} {:?}", asked, today.0, zone.iana_name());
    let making = match app.database.turn(&headers, xxhash_rust::xxh3::xxh3_64(about.as_bytes())).await? {
        Turn::Answered(response) => return Ok(response),
        Turn::Make(making) => making,
    };
    let mut connection = app.database.connection().await?;
    let snapshot = connection.snapshot().await?;
    let day = match asked {
        Some(day) => Some(day),
        None => latest(&snapshot, today).await?,
    };
    let around = neighbours(&snapshot, day.unwrap_or(today)).await?;
    let creators = creators.as_deref();
    let previous = match day.and_then(|day| day.back(1)).filter(|_| compared) {
        Some(day) => Some(Previous { day, totals: totals(&snapshot, day, creators).await? }),
        None => None,
    };
    let totals = match day {
        Some(day) => Some(totals(&snapshot, day, creators).await?),
        None => None,
    };
    let overview = Overview {
        epoch: snapshot.epoch,
        reporting_tz: zone.iana_name().unwrap_or("UTC").to_owned(),
        today,
        day,
        previous_day: around.previous,
        next_day: around.next,
        totals,
        previous,
    };
    making.answer(snapshot.epoch, &overview)
}

/// Today if it has figures; else the latest day before that has, or without one the first to come.
async fn latest(snapshot: &Snapshot<'_>, today: Day) -> Result<Option<Day>, Problem> {
    let around = neighbours(snapshot, today).await?;
    Ok(around.latest.or(around.next))
}

async fn neighbours(snapshot: &Snapshot<'_>, day: Day) -> Result<Neighbours, Problem> {
    let either = |aggregate: &str, condition: &str| {
        let of = |table: &str| format!("(select {aggregate}(day) from views.{table} where day {condition} $1)");
        let pick = if aggregate == "max" { "greatest" } else { "least" };
        format!("{pick}({}, {})", of("chatter_day"), of("sales_day"))
    };
    let sql = format!(
        "select {} as latest, {} as previous, {} as next",
        either("max", "<="),
        either("max", "<"),
        either("min", ">")
    );
    let rows = snapshot.query(&sql, &[(&day, Type::DATE)]).await?;
    records(&rows)?.pop().ok_or_else(Problem::internal)
}

async fn totals(snapshot: &Snapshot<'_>, day: Day, creators: Option<&[i64]>) -> Result<Totals, Problem> {
    let sql = format!(
        "with measured as (
            select coalesce(sum(messages_sent), 0)::bigint as messages_sent, coalesce(sum(ppvs_sent), 0)::bigint as ppvs_sent,
                   coalesce(sum(ppvs_unlocked), 0)::bigint as ppvs_unlocked,
                   coalesce(sum(ppv_sales_cents), 0)::bigint as ppv_sales_cents,
                   coalesce(sum(characters), 0)::bigint as characters, coalesce(sum(replies), 0)::bigint as replies,
                   coalesce(sum(reply_seconds_sum), 0)::bigint as reply_seconds_sum,
                   coalesce(sum(mass_messages), 0)::bigint as mass_messages,
                   count(distinct chatter_id) filter (where chatter_id <> 0 and messages_sent > 0) as active_chatters
            from views.chatter_day where day = $1 and ($2::bigint[] is null or creator_id = any($2))
        ), sold as (
            select coalesce(sum(gross_cents), 0)::bigint as sales_gross_cents,
                   coalesce(sum(net_cents), 0)::bigint as sales_net_cents, coalesce(sum(count), 0)::bigint as sales_count,
                   coalesce(sum(reversed_net_cents), 0)::bigint as reversed_net_cents,
                   coalesce(sum(reversed_count), 0)::bigint as reversed_count
            from views.sales_day where day = $1 and ($2::bigint[] is null or creator_id = any($2))
        ), worked as (
            select sum(clocked_minutes)::bigint as clocked_minutes
            from views.hours_day where day = $1 and ($2::bigint[] is null or creator_id = any($2))
        ), totals as (
            select *, views.ratio(ppvs_sent, messages_sent) as golden_ratio,
                   views.ratio(ppvs_unlocked, ppvs_sent) as unlock_rate,
                   views.ratio(reply_seconds_sum, replies) as reply_seconds_mean
            from measured, sold, worked
        )
        select {} from totals",
        Totals::columns()
    );
    let rows = snapshot.query(&sql, &[(&day, Type::DATE), (&creators, Type::INT8_ARRAY)]).await?;
    records(&rows)?.pop().ok_or_else(Problem::internal)
}
