//! `GET /chatters/rank`: where a reader's own chatters stand among all, and how many those are. Nothing of the others is told. It is
//! there only where `FANDOM_TEAM_RANKS` allows it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use tokio_postgres::types::Type;

use crate::answers::Turn;
use crate::database::records;
use crate::listing::Binds;
use crate::openapi::Days;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::ranges::days;
use crate::reader::{Reader, Scope};
use crate::resources::ranking::{MEASURES, ranked, within};
use crate::server::App;
use crate::values::{Id, Record, record};

record! {
    /// The place of an own chatter.
    struct Place {
        chatter_id: Id,
        chatter: Option<String>,
        rank: i64,
        value: Option<f64>,
    }
}

record! {
    /// How many have a place.
    struct Count {
        chatters: i64,
    }
}

/// Where own chatters stand.
#[derive(Serialize, utoipa::ToSchema)]
struct Standing {
    /// The epoch that it is of.
    epoch: i64,
    /// The measure.
    by: &'static str,
    /// How many chatters have a rank.
    ranked: i64,
    /// The own ones, the best first.
    items: Vec<Place>,
}

/// Where the own chatters stand among all by a measure, without a word of who the others are.
///
/// It is there only where the setting `FANDOM_TEAM_RANKS` allows it. Who sees all chatters has none of their own here, and finds
/// them in the ranking.
#[utoipa::path(
    get, path = "/chatters/rank", operation_id = "rank", tag = "Chatters",
    params(
        ("by" = Option<String>, Query, description = "The measure; `sales_net_cents` without it", example = "unlock_rate"),
        Days,
    ),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The own ranks", body = Standing)),
)]
pub async fn own(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let by = parameters.word("by", &MEASURES);
    let range = days(&mut parameters);
    parameters.finish()?;
    if !app.settings.in_force.now().team_ranks {
        let detail = "ranks among all chatters are not told here; FANDOM_TEAM_RANKS=yes lets the API tell them";
        return Err(Problem::new(Kind::NotFound, detail));
    }
    let own = match reader.scope {
        Scope::Everything => Vec::new(),
        Scope::Own { chatters, .. } => chatters,
    };
    let about = format!("rank {by} {range:?}");
    let making = match app.database.turn(&headers, xxhash_rust::xxh3::xxh3_64(about.as_bytes())).await? {
        Turn::Answered(response) => return Ok(response),
        Turn::Make(making) => making,
    };
    let mut binds = Binds::default();
    let own = binds.bind(own, Type::INT8_ARRAY);
    let with = ranked(by, &within(range, &mut binds));
    let mut connection = app.database.connection().await?;
    let snapshot = connection.snapshot().await?;
    // Ranks are over all; what is selected of them is the own ones, and a number.
    let places = format!(
        "{with} select {} from (select *, {by}::float8 as value from ranked) ranked where chatter_id = any({own})
         order by rank, chatter_id",
        Place::columns()
    );
    let count = format!("{with} select count(*) as chatters from ranked where {own} is not null");
    let items: Vec<Place> = records(&snapshot.query_all(&places, &binds.values()).await?)?;
    let count: Option<Count> = records(&snapshot.query_all(&count, &binds.values()).await?)?.pop();
    let ranked = count.map_or(0, |count| count.chatters);
    making.answer(snapshot.epoch, &Standing { epoch: snapshot.epoch, by, ranked, items })
}
