//! No list reads or sorts a whole table, in whatever order it is asked for, wherever a page begins; and statements are kept prepared, not
//! without end.

use crate::cluster::Cluster;
use crate::fixture;
use crate::people;
use crate::service::Service;

const FANS: i64 = 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_many_fans_reads_few() {
    let service = Service::start().await;
    service
        .run(&format!(
            "insert into views.fan_measures
             select n % 40, n, 'C' || n % 40 || ' (OF)', 'OF', 'u' || n, null, n * 7919 % 997, n % 5, n % 3, n % 4, 0, 0, 0, n % 9,
                    (n::bigint * 104729) % 1000003, 'spender', timestamptz '2026-01-01Z' + n * interval '1 minute',
                    timestamptz '2026-01-01Z' + (n::bigint * 15485863 % 500000) * interval '1 minute',
                    case when n % 4 > 0 then timestamptz '2026-01-01Z' + (n::bigint * 32452843 % 500000) * interval '1 minute' end,
                    case when n % 4 > 0 then date '2026-01-01' + (n::bigint * 32452843 % 500000 / 1440)::integer end,
                    case when n % 4 > 0 then 1 + n % 5 end, case when n % 4 > 0 then 1 + n % 7 % 5 end,
                    case when n % 4 > 0 then 1 + n % 11 % 5 end, 'Others', 'Cluster ' || n % 8
             from generate_series(1, {FANS}) n;
             insert into views.sales_day
             select n % 40, n % 20, date '2026-01-01' + n % 700, 'T' || n / 1400, 'C' || n % 40, 'H' || n % 20, n * 31 % 9973,
                    n * 29 % 9973, n % 101, n % 7 * 100, n % 7
             from generate_series(1, {FANS}) n on conflict do nothing;
             insert into views.as_of values (1, '2026-12-31');
             analyze views.fan_measures; analyze views.sales_day"
        ))
        .await;
    service.commit(1, &["fans"]).await;
    for (table, path, sorts) in [
        ("fan_measures", "/fans", vec!["spend", "last_seen", "last_purchase", "messages", "r_days", "r", "f", "m"]),
        (
            "sales_day",
            "/sales",
            vec!["day", "creator", "chatter", "type", "net_cents", "gross_cents", "count", "reversed_net_cents"],
        ),
    ] {
        let before = service.reads(table).await;
        let asked_service = Service::over(service.postgres.clone(), &[]).await;
        let mut pages = 0;
        for sort in &sorts {
            for direction in ["", "-"] {
                let sort = format!("{direction}{sort}");
                let mut cursor = None::<String>;
                for _ in 0..3 {
                    let mut asked = vec![("sort", sort.as_str()), ("limit", "20")];
                    asked.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
                    let answer = asked_service.list(path, &asked).await;
                    assert_eq!(answer.items().len(), 20, "{path} by {sort}");
                    cursor = answer.json()["next_cursor"].as_str().map(str::to_owned);
                    pages += 1;
                }
            }
        }
        asked_service.stop().await.expect("a clean stop");
        let after = service.reads(table).await;
        assert_eq!(after.whole - before.whole, 0, "{table} was read as a whole");
        let rows = (after.rows - before.rows) / pages;
        assert!(rows < 400, "a page of 20 reads {rows} rows of {table}");
    }

    // Who sees the fans of one creator alone reads no more than those, and in the usual order no more than a page.
    let email = people::account(&service, "creator", &[7], &[]).await;
    for (sorts, most) in [(vec!["-spend"], 60), (vec!["-last_seen", "r_days", "-m", "messages", "f"], FANS / 40 + 100)]
    {
        let before = service.reads("fan_measures").await;
        let asked_service = Service::over(service.postgres.clone(), &[]).await;
        let own = people::bearer(&asked_service, &email).await;
        for sort in &sorts {
            let answer = people::get(&asked_service, &format!("/fans?sort={sort}&limit=20"), &own).await;
            assert!(answer.items().len() == 20 && answer.items().iter().all(|fan| fan["creator_id"] == "7"), "{sort}");
        }
        asked_service.stop().await.expect("a clean stop");
        let after = service.reads("fan_measures").await;
        assert_eq!(after.whole - before.whole, 0, "all fans were read for the creator of some: {sorts:?}");
        let rows = (after.rows - before.rows) / i64::try_from(sorts.len()).expect("few");
        assert!(rows < most, "a page of 20 own fans reads {rows} rows: {sorts:?}");
    }
}

/// Each limit is a statement of its own.
#[tokio::test(flavor = "multi_thread")]
async fn more_questions_than_a_connection_keeps_prepared_are_answered() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_POOL", "1")]).await;
    fixture::fill(&service).await;
    for epoch in [1001, 1002] {
        for limit in 1..=150 {
            let items = service.get(&format!("/fans?limit={limit}")).await.items();
            assert_eq!(items.len(), limit.min(120), "limit {limit} at {epoch}");
        }
        // What was made for the epoch before is not answered again.
        service.run("update views.fan_measures set spend_cents = spend_cents + 1").await;
        service.commit(epoch, &["fans"]).await;
    }
}
