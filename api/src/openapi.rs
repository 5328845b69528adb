//! The document that describes the API (OpenAPI 3.1), made from the handlers and completed with what all of them share.
//!
//! A handler says what is its own: path, parameters, what it answers. Here each operation gets the answers that any may
//! give, the headers of every answer, and an example of each; and each list its sorting, paging, choice of fields and forms.
//! Examples are real answers, recorded by a test that fails when an answer changes.

mod access;
mod bodies;
mod lists;
mod shared;

use axum::Router;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use lists::List;

use crate::accounts;
use crate::resources;
use crate::server::App;
use crate::values::Day;

/// What is said of the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fandom Intelligence Suite",
        description = "Live, exact figures about chatters, fans and creators.\n\n\
            Money is in integer cents, durations in integer seconds (worked time in minutes), ids are strings. A ratio whose \
            denominator is zero is null. Every answer states the epoch that it is of: all figures of an epoch belong \
            together. `ETag` and `If-None-Match` spare what has not changed, and `/api/v1/live` tells when something has.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "Chatters", description = "Measures of chatters, by creator and period"),
        (name = "Creators", description = "Creators and their days"),
        (name = "Fans", description = "Fans, what they spend, and the clusters they are in"),
        (name = "Figures", description = "Totals, sales, and what platforms report beside what the rows say"),
        (name = "Files", description = "The spreadsheets that the figures are of"),
        (name = "Messages", description = "Single messages, out of the sealed archive"),
        (name = "Uploads", description = "Files that are uploaded, and where they stand"),
        (name = "Mappings", description = "How sheets of other makes are read"),
        (name = "Settings", description = "What is set, and what can be changed without a restart"),
        (name = "Sessions", description = "Signing in and out, and the own password"),
        (name = "Users", description = "Accounts, for administrators"),
        (name = "Keys", description = "Keys of programs, for administrators"),
        (name = "Audit", description = "What was done, by whom, when, and from where"),
        (name = "Service", description = "Whether figures can be relied upon, and when they change"),
    ),
)]
struct About;

/// A range of days.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters, which are read one by one")]
pub(crate) struct Days {
    /// The first day.
    from: Option<Day>,
    /// The last day.
    to: Option<Day>,
}

/// A range of periods.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters, which are read one by one")]
pub(crate) struct Periods {
    /// The first period, in the form of the window: `2026-10-21T05:00:00Z`, `2026-10-21`, `2026-W43` or `2026-10`.
    #[param(example = "2026-10-21")]
    from: Option<String>,
    /// The last period, in the same form.
    #[param(example = "2026-10-27")]
    to: Option<String>,
    /// The IANA zone in which hours are shown; that of the reports without one. Days, weeks and months are cut in the
    /// zone of the reports alone.
    #[param(example = "Europe/Belgrade")]
    zone: Option<String>,
}

/// Of a creator.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters, which are read one by one")]
pub(crate) struct OfCreator {
    /// A creator, by id or name: `Tania (OF)`, or `Tania` on any platform.
    #[param(example = "Tania (OF)")]
    creator: Option<String>,
}

/// Of a chatter.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters, which are read one by one")]
pub(crate) struct OfChatter {
    /// A chatter, by id or name; 0 is nobody: what no chatter is named for.
    #[param(example = "Iva")]
    chatter: Option<String>,
}

/// Beside the range before.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters, which are read one by one")]
pub(crate) struct OfRange {
    /// `previous` adds the figures of the range just before, which is as long, to each item, and lists who has figures in that alone, with
    /// null now; it needs `from` and `to`. `none` does not.
    #[param(example = "previous")]
    compare: Option<String>,
}

/// The routes, and the document that describes them.
pub(crate) fn api() -> (Router<App>, Value) {
    let routes = resources::routes().merge(accounts::routes::routes());
    let (router, described) =
        OpenApiRouter::<App>::with_openapi(About::openapi()).nest("/api/v1", routes).split_for_parts();
    let mut document = serde_json::to_value(described).expect("a document is made of texts and numbers");
    complete(&mut document);
    (router, document)
}

/// The document that describes the API.
pub fn document() -> Value {
    api().1
}

/// Recorded answers, by operation.
const EXAMPLES: &str = include_str!("openapi/examples.json");

fn complete(document: &mut Value) {
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["servers"] = json!([{ "url": "/", "description": "where this document was read" }]);
    let mut examples: Map<String, Value> = serde_json::from_str(EXAMPLES).expect("recorded answers are JSON");
    let described = bodies::Described::read();
    let mut listed = Vec::new();
    let all: Vec<List> = resources::lists().into_iter().chain(accounts::routes::lists()).collect();
    let paths = document["paths"].as_object_mut().expect("a document has paths");
    for (path, methods) in paths {
        for (method, operation) in methods.as_object_mut().expect("a path has methods") {
            let id = operation["operationId"].as_str().expect("operations have names").to_owned();
            described.complete(&id, operation);
            if let Some(list) = all.iter().find(|list| format!("/api/v1{}", list.path) == *path && method == "get") {
                lists::complete(operation, list, examples.get(&id));
                listed.push(operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].clone());
            }
            shared::complete(method, operation, examples.remove(&id));
            access::complete(method, path, operation);
        }
    }
    described.components(document);
    access::components(document);
    lists::refer(document);
    lists::loosen(document, &listed);
    shared::components(document);
}
