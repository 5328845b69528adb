//! A database that takes nothing for a while: the dataflow holds no more meanwhile than the bounds of what is on the way let it
//! (without them it grows by about 240 MiB here), and nothing is lost.

use std::time::Duration;

use fandom_tests::agency::Agency;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite};

const PATIENCE: Duration = Duration::from_secs(120);
/// How long the database stands still; `FANDOM_STALL_SECONDS` makes it longer.
fn stall() -> Duration {
    let seconds = std::env::var("FANDOM_STALL_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}
/// What a job of few rows may grow by meanwhile, in bytes: what is on the way, and the buffers of clients.
const GROWTH: u64 = 160 << 20;
/// Rows that come meanwhile, in one file after the other.
const FILES: usize = 120;
const ROWS_OF_FILE: usize = 5_000;

fn dashboard(file: usize) -> String {
    let head = "Sender,Creator,Creator Message,Sent time,Sent date,Price,Purchased,Source,Sent to\n";
    let row = |row: usize| {
        let (hour, minute, second) = (row / 3600 % 24, row / 60 % 60, row % 60);
        format!(
            "Mila,Tania (OF),{file} {row},{hour:02}:{minute:02}:{second:02},2026-10-21,$5.00,no,Chat,Fan (u{row})\n"
        )
    };
    (0..ROWS_OF_FILE).map(row).fold(head.to_owned(), |text, row| text + &row)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stands_still_stops_the_reading() {
    let agency = &Agency::checked_in("northlight");
    let mut settings = agency.settings();
    settings.extend([("FANDOM_MAX_ROWS_IN_FLIGHT", "20000"), ("FANDOM_MAX_BYTES_IN_FLIGHT", "8000000")]);
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    suite.run(Part::Dataflow);
    suite.run(Part::Connect);
    agency.place(&suite.inbox, &agency.files("b"));
    suite
        .eventually("at first", PATIENCE, |client| async move { differences_at(&client, &agency.expected, "b").await })
        .await;
    let before = suite.most_memory(Part::Dataflow).expect("it runs");

    let mut client = suite.client().await.expect("the database answers");
    let lock = client.transaction().await.expect("a transaction");
    lock.batch_execute("lock table views.progress in access exclusive mode").await.expect("the lock");
    for file in 0..FILES {
        std::fs::write(suite.inbox.join(format!("more {file}.csv")), dashboard(file)).expect("the file can be written");
    }
    tokio::time::sleep(stall()).await;
    let grown = suite.most_memory(Part::Dataflow).expect("it still runs").saturating_sub(before);
    assert!(grown < GROWTH, "{} MiB more while nothing could be written\n{}", grown >> 20, suite.logs());
    drop(lock);

    suite
        .eventually("after the stall", PATIENCE, |client| async move {
            let count =
                "select coalesce(sum(messages_sent), 0)::bigint from views.chatter_all where creator = 'Tania (OF)'
                 and chatter = 'Mila'";
            let new: i64 = client.query_one(count, &[]).await?.get(0);
            let wanted = (FILES * ROWS_OF_FILE) as i64;
            Ok(if new < wanted { vec![format!("{new} of {wanted} messages")] } else { Vec::new() })
        })
        .await;
    for file in 0..FILES {
        std::fs::remove_file(suite.inbox.join(format!("more {file}.csv"))).expect("the file can be removed");
    }
    suite
        .eventually(
            "in the end",
            PATIENCE,
            |client| async move { differences_at(&client, &agency.expected, "b").await },
        )
        .await;
}
