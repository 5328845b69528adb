//! What the API answers, against the same questions in SQL: every route, all pages, at one epoch; and the live stream.

mod questions;

use std::time::Duration;

use fandom_schemas::identity::file_id;
use fandom_tests::agency::Agency;
use fandom_tests::api::Api;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite};
use questions::{Names, Question, questions, totals};
use serde_json::{Value, json};
use tokio_postgres::Client;

const PATIENCE: Duration = Duration::from_secs(120);
/// So often a question is asked while the views change.
const TRIES: usize = 300;

/// Items of a page, so that most lists have several.
const PAGE: usize = 23;

async fn epoch(client: &Client) -> i64 {
    client.query_one("select epoch from views.progress", &[]).await.expect("views.progress can be read").get(0)
}

async fn select(client: &Client, sql: &str) -> Value {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{error:?}: {sql}")).get(0)
}

/// Whether two values are the same: 1 and 1.0 are, and so are two ways to write an instant in UTC.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) => {
            let utc = |text: &str| {
                let at = (text.ends_with('Z') || text.ends_with("+00:00")).then(|| text.parse::<jiff::Timestamp>());
                at.and_then(Result::ok)
            };
            a == b || utc(a).is_some() && utc(a) == utc(b)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Asks until the views stand still meanwhile; how many items and pages there were.
