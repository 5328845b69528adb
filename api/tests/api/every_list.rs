//! Every list of the document: page by page, in every order, with each member alone, in every form; whatever list is added.
//!
//! A list is a GET with a cursor. Each must have rows here, so that it is exercised: fill them below.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::fixture::{self, creator};
use crate::forms::same_in_every_form;
use crate::people::{account, administration, bearer};
use crate::service::{Service, plain};

/// Rows that a list must have: more than two pages of two.
const LEAST: usize = 5;

/// Lists that have fewer rows here, and why.
const FEWER: [(&str, usize, &str); 4] = [
    ("/creators", 3, "as many creators as the fixture has"),
    ("/chatters", 3, "as many chatters as the fixture has"),
    ("/chatters/ranking", 3, "a place a chatter"),
    ("/fans/{fan}", 3, "a row a creator"),
];

/// Members that are others with each question.
const PASSING: [&str; 1] = ["heartbeat_age_seconds"];

/// A list of the document.
struct List {
    path: String,
    sorts: Vec<String>,
    fields: Vec<String>,
}

fn lists() -> Vec<List> {
    let document = fandom_api::document();
    let paths = document["paths"].as_object().expect("paths");
    let all = paths.iter().filter_map(|(path, methods)| {
        let parameters = methods["get"]["parameters"].as_array()?;
        let find = |name: &str| parameters.iter().find(|parameter| parameter["name"] == name);
        find("cursor")?;
        let words = |words: &Value| -> Vec<String> {
            let words = words.as_array().expect("a list documents its words");
            words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
        };
        Some(List {
            path: path.trim_start_matches("/api/v1").to_owned(),
            sorts: words(&find("sort").expect("a list can be sorted")["schema"]["enum"]),
            fields: words(&find("fields").expect("a list has members")["schema"]["items"]["enum"]),
        })
    });
    all.collect()
}

/// Rows for every list, besides those of the fixture.
async fn fill(service: &Service) {
    fixture::fill(service).await;
    fixture::tasks_and_mappings(service).await;
    service
        .run(&format!(
            "insert into views.fan_moves select date '2026-10-20' + n, 'Newcomers', 'Cluster ' || n % 3, n from generate_series(1, 9) n;
             insert into views.fan_cluster_sums select 'Cluster ' || n, 10 + n % 2, 1000 * n, 90, 8, 4000, 8640, 248000
             from generate_series(1, 6) n;
             insert into views.fan_measures
             select c.creator_id, m.fan_id, c.creator, m.platform, username, null, 3, 2, 1, 1, 500, 0, 0, 1, 700, 'spender', first_seen,
                    last_seen, null, null, null, null, null, null, null
             from c, views.fan_measures m where m.username = 'u0001' and c.creator_id <> {leya};
             insert into app.received (id, file, name, folder, size_bytes, received_at, stored_at)
             select 'r' || n, 'uploads:r' || n || '/a' || n % 3 || '.csv', 'a' || n % 3 || '.csv', '', n, now(), now()
             from generate_series(1, 7) n;
             insert into app.uploads (file, source, name, partition, state, version, live_version, live_rows, rows_read, accepted, rejected)
             values ('uploads:r1/a1.csv', 'uploads', 'a1.csv', 0, 'live', 7, 7, 1, 3, 1, 2);
             insert into app.rejects select 'uploads:r1/a1.csv', 7, n, 'S', n / 2, 'Price', 'reason ' || n % 2, array['?', '=1']
             from generate_series(1, 8) n;
             insert into app.api_keys (id, name, hash, role, created_at)
             select 'k' || n, 'key ' || n % 3, decode(lpad(to_hex(n), 4, '0'), 'hex'), 'service', timestamptz '2026-10-01Z' + n / 3 * interval '1 h'
             from generate_series(1, 7) n;
             insert into app.users (id, email, name, role, password, created_at)
             select 'u' || n, 'p' || n || '@example.com', 'P' || n % 2, 'chatter', 'x', timestamptz '2026-10-01Z' + n / 3 * interval '1 h'
             from generate_series(1, 7) n;
             insert into app.archive_keys values ('k1');
             insert into app.archive_files values (5, 'inbox:b.xlsx', 7, 7, 1792569600, 1792569600);
             insert into app.archive_messages (file_id, version, ordinal, sheet, checksum, natural_key, creator_id, chatter_id, fan_id,
                 sent_at, price_cents, purchased, source, characters)
             select 5, 7, n, 0, 1, decode(lpad(to_hex(n), 4, '0'), 'hex'), {leya}, 2, 3, timestamptz '2026-10-21 05:00Z' + n / 4 * interval '1 h',
                 500, true, 'text', 5 from generate_series(1, 11) n",
            leya = creator(1)
        ))
        .await;
    service.commit(1001, &["fans"]).await;
}

