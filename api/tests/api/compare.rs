//! `compare=previous` of a range: what stands beside each item is what is answered when the range before is asked for by itself.

use serde_json::{Map, Value};

use crate::fixture;
use crate::service::{Service, assert_same, plain};

const NOW: [(&str, &str); 2] = [("from", "2026-10-28"), ("to", "2026-11-03")];
const BEFORE: [(&str, &str); 2] = [("from", "2026-10-21"), ("to", "2026-10-27")];

/// The members by which items are the same group.
fn group(item: &Value, keys: &[&str]) -> Vec<Value> {
    keys.iter().map(|key| item[*key].clone()).collect()
}

/// Asserts that `previous` of every item is the item of the range before, that who is there alone is listed with null now, and
/// that nothing else is.
async fn beside(service: &Service, path: &str, asked: &[(&str, &str)], keys: &[&str], names: &[&str]) -> usize {
    let all = |more: &[(&'static str, &'static str)]| {
        let mut all: Vec<(&str, &str)> = asked.to_vec();
        all.extend_from_slice(more);
        async move { service.walk(path, &all, 2).await }
    };
    let (now, before) = (all(&NOW).await, all(&BEFORE).await);
    let compared = all(&[NOW[0], NOW[1], ("compare", "previous")]).await;
    let mut gone = 0;
    for item in &compared {
        let find = |items: &[Value]| items.iter().find(|other| group(other, keys) == group(item, keys)).cloned();
        let mut own: Map<String, Value> = item.as_object().expect("an object").clone();
        let previous = own.remove("previous").expect("there is `previous`");
        match find(&now) {
            Some(alone) => assert_eq!(plain(&Value::Object(own)), plain(&alone), "{path}"),
            None => {
                gone += 1;
                own.retain(|name, _| !keys.contains(&name.as_str()) && !names.contains(&name.as_str()));
                assert!(own.len() > 5 && own.values().all(Value::is_null), "{path}: {own:?}");
            }
        }
        match find(&before) {
            None => assert!(previous.is_null(), "{path}: {previous}"),
            Some(alone) => {
                assert!(previous["messages_sent"].is_number(), "{path}: {previous}");
                for (name, figure) in previous.as_object().expect("an object") {
                    if let Some(expected) = alone.get(name) {
                        assert_eq!(plain(figure), plain(expected), "{path}: {name}");
                    }
                }
                for name in alone.as_object().expect("an object").keys() {
                    let known = keys.contains(&name.as_str()) || names.contains(&name.as_str());
                    assert!(known || previous.get(name).is_some(), "{path}: {name} is missing before");
                }
            }
        }
    }
    let only_before = before.iter().filter(|other| !now.iter().any(|item| group(item, keys) == group(other, keys)));
    assert_eq!((gone, compared.len()), (only_before.count(), now.len() + gone), "{path}");
    gone
}

