//! A file a resource.

mod chatters;
mod clusters;
mod compare;
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
mod rank;
mod ranking;
mod reconciliation;
mod sales;
mod series;
mod settings;
mod template;
mod timeline;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi::List;
use crate::server::App;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(overview::overview))
        .routes(routes!(chatters::list))
        .routes(routes!(performance::list))
        .routes(routes!(ranking::list))
        .routes(routes!(rank::own))
        .routes(routes!(series::list))
        .routes(routes!(chatters::profile::profile))
        .routes(routes!(creators::list))
        .routes(routes!(creators::daily))
        .routes(routes!(fans::list))
        .routes(routes!(fans::profile))
        .routes(routes!(timeline::list))
        .routes(routes!(clusters::list))
        .routes(routes!(clusters::moves))
        .routes(routes!(sales::list))
        .routes(routes!(reconciliation::list))
        .routes(routes!(files::list))
        .routes(routes!(messages::list))
        .routes(routes!(template::list))
        .routes(routes!(live::stream))
        .routes(routes!(ops::tasks))
        .routes(routes!(settings::list))
        .routes(routes!(settings::change, settings::reset))
        .routes(routes!(settings::folders::list, settings::folders::save, settings::folders::remove))
        .nest("/ingest", ingest::routes())
}

/// The lists among them, whose sorting, paging and forms are documented in one place.
pub(crate) fn lists() -> Vec<List> {
    let mut lists = vec![
        chatters::described(),
        performance::described(),
        ranking::described(),
        series::described(),
        sales::described(),
        reconciliation::described(),
        files::described(),
        template::described(),
        timeline::described(),
        messages::described(),
        ops::described(),
        settings::described(),
        settings::folders::described(),
    ];
    lists.extend(ingest::lists());
    lists.extend(creators::described());
    lists.extend(fans::described());
    lists.extend(clusters::described());
    lists
}
