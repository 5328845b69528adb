//! Who sees only own rows sees those, all of them, and no other, however they ask.

use serde_json::Value;

use crate::fixture::{self, chatter, creator};
use crate::people::{self, account, bearer};
use crate::service::{Answer, Service, plain};

async fn all(service: &Service, path: &str, bearer: &str) -> Vec<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let answer = people::get(service, &format!("{path}{joint}limit=1000"), bearer).await;
    assert!(answer.json()["next_cursor"].is_null(), "one page has all of {path}");
    answer.items()
}

async fn everything(service: &Service, path: &str) -> Vec<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let answer: Answer = service.get(&format!("{path}{joint}limit=1000")).await;
    answer.items()
}

/// An id as answers have it.
fn id(id: i64) -> Value {
    Value::String(id.to_string())
}

/// Asserts that a reader sees of a list exactly the rows that are theirs.
async fn sees(service: &Service, bearer: &str, path: &str, theirs: impl Fn(&Value) -> bool) {
    let own = all(service, path, bearer).await;
    let expected: Vec<Value> = everything(service, path).await.into_iter().filter(theirs).collect();
    assert!(!expected.is_empty(), "{path} has rows of theirs");
    assert_eq!(own.iter().map(plain).collect::<Vec<_>>(), expected.iter().map(plain).collect::<Vec<_>>(), "{path}");
}

const LISTS: [&str; 6] = [
    "/chatters/performance?window=hour",
    "/chatters/performance?window=day",
    "/chatters/performance?window=week",
    "/chatters/performance?window=month",
    "/chatters/performance?window=all",
    "/sales",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_chatter_sees_their_own_figures() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let email = account(&service, "chatter", &[creator(2)], &[chatter(0)]).await;
    let own = bearer(&service, &email).await;
    let is_own = |row: &Value| row["chatter_id"] == id(chatter(0));
    for list in LISTS {
        sees(&service, &own, list, is_own).await;
    }
    for list in ["/template", "/reconciliation?only=all", "/chatters"] {
        sees(&service, &own, list, is_own).await;
    }
    let other = chatter(1).to_string();
    for path in [format!("/sales?chatter={other}"), format!("/chatters/performance?chatter={other}")] {
        assert_eq!(all(&service, &path, &own).await, Vec::<Value>::new(), "{path}");
    }
    assert_eq!(all(&service, &format!("/creators/{}/daily", creator(0)), &own).await, Vec::<Value>::new());
    for path in ["/fans", "/clusters", "/files", "/messages", "/ingest/uploads", "/users", "/keys", "/audit"] {
        assert_eq!(people::get(&service, path, &own).await.status, 403, "{path}");
    }

    let totals = people::get(&service, "/overview?day=2026-10-28", &own).await.json()["totals"].clone();
    let sold = service
        .select(&format!(
            "select to_jsonb(sum(net_cents)::bigint) from views.sales_day where day = '2026-10-28' and chatter_id = {}",
            chatter(0)
        ))
        .await;
    assert_eq!(totals["sales_net_cents"], sold);
    assert!(totals["active_chatters"].as_i64().is_some_and(|count| count <= 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creator_sees_their_own_fans_and_figures() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let email = account(&service, "creator", &[creator(1)], &[]).await;
    let own = bearer(&service, &email).await;
    let is_own = |row: &Value| row["creator_id"] == id(creator(1));
    for list in LISTS {
        sees(&service, &own, list, is_own).await;
    }
    sees(&service, &own, "/fans", is_own).await;
    sees(&service, &own, "/creators", is_own).await;
    sees(&service, &own, &format!("/creators/{}/daily", creator(1)), |_| true).await;
    let foreign = people::get(&service, &format!("/creators/{}/daily", creator(0)), &own).await;
    let unknown = people::get(&service, "/creators/none/daily", &own).await;
    assert_eq!(
        (foreign.status, &foreign.json()["detail"]),
        (404, &unknown.json()["detail"]),
        "as if it were not there"
    );
    assert_eq!(all(&service, &format!("/fans?creator={}", creator(0)), &own).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_sees_their_groups() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let email = account(&service, "manager", &[creator(0)], &[chatter(1)]).await;
    let own = bearer(&service, &email).await;
    let is_own = |row: &Value| row["creator_id"] == id(creator(0)) || row["chatter_id"] == id(chatter(1));
    for list in LISTS {
        sees(&service, &own, list, is_own).await;
    }
    sees(&service, &own, "/fans", |fan| fan["creator_id"] == id(creator(0))).await;
    let mut nobody = account(&service, "creator", &[], &[]).await;
    nobody = bearer(&service, &nobody).await;
    for list in LISTS.into_iter().chain(["/fans", "/creators", "/chatters", "/template", "/reconciliation?only=all"]) {
        assert_eq!(all(&service, list, &nobody).await, Vec::<Value>::new(), "{list} for whom nothing is named");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_tags_nor_cursors_carry_over() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let email = account(&service, "creator", &[creator(1)], &[]).await;
    let own = bearer(&service, &email).await;
    let of_all = service.get("/fans?limit=5").await;
    let mine = people::get(&service, "/fans?limit=5", &own).await;
    assert_ne!(of_all.header("etag"), mine.header("etag"));
    assert!(mine.header("vary").to_lowercase().contains("authorization"));
    let headers = [("authorization", own.as_str()), ("if-none-match", of_all.header("etag"))];
    let asked = people::send(&service, reqwest::Method::GET, "/fans?limit=5", &headers, None).await;
    assert_eq!(asked.status(), 200, "the tag of another's answer is not that of one's own");
    let headers = [("authorization", own.as_str()), ("if-none-match", mine.header("etag"))];
    assert_eq!(people::send(&service, reqwest::Method::GET, "/fans?limit=5", &headers, None).await.status(), 304);

    let cursor = of_all.json()["next_cursor"].as_str().expect("more").to_owned();
    let next = people::get(&service, &format!("/fans?limit=1000&cursor={cursor}"), &own).await;
    assert!(next.items().iter().all(|fan| fan["creator_id"] == id(creator(1))));
}
