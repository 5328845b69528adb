//! A file a resource.

mod chatters;
mod clusters;
mod creators;
mod fans;
mod files;
mod health;
pub(crate) mod ingest;
mod live;
mod messages;
mod ops;
mod overview;
mod performance;
mod reconciliation;
mod sales;
mod template;

use axum::Router;
use axum::routing::get;

use crate::server::App;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/overview", get(overview::overview))
        .route("/chatters", get(chatters::list))
        .route("/chatters/performance", get(performance::list))
        .route("/creators", get(creators::list))
        .route("/creators/{creator}/daily", get(creators::daily))
        .route("/fans", get(fans::list))
        .route("/clusters", get(clusters::list))
        .route("/clusters/moves", get(clusters::moves))
        .route("/sales", get(sales::list))
        .route("/reconciliation", get(reconciliation::list))
        .route("/files", get(files::list))
        .route("/messages", get(messages::list))
        .route("/template", get(template::list))
        .route("/live", get(live::stream))
        .route("/ops/tasks", get(ops::tasks))
        .nest("/ingest", ingest::routes())
}
