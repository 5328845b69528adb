//! The whole way, from workbooks in a folder to tables in Postgres, against the truth of invented agencies: at each of
//! four stages in which files come, go and are replaced.

use std::time::Duration;

use fandom_tests::agency::Agency;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite};

const PATIENCE: Duration = Duration::from_secs(60);

/// What happens to the parts between two stages.
#[derive(Clone, Copy, PartialEq)]
enum Between {
    /// They run on.
    Nothing,
    /// They are killed and started again.
    Restart,
}

async fn stages(agency: &Agency, workers: usize, between: Between) {
    let workers = workers.to_string();
    let mut settings = agency.settings();
    settings.push(("FANDOM_WORKERS", &workers));
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    suite.run(Part::Dataflow);
    suite.run(Part::Connect);
    for stage in ["a", "b", "c", "d"] {
        agency.place(&suite.inbox, &agency.files(stage));
        let what = format!("{}, stage {stage}, {workers} workers", agency.name);
        suite
            .eventually(&what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, stage).await })
            .await;
        if between == Between::Restart {
            for part in [Part::Connect, Part::Dataflow] {
                suite.kill(part);
                suite.run(part);
            }
        }
    }
    // Back to all files: what the later version had replaced counts again.
    agency.place(&suite.inbox, &agency.files("b"));
    let what = format!("{}, back at stage b, {workers} workers", agency.name);
    suite
        .eventually(&what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, "b").await })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_in_one_life_of_the_process() {
    stages(&Agency::checked_in("northlight"), 1, Between::Nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_with_two_workers_and_restarts() {
    stages(&Agency::checked_in("northlight"), 2, Between::Restart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_of_another_zone_with_two_workers() {
    stages(&Agency::checked_in("southlight"), 2, Between::Nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_of_another_zone_with_restarts() {
    stages(&Agency::checked_in("southlight"), 1, Between::Restart).await;
}

/// Further seeds, where their generator is there; the run says which.
#[tokio::test(flavor = "multi_thread")]
async fn agencies_of_other_seeds() {
    for (seed, options, workers) in [
        (11, &["--tz", "America/New_York"][..], 1),
        (12, &["--tz", "Asia/Kolkata", "--creators", "5", "--chatters", "12"][..], 2),
        (13, &["--days", "30", "--start", "2026-03-10", "--messages", "5000"][..], 2),
    ] {
        match Agency::generated(seed, options) {
            Ok(agency) => {
                eprintln!("agency of seed {seed} {options:?}, {workers} workers");
                stages(&agency, workers, if seed == 12 { Between::Restart } else { Between::Nothing }).await;
            }
            Err(reason) => eprintln!("no agency of seed {seed}: {reason}"),
        }
    }
}
