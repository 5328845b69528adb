//! A file on which the reader breaks, so that its process aborts or takes all the memory that it may: it is refused with that reason,
//! once, and nothing else suffers.

use std::fmt::Write;
use std::time::Duration;

use fandom_tests::suite::{Part, Suite};

const PATIENCE: Duration = Duration::from_secs(120);

fn put(suite: &Suite, name: &str, rows: usize) {
    let mut text = "Chatter Name,Date,Messages Sent\n".to_owned();
    for row in 0..rows {
        writeln!(text, "Mila {row},10/28/2026,5").expect("a string takes all");
    }
    let fresh = suite.inbox.with_file_name("fresh.csv");
    std::fs::write(&fresh, text).expect("it can be written");
    std::fs::rename(fresh, suite.inbox.join(name)).expect("it can be moved");
}

/// Waits until each file is in its state, with so many rows, after so many attempts, for a reason with these words.
async fn until(suite: &Suite, wanted: &[(&str, &str, i64, i32, &str)]) {
    suite
        .eventually("every file is dealt with", PATIENCE, |client| async move {
            let mut complaints = Vec::new();
            for (name, state, rows, attempts, reason) in wanted {
                let sql = "select state, coalesce(live_rows, 0), attempts, coalesce(error, '') from app.uploads where name = $1";
                let found = client.query_opt(sql, &[name]).await?;
                let found: Option<(String, i64, i32, String)> =
                    found.map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)));
                let right = found.as_ref().is_some_and(|(is, has, tries, error)| {
                    (is.as_str(), has, tries) == (*state, rows, attempts) && error.contains(reason)
                });
                if !right {
                    complaints.push(format!("{name}: {found:?}"));
                }
            }
            Ok(complaints)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_aborts_takes_nothing_else_with_it() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "100")]).await.expect("the servers start");
    // The process that reads a file aborts at its hundredth row, as it would where its stack or its memory ends.
    suite.run_with(Part::Connect, &[("FANDOM_FAILPOINTS", "reader.row=100")]);
    put(&suite, "before.csv", 5);
    put(&suite, "hostile.csv", 300);
    put(&suite, "beside.csv", 99);
    let broken = "the reader broke on this file (signal 6)";
    until(
        &suite,
        &[("before.csv", "live", 5, 1, ""), ("hostile.csv", "failed", 0, 1, broken), ("beside.csv", "live", 99, 1, "")],
    )
    .await;
    put(&suite, "after.csv", 7);
    until(&suite, &[("after.csv", "live", 7, 1, "")]).await;
    assert_eq!(suite.ended(Part::Connect), None, "{}", suite.logs());

    // It is known at the next start, and read when it is another one.
    suite.kill(Part::Connect);
    suite.run(Part::Connect);
    put(&suite, "last.csv", 1);
    until(&suite, &[("last.csv", "live", 1, 1, ""), ("hostile.csv", "failed", 0, 1, broken)]).await;
    put(&suite, "hostile.csv", 301);
    until(&suite, &[("hostile.csv", "live", 301, 2, "")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_more_memory_than_it_may_takes_nothing_else_with_it() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "100")]).await.expect("the servers start");
    // At its hundredth row the process that reads a file takes memory until it is refused any.
    suite.run_with(Part::Connect, &[("FANDOM_FAILPOINTS", "reader.row=100:hoard")]);
    put(&suite, "hostile.csv", 300);
    put(&suite, "beside.csv", 99);
    let refused = "the reader took more memory for this file than its limits add up to";
    until(&suite, &[("hostile.csv", "failed", 0, 1, refused), ("beside.csv", "live", 99, 1, "")]).await;
    put(&suite, "after.csv", 7);
    until(&suite, &[("after.csv", "live", 7, 1, "")]).await;
    assert_eq!(suite.ended(Part::Connect), None, "{}", suite.logs());
}
