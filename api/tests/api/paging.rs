//! Every list, in every order, page by page: no gap, nothing twice, whatever commits in between.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fixture;
use crate::service::Service;

const PERFORMANCE: [&str; 28] = [
    "creator",
    "chatter",
    "messages_sent",
    "ppvs_sent",
    "ppvs_unlocked",
    "ppv_sales_cents",
    "golden_ratio",
    "unlock_rate",
    "fans_chatted",
    "fans_spent",
    "fan_cvr",
    "avg_earnings_per_spender_cents",
    "characters",
    "replies",
    "reply_seconds_mean",
    "reply_seconds_p50",
    "reply_seconds_p90",
    "mass_messages",
    "sales_gross_cents",
    "sales_net_cents",
    "sales_count",
    "reversed_net_cents",
    "reversed_count",
    "clocked_minutes",
    "scheduled_minutes",
    "sales_per_hour_cents",
    "messages_per_hour",
    "fans_per_hour",
];

/// Compares two sort keys as the API orders them: names in any case, nulls last.
fn in_order(before: &Value, after: &Value, descending: bool) -> bool {
    let number = |value: &Value| value.as_f64();
    match (before, after) {
        (_, Value::Null) => true,
        (Value::Null, _) => false,
        (Value::String(before), Value::String(after)) => {
            let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
            if let Some((before, after)) = instant(before).zip(instant(after)) {
                return if descending { before >= after } else { before <= after };
            }
            let (before, after) = (before.to_lowercase(), after.to_lowercase());
            if descending { before >= after } else { before <= after }
        }
        _ => {
            if descending {
                number(before) >= number(after)
            } else {
                number(before) <= number(after)
            }
        }
    }
}

/// Walks a list up and down, and asserts that it is in order and whole.
pub async fn walk_both_ways(
    service: &Service,
    path: &str,
    parameters: &[(&str, &str)],
    sort: &str,
    field: &str,
    limit: usize,
) {
    let whole = service.walk(path, parameters, 1000).await;
    let whole: BTreeSet<String> = whole.iter().map(Value::to_string).collect();
    for direction in ["", "-"] {
        let sort = format!("{direction}{sort}");
        let mut asked = parameters.to_vec();
        asked.push(("sort", &sort));
        let walked = service.walk(path, &asked, limit).await;
        for pair in walked.windows(2) {
            assert!(
                in_order(&pair[0][field], &pair[1][field], direction == "-"),
                "{path} by {sort}: {} before {}",
                pair[0][field],
                pair[1][field]
            );
        }
        assert_eq!(walked.len(), whole.len(), "{path} by {sort}");
        let walked: BTreeSet<String> = walked.iter().map(Value::to_string).collect();
        assert_eq!(walked, whole, "{path} by {sort}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn performance_in_every_order() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for sort in PERFORMANCE {
        walk_both_ways(&service, "/chatters/performance", &[("window", "day")], sort, sort, 31).await;
    }
    for (window, sort) in [
        ("hour", "hour"),
        ("hour", "golden_ratio"),
        ("day", "day"),
        ("week", "week"),
        ("month", "month"),
        ("all", "creator"),
    ] {
        walk_both_ways(&service, "/chatters/performance", &[("window", window)], sort, sort, 7).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_lists_in_every_order() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    fixture::tasks_and_mappings(&service).await;
    for (path, sort, field) in [
        ("/fans", "spend", "spend_cents"),
        ("/fans", "last_seen", "last_seen"),
        ("/fans", "last_purchase", "last_purchase"),
        ("/fans", "messages", "messages_received"),
        ("/fans", "r_days", "r_days"),
        ("/fans", "r", "r"),
        ("/fans", "f", "f"),
        ("/fans", "m", "m"),
        ("/sales", "day", "day"),
        ("/sales", "creator", "creator"),
        ("/sales", "chatter", "chatter"),
        ("/sales", "type", "type"),
        ("/sales", "net_cents", "net_cents"),
        ("/sales", "gross_cents", "gross_cents"),
        ("/sales", "count", "count"),
        ("/sales", "reversed_net_cents", "reversed_net_cents"),
        ("/reconciliation", "file", "file"),
        ("/reconciliation", "first_day", "first_day"),
        ("/template", "day", "day"),
        ("/template", "chatter", "chatter"),
        ("/files", "name", "name"),
        ("/files", "state", "state"),
        ("/files", "updated_at", "updated_at"),
        ("/creators", "creator", "creator"),
        ("/chatters", "chatter", "chatter"),
        ("/creators/Tania/daily", "day", "day"),
        ("/settings", "variable", "variable"),
        ("/settings/folders", "source", "source"),
        ("/settings/folders", "folder", "folder"),
        ("/settings/folders", "changed_at", "changed_at"),
        ("/ingest/mappings", "name", "name"),
        ("/ingest/mappings", "source", "source"),
        ("/ingest/mappings", "created_at", "created_at"),
    ] {
        walk_both_ways(&service, path, &[], sort, field, 3).await;
    }
    // How long ago a task was heard of is another with each question.
    let fields = [("fields", "task,kind,state,last_success_at")];
    for sort in ["kind", "task", "state", "last_success_at"] {
        walk_both_ways(&service, "/ops/tasks", &fields, sort, sort, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_survives_commits_in_between() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let before: BTreeSet<String> =
        service.walk("/fans", &[("sort", "-spend")], 1000).await.iter().map(|fan| fan["fan_id"].to_string()).collect();
    let (mut seen, mut epochs, mut cursor, mut epoch) = (Vec::new(), Vec::new(), None::<String>, 1000);
    loop {
        let mut asked = vec![("sort", "-spend"), ("limit", "10")];
        asked.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let answer = service.list("/fans", &asked).await;
        seen.extend(answer.items().iter().map(|fan| fan["fan_id"].to_string()));
        epochs.push(answer.json()["epoch"].as_i64().expect("an epoch"));
        assert!(answer.header("etag").starts_with(&format!("\"{epoch}-")));
        cursor = answer.json()["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
        // Fans come, go and change around the place where the walk stands.
        epoch += 1;
        service
            .run(&format!(
                "insert into views.fan_measures select creator_id, {epoch}, creator, platform, 'new{epoch}', null, 0, 0, 0, 0, 0, 0,
                     0, 0, 1000000 + {epoch}, 'whale', now(), now(), null, null from views.fan_measures limit 1;
                 update views.fan_measures set messages_received = messages_received + 1;"
            ))
            .await;
        service.commit(epoch, &["fans"]).await;
    }
    assert_eq!(epochs, (1000..=epoch).collect::<Vec<_>>(), "each page says its own epoch");
    let distinct: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "a fan came twice");
    assert_eq!(distinct, before, "a fan that was there all along was left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_page_has_no_cursor() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for limit in ["119", "120", "121"] {
        let answer = service.list("/fans", &[("limit", limit)]).await.json();
        assert_eq!(answer["next_cursor"].is_string(), limit == "119", "limit {limit}");
    }
    let answer = service.get("/fans?q=nobody-at-all").await.json();
    assert_eq!((answer["items"].as_array().map(Vec::len), answer["next_cursor"].is_null()), (Some(0), true));
    assert_eq!(service.get("/fans").await.items().len(), 100, "the default limit");
}