async fn check(api: &Api, client: &Client, question: &Question) -> (usize, usize) {
    let Question { path, parameters, sql } = question;
    let what = format!("{path} {parameters:?}");
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for _ in 0..TRIES {
        let before = epoch(client).await;
        let pages = api.pages(path, &parameters, PAGE).await;
        let mut expected = select(client, sql).await;
        if epoch(client).await != before {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        for page in &pages {
            assert_eq!(page.body["epoch"], json!(before), "{what}");
            // Files fail without a commit of the dataflow, so their list has no tag.
            let tag = |tag: &String| tag.starts_with(&format!("\"{before}-"));
            assert_eq!(page.etag.as_ref().map(tag), (path != "files").then_some(true), "{what}");
        }
        let expected = expected.as_array_mut().expect("a list");
        if path == "files" {
            for file in expected.iter_mut() {
                let id = file_id(file["file"].as_str().expect("an id")).cast_signed();
                file["file_id"] = json!(id.to_string());
            }
        }
        let answered: Vec<&Value> =
            pages.iter().flat_map(|page| page.body["items"].as_array().expect("a list")).collect();
        for (place, (answered, expected)) in answered.iter().zip(expected.iter()).enumerate() {
            assert!(same(answered, expected), "{what}: item {place} is\n{answered}\nand should be\n{expected}");
        }
        assert_eq!(answered.len(), expected.len(), "{what}: the number of items");
        return (answered.len(), pages.len());
    }
    panic!("{what}: the views did not stand still");
}

async fn check_overview(api: &Api, client: &Client, zone: &str, parameters: &[(&str, &str)], condition: &str) {
    let now = || jiff::Timestamp::now().in_tz(zone).expect("a zone").date().to_string();
    for _ in 0..TRIES {
        let (before, today) = (epoch(client).await, now());
        let answer = api.ask("overview", parameters, None).await;
        let days = "select array_agg(day::text order by day) from \
                    (select day from views.chatter_day union select day from views.sales_day) days";
        let days: Vec<String> = client.query_one(days, &[]).await.expect("days").get(0);
        let asked = parameters.iter().find(|(name, _)| *name == "day").map(|(_, day)| (*day).to_owned());
        // The latest that has figures, else the first to come.
        let latest = days.iter().rfind(|day| **day <= today).or(days.first()).expect("there are figures").clone();
        let day = asked.unwrap_or(latest);
        let totals = select(client, &totals(&day, condition)).await;
        if epoch(client).await != before || now() != today {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        let expected = json!({
            "epoch": before,
            "reporting_tz": zone,
            "today": today,
            "day": day,
            "previous_day": days.iter().rfind(|other| **other < day),
            "next_day": days.iter().find(|other| **other > day),
            "totals": totals,
        });
        assert!(same(&answer.body, &expected), "{parameters:?}:\n{}\nshould be\n{expected}", answer.body);
        assert!(answer.etag.is_some_and(|tag| tag.starts_with(&format!("\"{before}-"))));
        return;
    }
    panic!("the views did not stand still");
}

async fn check_health(api: &Api, client: &Client) {
    assert_eq!(api.ask("health", &[], None).await.body, json!({"status": "alive"}));
    let ready = api.ask("ready", &[], None).await;
    let mut files = json!({"seen": 0, "publishing": 0, "live": 0, "failed": 0, "gone": 0});
    for row in client.query("select state, count(*) from app.uploads group by 1", &[]).await.expect("files") {
        files[row.get::<_, &str>(0)] = json!(row.get::<_, i64>(1));
    }
    let body = &ready.body;
    assert_eq!((ready.status, &body["ready"], &body["state"]), (200, &json!(true), &json!("live")), "{body}");
    assert_eq!((&body["files"], &body["lag"]["total"], &body["hydration_percent"]), (&files, &json!(0), &json!(100.0)));
}

async fn check_everything(api: &Api, client: &Client, names: &Names<'_>) {
    for question in questions(names) {
        let (items, pages) = check(api, client, &question).await;
        eprintln!("{} {:?}: {items} items on {pages} pages", question.path, question.parameters);
        assert!(items > 0, "{} {:?} finds nothing, which proves nothing", question.path, question.parameters);
    }
    let of_creator = format!("creator = '{}'", names.creator);
    check_overview(api, client, names.zone, &[], "true").await;
    check_overview(api, client, names.zone, &[("day", names.days.0)], "true").await;
    check_overview(api, client, names.zone, &[("day", names.days.1), ("creator", names.creator)], &of_creator).await;
    check_overview(api, client, names.zone, &[("day", "2001-01-01")], "true").await;
    check_health(api, client).await;
}

async fn uploads_are(client: Client, expected: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (name, state) in expected {
        let row = client.query_opt("select state from app.uploads where name = $1", &[name]).await?;
        let found: Option<String> = row.map(|row| row.get(0));
        if found.as_deref() != Some(state) {
            complaints.push(format!("{name} is {found:?} in place of {state}"));
        }
    }
    Ok(complaints)
}

async fn answers(agency: &Agency, names: &Names<'_>) {
    let mut suite = Suite::start(&agency.settings()).await.expect("the servers start");
    suite.run(Part::Dataflow);
    suite.run(Part::Connect);
    let api = Api::start(&mut suite).await;
    // Beside the agency's files, one that fails and one that goes.
    std::fs::write(suite.inbox.join("broken.xlsx"), "no workbook").expect("a file can be written");
    agency.put("notes.xlsx", &suite.inbox.join("away.xlsx"));
    let known = |expected: &'static [(&str, &str)]| move |client: Client| uploads_are(client, expected);
    suite.eventually("two more files", PATIENCE, known(&[("away.xlsx", "live"), ("broken.xlsx", "failed")])).await;
    std::fs::remove_file(suite.inbox.join("away.xlsx")).expect("a file can be removed");
    suite.eventually("a file that goes", PATIENCE, known(&[("away.xlsx", "gone")])).await;
    let (stage, last) = (agency.files("c"), agency.files("a").remove(0));
    for file in &stage {
        agency.put(file, &suite.inbox.join(file));
    }
    suite
        .eventually("stage c", PATIENCE, |client| async move { differences_at(&client, &agency.expected, "c").await })
        .await;
    let clustered = async |client: Client| {
        let left = "select count(*) from views.fan_measures where cluster is null";
        let left: i64 = client.query_one(left, &[]).await?.get(0);
        Ok(if left > 0 { vec![format!("{left} fans have no cluster yet")] } else { Vec::new() })
    };
    suite.eventually("a tick later", PATIENCE, clustered).await;
    let client = suite.client().await.expect("the database answers");
    check_everything(&api, &client, names).await;

    // Another file comes: the stream tells of it, and the tags change with the figures.
    let mut live = api.live().await;
    let old = api.ask("fans", &[], None).await.etag.expect("a tag");
    assert_eq!(api.ask("fans", &[], Some(&old)).await.status, 304);
    let before = epoch(&client).await;
    agency.put(&last, &suite.inbox.join(&last));
    let mut views = Vec::new();
    while !views.contains(&json!("chatter_day")) {
        let (name, id, data) = live.event().await;
        let told: i64 = id.parse().expect("an epoch");
        assert_eq!((name.as_str(), &data["epoch"]), ("commit", &json!(told)));
        assert!(told > before && epoch(&client).await >= told, "{told} after {before}");
        views.extend(data["views"].as_array().expect("views").clone());
    }
    for view in ["chatter_all", "fan_measures", "files"] {
        assert!(views.contains(&json!(view)), "{view} is not among {views:?}");
    }
    let new = api.ask("fans", &[], Some(&old)).await;
    assert_eq!((new.status, new.etag.as_ref() == Some(&old)), (200, false), "the old tag holds no more");
    suite
        .eventually("stage b", PATIENCE, |client| async move { differences_at(&client, &agency.expected, "b").await })
        .await;
    check_everything(&api, &client, names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_what_the_views_hold() {
    let names = Names {
        zone: "Europe/Belgrade",
        creator: "Tania (OF)",
        chatter: "Mila",
        days: ("2026-10-24", "2026-10-27"),
        week: "2026-W44",
        month: "2026-11",
    };
    answers(&Agency::checked_in("northlight"), &names).await;
}

/// Days that are yet to come, in a zone behind UTC.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_what_the_views_hold_in_another_zone() {
    let names = Names {
        zone: "America/New_York",
        creator: "Tania (OF)",
        chatter: "Mila",
        days: ("2027-03-12", "2027-03-15"),
        week: "2027-W11",
        month: "2027-03",
    };
    answers(&Agency::checked_in("southlight"), &names).await;
}
