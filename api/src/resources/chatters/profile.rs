//! `GET /chatters/{chatter}`: a chatter: for whom they work, since when, what they did in all and for each creator, and where they stand.
//!
//! Ranks are over all chatters, so they are told to who sees all of them, and of an own chatter where `FANDOM_TEAM_RANKS` allows it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use tokio_postgres::types::Type;

use crate::answers::Turn;
use crate::database::{Snapshot, records};
use crate::names;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::reader::{Reader, Scope};
use crate::resources::performance::SUMS;
use crate::resources::ranking::{self, measured};
use crate::server::App;
use crate::values::{Day, Id, Record, record};

record! {
    /// What a chatter did in all. Distinct fans do not add up over creators, so they stand there alone.
    #[schema(as = ChatterTotals)]
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
        sales_gross_cents: i64,
        sales_net_cents: i64,
        sales_count: i64,
        reversed_net_cents: i64,
        reversed_count: i64,
        clocked_minutes: Option<i64>,
        scheduled_minutes: Option<i64>,
        sales_per_hour_cents: Option<f64>,
        messages_per_hour: Option<f64>,
    }
}

record! {
    /// What a chatter did for a creator.
    struct ChatterOfCreator {
        creator_id: Id,
        creator: Option<String>,
        first_day: Option<Day>,
        last_day: Option<Day>,
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
    }
}

record! {
    /// The place by a measure.
    struct RankBy {
        by: String,
        rank: i64,
        value: Option<f64>,
    }
}

/// Where a chatter stands among all, over the last 30 days.
#[derive(Serialize, utoipa::ToSchema)]
struct Ranks {
    /// The first day.
    from: Day,
    /// The last day: that up to which "days since" are counted.
    to: Day,
    /// How many chatters have a rank.
    ranked: i64,
    /// The places; none where the chatter has no figures in these days.
    places: Vec<RankBy>,
}

/// Where to ask on.
#[derive(Serialize, utoipa::ToSchema)]
struct Links {
    /// The last 30 days, a point a day.
    series: String,
    /// The measures by day and creator.
    performance: String,
}

/// The answer.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ChatterProfile)]
struct Profile {
    epoch: i64,
    chatter_id: Id,
    chatter: String,
    /// The first day with figures.
    first_day: Option<Day>,
    /// The last day with figures.
    last_day: Option<Day>,
    /// All time, over all creators; null without figures.
    totals: Option<Totals>,
    /// All time, by creator.
    creators: Vec<ChatterOfCreator>,
    /// Null where ranks may not be seen.
    ranks: Option<Ranks>,
    links: Links,
}

record! {
    /// Who it is.
    struct Known {
        chatter_id: Id,
        chatter: String,
    }
}

record! {
    /// The day up to which "days since" are counted.
    struct AsOf {
        day: Day,
    }
}

/// A chatter: creators, first and last day, all-time measures, ranks.
#[utoipa::path(
    get, path = "/chatters/{chatter}", operation_id = "chatter", tag = "Chatters",
    params(("chatter" = String, Path, description = "The chatter, by id or name", example = "Iva")),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The chatter", body = Profile)),
)]
pub async fn profile(
    State(app): State<App>,
    reader: Reader,
    chatter: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let Path(asked) =
        chatter.map_err(|_| Problem::new(Kind::BadRequest, "the chatter in the path is not UTF-8 text"))?;
    parameters.finish()?;
    let ids = names::chatters(&asked);
    let team_ranks = app.settings.in_force.now().team_ranks;
    let about = format!("chatter {ids:?} {team_ranks}");
    let making = match app.database.turn(&headers, xxhash_rust::xxh3::xxh3_64(about.as_bytes())).await? {
        Turn::Answered(response) => return Ok(response),
        Turn::Make(making) => making,
    };
    let mut connection = app.database.connection().await?;
    let snapshot = connection.snapshot().await?;
    let known = "select chatter_id, chatter from views.chatters where chatter_id = any($1)
                 order by array_position($1, chatter_id) limit 1";
    let known: Option<Known> = records(&snapshot.query(known, &[(&ids, Type::INT8_ARRAY)]).await?)?.pop();
    let Some(Known { chatter_id, chatter }) = known else {
        return Err(Problem::new(Kind::NotFound, "no chatter has this id or name; /api/v1/chatters lists them"));
    };
    let Id(id) = chatter_id;
    let creators = by_creator(&snapshot, id).await?;
    let sees_ranks = match &reader.scope {
        Scope::Everything => true,
        Scope::Own { chatters, .. } => team_ranks && chatters.contains(&id),
    };
    let profile = Profile {
        epoch: snapshot.epoch,
        chatter_id,
        chatter,
        first_day: creators.iter().filter_map(|creator| creator.first_day).min(),
        last_day: creators.iter().filter_map(|creator| creator.last_day).max(),
        totals: totals(&snapshot, id).await?,
        creators,
        ranks: if sees_ranks { ranks(&snapshot, id).await? } else { None },
        links: Links {
            series: format!("/api/v1/chatters/series?chatter={id}"),
            performance: format!("/api/v1/chatters/performance?chatter={id}"),
        },
    };
    making.answer(profile.epoch, &profile)
}

