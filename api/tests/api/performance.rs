//! `/chatters/performance` against the same question asked in another way, and by hand.

use serde_json::{Value, json};

use crate::fixture::{self, chatter, creator};
use crate::service::{Service, assert_same, plain};

/// The performance of every group of a window, each figure a subquery of its own.
fn expected(window: &str, condition: &str) -> String {
    let (of_day, text, table) = match window {
        "day" => ("day", "period::text", "chatter_day"),
        "week" => ("to_char(day, 'IYYY\"-W\"IW')", "period", "chatter_week"),
        "month" => ("to_char(day, 'YYYY-MM')", "period", "chatter_month"),
        _ => ("'all'", "period", "chatter_all"),
    };
    let period = if window == "all" { "'all'" } else { window };
    let member =
        if window == "all" { "'{}'::jsonb".to_owned() } else { format!("jsonb_build_object('{window}', {text})") };
    let measure = |name: &str| {
        format!(
            "coalesce((select {name} from views.{table} t where (t.creator_id, t.chatter_id, {period}) = (g.creator_id, g.chatter_id, g.period)), 0)"
        )
    };
    let quantile = |name: &str| {
        format!(
            "(select {name} from views.{table} t where (t.creator_id, t.chatter_id, {period}) = (g.creator_id, g.chatter_id, g.period))"
        )
    };
    let sale = |name: &str| {
        format!(
            "coalesce((select sum({name})::bigint from views.sales_day t where (t.creator_id, t.chatter_id, {of_day}) = (g.creator_id, g.chatter_id, g.period)), 0)"
        )
    };
    let hour = |name: &str| {
        format!(
            "(select sum({name})::bigint from views.hours_day t where (t.creator_id, t.chatter_id, {of_day}) = (g.creator_id, g.chatter_id, g.period))"
        )
    };
    let figures: Vec<String> = [
        ("messages_sent", measure("messages_sent")),
        ("ppvs_sent", measure("ppvs_sent")),
        ("ppvs_unlocked", measure("ppvs_unlocked")),
        ("ppv_sales_cents", measure("ppv_sales_cents")),
        ("fans_chatted", measure("fans_chatted")),
        ("fans_spent", measure("fans_spent")),
        ("characters", measure("characters")),
        ("replies", measure("replies")),
        ("reply_seconds_sum", measure("reply_seconds_sum")),
        ("mass_messages", measure("mass_messages")),
        ("reply_seconds_p50", quantile("reply_seconds_p50")),
        ("reply_seconds_p90", quantile("reply_seconds_p90")),
        ("sales_gross_cents", sale("gross_cents")),
        ("sales_net_cents", sale("net_cents")),
        ("sales_count", sale("count")),
        ("reversed_net_cents", sale("reversed_net_cents")),
        ("reversed_count", sale("reversed_count")),
        ("clocked_minutes", hour("clocked_minutes")),
        ("scheduled_minutes", hour("scheduled_minutes")),
    ]
    .iter()
    .map(|(name, sql)| format!("{sql} as {name}"))
    .collect();
    format!(
        "with g as (
            select creator_id, chatter_id, {period} as period from views.{table}
            union select creator_id, chatter_id, {of_day} from views.sales_day
            union select creator_id, chatter_id, {of_day} from views.hours_day
        ), f as (select g.*, {} from g)
        select jsonb_agg(
            (to_jsonb(f) - 'period' - 'creator_id' - 'chatter_id') || {member} || jsonb_build_object(
                'creator_id', creator_id::text, 'chatter_id', chatter_id::text,
                'creator', (select creator from views.creators c where c.creator_id = f.creator_id),
                'chatter', (select chatter from views.chatters c where c.chatter_id = f.chatter_id),
                'golden_ratio', ppvs_sent / nullif(messages_sent, 0)::float8,
                'unlock_rate', ppvs_unlocked / nullif(ppvs_sent, 0)::float8,
                'fan_cvr', fans_spent / nullif(fans_chatted, 0)::float8,
                'avg_earnings_per_spender_cents', ppv_sales_cents / nullif(fans_spent, 0)::float8,
                'reply_seconds_mean', reply_seconds_sum / nullif(replies, 0)::float8,
                'sales_per_hour_cents', sales_net_cents * 60 / nullif(clocked_minutes, 0)::float8,
                'messages_per_hour', messages_sent * 60 / nullif(clocked_minutes, 0)::float8,
                'fans_per_hour', fans_chatted * 60 / nullif(clocked_minutes, 0)::float8)
            order by period desc, creator_id, chatter_id) filter (where {condition})
        from f",
        figures.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_window_is_what_the_views_hold() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for window in ["day", "week", "month", "all"] {
        let sort = if window == "all" { "creator" } else { window };
        let descending = format!("-{sort}");
        let mut answered =
            service.walk("/chatters/performance", &[("window", window), ("sort", &descending)], 37).await;
        let stored = service.select(&expected(window, "true")).await;
        if window == "all" {
            // Sorted by name; compared by id.
            let id = |item: &Value, name: &str| item[name].as_str().expect("an id").parse::<i64>().expect("a number");
            answered.sort_by_key(|item| (id(item, "creator_id"), id(item, "chatter_id")));
        }
        assert!(stored.as_array().is_some_and(|items| items.len() > 10), "{window}: {stored}");
        assert_same(&answered, &stored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_with_sales_alone_and_hours_alone_are_listed() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let items = service.walk("/chatters/performance", &[("window", "day")], 1000).await;
    let count = |keep: &dyn Fn(&Value) -> bool| items.iter().filter(|item| keep(item)).count();
    assert!(count(&|item| item["messages_sent"] == 0 && item["sales_count"] != 0) > 5);
    assert!(
        count(&|item| item["sales_count"] == 0 && item["messages_sent"] == 0 && item["scheduled_minutes"] == 480) > 0
    );
    assert!(count(&|item| item["clocked_minutes"] == 0 && item["sales_per_hour_cents"].is_null()) > 0);
    assert!(count(&|item| item["clocked_minutes"].is_null() && item["messages_per_hour"].is_null()) > 0);
    assert!(count(&|item| item["chatter"].is_null() && item["chatter_id"] == "0") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_sums_first_and_divides_then() {
    let service = Service::start().await;
    let (tania, iva) = (creator(0), chatter(0));
    service
        .run(&format!(
            "insert into views.chatter_week values
                ({tania}, {iva}, '2026-W43', 'Tania (OF)', 'Iva', 30, 10, 4, 5000, 900, 12, 600, 2, 9, 3, 40, 95);
             insert into views.sales_day values
                ({tania}, {iva}, '2026-10-19', 'Tips', 'Tania (OF)', 'Iva', 1000, 800, 1, 0, 0),
                ({tania}, {iva}, '2026-10-25', 'Messages', 'Tania (OF)', 'Iva', 9000, 7200, 2, 1200, 1),
                ({tania}, {iva}, '2026-10-26', 'Messages', 'Tania (OF)', 'Iva', 77, 66, 1, 0, 0);
             insert into views.hours_day values
                ({tania}, {iva}, '2026-10-20', 'Tania (OF)', 'Iva', 60, 480, 1, 1, 1),
                ({tania}, {iva}, '2026-10-21', 'Tania (OF)', 'Iva', null, 480, 1, 1, 1),
                ({tania}, {iva}, '2026-10-22', 'Tania (OF)', 'Iva', 180, null, 1, 1, 1);"
        ))
        .await;
    fixture::fold(&service).await;
    let asked = [("window", "week"), ("from", "2026-W43"), ("to", "2026-W43")];
    let items = service.list("/chatters/performance", &asked).await.items();
    let expected = json!({
        "week": "2026-W43", "creator_id": tania.to_string(), "creator": "Tania (OF)", "chatter_id": iva.to_string(),
        "chatter": "Iva", "messages_sent": 30, "ppvs_sent": 10, "ppvs_unlocked": 4, "ppv_sales_cents": 5000,
        "golden_ratio": 10.0 / 30.0, "unlock_rate": 0.4, "fans_chatted": 9, "fans_spent": 3, "fan_cvr": 3.0 / 9.0,
        "avg_earnings_per_spender_cents": 5000.0 / 3.0, "characters": 900, "replies": 12, "reply_seconds_sum": 600,
        "reply_seconds_mean": 50, "reply_seconds_p50": 40, "reply_seconds_p90": 95, "mass_messages": 2,
        "sales_gross_cents": 10000, "sales_net_cents": 8000, "sales_count": 3, "reversed_net_cents": 1200,
        "reversed_count": 1, "clocked_minutes": 240, "scheduled_minutes": 960,
        "sales_per_hour_cents": 2000, "messages_per_hour": 7.5, "fans_per_hour": 2.25,
    });
    assert_eq!(items.iter().map(plain).collect::<Vec<_>>(), [plain(&expected)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_carry_their_offset_and_no_worked_time() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let asked = [
        ("window", "hour"),
        ("from", "2026-10-25T02:00:00+02:00"),
        ("to", "2026-10-25T01:00:00Z"),
        ("creator", "tania (of)"),
        ("chatter", " IVA "),
    ];
    let items = service.list("/chatters/performance", &asked).await.items();
    let hours: Vec<&str> = items.iter().filter_map(|item| item["hour"].as_str()).collect();
    assert_eq!(hours, ["2026-10-25T02:00:00+01:00", "2026-10-25T02:00:00+02:00"]);
    for item in &items {
        assert!(item["clocked_minutes"].is_null() && item["messages_per_hour"].is_null());
        assert_eq!(item["characters"], 12);
    }
    let mut all = service.walk("/chatters/performance", &[("window", "hour")], 50).await;
    let members = all.iter_mut().filter_map(Value::as_object_mut);
    members.for_each(|item| ["hour", "creator_id", "chatter_id"].iter().for_each(|name| drop(item.remove(*name))));
    let stored = "select jsonb_agg(to_jsonb(h) - 'hour' - 'creator_id' - 'chatter_id' || jsonb_build_object(
            'clocked_minutes', null, 'scheduled_minutes', null, 'sales_per_hour_cents', null, 'messages_per_hour', null,
            'fans_per_hour', null) order by hour desc, creator_id, chatter_id) from views.chatter_hour h";
    assert_same(&all, &service.select(stored).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_and_names_narrow_the_list() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let (leya, mila) = (creator(1).to_string(), chatter(2).to_string());
    for (asked, condition) in [
        (vec![("from", "2026-10-23"), ("to", "2026-10-25")], "period between '2026-10-23' and '2026-10-25'".to_owned()),
        (vec![("from", "2026-11-02")], "period >= '2026-11-02'".to_owned()),
        (vec![("creator", "LEYA (FS)")], format!("creator_id = {leya}")),
        (vec![("creator", &leya)], format!("creator_id = {leya}")),
        (
            vec![("chatter", "mila  jo"), ("to", "2026-10-24")],
            format!("chatter_id = {mila} and period <= '2026-10-24'"),
        ),
        (vec![("chatter", "0")], "chatter_id = 0".to_owned()),
        (vec![("creator", "Leya (OF)")], "false".to_owned()),
        (vec![("creator", "' or true --")], "false".to_owned()),
    ] {
        let answered = service.walk("/chatters/performance", &asked, 1000).await;
        assert_same(&answered, &service.select(&expected("day", &condition)).await);
    }
    for (window, from, to, condition) in
        [("week", "2026-W44", "2026-W44", "period = '2026-W44'"), ("month", "2026-11", "2026-11", "period = '2026-11'")]
    {
        let asked = [("window", window), ("from", from), ("to", to)];
        let answered = service.walk("/chatters/performance", &asked, 1000).await;
        assert!(!answered.is_empty());
        assert_same(&answered, &service.select(&expected(window, condition)).await);
    }
}