/// The list with an object in the place of each word in braces, and with what a sort needs besides.
fn asked(path: &str, sort: &str) -> String {
    let path = path.replace("{creator}", "Leya").replace("{fan}", "u0001").replace("{id}", "r1");
    assert!(!path.contains('{'), "say in this test what {path} is to be asked for");
    match (path.as_str(), sort.trim_start_matches('-')) {
        ("/chatters/performance" | "/chatters/series", window @ ("hour" | "week" | "month")) => {
            let from = if window == "hour" { "&from=2026-10-24T20:00:00Z&to=2026-10-26T00:00:00Z" } else { "" };
            format!("{path}?window={window}{from}")
        }
        ("/chatters/series", _) => format!("{path}?from=2026-10-21&to=2026-11-03"),
        ("/reconciliation", _) => format!("{path}?only=all"),
        _ => path,
    }
}

/// How often each item is there.
fn counted(items: &[Value]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for item in items {
        let mut item = plain(item);
        PASSING.iter().for_each(|name| drop(item.as_object_mut().expect("an object").remove(*name)));
        *counted.entry(item.to_string()).or_default() += 1;
    }
    counted
}

/// Whether two values of a sort may follow one another; `None` if that cannot be told here.
fn follows(before: &Value, after: &Value, descending: bool) -> Option<bool> {
    let (before, after) = if descending { (after, before) } else { (before, after) };
    match (before, after) {
        (Value::Number(before), Value::Number(after)) => Some(before.as_f64() <= after.as_f64()),
        (Value::String(before), Value::String(after)) => {
            let instants = before.parse::<jiff::Timestamp>().ok().zip(after.parse::<jiff::Timestamp>().ok());
            Some(instants.map_or(before.to_lowercase() <= after.to_lowercase(), |(before, after)| before <= after))
        }
        _ => None,
    }
}

async fn in_every_order(service: &Service, list: &List) {
    for sort in &list.sorts {
        let path = asked(&list.path, sort);
        let whole = service.list(&path, &[("sort", sort), ("limit", "1000")]).await;
        assert!(whole.json()["next_cursor"].is_null(), "{path}: one page has all");
        let whole = whole.items();
        let least = FEWER.iter().find(|(path, ..)| *path == list.path).map_or(LEAST, |(_, least, _)| *least);
        assert!(whole.len() >= least, "{path} by {sort} has {} rows here; add some in `fill`", whole.len());
        let walked = service.walk(&path, &[("sort", sort)], (whole.len() / 5).max(2)).await;
        assert_eq!(walked.len(), whole.len(), "{path} by {sort}, page by page");
        assert_eq!(counted(&walked), counted(&whole), "{path} by {sort}, page by page");
        assert!(counted(&walked).values().all(|times| *times == 1), "{path} by {sort}: an item came twice");
        let column = sort.trim_start_matches('-');
        for pair in walked.windows(2).filter(|pair| pair[0].get(column).is_some()) {
            let follows = follows(&pair[0][column], &pair[1][column], sort.starts_with('-'));
            assert_ne!(follows, Some(false), "{path} by {sort}: {} before {}", pair[0][column], pair[1][column]);
        }
    }
}

async fn with_each_member(service: &Service, list: &List) {
    let path = asked(&list.path, &list.sorts[0]);
    let whole = service.list(&path, &[("limit", "1000")]).await.items();
    for field in &list.fields {
        let few = service.list(&path, &[("limit", "1000"), ("fields", field)]).await.items();
        assert_eq!(few.len(), whole.len(), "{path}?fields={field}");
        for (few, whole) in few.iter().zip(&whole) {
            let few = few.as_object().expect("an object");
            assert!(few.keys().all(|name| name == field), "{path}?fields={field}: {few:?}");
            if !PASSING.contains(&field.as_str()) {
                assert_eq!(few.get(field), whole.get(field), "{path}?fields={field}");
            }
        }
    }
    assert_eq!(service.list(&path, &[("fields", "not_a_member")]).await.status, 422, "{path}");
}

async fn in_every_form(service: &Service, list: &List) {
    let (path, sort) = (asked(&list.path, &list.sorts[0]), list.sorts[0].as_str());
    let steady: Vec<&str> = list.fields.iter().map(String::as_str).filter(|field| !PASSING.contains(field)).collect();
    if steady.len() < list.fields.len() {
        same_in_every_form(service, &format!("{path}?fields={}", steady.join(",")), sort).await;
    } else {
        same_in_every_form(service, &path, sort).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_whole_in_every_order_choice_and_form() {
    let postgres = Cluster::shared().await.database().await;
    let key = [("FANDOM_ARCHIVE_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")];
    let mut service = Service::over(postgres, &key).await;
    fill(&service).await;
    let email = account(&service, "admin", &[], &[]).await;
    for n in 0..6 {
        bearer(&service, &email).await;
        administration(&service).add_key(&format!("noted {n}"), "service", None, 1).await.expect("a key");
    }
    // An administrator sees every list, their own sessions too.
    let own = bearer(&service, &email).await;
    let headers = std::iter::once((reqwest::header::AUTHORIZATION, own.parse().expect("a header"))).collect();
    service.http = reqwest::Client::builder().default_headers(headers).build().expect("a client");
    let lists = lists();
    assert!(lists.len() > 20, "{}", lists.len());
    for list in &lists {
        in_every_order(&service, list).await;
        with_each_member(&service, list).await;
        in_every_form(&service, list).await;
    }
    for (path, ..) in FEWER {
        assert!(lists.iter().any(|list| list.path == path), "{path} is no list");
    }
}