async fn by_creator(snapshot: &Snapshot<'_>, id: i64) -> Result<Vec<ChatterOfCreator>, Problem> {
    let sql = format!(
        "select {} from views.chatter_all left join (
             select creator_id, min(day) as first_day, max(day) as last_day from views.chatter_day where chatter_id = $1
             group by creator_id) days using (creator_id)
         where chatter_id = $1 order by lower(creator), creator_id",
        ChatterOfCreator::columns()
    );
    records(&snapshot.query(&sql, &[(&id, Type::INT8)]).await?)
}

async fn totals(snapshot: &Snapshot<'_>, id: i64) -> Result<Option<Totals>, Problem> {
    let sql = format!(
        "with summed as (
             select {SUMS}, sum(clocked_minutes)::bigint as clocked_minutes, sum(scheduled_minutes)::bigint as scheduled_minutes
             from views.chatter_all where chatter_id = $1 having count(*) > 0
         ), totals as (
             select *, views.ratio(ppvs_sent, messages_sent) as golden_ratio, views.ratio(ppvs_unlocked, ppvs_sent) as unlock_rate,
                    views.ratio(reply_seconds_sum, replies) as reply_seconds_mean,
                    views.hourly(sales_net_cents, clocked_minutes) as sales_per_hour_cents,
                    views.hourly(messages_sent, clocked_minutes) as messages_per_hour
             from summed
         ) select {} from totals",
        Totals::columns()
    );
    Ok(records(&snapshot.query(&sql, &[(&id, Type::INT8)]).await?)?.pop())
}

/// The places among all chatters, by every measure. What is selected of the others is how many they are.
async fn ranks(snapshot: &Snapshot<'_>, id: i64) -> Result<Option<Ranks>, Problem> {
    let as_of: Option<AsOf> = records(&snapshot.query("select day from views.as_of", &[]).await?)?.pop();
    let Some(AsOf { day: to }) = as_of else { return Ok(None) };
    let Some(from) = to.back(29) else { return Ok(None) };
    let with = measured("measured", &["day >= $1".to_owned(), "day <= $2".to_owned()]);
    let each = |form: &dyn Fn(&str) -> String| ranking::MEASURES.map(form).join(", ");
    let sql = format!(
        "with {with}, ranked as (select chatter_id, {}, {} from measured)
         select by, rank, value from ranked, lateral (values {}) place (by, rank, value)
         where chatter_id = $3 and value is not null order by rank, by",
        each(&|by| by.to_owned()),
        each(&|by| format!("{} as rank_{by}", ranking::place(by))),
        each(&|by| format!("('{by}', rank_{by}, {by}::float8)")),
    );
    let places = snapshot.query_all(&sql, &[(&from, Type::DATE), (&to, Type::DATE), (&id, Type::INT8)]).await?;
    let count = format!("with {with} select count(*) from measured");
    let count = snapshot.query_all(&count, &[(&from, Type::DATE), (&to, Type::DATE)]).await?;
    let ranked = count.first().map_or(0, |row| row.get(0));
    Ok(Some(Ranks { from, to, ranked, places: records(&places)? }))
}