/// Iva has figures in the first week alone, Jovan in the second.
async fn service() -> Service {
    let service = Service::start().await;
    fixture::fill(&service).await;
    service
        .run(
            "delete from views.chatter_day where chatter = 'Iva' and day >= '2026-10-28' or chatter = 'Jovan' and day < '2026-10-28'",
        )
        .await;
    service.commit(1001, &["chatter_day"]).await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn ranks_beside_those_of_the_range_before() {
    let service = service().await;
    for asked in [vec![], vec![("by", "reply_seconds_mean")], vec![("creator", "Leya"), ("sort", "-rank")]] {
        assert_eq!(beside(&service, "/chatters/ranking", &asked, &["chatter_id"], &["chatter"]).await, 1, "{asked:?}");
    }
    for wrong in ["compare=previous", "compare=previous&from=2026-10-21", "compare=last"] {
        assert_eq!(service.get(&format!("/chatters/ranking?{wrong}")).await.status, 422, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_of_a_range_beside_those_of_the_range_before() {
    let service = service().await;
    for asked in [vec![], vec![("sort", "-sales_net_cents")], vec![("sort", "chatter"), ("creator", "Leya")]] {
        let asked = [asked, vec![("window", "range")]].concat();
        let keys = ["creator_id", "chatter_id"];
        assert!(beside(&service, "/chatters/performance", &asked, &keys, &["creator", "chatter"]).await > 0);
    }
    let stored = service
        .select(
            "select jsonb_agg(item order by (item->>'sales_net_cents')::bigint desc, creator_id, chatter_id) from (
                 select creator_id, chatter_id, jsonb_build_object('creator_id', creator_id::text, 'creator', max(creator),
                     'chatter_id', chatter_id::text, 'chatter', max(chatter), 'messages_sent', sum(messages_sent),
                     'unlock_rate', sum(ppvs_unlocked) / nullif(sum(ppvs_sent), 0)::float8, 'sales_net_cents', sum(sales_net_cents),
                     'clocked_minutes', sum(clocked_minutes), 'fans_chatted', null,
                     'sales_per_hour_cents', sum(sales_net_cents) * 60 / nullif(sum(clocked_minutes), 0)::float8) as item
                 from views.chatter_day where day between '2026-10-28' and '2026-11-03' group by 1, 2) g",
        )
        .await;
    let fields = "creator_id,creator,chatter_id,chatter,messages_sent,unlock_rate,sales_net_cents,clocked_minutes,fans_chatted,sales_per_hour_cents";
    let asked = [NOW[0], NOW[1], ("window", "range"), ("sort", "-sales_net_cents"), ("fields", fields)];
    assert_same(&service.walk("/chatters/performance", &asked, 3).await, &stored);
    let all = service.walk("/chatters/performance", &[("window", "range")], 1000).await;
    assert!(!all.is_empty() && all.iter().all(|item| item.get("day").is_none() && item.get("previous").is_none()));
    assert_eq!(service.get("/chatters/performance?window=range&compare=previous").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_beside_those_before() {
    let service = service().await;
    for (window, now, before) in [
        ("day", ["2026-10-28", "2026-11-03"], ["2026-10-21", "2026-10-27"]),
        ("week", ["2026-W44", "2026-W45"], ["2026-W42", "2026-W43"]),
        ("month", ["2026-10", "2026-11"], ["2026-08", "2026-09"]),
        ("hour", ["2026-10-25T00:00:00Z", "2026-10-25T23:00:00Z"], ["2026-10-24T00:00:00Z", "2026-10-24T23:00:00Z"]),
    ] {
        let ask = |[from, to]: [&'static str; 2], more: Vec<(&'static str, &'static str)>| {
            let asked = [vec![("window", window), ("from", from), ("to", to), ("zone", "UTC")], more].concat();
            let service = &service;
            async move { service.walk("/chatters/series", &asked, 5).await }
        };
        let compared = ask(now, vec![("compare", "previous")]).await;
        let (alone, before) = (ask(now, vec![]).await, ask(before, vec![]).await);
        assert_eq!((compared.len(), before.len()), (alone.len(), alone.len()), "{window}");
        for ((item, alone), before) in compared.into_iter().zip(alone).zip(before) {
            let mut own = item.as_object().expect("an object").clone();
            let (mut previous, mut before) = (own.remove("previous").expect("a point"), before);
            assert_eq!(Value::Object(own), alone, "{window}");
            if window == "hour" {
                let instant = |point: &mut Value| {
                    let text = point.as_object_mut().expect("an object").remove("hour").expect("an hour");
                    text.as_str().expect("text").parse::<jiff::Timestamp>().expect("an instant")
                };
                assert_eq!(instant(&mut previous), instant(&mut before));
            }
            assert_eq!(plain(&previous), plain(&before), "{window}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_beside_those_before() {
    let service = service().await;
    service.run("delete from views.creator_day where day in ('2026-10-24', '2026-10-30')").await;
    service.commit(1002, &["creator_day"]).await;
    let ask = |asked: Vec<(&'static str, &'static str)>| {
        let service = &service;
        async move { service.walk("/creators/Leya/daily", &asked, 2).await }
    };
    let (now, before) = (ask(NOW.to_vec()).await, ask(BEFORE.to_vec()).await);
    let compared = ask(vec![NOW[0], NOW[1], ("compare", "previous")]).await;
    let day = |item: &Value| item["day"].as_str().expect("a day").parse::<jiff::civil::Date>().expect("a date");
    assert_eq!(compared.len(), 7, "a day that the range before alone has is there too");
    for item in &compared {
        let of = |items: &[Value], date| items.iter().find(|other| day(other) == date).cloned();
        match of(&now, day(item)) {
            Some(alone) => assert_eq!((&item["messages"], &item["sales"]), (&alone["messages"], &alone["sales"])),
            None => assert!(item["messages"].is_null() && item["sales"].is_null() && item["creator"].is_string()),
        }
        match of(&before, day(item).checked_sub(jiff::Span::new().days(7)).expect("in range")) {
            None => assert!(item["previous"].is_null(), "{item}"),
            Some(alone) => {
                for name in ["day", "messages", "active_fans", "reported"] {
                    assert_eq!(item["previous"][name], alone[name], "{name}");
                }
            }
        }
    }
    assert_eq!(compared.iter().filter(|item| item["messages"].is_null()).count(), 1);

    let overview = service.get("/overview?day=2026-10-29&compare=previous&creator=Tania").await.json();
    let before = service.get("/overview?day=2026-10-28&creator=Tania").await.json();
    assert_eq!((&overview["previous"]["totals"], &overview["previous"]["day"]), (&before["totals"], &before["day"]));
    assert!(overview["totals"].is_object() && before.get("previous").is_none());
}
