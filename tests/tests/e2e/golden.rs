//! The whole way, from workbooks in a folder to tables in Postgres, against the truth of invented agencies: at each of
//! four stages in which files come, go and are replaced.

use std::time::Duration;

use fandom_tests::agency::Agency;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite, free_addresses};

const PATIENCE: Duration = Duration::from_secs(120);

/// What happens to connectors and dataflow half-way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum HalfWay {
    /// They run on.
    Nothing,
    /// They are stopped when a stage is done, and started again.
    Stopped,
    /// They are killed while files are taken in, and started again.
    Killed,
}

const WAYS: [HalfWay; 3] = [HalfWay::Nothing, HalfWay::Stopped, HalfWay::Killed];

/// Who runs the dataflow.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Workers(usize),
    TwoProcesses,
}

async fn stages(agency: &Agency, by: By, way: HalfWay) {
    let hosts = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(hosts.path(), free_addresses(2).join("\n")).expect("the file can be written");
    let workers = match by {
        By::Workers(workers) => workers.to_string(),
        By::TwoProcesses => "1".to_owned(),
    };
    let mut settings = agency.settings();
    settings.push(("FANDOM_WORKERS", &workers));
    let mut parts = vec![Part::Connect, Part::Dataflow];
    if by == By::TwoProcesses {
        settings.extend([("FANDOM_PROCESSES", "2"), ("FANDOM_HOSTS", hosts.path().to_str().expect("UTF-8"))]);
        parts.push(Part::Peer);
    }
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    parts.iter().for_each(|part| suite.run(*part));
    // In the end back to all files: what the later version had replaced counts again.
    for stage in ["a", "b", "c", "d", "b"] {
        agency.place(&suite.inbox, &agency.files(stage));
        if way == HalfWay::Killed {
            tokio::time::sleep(Duration::from_millis(250)).await;
            parts.iter().for_each(|part| suite.kill(*part));
            parts.iter().for_each(|part| suite.run(*part));
        }
        let what = format!("{}, stage {stage}, {by:?}, {way:?}", agency.name);
        suite
            .eventually(&what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, stage).await })
            .await;
        if way == HalfWay::Stopped {
            for part in &parts {
                suite.stop(*part).await;
            }
            parts.iter().for_each(|part| suite.run(*part));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_in_one_life_of_the_process() {
    stages(&Agency::checked_in("northlight"), By::Workers(1), HalfWay::Nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_with_two_workers_that_are_stopped() {
    stages(&Agency::checked_in("northlight"), By::Workers(2), HalfWay::Stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_with_two_processes_that_are_killed() {
    stages(&Agency::checked_in("northlight"), By::TwoProcesses, HalfWay::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_of_another_zone_with_two_workers() {
    stages(&Agency::checked_in("southlight"), By::Workers(2), HalfWay::Nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_of_another_zone_that_is_killed() {
    stages(&Agency::checked_in("southlight"), By::Workers(1), HalfWay::Killed).await;
}

/// The agencies of further seeds, where their generator is there; the run says which.
fn generated() -> Vec<Agency> {
    let mut agencies = Vec::new();
    for (seed, options) in [
        (11, &["--tz", "America/New_York"][..]),
        (12, &["--tz", "Asia/Kolkata", "--creators", "5", "--chatters", "12"][..]),
        (13, &["--days", "30", "--start", "2026-03-10", "--messages", "5000"][..]),
    ] {
        match Agency::generated(seed, options) {
            Ok(agency) => {
                eprintln!("agency of seed {seed} {options:?}");
                agencies.push(agency);
            }
            Err(reason) => eprintln!("no agency of seed {seed}: {reason}"),
        }
    }
    agencies
}

#[tokio::test(flavor = "multi_thread")]
async fn agencies_of_other_seeds() {
    let by = [By::Workers(1), By::Workers(2), By::TwoProcesses];
    for ((agency, by), way) in generated().iter().zip(by).zip(WAYS) {
        stages(agency, by, way).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `make soak`"]
async fn every_agency_every_way() {
    let checked_in = ["northlight", "southlight"].map(Agency::checked_in);
    for agency in checked_in.iter().chain(&generated()) {
        for by in [By::Workers(1), By::Workers(2), By::TwoProcesses] {
            for way in WAYS {
                stages(agency, by, way).await;
                eprintln!("{}, {by:?}, {way:?}: right at every stage", agency.name);
            }
        }
    }
}
