//! A dataflow of two processes: the same figures as of one, and a lost process ends the other with a clear cause. Of two dataflows on
//! one database, the older one ends.

use std::time::{Duration, Instant};

use fandom_tests::agency::Agency;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite, free_addresses};

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_are_one_dataflow() {
    let agency = &Agency::checked_in("northlight");
    let hosts = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(hosts.path(), free_addresses(2).join("\n")).expect("the file can be written");
    let mut settings = agency.settings();
    settings.extend([("FANDOM_WORKERS", "1"), ("FANDOM_PROCESSES", "2")]);
    settings.push(("FANDOM_HOSTS", hosts.path().to_str().expect("UTF-8")));
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    suite.run(Part::Connect);
    for (place, stage) in ["a", "b", "c", "d"].into_iter().enumerate() {
        if place % 2 == 0 {
            for part in [Part::Dataflow, Part::Peer] {
                suite.kill(part);
            }
            suite.run(Part::Peer);
            suite.run(Part::Dataflow);
        }
        agency.place(&suite.inbox, &agency.files(stage));
        let what = format!("stage {stage}, two processes");
        suite
            .eventually(&what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, stage).await })
            .await;
    }

    suite.kill(Part::Peer);
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = suite.ended(Part::Dataflow) {
            break status;
        }
        assert!(begun.elapsed() < PATIENCE, "the first process goes on alone\n{}", suite.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(!status.success());
    let log = std::fs::read_to_string(suite.log(Part::Dataflow)).expect("a log");
    assert!(log.contains("another process of the cluster is gone"), "{log}");

    suite.kill(Part::Dataflow);
    suite.run(Part::Dataflow);
    suite.run(Part::Peer);
    agency.place(&suite.inbox, &agency.files("b"));
    suite
        .eventually("back at stage b", PATIENCE, |client| async move {
            differences_at(&client, &agency.expected, "b").await
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_jobs_on_one_database_only_the_newer_writes() {
    let agency = &Agency::checked_in("northlight");
    let mut suite = Suite::start(&agency.settings()).await.expect("the servers start");
    suite.run(Part::Connect);
    suite.run(Part::Dataflow);
    for stage in ["a", "b", "c"] {
        agency.place(&suite.inbox, &agency.files(stage));
        let what = format!("stage {stage}");
        suite
            .eventually(&what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, stage).await })
            .await;
        if stage == "a" {
            // Beside the first, as someone does who forgot that it runs.
            suite.run(Part::Dataflow);
        }
    }
    let begun = Instant::now();
    let status = loop {
        match suite.ended(Part::Dataflow) {
            Some(status) => break status,
            None => assert!(begun.elapsed() < PATIENCE, "the older one goes on\n{}", suite.logs()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(!status.success());
    let log = std::fs::read_to_string(suite.log(Part::Dataflow)).expect("a log");
    assert_eq!(log.matches("another dataflow has taken over these views").count(), 1, "{log}");
}
