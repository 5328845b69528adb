//! Fans, sales, creators, files and the template against the same question in SQL.

use serde_json::{Value, json};

use crate::fixture::{self, creator};
use crate::service::{Service, assert_same};

const FANS: &str = "select jsonb_agg(to_jsonb(fan) - 'last_purchase_day' || jsonb_build_object(
        'creator_id', creator_id::text, 'fan_id', fan_id::text,
        'first_seen', to_char(first_seen at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
        'last_seen', to_char(last_seen at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
        'last_purchase', to_char(last_purchase at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))
    order by spend_cents desc, creator_id, fan_id) from views.fans fan where ";

#[tokio::test(flavor = "multi_thread")]
async fn fans_by_every_filter() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let leya = creator(1).to_string();
    for (asked, condition, least) in [
        (vec![], "true".to_owned(), 120),
        (vec![("creator", "Leya (Fansly)")], format!("creator_id = {leya}"), 30),
        (vec![("spend_class", "whale")], "spend_class = 'whale'".to_owned(), 5),
        (vec![("spend_class", "whale, non-spender")], "spend_class in ('whale', 'non-spender')".to_owned(), 40),
        (vec![("segment", "Can't Lose")], "segment = 'Can''t Lose'".to_owned(), 15),
        (vec![("segment", "LOST, others")], "segment in ('Lost', 'Others')".to_owned(), 30),
        (
            vec![("segment", "champions"), ("spend_class", "Whale,regular"), ("creator", "Leya")],
            format!("segment = 'Champions' and spend_class in ('whale', 'regular') and creator_id = {leya}"),
            3,
        ),
        (vec![("segment", "At Risk")], "false".to_owned(), 0),
        (vec![("q", "U001")], "username like 'u001%'".to_owned(), 10),
        (vec![("q", "nick3")], "nickname = 'Nick3'".to_owned(), 10),
        (vec![("q", "u0_1")], "false".to_owned(), 0),
        (vec![("q", "%")], "false".to_owned(), 0),
        (vec![("q", "\\")], "false".to_owned(), 0),
        (
            vec![("min_spend_cents", "10000"), ("max_spend_cents", "100000")],
            "spend_cents between 10000 and 100000".to_owned(),
            20,
        ),
        (
            vec![("seen_from", "2026-10-26"), ("seen_to", "2026-10-26")],
            "(last_seen at time zone 'Europe/Belgrade')::date = '2026-10-26'".to_owned(),
            24,
        ),
        (
            vec![("seen_from", "2026-10-25T03:00:00+01:00"), ("seen_to", "2026-10-25T05:00:00Z")],
            "last_seen between '2026-10-25 02:00Z' and '2026-10-25 05:00Z'".to_owned(),
            4,
        ),
        (
            vec![("purchase_from", "2026-10-25"), ("purchase_to", "2026-10-25"), ("creator", "Leya")],
            format!("last_purchase_day = '2026-10-25' and creator_id = {leya}"),
            3,
        ),
    ] {
        let stored = service.select(&format!("{FANS}{condition}")).await;
        assert!(stored.as_array().map_or(0, Vec::len) >= least, "{asked:?} finds too few to prove anything");
        assert_same(&service.walk("/fans", &asked, 50).await, &stored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_since_count_to_the_as_of_day() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let days = |items: Vec<Value>| items.iter().map(|fan| fan["r_days"].clone()).collect::<Vec<_>>();
    let most = service.get("/fans?sort=-r_days&limit=1").await.items();
    assert_eq!(days(most), [json!(11)]);
    service.run("update views.as_of set day = '2026-11-10'").await;
    service.commit(1001, &["as_of"]).await;
    let most = service.get("/fans?sort=-r_days&limit=1").await.items();
    assert_eq!(days(most), [json!(17)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_by_every_filter() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for (asked, condition) in [
        (vec![], "true"),
        (vec![("from", "2026-10-24"), ("to", "2026-10-25")], "day in ('2026-10-24', '2026-10-25')"),
        (vec![("creator", "Mia (FV)"), ("type", "tips")], "creator = 'Mia (Fanvue)' and type = 'Tips'"),
        (vec![("chatter", "JOVAN"), ("from", "2026-11-01")], "chatter = 'Jovan' and day >= '2026-11-01'"),
        (vec![("chatter", "0")], "chatter is null"),
    ] {
        let stored = service
            .select(&format!(
                "select jsonb_agg(to_jsonb(s) || jsonb_build_object('creator_id', creator_id::text, 'chatter_id', chatter_id::text)
                     order by day desc, creator_id, chatter_id, type) from views.sales_day s where {condition}"
            ))
            .await;
        assert!(stored.is_array(), "{condition} finds nothing");
        assert_same(&service.walk("/sales", &asked, 20).await, &stored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creators_days() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let stored = service
        .select(
            "select jsonb_agg(to_jsonb(d) || jsonb_build_object('creator_id', creator_id::text) order by day)
             from views.creator_day d where creator = 'Leya (Fansly)' and day between '2026-10-22' and '2026-10-30'",
        )
        .await;
    let range = [("from", "2026-10-22"), ("to", "2026-10-30")];
    for name in ["Leya%20(Fansly)", "leya%20(fs)", "LEYA", &creator(1).to_string()] {
        assert_same(&service.list(&format!("/creators/{name}/daily"), &range).await.items(), &stored);
    }
    for name in ["Nobody%20(OF)", "Leya%20(OF)", "0", "x'%20or%20true"] {
        assert_eq!(service.get(&format!("/creators/{name}/daily")).await.status, 404, "{name}");
    }
    assert_eq!(service.get("/creators/%ff/daily").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn creators_chatters_and_the_template() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let names = |items: Vec<Value>, name: &str| items.iter().map(|item| item[name].clone()).collect::<Vec<_>>();
    assert_eq!(
        names(service.get("/creators").await.items(), "creator"),
        ["Leya (Fansly)", "Mia (Fanvue)", "Tania (OF)"]
    );
    assert_eq!(names(service.get("/creators?q=MI").await.items(), "creator_id"), [creator(2).to_string()]);
    assert_eq!(names(service.get("/chatters").await.items(), "chatter"), ["Iva", "Jovan", "Mila Jo"]);
    let stored = service
        .select(
            "select jsonb_agg(to_jsonb(t) || jsonb_build_object('chatter_id', chatter_id::text) order by day desc, chatter_id)
             from views.template_day t where chatter <> 'Iva' and day >= '2026-10-22'",
        )
        .await;
    let mut answered = Vec::new();
    for chatter in ["jovan", "Mila Jo"] {
        answered.extend(service.list("/template", &[("chatter", chatter), ("from", "2026-10-22")]).await.items());
    }
    answered.sort_by_key(|item| {
        let id: i64 = item["chatter_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        (std::cmp::Reverse(item["day"].to_string()), id)
    });
    assert_same(&answered, &stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_show_where_they_stand_and_what_they_hold() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let answer = service.get("/files").await;
    assert!(answer.headers.get("etag").is_none(), "a file can fail without a new epoch");
    insta::assert_json_snapshot!("files", answer.json());
    let names = |items: Vec<Value>| items.iter().map(|file| file["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(service.get("/files?state=failed,gone").await.items()), ["broken.xlsx", "old.xlsx"]);
    assert_eq!(names(service.get("/files?q=LATER").await.items()), ["later/b.csv"]);
    assert_eq!(
        names(service.get("/files?sort=-updated_at").await.items()),
        ["broken.xlsx", "later/b.csv", "a.xlsx", "old.xlsx", "elsewhere.xlsx"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_looks_like_sql_is_only_text() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for text in ["'; drop table views.fan_measures; --", "\" or \"\"=\"", "$1", "%' or '1'='1", "\\'; select 1", "🦄ß"]
    {
        for (path, name) in [
            ("/fans", "q"),
            ("/fans", "creator"),
            ("/chatters/performance", "chatter"),
            ("/chatters/performance", "creator"),
            ("/sales", "type"),
            ("/reconciliation", "file"),
            ("/reconciliation", "creator"),
            ("/reconciliation", "chatter"),
            ("/files", "q"),
            ("/ops/tasks", "q"),
            ("/settings", "q"),
            ("/settings/folders", "q"),
            ("/settings/folders", "source"),
            ("/ingest/mappings", "q"),
            ("/ingest/mappings", "source"),
            ("/creators", "q"),
            ("/template", "chatter"),
        ] {
            assert_eq!(service.list(path, &[(name, text)]).await.items(), Vec::<Value>::new(), "{path} {name}={text}");
        }
        assert_eq!(service.list("/fans", &[("sort", text)]).await.status, 422);
        assert_eq!(service.list("/fans", &[("segment", text)]).await.status, 422);
        assert_eq!(service.list("/fans", &[("cursor", text)]).await.status, 422);
    }
    assert_eq!(service.select("select count(*)::text::jsonb from views.fan_measures").await, json!(120));
}
