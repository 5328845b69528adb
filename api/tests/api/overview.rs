//! `/overview`: which day is shown, and its totals.

use serde_json::json;

use crate::fixture;
use crate::service::{Service, plain};

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_sums_then_ratios() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    for (creator, condition) in [("", "true"), ("&creator=Mia%20(Fanvue)", "creator = 'Mia (Fanvue)'")] {
        let totals = service
            .select(&format!(
                "select to_jsonb(m) || to_jsonb(s) || to_jsonb(w) from
                    (select sum(messages_sent) as messages_sent, sum(ppvs_sent) as ppvs_sent, sum(ppvs_unlocked) as ppvs_unlocked,
                            sum(ppv_sales_cents) as ppv_sales_cents, sum(characters) as characters, sum(replies) as replies,
                            sum(mass_messages) as mass_messages, sum(reply_seconds_sum)::float8 / sum(replies) as reply_seconds_mean,
                            sum(ppvs_sent)::float8 / sum(messages_sent) as golden_ratio,
                            sum(ppvs_unlocked)::float8 / sum(ppvs_sent) as unlock_rate,
                            count(distinct chatter) filter (where messages_sent > 0) as active_chatters
                     from views.chatter_day where day = '2026-10-29' and {condition}) m,
                    (select coalesce(sum(gross_cents), 0) as sales_gross_cents, coalesce(sum(net_cents), 0) as sales_net_cents,
                            coalesce(sum(count), 0) as sales_count, coalesce(sum(reversed_net_cents), 0) as reversed_net_cents,
                            coalesce(sum(reversed_count), 0) as reversed_count
                     from views.sales_day where day = '2026-10-29' and {condition}) s,
                    (select sum(clocked_minutes) as clocked_minutes
                     from views.hours_day where day = '2026-10-29' and {condition}) w"
            ))
            .await;
        let answer = service.get(&format!("/overview?day=2026-10-29{creator}")).await.json();
        assert_eq!(plain(&answer["totals"]), plain(&totals));
        assert_eq!((&answer["previous_day"], &answer["next_day"]), (&json!("2026-10-28"), &json!("2026-10-30")));
        assert_eq!(answer["reporting_tz"], "Europe/Belgrade");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn today_or_else_the_latest_day_with_figures() {
    let service = Service::start().await;
    let answer = service.get("/overview").await.json();
    assert_eq!((answer["day"].is_null(), answer["totals"].is_null()), (true, true));

    let today = service.select("select to_jsonb((now() at time zone 'Europe/Belgrade')::date)").await;
    assert_eq!(answer["today"], today);
    for (epoch, day, shown) in [(1, "+ 3", 3), (2, "- 400", -400), (3, "- 2", -2), (4, "+ 0", 0)] {
        service
            .run(&format!(
                "insert into views.sales_day values
                     (1, 1, (now() at time zone 'Europe/Belgrade')::date {day}, 'Tips', 'A (OF)', 'B', 10, 8, 1, 0, 0)"
            ))
            .await;
        service.commit(epoch, &["sales_day"]).await;
        let expected =
            service.select(&format!("select to_jsonb((now() at time zone 'Europe/Belgrade')::date + ({shown}))")).await;
        assert_eq!(service.get("/overview").await.json()["day"], expected, "with figures at today {day}");
    }
    let answer = service.get("/overview").await.json();
    assert_eq!(answer["totals"]["sales_net_cents"], 8);
    assert!(answer["previous_day"].is_string() && answer["next_day"].is_string());
}
