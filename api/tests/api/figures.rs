//! Comparisons, ranks, series and profiles against the same questions in SQL.

use serde_json::{Value, json};

use crate::fixture::{self, chatter, creator};
use crate::people::{self, account, bearer};
use crate::service::{Service, assert_same, plain};

/// The measures that add up, of the groups of a condition, with ratios.
const SUMS: &str = "'messages_sent', coalesce(sum(messages_sent), 0), 'ppvs_sent', coalesce(sum(ppvs_sent), 0),
    'ppvs_unlocked', coalesce(sum(ppvs_unlocked), 0), 'ppv_sales_cents', coalesce(sum(ppv_sales_cents), 0),
    'golden_ratio', sum(ppvs_sent) / nullif(sum(messages_sent), 0)::float8,
    'unlock_rate', sum(ppvs_unlocked) / nullif(sum(ppvs_sent), 0)::float8,
    'characters', coalesce(sum(characters), 0), 'replies', coalesce(sum(replies), 0),
    'reply_seconds_mean', sum(reply_seconds_sum) / nullif(sum(replies), 0)::float8,
    'sales_gross_cents', coalesce(sum(sales_gross_cents), 0), 'sales_net_cents', coalesce(sum(sales_net_cents), 0),
    'sales_count', coalesce(sum(sales_count), 0), 'reversed_net_cents', coalesce(sum(reversed_net_cents), 0),
    'reversed_count', coalesce(sum(reversed_count), 0)";

const WORKED: &str = "'clocked_minutes', sum(clocked_minutes),
    'sales_per_hour_cents', sum(sales_net_cents) * 60 / nullif(sum(clocked_minutes), 0)::float8,
    'messages_per_hour', sum(messages_sent) * 60 / nullif(sum(clocked_minutes), 0)::float8";

#[tokio::test(flavor = "multi_thread")]
async fn each_period_beside_the_one_before() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    // Some hours that follow one another, which the fixture has for one group alone.
    service
        .run(
            "insert into views.chatter_hour (creator_id, chatter_id, hour, creator, chatter, messages_sent, ppvs_sent, ppvs_unlocked,
                ppv_sales_cents, characters, replies, reply_seconds_sum, mass_messages)
             select creator_id, chatter_id, hour + interval '1 hour', creator, chatter, messages_sent + 3, 1, 1, 250, 40, 2, 90, 0
             from views.chatter_hour where messages_sent % 20 = 0 on conflict do nothing",
        )
        .await;
    service.commit(1001, &["chatter_hour"]).await;
    for (window, column) in [("day", "day"), ("week", "week"), ("month", "month"), ("hour", "hour")] {
        let asked = [("window", window), ("compare", "previous")];
        let items = service.walk("/chatters/performance", &asked, 100).await;
        let alone = service.walk("/chatters/performance", &[("window", window)], 100).await;
        let group = |item: &Value| (item["creator_id"].to_string(), item["chatter_id"].to_string());
        let starts = |item: &Value| {
            let text = item[column].as_str().expect("a period");
            match window {
                "hour" => text.parse::<jiff::Timestamp>().expect("an instant").as_second() / 3600,
                "day" => i64::from(day(text)),
                "week" => {
                    let (year, week) = text.split_once("-W").expect("a week");
                    let week = jiff::civil::ISOWeekDate::new(
                        year.parse().expect("a year"),
                        week.parse().expect("a number"),
                        jiff::civil::Weekday::Monday,
                    );
                    i64::from(since(week.expect("a week").date())) / 7
                }
                _ => {
                    let (year, month) = text.split_once('-').expect("a month");
                    year.parse::<i64>().expect("a year") * 12 + month.parse::<i64>().expect("a month")
                }
            }
        };
        let mut with_one = 0;
        for (item, alone_item) in items.iter().zip(&alone) {
            let before = alone.iter().find(|other| group(other) == group(item) && starts(other) == starts(item) - 1);
            let previous = &item["previous"];
            match before {
                None => assert!(previous.is_null() && item.get("previous").is_some(), "{window}: {item}"),
                Some(before) => {
                    with_one += 1;
                    for (name, figure) in previous.as_object().expect("an object") {
                        assert_eq!(plain(figure), plain(&before[name]), "{window} {name}");
                    }
                    assert!(previous["messages_sent"].is_number() && previous["sales_net_cents"].is_number());
                }
            }
            let mut without = item.clone();
            without.as_object_mut().expect("an object").remove("previous");
            assert_eq!(without, *alone_item);
        }
        assert!(with_one > 3, "{window}: only {with_one} have a period before");
    }
    assert_eq!(service.get("/chatters/performance?window=all&compare=previous").await.status, 422);
}

fn since(date: jiff::civil::Date) -> i32 {
    jiff::civil::date(2000, 1, 3).until(date).expect("in range").get_days()
}

fn day(text: &str) -> i32 {
    since(text.parse().expect("a day"))
}

