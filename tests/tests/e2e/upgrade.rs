//! Views of another definition, tables that do not fit, and a state that a newer program wrote.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fandom_tests::agency::Agency;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite};
use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::Json;

const PATIENCE: Duration = Duration::from_secs(120);

async fn settled(suite: &Suite, agency: &Agency, what: &str) {
    suite
        .eventually(what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, "b").await })
        .await;
}

/// The epoch in which each view changed last.
async fn epochs(client: &Client) -> BTreeMap<String, i64> {
    let row = client.query_one("select views from views.progress", &[]).await.expect("the progress can be read");
    let Json(views): Json<BTreeMap<String, Value>> = row.get(0);
    views.into_iter().map(|(view, stored)| (view, stored["epoch"].as_i64().expect("an epoch"))).collect()
}

/// The same once no view has changed for a while: clusters follow at the next ticks, part by part.
async fn at_rest(client: &Client) -> BTreeMap<String, i64> {
    let (begun, mut since) = (Instant::now(), Instant::now());
    let mut last = epochs(client).await;
    while since.elapsed() < Duration::from_secs(5) {
        assert!(begun.elapsed() < PATIENCE, "views still change");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = epochs(client).await;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

/// What the dataflow says when it refuses to run.
async fn refusal(suite: &mut Suite) -> String {
    let _ = std::fs::remove_file(suite.log(Part::Dataflow));
    suite.run(Part::Dataflow);
    let begun = Instant::now();
    while suite.ended(Part::Dataflow).is_none() {
        assert!(begun.elapsed() < PATIENCE, "the dataflow runs\n{}", suite.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!suite.ended(Part::Dataflow).is_some_and(|status| status.success()));
    suite.kill(Part::Dataflow);
    std::fs::read_to_string(suite.log(Part::Dataflow)).expect("a log")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_another_definition_heals_and_what_does_not_fit_is_refused() {
    let agency = &Agency::checked_in("northlight");
    let mut suite = Suite::start(&agency.settings()).await.expect("the servers start");
    suite.run(Part::Dataflow);
    suite.run(Part::Connect);
    agency.place(&suite.inbox, &agency.files("b"));
    settled(&suite, agency, "at first").await;
    let client = suite.client().await.expect("the database answers");
    let before = at_rest(&client).await;
    suite.kill(Part::Dataflow);

    // So another program would have left its table: other figures, a row too many, a row too few, and its own checksum.
    client
        .batch_execute(
            "update views.sales_day set net_cents = net_cents + 7 where type = 'Tips';
             insert into views.sales_day (creator_id, chatter_id, day, type, gross_cents, net_cents, count, reversed_net_cents,
                reversed_count) values (1, 2, '2020-01-01', 'Gone', 1, 1, 1, 0, 0);
             delete from views.sales_day where (creator_id, chatter_id, day, type) in
                (select creator_id, chatter_id, day, type from views.sales_day where type <> 'Tips' limit 1);
             update views.progress set views = jsonb_set(views, '{sales_day,checksum}', '1')",
        )
        .await
        .expect("the table can be changed");
    suite.run(Part::Dataflow);
    settled(&suite, agency, "after another definition").await;
    let after = epochs(&client).await;
    let touched: Vec<&String> = before.iter().filter(|(view, at)| after[*view] != **at).map(|(view, _)| view).collect();
    assert_eq!(touched, ["sales_day"], "only the table that differed is written");
    suite.kill(Part::Dataflow);

    client.batch_execute("alter table views.sales_day alter count type text").await.expect("it can be altered");
    let said = refusal(&mut suite).await;
    assert!(said.contains("views.sales_day.count is text, but must be int8"), "{said}");
    let back = "alter table views.sales_day alter count type bigint using count::bigint";
    client.batch_execute(back).await.expect("it can be altered back");

    let generation = "update views.progress set version = version + 1 returning generation";
    let generation: i64 = client.query_one(generation, &[]).await.expect("one row").get(0);
    let said = refusal(&mut suite).await;
    assert!(said.contains("written by a newer program"), "{said}");
    let now: i64 = client.query_one("select generation from views.progress", &[]).await.expect("one row").get(0);
    assert_eq!(now, generation, "a program that is refused does not end the newer one");
    client.batch_execute("update views.progress set version = version - 1").await.expect("it can be set back");

    suite.run(Part::Dataflow);
    settled(&suite, agency, "in the end").await;
}