#[tokio::test(flavor = "multi_thread")]
async fn ranks_by_every_measure() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for (asked, condition, order) in [
        (vec![], "true".to_owned(), "sum(sales_net_cents) desc"),
        (
            vec![("by", "messages_sent"), ("from", "2026-10-24")],
            "day >= '2026-10-24'".to_owned(),
            "sum(messages_sent) desc",
        ),
        (
            vec![("by", "unlock_rate"), ("to", "2026-10-30"), ("creator", "Leya")],
            format!("day <= '2026-10-30' and creator_id = {}", creator(1)),
            "sum(ppvs_unlocked) / nullif(sum(ppvs_sent), 0)::float8 desc nulls last",
        ),
        (
            vec![("by", "reply_seconds_mean")],
            "true".to_owned(),
            "sum(reply_seconds_sum) / nullif(sum(replies), 0)::float8 nulls last",
        ),
    ] {
        let stored = service
            .select(&format!(
                "select jsonb_agg(item order by (item->>'rank')::bigint, chatter_id) from (
                     select chatter_id, jsonb_build_object('rank', rank() over (order by {order}), 'chatter_id', chatter_id::text,
                         'chatter', max(chatter), 'creators', count(distinct creator_id),
                         'active_days', count(distinct day) filter (where messages_sent > 0 or sales_count > 0), {SUMS}, {WORKED})
                         as item
                     from views.chatter_day where chatter_id <> 0 and {condition} group by chatter_id) ranked"
            ))
            .await;
        assert!(stored.as_array().is_some_and(|items| items.len() == 3), "{stored}");
        assert_same(&service.walk("/chatters/ranking", &asked, 2).await, &stored);
    }
    // Whoever is equal has the same rank.
    service.run("update views.chatter_day set messages_sent = 5").await;
    service.commit(1001, &["chatter_day"]).await;
    let one_day = "/chatters/ranking?by=messages_sent&from=2026-10-21&to=2026-10-21&creator=Tania";
    let ranks: Vec<Value> = service.get(one_day).await.items().iter().map(|item| item["rank"].clone()).collect();
    assert!(ranks.len() > 1 && ranks.iter().all(|rank| *rank == 1), "{ranks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn series_have_a_point_for_every_period() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for (window, from, to, table, period, points, step) in [
        (
            "day",
            "2026-10-19",
            "2026-11-05",
            "chatter_day",
            "day::text",
            "date '2026-10-19', date '2026-11-05'",
            "1 day",
        ),
        (
            "week",
            "2026-W42",
            "2026-W45",
            "chatter_day",
            "to_char(day, 'IYYY\"-W\"IW')",
            "date '2026-10-12', date '2026-11-08'",
            "7 days",
        ),
        (
            "month",
            "2026-09",
            "2026-12",
            "chatter_day",
            "to_char(day, 'YYYY-MM')",
            "date '2026-09-01', date '2026-12-31'",
            "1 month",
        ),
    ] {
        let label = match window {
            "day" => "at::date::text".to_owned(),
            _ => period.replace("day", "at"),
        };
        for (more, condition) in [
            (vec![], "true".to_owned()),
            (
                vec![("chatter", "Iva"), ("creator", "Tania (OF)")],
                format!("chatter_id = {} and creator_id = {}", chatter(0), creator(0)),
            ),
        ] {
            let stored = service
                .select(&format!(
                    "select jsonb_agg(item order by item->>'{window}') from (
                         select jsonb_build_object('{window}', {label},
                             'active_chatters', count(distinct chatter_id) filter (where chatter_id <> 0 and messages_sent > 0),
                             'mass_messages', coalesce(sum(mass_messages), 0), {SUMS}, {WORKED}) as item
                         from generate_series({points}, interval '{step}') at
                         left join (select * from views.{table} where {condition}) d on {period} = {label}
                         group by {label}) points"
                ))
                .await;
            assert!(stored.as_array().is_some_and(|points| points.len() >= 4), "{stored}");
            let asked: Vec<(&str, &str)> =
                [("window", window), ("from", from), ("to", to)].into_iter().chain(more).collect();
            assert_same(&service.walk("/chatters/series", &asked, 3).await, &stored);
        }
    }
    // The night in which an hour occurs twice, shown in the zone of the reports and in another one.
    let night = [("window", "hour"), ("from", "2026-10-24T22:00:00Z"), ("to", "2026-10-25T02:00:00Z")];
    let hours = |items: Vec<Value>| {
        items.iter().map(|item| item["hour"].as_str().expect("an hour").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        hours(service.list("/chatters/series", &night).await.items()),
        [
            "2026-10-25T00:00:00+02:00",
            "2026-10-25T01:00:00+02:00",
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T03:00:00+01:00",
        ]
    );
    let in_tokyo: Vec<(&str, &str)> = night.into_iter().chain([("zone", "Asia/Tokyo")]).collect();
    assert_eq!(hours(service.list("/chatters/series", &in_tokyo).await.items())[0], "2026-10-25T07:00:00+09:00");
    let sum: i64 = service
        .list("/chatters/series", &night)
        .await
        .items()
        .iter()
        .filter_map(|item| item["characters"].as_i64())
        .sum();
    let stored = "select to_jsonb(sum(characters)) from views.chatter_hour
                  where hour between '2026-10-24 22:00Z' and '2026-10-25 02:00Z'";
    assert_eq!(json!(sum), service.select(stored).await);
    assert_eq!(service.get("/chatters/series").await.items().len(), 30, "without a range");
    assert_eq!(service.get("/chatters/series?from=1900-01-01").await.status, 422, "too many points");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_by_id_and_name() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let by_name = service.get("/fans/u0005").await.items();
    assert_eq!(by_name.len(), 1);
    let id = by_name[0]["fan_id"].as_str().expect("an id").to_owned();
    assert_eq!(service.get(&format!("/fans/{id}")).await.items(), by_name);
    assert_eq!(service.get("/fans/U0005?fields=username").await.items(), [json!({"username": "u0005"})]);
    for unknown in ["nobody", "0", "'%20or%20true"] {
        let answer = service.get(&format!("/fans/{unknown}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, "application/problem+json"), "{unknown}");
    }
    assert_eq!(service.get("/fans/%ff").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn fans_by_cluster_and_recency() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for (asked, condition) in [
        (vec![("cluster", "Cluster 3")], "cluster = 'Cluster 3'"),
        (vec![("max_r_days", "9")], "r_days <= 9"),
        (
            vec![("min_r_days", "9"), ("max_r_days", "10"), ("segment", "lost")],
            "r_days between 9 and 10 and segment = 'Lost'",
        ),
        (
            vec![("seen_from", "2026-10-26"), ("seen_to", "2026-10-26"), ("zone", "Asia/Tokyo")],
            "(last_seen at time zone 'Asia/Tokyo')::date = '2026-10-26'",
        ),
    ] {
        let stored = format!(
            "select jsonb_agg(fan_id::text order by spend_cents desc, creator_id, fan_id) from views.fans where {condition}"
        );
        let stored = service.select(&stored).await;
        assert!(stored.as_array().is_some_and(|fans| fans.len() > 2), "{asked:?}: {stored}");
        let found: Vec<Value> =
            service.walk("/fans", &asked, 7).await.iter().map(|fan| fan["fan_id"].clone()).collect();
        assert_eq!(Value::from(found), stored, "{asked:?}");
    }
    assert_eq!(service.get("/fans?min_r_days=3&max_r_days=2").await.status, 422);
    assert_eq!(service.get("/fans?max_r_days=-1").await.status, 422);
    assert_eq!(service.get("/fans?seen_from=2026-10-26&zone=Mars/Olympus").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fans_days() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let leya = creator(1);
    for (fan, asked, condition, days) in [
        ("u0007", vec![], "username = 'u0007'".to_owned(), 7),
        ("U0001", vec![], "username = 'u0001'".to_owned(), 14),
        ("u0001", vec![("creator", "Leya")], format!("username = 'u0001' and creator_id = {leya}"), 7),
        (
            "u0001",
            vec![("from", "2026-10-25"), ("to", "2026-10-26")],
            "username = 'u0001' and day in ('2026-10-25', '2026-10-26')".to_owned(),
            4,
        ),
        ("u0001", vec![("creator", "Mia")], "false".to_owned(), 0),
    ] {
        let stored = service
            .select(&format!(
                "select jsonb_agg(to_jsonb(d) || jsonb_build_object('creator_id', creator_id::text, 'fan_id', fan_id::text)
                     order by day desc, creator_id) from views.fan_day d where {condition}"
            ))
            .await;
        let walked = service.walk(&format!("/fans/{fan}/timeline"), &asked, 3).await;
        assert_eq!(walked.len(), days, "{fan} {asked:?}");
        assert_same(&walked, &stored);
    }
    for unknown in ["nobody", "0", "x'%20or%20true"] {
        assert_eq!(service.get(&format!("/fans/{unknown}/timeline")).await.status, 404, "{unknown}");
    }
    assert_eq!(service.get("/fans/u0001/timeline?from=2026-10-26&to=2026-10-25").await.status, 422);
    // A creator sees a fan's days with themselves alone, and of others' fans not that there is one.
    let own = bearer(&service, &account(&service, "creator", &[leya], &[]).await).await;
    let seen = people::get(&service, "/fans/u0001/timeline?limit=1000", &own).await.items();
    let id = json!(leya.to_string());
    assert!(seen.len() == 7 && seen.iter().all(|day| day["creator_id"] == id), "{seen:?}");
    assert_eq!(people::get(&service, "/fans/u0002/timeline", &own).await.status, 404);
    let of_chatter = bearer(&service, &account(&service, "chatter", &[leya], &[chatter(0)]).await).await;
    assert_eq!(people::get(&service, "/fans/u0001/timeline", &of_chatter).await.status, 403);
}
